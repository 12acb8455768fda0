"""What must be known to talk to WeCom as one corp."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PLATFORM = "https://qyapi.weixin.qq.com"
SOCKETS = "wss://openws.work.weixin.qq.com"


@dataclass(frozen=True)
class App:
    """One self-built app; its secret and number are its own."""

    name: str
    agent_id: int
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Aibot:
    """One 智能机器人. ``display_name`` is what people write behind the @; ``plain_ids`` says that it knows them by userid.

    A bot answers over callbacks, or with ``bot_id`` and ``secret`` over a long connection.
    """

    name: str
    mode: str  # webhook | websocket
    display_name: str = ""
    plain_ids: bool = False
    bot_id: str = ""
    secret: str = field(default="", repr=False)

    @property
    def door(self) -> str:
        return f"aibot/{self.name}"


@dataclass(frozen=True, kw_only=True)
class WeComSettings:
    """Secrets may be missing: what needs them is then refused with the key to fill in.

    ``archive_feed`` is the address of a feed of decrypted records. ``archive_library`` is the path of the platform's own
    library for sealed ones, ``archive_key_file`` the path of the keys that open them (``{version}`` in it is the number).
    """

    corp_id: str
    api_base: str = PLATFORM
    apps: tuple[App, ...] = ()
    contact_secret: str = field(default="", repr=False)
    kf_secret: str = field(default="", repr=False)
    archive_secret: str = field(default="", repr=False)
    archive_feed: str = field(default="", repr=False)
    accounts: int = 0  # how many the corp may have; 0: not known
    archive_library: str = ""
    archive_key_file: str = ""
    webhooks: Mapping[str, str] = field(default_factory=dict, repr=False)  # name → key
    aibots: tuple[Aibot, ...] = ()
    socket_base: str = SOCKETS
