"""Who says a step, and by which way it leaves: asked alike when a step is planned for real and when it is rehearsed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sop.group import GroupKind
from sop.journey import channel_for
from sop.message import Channel
from sop.template import Step, Subject

GATHER = timedelta(minutes=1)  # equal texts of one sender wait this long for each other, to share one task


@dataclass(frozen=True)
class Unsaid:
    """Why a step says nothing to somebody, in one line."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Senders:
    """In whose name each way is used for one recipient; empty where there is nobody."""

    app: str = ""
    kf: str = ""
    webhook: str = ""
    greeter: str = ""
    staff: str = ""  # the member's friend, or the group's owner


def way_for(
    step: Step, *, subject: Subject, group_kind: str = "", staff: bool = False, welcome_code: str = ""
) -> Channel | Unsaid:
    """The channel a step leaves by, or why none reaches this recipient."""
    if step.channel is Channel.WELCOME and not welcome_code:
        return Unsaid("没有欢迎码：客户端已设置欢迎语，或已经聊过")
    channel = channel_for(step, subject=subject, group_kind=group_kind or GroupKind.IMPORTED, staff=staff)
    return channel or Unsaid("导入的群不能发送")


def sender_for(channel: Channel, senders: Senders, called: str) -> str | Unsaid:
    """In whose name a message leaves by this channel."""
    sender = {
        Channel.APP: senders.app,
        Channel.APPCHAT: senders.app,
        Channel.KF: senders.kf,
        Channel.WEBHOOK: senders.webhook,
        Channel.WELCOME: senders.greeter or senders.staff,
    }.get(channel, senders.staff)
    return sender or Unsaid(f"「{called}」没有可以代发的员工")


def not_before(channel: Channel, now: datetime) -> datetime | None:
    """A group-send waits until the next whole minute but one: long enough for a tick's chunks to meet."""
    return now.replace(second=0, microsecond=0) + 2 * GATHER if channel is Channel.GROUP_SEND else None
