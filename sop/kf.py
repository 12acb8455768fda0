"""微信客服: what happens behind an account, and when a member there may be answered.

Numbers and states are the platform's (developer.work.weixin.qq.com paths 94670, 94677 and 94669).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from sop.quota import KF
from sop.update import Kind, Update

WINDOW = KF.within  # after the member's last words
MOST = KF.most  # messages of ours until the member writes again
TOKEN_LIFE = timedelta(minutes=10)  # of what the doorbell brings
KEPT = timedelta(days=3)  # how far back the platform tells what was said
CODE_LIFE = timedelta(seconds=20)  # of a welcome code, and of the code a session's end brings
LONG_CODE_LIFE = timedelta(hours=48)  # of the codes that entering and leaving the queue bring
PERSON_WORDS = ("人工", "转人工", "人工客服", "转人工客服", "找人工", "真人")
BACK_WORDS = ("小助手", "找小助手", "机器人", "转机器人", "结束人工")


class Care(StrEnum):
    """Who looks after a session."""

    NEW = "new"  # 未处理: nobody yet, we may answer
    BOT = "bot"  # 智能助手: we do
    QUEUED = "queued"  # 待接入池: waits for a person
    PERSON = "person"  # 人工接待
    ENDED = "ended"  # 已结束: until the member writes again


WITH_PEOPLE = frozenset({Care.QUEUED, Care.PERSON})


@dataclass(frozen=True, kw_only=True)
class Session:
    """One member with one account. ``wrote_at`` is when they last wrote, ``staff`` who looks after them."""

    member: str
    account: str
    care: Care = Care.NEW
    staff: str = ""
    wrote_at: datetime | None = None
    moved_at: datetime | None = None


def closed(session: Session, answered: int, now: datetime) -> str:
    """Why nothing can be said in a session after ``answered`` messages of ours; empty while it is open."""
    if session.care in WITH_PEOPLE:
        return "会话正由同事接待，机器人不插话"
    if session.wrote_at is None or now - session.wrote_at >= WINDOW:
        return "客服 48 小时窗口已过，要等对方再来信"
    if session.care is Care.ENDED:
        return "客服会话已结束，要等对方再来信"
    if answered >= MOST:
        return f"已连发 {MOST} 条，要等对方再来信"
    return ""


# ---------------------------------------------------------------- what happens


@dataclass(frozen=True, kw_only=True)
class KfRang(Update):
    """The 微信客服 doorbell: something waits behind ``account``; ``token`` lives ten minutes."""

    kind = Kind.KF_RANG
    account: str
    token: str = ""


@dataclass(frozen=True, kw_only=True)
class KfAccountsChanged(Update):
    """The administrator gave us accounts to look after, or took some away."""

    kind = Kind.KF_ACCOUNTS_CHANGED
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class KfEntered(Update):
    """A member opened a conversation through a link; ``welcome_code`` lives twenty seconds.

    ``scene`` is the entry's own name, ``param`` what was added to its address for this one use.
    """

    kind = Kind.KF_ENTERED
    member: str
    account: str
    scene: str = ""
    param: str = ""
    welcome_code: str = ""


@dataclass(frozen=True, kw_only=True)
class KfFailed(Update):
    """A 微信客服 message we thought accepted did not arrive after all."""

    kind = Kind.KF_FAILED
    member: str
    account: str
    message: str
    reason: int = 0


@dataclass(frozen=True, kw_only=True)
class KfStaffSpoke(Update):
    """An employee wrote to a member in the client: a person looks after the session now."""

    kind = Kind.KF_STAFF_SPOKE
    member: str
    staff: str
    account: str
    media: str = "text"
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class KfServicerChanged(Update):
    """An employee goes on or off duty at an account; ``paused`` is off for a while only."""

    kind = Kind.KF_SERVICER_CHANGED
    staff: str
    account: str
    on_duty: bool
    paused: bool = False


@dataclass(frozen=True, kw_only=True)
class KfSessionChanged(Update):
    """People moved a session: taken from the queue, given to a colleague, ended, or opened again.

    ``code`` answers once what was taken (48 hours) or ended (20 seconds).
    """

    kind = Kind.KF_SESSION_CHANGED
    member: str
    account: str
    change: Literal["taken", "given", "ended", "reopened"]
    before: str = ""
    after: str = ""
    code: str = ""


@dataclass(frozen=True, kw_only=True)
class KfSessionTold(Update):
    """The platform's answer to who looks after a session."""

    kind = Kind.KF_SESSION_TOLD
    member: str
    account: str
    care: Care
    staff: str = ""


@dataclass(frozen=True, kw_only=True)
class KfMoved(Update):
    """The platform's answer to our moving a session: where it is now; ``refused`` says why it did not move.

    ``code`` answers the move once (path 95122).
    """

    kind = Kind.KF_MOVED
    member: str
    account: str
    care: Care
    staff: str = ""
    code: str = ""
    refused: str = ""


@dataclass(frozen=True, kw_only=True)
class KfBarred(Update):
    """An employee no longer takes a member's messages (``barred``), or takes them again."""

    kind = Kind.KF_BARRED
    member: str
    staff: str
    account: str
    barred: bool
