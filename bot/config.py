"""The configuration: one frozen tree, read from one TOML file and the environment.

Any key can also be given as ``QUNXING_SECTION__KEY``; an entry of a list is named by its place or its name
(``QUNXING_WECOM__APP__MAIN__SECRET``). A secret can stand in a file of its own, named by ``<key>_file``.
``config.example.toml`` explains every key.
"""

from __future__ import annotations

import os
import re
import string
import tomllib
from collections.abc import Iterator, Mapping
from datetime import time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)

from bot.chance import Chance
from bot.key import PREFIX, Form, Mistake, Tree, decimal, listed, sentences, text, whole
from sop.errors import Misconfigured

LARGEST_FILE = 1024 * 1024


# ---------------------------------------------------------------- forms


def _address(value: str) -> str:
    if value and not re.fullmatch(r"https?://[^\s/?#@]+[^\s?#@]*", value):
        raise ValueError("not an address")
    return value.rstrip("/")


def _socket(value: str) -> str:
    if not re.fullmatch(r"wss?://[^\s/?#@]+[^\s?#@]*", value):
        raise ValueError("not an address")
    return value.rstrip("/")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("no such time zone") from None
    return name


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _clock_times(value: Any) -> Any:
    """``["22:00", "08:00"]`` and TOML's own times mean the same; none are two equal times."""
    if value in ([], ()):
        return time(), time()
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError("not two times")
    return tuple(_clock_time(part) for part in value)


def _clock_time(value: Any) -> time:
    if isinstance(value, time):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"\d{2}:\d{2}(:\d{2})?", value):
        raise ValueError("not a time")
    return time.fromisoformat(value)


Text = Annotated[str, Form("text", text)]
Secret = Annotated[SecretStr, Form("text that stays secret", text, secret=True)]
AesKey = Annotated[
    SecretStr,
    AfterValidator(lambda key: _aes_key(key)),
    Form("the 43 letters and digits of the console's EncodingAESKey", text, secret=True),
]
DatabaseUrl = Annotated[
    SecretStr, Form("sqlite:///path or postgresql://user:password@host/name", text, secret=True)
]
RedisUrl = Annotated[SecretStr, Form('redis://host:6379/0, or "" for none', text, secret=True)]
Name = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$"),
    Form("a name of at most 32 letters, digits, - and _", text),
]
Address = Annotated[str, AfterValidator(_address), Form("an address like https://host", text)]
SocketAddress = Annotated[str, AfterValidator(_socket), Form("an address like wss://host", text)]
Zone = Annotated[str, AfterValidator(_zone), Form("a time zone like Asia/Shanghai", text)]
Port = Annotated[int, Field(ge=0, le=65535), Form("a port number, 0 to 65535", whole)]
Agent = Annotated[int, Field(ge=0, le=2**53), Form("the app's AgentId, a whole number", whole)]
Accounts = Annotated[int, Field(ge=0, le=10**7), Form("a whole number of accounts", whole)]
Cap = Annotated[int, Field(ge=0, le=1000), Form("a whole number, 0 to 1000", whole)]
Minutes = Annotated[int, Field(ge=0, le=10080), Form("a number of whole minutes, 0 to 10080", whole)]
Share = Annotated[float, Field(ge=0, le=0.5, allow_inf_nan=False), Form("a share, 0 to 0.5", decimal)]
Score = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False), Form("a score, 0 to 100", decimal)]
Names = Annotated[
    tuple[str, ...], BeforeValidator(_tuple), Form('a list of texts like ["lin", "wang"]', listed)
]
ClockTimes = Annotated[
    tuple[time, time],
    BeforeValidator(_clock_times),
    Form('two times like ["22:00", "08:00"], or [] for none', listed),
]


def _aes_key(key: SecretStr) -> SecretStr:
    if key and not re.fullmatch(r"[A-Za-z0-9+/]{43}", key.get_secret_value()):
        raise ValueError("not an EncodingAESKey")
    return key


# ---------------------------------------------------------------- the tree


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Door(Section):
    """A callback's keys; without them the door stays shut."""

    token: Secret = SecretStr("")
    aes_key: AesKey = SecretStr("")

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if bool(self.token) != bool(self.aes_key):
            missing = "aes_key" if self.token else "token"
            raise ValueError(f"{missing} is missing; a callback needs both token and aes_key")
        return self

    @property
    def opens(self) -> bool:
        return bool(self.token)


class Server(Section):
    host: Text = "127.0.0.1"
    port: Port = 8080
    public_url: Address = "http://127.0.0.1:8080"


class Storage(Section):
    database: DatabaseUrl = SecretStr("sqlite:///data/qunxing.sqlite")
    redis: RedisUrl = SecretStr("")
    data_dir: Annotated[Text, StringConstraints(min_length=1)] = "data"


class App(Door):
    name: Name
    agent_id: Agent = 0
    secret: Secret = SecretStr("")


class Contact(Door):
    secret: Secret = SecretStr("")


class Kf(Door):
    secret: Secret = SecretStr("")
    account: Text = ""


class AiBot(Door):
    name: Name
    display_name: Text = ""
    mode: Annotated[Literal["webhook", "websocket"], Form('"webhook" or "websocket"', text)] = "webhook"
    userids: Annotated[Literal["plain", "encrypted"], Form('"plain" or "encrypted"', text)] = "encrypted"
    bot_id: Text = ""
    secret: Secret = SecretStr("")

    @property
    def works(self) -> bool:
        """Whether everything its mode needs is given."""
        return self.opens if self.mode == "webhook" else bool(self.bot_id and self.secret)


class Webhook(Section):
    name: Name
    key: Secret


class Archive(Door):
    secret: Secret = SecretStr("")
    private_key_file: Text = ""
    library: Text = ""
    feed_url: Address = ""


class WeCom(Section):
    corp_id: Text = ""
    api_base: Address = "https://qyapi.weixin.qq.com"
    oauth_base: Address = "https://open.weixin.qq.com"
    socket_base: SocketAddress = "wss://openws.work.weixin.qq.com"
    accounts: Accounts = 0
    app: Annotated[tuple[App, ...], BeforeValidator(_tuple)] = ()
    contact: Contact = Contact()
    kf: Kf = Kf()
    aibot: Annotated[tuple[AiBot, ...], BeforeValidator(_tuple)] = ()
    webhook: Annotated[tuple[Webhook, ...], BeforeValidator(_tuple)] = ()
    archive: Archive = Archive()

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        for noun, entries in (("app", self.app), ("aibot", self.aibot), ("webhook", self.webhook)):
            names = [entry.name for entry in entries]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"two [[wecom.{noun}]] are named {twice[0]!r}; each needs a name of its own")
        return self


class Community(Section):
    timezone: Zone = "Asia/Shanghai"
    quiet_hours: ClockTimes = (time(22), time(8))
    weekly_cap: Cap = 3
    spacing_minutes: Minutes = 30
    hour_hold_out: Share = 0.1
    group_send_limit: Annotated[Literal["month", "week", "day"], Form('"month", "week" or "day"', text)] = (
        "month"
    )
    main_app: Text = ""
    report_webhook: Text = ""
    operators: Names = ()

    @property
    def spacing(self) -> timedelta:
        return timedelta(minutes=self.spacing_minutes)


class Engagement(Section):
    alarm_line: Score = 30.0


class Ai(Section):
    base_url: Address = ""
    model: Text = ""
    api_key: Secret = SecretStr("")


class Console(Section):
    administrator: Name = "admin"
    administrator_password: Secret = SecretStr("")


class Privacy(Section):
    callback_days: Annotated[int, Field(ge=2, le=3650), Form("whole days, 2 to 3650", whole)] = 30
    trail_days: Annotated[int, Field(ge=7, le=3650), Form("whole days, 7 to 3650", whole)] = 180


class Log(Section):
    level: Annotated[
        Literal["debug", "info", "warning", "error"], Form('"debug", "info", "warning" or "error"', text)
    ] = "info"
    format: Annotated[Literal["console", "json"], Form('"console" or "json"', text)] = "console"


class Config(Section):
    """Everything an administrator decides."""

    server: Server = Server()
    storage: Storage = Storage()
    wecom: WeCom = WeCom()
    community: Community = Community()
    engagement: Engagement = Engagement()
    ai: Ai = Ai()
    console: Console = Console()
    privacy: Privacy = Privacy()
    log: Log = Log()

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        wanted = (
            ("community.main_app", self.community.main_app, "wecom.app", self.wecom.app),
            ("community.report_webhook", self.community.report_webhook, "wecom.webhook", self.wecom.webhook),
        )
        for key, name, place, entries in wanted:
            if name and name not in {entry.name for entry in entries}:
                raise ValueError(f"{key} = {name!r}, but no [[{place}]] has this name")
        return self

    @property
    def main_app(self) -> str:
        """The app whose messages reach staff: the one named, else the first."""
        return self.community.main_app or next((app.name for app in self.wecom.app), "")

    def secrets(self) -> tuple[str, ...]:
        """Every secret's value, for whoever has to keep them out of what people read."""
        return tuple(value for value in _secrets(self) if value and "://" not in value)


def _secrets(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, Section):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name))
    elif isinstance(value, tuple):
        for part in value:
            yield from _secrets(part)


TREE = Tree(Config)


# ---------------------------------------------------------------- reading


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration in ``path``, overridden by ``environ``; ``Misconfigured`` names every mistake at once."""
    raw = _read(path) if path else {}
    variables = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    mistakes = [*TREE.override(raw, variables), *TREE.fill_from_files(raw, path.parent if path else Path())]
    return _checked(raw, mistakes, str(path) if path else "The environment")


def from_plain(raw: dict[str, Any]) -> Config:
    """The configuration said in plain values, shaped like its TOML."""
    return _checked(raw, [], "The configuration")


def _checked(raw: dict[str, Any], mistakes: list[Mistake], source: str) -> Config:
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        mistakes = [*mistakes, *TREE.mistakes(error)]
    if not mistakes:
        return config
    raise Misconfigured(
        sentences(source, mistakes),
        remedy="config.example.toml explains every key.",
        field=mistakes[0].key,
    ) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise Misconfigured(f"There is no {path}.", remedy="Run `qunxing init` to write one.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Misconfigured(
            f"{path} cannot be read: {reason}.", remedy="Name a readable file with --config."
        ) from None
    if len(content) > LARGEST_FILE:
        raise Misconfigured(f"{path} is larger than 1 MiB.", remedy="Is it really the configuration?")
    return _parsed(path, content)


def _parsed(path: Path, content: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Misconfigured(f"{path}:{line}: not UTF-8.", remedy="Save the file as UTF-8.") from None
    except RecursionError:
        raise Misconfigured(f"{path} is nested too deeply.", remedy="Write one key a line.") from None
    except ValueError as error:  # a broken TOML file, or a number too long to read
        raise Misconfigured(f"{_place(path, str(error), content)}.", remedy="Correct this line.") from None


def _place(path: Path, reason: str, content: bytes) -> str:
    found = re.search(r"\(at line (\d+), column (\d+)\)", reason)
    if found:
        return f"{path}:{found[1]}:{found[2]}: {reason[: found.start()].strip()}"
    last = content.count(b"\n") + 1
    what = re.sub(r"\s*\(at end of document\)", " at the end of the file", reason)
    return f"{path}:{last}:1: {what}" if what != reason else f"{path}: {reason.split(';')[0]}"


# ---------------------------------------------------------------- writing a first one

FIRST = """\
# Qunxing's configuration. config.example.toml of the project explains every key;
# any key can also be set as QUNXING_SECTION__KEY, and any secret as <key>_file.

[server]
host = "127.0.0.1"
port = 8080
public_url = "http://127.0.0.1:8080"  # the address WeCom and members reach, https:// in earnest

[storage]
database = "sqlite:///data/qunxing.sqlite"

[wecom]
corp_id = ""  # 我的企业 → 企业信息 → 企业ID

# Copy each Token and EncodingAESKey into the WeCom console beside its callback address.
[[wecom.app]]  # {{public_url}}/callback/app/main
name = "main"
agent_id = 0
secret = ""
token = "{app_token}"
aes_key = "{app_key}"

[wecom.contact]  # {{public_url}}/callback/contact
secret = ""
token = "{contact_token}"
aes_key = "{contact_key}"

[wecom.kf]  # {{public_url}}/callback/kf
secret = ""
token = "{kf_token}"
aes_key = "{kf_key}"

[community]
timezone = "Asia/Shanghai"
operators = []  # userids of the staff who hear alarms

[console]  # used once, to make the first account
administrator = "admin"
administrator_password = "{password}"
"""

_LETTERS = string.ascii_letters + string.digits
_LAST = "AEIMQUYcgkosw048"  # the 43rd letter of an EncodingAESKey carries four bits


def write_new(directory: Path, chance: Chance) -> Path:
    """Write ``config.toml`` with fresh secrets, readable by its owner only; an existing one is never touched."""

    def word(size: int) -> str:
        return "".join(chance.choice(_LETTERS) for _ in range(size))

    doors = ("app", "contact", "kf")
    secrets = {f"{door}_token": word(32) for door in doors}
    secrets |= {f"{door}_key": word(42) + chance.choice(_LAST) for door in doors}
    path = directory / "config.toml"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Misconfigured(f"{path} exists already.", remedy="Move it away first, or edit it.") from None
    except OSError as error:
        raise Misconfigured(
            f"{path} cannot be written: {error.strerror}.", remedy="Choose another --dir."
        ) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(FIRST.format(password=word(20), **secrets))
    return path
