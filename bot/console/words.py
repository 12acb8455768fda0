"""What operators read: states, channels and kinds in Chinese, instants in local time, small drawings."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sop.activity import KINDS as KINDS_OF_ACTIVITY
from sop.member import TIERS
from sop.message import FORM_WORDS
from sop.timing import local, spoken
from storage.report import Point

RED_BELOW, GREEN_FROM = 30.0, 50.0
LIGHTS = {"red": "需要关注", "amber": "一般", "green": "活跃", "unknown": "未知"}

LABELS = {"ok": "", "observing": "观察中", "too_little": "数据太少", "partial": "数据不全"}
LABEL_HINTS = {
    "observing": "观察还不满 28 天，先不给分数。",
    "too_little": "说过话的人或天数太少，给不出可信的分数。",
    "partial": "有些天没有收到任何数据；那些天是未知，不是零。",
}
COVERAGES = {
    "archive": "会话存档，全部可见",
    "bot": "只看得到 @机器人 的消息",
    "page": "只看得到页面上的互动",
    "official": "只有官方的按日合计",
    "import": "导入的历史",
}
KINDS = {"customer": "客户群", "internal": "内部群", "imported": "导入的群"}
STATES = {
    "planned": "正在写文案",
    "waiting": "等待发送",
    "sending": "正在发送",
    "created": "任务已创建，等待员工确认",
    "confirmed": "员工已确认，等待结果",
    "sent": "已送达",
    "refused": "未送达",
    "cancelled": "已取消",
    "unknown": "结果未知",
}
TONES = {
    "planned": "calm", "waiting": "calm", "sending": "calm", "created": "amber", "confirmed": "blue", "sent": "green",
    "refused": "red", "cancelled": "faint", "unknown": "red",
    "active": "blue", "done": "green", "exited": "faint", "held_out": "violet",
    "draft": "amber", "reviewed": "blue", "published": "green", "retired": "faint",
    "new": "calm", "potential": "blue", "core": "violet",
    "late": "amber", "skipped": "faint", "asked": "red",
}  # fmt: skip
CHANNELS = {
    "app": "应用消息",
    "welcome": "欢迎语",
    "group_send": "企业群发（员工确认）",
    "kf": "微信客服",
    "webhook": "内部群机器人",
    "aibot": "智能机器人",
    "appchat": "应用建的内部群",
    "moment": "客户朋友圈（员工确认）",
}
JOURNEYS = {"active": "进行中", "done": "已走完", "exited": "已退出", "held_out": "对照组"}
TEMPLATES = {"draft": "草稿", "reviewed": "已批准", "published": "已发布", "retired": "已停用"}
FATES = {"late": "已补发", "skipped": "已跳过", "asked": "等你决定", "unsaid": "没有说出"}
ERRANDS = {
    "group": "查询群详情", "member": "查询成员资料", "kf": "读取客服消息", "kf_accounts": "查询客服账号",
    "kf_member": "查询客服来访者", "kf_session": "查询客服会话", "move_kf": "转接客服会话", "archive": "拉取会话存档",
    "task": "查询群发结果", "mark": "同步标签", "remind": "提醒员工确认", "cancel": "撤回群发任务",
    "tags": "同步标签库", "directory": "同步通讯录", "adopt": "核对群发任务",
    "moment": "查询朋友圈", "card": "更新卡片", "unsay": "撤回应用消息",
    "friends": "读取员工的好友", "groups": "读取群列表", "statistics": "读取统计", "staff_statistics": "读取员工统计",
    "remark": "同步备注", "way": "生成渠道活码", "greeting": "保存入群欢迎语",
    "appchat": "建立或修改内部群",
}  # fmt: skip
DEEDS = {
    "signed in": "登录了",
    "changed own password": "修改了自己的密码",
    "added an account": "添加了账号",
    "account: admin": "改成管理员：",
    "account: operator": "改成运营：",
    "account: remove": "删除了账号",
    "account: staff": "改了企业微信账号：",
    "account: restore": "恢复了账号",
    "account: left": "因员工离职停用了账号",
    "made a way": "生成了渠道活码",
    "dropped a way": "停用了渠道活码",
    "kept a greeting": "保存了入群欢迎语",
    "dropped a greeting": "删除了入群欢迎语",
    "set a remark": "改了备注",
    "added a tag": "打了标签",
    "removed a tag": "去掉了标签",
    "acknowledged alarm": "收起了提醒",
    "marked as delivered": "标记为已送达：",
    "let be sent again": "要求重新发送：",
    "took back": "要求撤回：",
    "replayed": "重放了",
    "sent a missed step": "决定补发错过的",
    "dropped a missed step": "决定不发错过的",
    "saved a template": "保存了模板",
    "published a template": "发布了模板",
    "retired a template": "停用了模板",
    "approved a template": "批准了模板",
    "rolled a template back": "退回了模板",
    "paused a template": "暂停了模板",
    "resumed a template": "恢复了模板",
    "moved journeys": "把在路上的人移到了",
}

WORDS: dict[str, dict[str, str]] = {
    "label": LABELS, "label_hint": LABEL_HINTS, "coverage": COVERAGES, "kind": KINDS, "state": STATES,
    "channel": CHANNELS, "form": {str(form): words for form, words in FORM_WORDS.items()}, "journey": JOURNEYS, "template": TEMPLATES, "fate": FATES, "errand": ERRANDS,
    "activity": KINDS_OF_ACTIVITY, "tier": TIERS, "light": LIGHTS,
    "deed": DEEDS,
}  # fmt: skip


def word(name: object, about: str) -> str:
    """The Chinese word for a name of the code; a name without one stands for itself."""
    return WORDS[about].get(str(name), str(name))


def tone(name: object) -> str:
    """The colour a state has on every page."""
    return TONES.get(str(name), "calm")


def light(value: float | None) -> str:
    """The traffic light of a score; unknown is a light of its own."""
    if value is None:
        return "unknown"
    return "red" if value < RED_BELOW else "amber" if value < GREEN_FROM else "green"


# ---------------------------------------------------------------- time


def clock_words(instant: datetime | None, zone: str) -> str:
    return "—" if instant is None else spoken(instant, zone)


def ago(instant: datetime | None, now: datetime) -> str:
    """How long ago, or how soon, in the words one would say."""
    if instant is None:
        return "—"
    seconds = (now - instant).total_seconds()
    span, suffix = abs(seconds), "前" if seconds >= 0 else "后"
    if span < 60:
        return "刚刚" if seconds >= 0 else "马上"
    for size, unit in ((86400, "天"), (3600, "小时"), (60, "分钟")):
        if span >= size:
            return f"{int(span // size)} {unit}{suffix}"
    raise AssertionError("unreachable")


def stamp(instant: datetime | None, zone: str) -> str:
    """The same instant for machines and for hovering."""
    return "" if instant is None else local(instant, zone).strftime("%Y-%m-%d %H:%M:%S")


# ---------------------------------------------------------------- drawings


@dataclass(frozen=True)
class Sparkline:
    """A trend as an SVG path; days without a shown score are gaps."""

    path: str
    last: tuple[float, float] | None
    width: int
    height: int


def sparkline(points: Sequence[Point], width: int = 112, height: int = 30, days: int = 28) -> Sparkline:
    """The last scores, the newest at the right."""
    recent = points[-days:]
    shown = [point.shown for point in recent if point.shown is not None]
    if not shown:
        return Sparkline("", None, width, height)
    low, high = min(shown), max(shown)
    middle, span = (low + high) / 2, max(high - low, 16.0)
    pen, parts, last = "M", [], None
    for index, point in enumerate(recent, start=days - len(recent)):
        if point.shown is None:
            pen = "M"
            continue
        x = 3 + index * (width - 6) / (days - 1)
        y = height / 2 - (point.shown - middle) / span * (height - 8)
        parts.append(f"{pen}{x:.1f} {y:.1f}")
        pen, last = "L", (round(x, 1), round(y, 1))
    return Sparkline("".join(parts), last, width, height)


def hue(text: str) -> int:
    """One of eight colours, always the same for the same person."""
    return zlib.crc32(text.encode()) % 8


def initial(name: str) -> str:
    """What stands in the circle beside a name: 小林 is 林, Anna is A."""
    name = name.strip()
    if not name:
        return "·"
    return name[-1] if "\u4e00" <= name[-1] <= "\u9fff" else name[0].upper()


def excerpt(text: str, longest: int = 60) -> str:
    """The beginning of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
