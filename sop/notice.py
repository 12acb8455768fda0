"""Notices 平台通知: what the platform tells about itself and the corp, and what operators have to know of it.

Most are nobody's deed and ask for nothing; a few mean that something is about to stop, and say so loudly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sop.update import Facts, Kind, Update


@dataclass(frozen=True, kw_only=True)
class PlatformTold(Update):
    """A notice with a name we know; ``facts`` are its elements, ``app`` the app whose door it came to."""

    kind = Kind.PLATFORM_TOLD
    name: str
    app: str = ""
    facts: Facts = ()

    def fact(self, name: str) -> str:
        """What an element says, empty when it is missing; the first, when it is repeated."""
        return next((text for path, text in self.facts if path == name), "")


@dataclass(frozen=True)
class Concern:
    """What operators have to know: equal ``key`` is the same news, ``ends`` names the concerns that are over with it."""

    key: str
    text: str
    ends: tuple[str, ...] = ()


def concern_of(told: PlatformTold, zone: str) -> Concern | None:
    """What a notice means to operators, in their time zone; None when it means nothing to them."""
    say = CONCERNS.get(told.name)
    return None if say is None else say(told, zone)


# ---------------------------------------------------------------- an app that is hardly used

WHERE = "请登录企业微信管理后台，在「应用管理」里打开这个应用，按页面提示处理"
USE = "也请让可见范围内的同事打开应用用一用"


def _inactive_soon(told: PlatformTold, zone: str) -> Concern:
    when = _when(told.fact("EffectTime"), zone)
    return Concern(
        f"inactive:{told.app}:{told.fact('EffectTime')}",
        f"应用「{told.app}」长期没有人用，企业微信将在{when}停用它。停用后机器人收不到也发不出任何消息。{WHERE}，{USE}。",
    )


def _inactive(told: PlatformTold, zone: str) -> Concern:
    return Concern(
        f"inactive:{told.app}:{_day(told, zone)}",
        f"应用「{told.app}」因长期没有人用，已被企业微信停用：机器人现在收不到也发不出消息。{WHERE}，重新启用它。",
    )


def _active_again(told: PlatformTold, zone: str) -> Concern:
    return Concern(
        f"reopened:{told.app}:{_day(told, zone)}",
        f"应用「{told.app}」已重新启用，机器人恢复收发消息。停用期间的事会在下一次对账时补回来。",
        (f"inactive:{told.app}:",),
    )


def _low_active_soon(told: PlatformTold, zone: str) -> Concern:
    when = _when(told.fact("EffectTime"), zone)
    return Concern(
        f"low_active:{told.app}:{told.fact('EffectTime')}",
        f"应用「{told.app}」活跃度太低，{when}起企业微信将不再让它使用客户数据："
        f"欢迎语、群发、打标签、进群退群都会停。{WHERE}，{USE}。",
    )


def _low_active(told: PlatformTold, zone: str) -> Concern:
    return Concern(
        f"low_active:{told.app}:{_day(told, zone)}",
        f"应用「{told.app}」活跃度太低，企业微信已不让它使用客户数据：欢迎语、群发、打标签、进群退群现在都停了。{WHERE}，{USE}。",
    )


def _restored(told: PlatformTold, zone: str) -> Concern:
    return Concern(
        f"restored:{told.app}:{_day(told, zone)}",
        f"应用「{told.app}」可以重新使用客户数据了。停用期间的事会在下一次对账时补回来。",
        (f"low_active:{told.app}:",),
    )


# ---------------------------------------------------------------- 获客助手

ACQUISITION = "管理后台「客户联系 → 获客助手」"


def _balance_low(told: PlatformTold, zone: str) -> Concern:
    return Concern(
        f"acquisition:low:{_day(told, zone)}",
        f"获客助手的额度不到 20 个了，用完后获客链接加不了新客户。请到{ACQUISITION}补充额度。",
    )


def _balance_exhausted(told: PlatformTold, zone: str) -> Concern:
    return Concern(
        f"acquisition:out:{_day(told, zone)}",
        f"获客助手的额度用完了，获客链接现在加不了新客户。请到{ACQUISITION}补充额度。",
    )


def _balance_increased(told: PlatformTold, zone: str) -> Concern:
    return Concern(
        f"acquisition:back:{told.at:%Y%m%d%H%M%S}",
        "获客助手又有额度了，获客链接恢复可用。",
        ("acquisition:low:", "acquisition:out:"),
    )


def _quota_expires(told: PlatformTold, zone: str) -> Concern:
    expires = told.fact("ExpireTime")
    return Concern(
        f"acquisition:expires:{expires}:{_day(told, zone)}",
        f"获客助手有 {told.fact('ExpireQuotaNum') or '一些'} 个额度将在{_when(expires, zone)}过期，请在那之前安排使用。",
    )


def _link_unusable(told: PlatformTold, zone: str) -> Concern:
    link = told.fact("LinkId")
    return Concern(
        f"acquisition:link:{link}:{_day(told, zone)}",
        f"获客链接 {link} 上的员工都不能再加客户，扫它的人会落空。请到{ACQUISITION}给链接换上可用的员工。",
    )


def _link_deleted(told: PlatformTold, zone: str) -> Concern:
    link = told.fact("LinkId")
    return Concern(
        f"acquisition:deleted:{link}",
        f"获客链接 {link} 被同事删除了，已经贴出去的这个链接不能再用。请到{ACQUISITION}新建链接并替换物料。",
    )


# ---------------------------------------------------------------- work done for us


def _job_done(told: PlatformTold, zone: str) -> Concern | None:
    """Only what failed concerns anybody."""
    code = told.fact("BatchJob.ErrCode")
    if code in ("", "0"):
        return None
    job, kind, reason = (told.fact(f"BatchJob.{name}") for name in ("JobId", "JobType", "ErrMsg"))
    return Concern(
        f"job:{job}", f"企业微信的异步任务 {kind}（{job}）失败：{reason}（{code}）。请核对后重新提交。"
    )


CONCERNS: Mapping[str, Callable[[PlatformTold, str], Concern | None]] = {
    "inactive_alert": _inactive_soon,
    "close_inactive_agent": _inactive,
    "reopen_inactive_agent": _active_again,
    "low_active_alert": _low_active_soon,
    "low_active": _low_active,
    "active_restored": _restored,
    "customer_acquisition/balance_low": _balance_low,
    "customer_acquisition/balance_exhausted": _balance_exhausted,
    "customer_acquisition/balance_increased": _balance_increased,
    "customer_acquisition/quota_expire_soon": _quota_expires,
    "customer_acquisition/link_unavailable": _link_unusable,
    "customer_acquisition/delete_link": _link_deleted,
    "batch_job_result": _job_done,
}


def _day(told: PlatformTold, zone: str) -> str:
    return told.at.astimezone(ZoneInfo(zone)).strftime("%Y%m%d")


def _when(seconds: str, zone: str) -> str:
    """An instant as people say it; vague when the platform did not name one we can read."""
    try:
        local = datetime.fromtimestamp(int(seconds), UTC).astimezone(ZoneInfo(zone))
    except (ValueError, OverflowError, OSError):
        return "不久"
    return f" {local.year} 年 {local.month} 月 {local.day} 日 {local:%H:%M} "
