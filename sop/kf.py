"""微信客服: what happens behind an account, where members talk to us."""

from __future__ import annotations

from dataclasses import dataclass

from sop.update import Kind, Update


@dataclass(frozen=True, kw_only=True)
class KfRang(Update):
    """The 微信客服 doorbell: something waits behind ``account``; ``token`` lives ten minutes."""

    kind = Kind.KF_RANG
    account: str
    token: str = ""


@dataclass(frozen=True, kw_only=True)
class KfEntered(Update):
    """A member opened a 微信客服 conversation; ``welcome_code`` lives twenty seconds."""

    kind = Kind.KF_ENTERED
    member: str
    account: str
    scene: str = ""
    welcome_code: str = ""


@dataclass(frozen=True, kw_only=True)
class KfFailed(Update):
    """A 微信客服 message we thought accepted did not arrive after all."""

    kind = Kind.KF_FAILED
    member: str
    account: str
    message: str
    reason: int = 0
