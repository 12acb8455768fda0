"""Why 为什么: what became of a message, or why there is none, as one line an operator understands and the trace beneath."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sop.audience import Audience, Facts, holds, matches
from sop.expression import to_text
from sop.journey import EXIT_WORDS, Journey, JourneyState
from sop.message import Channel
from sop.receipt import State
from sop.template import On, Template
from sop.timing import local, spoken

WAYS: dict[Channel, str] = {
    Channel.GROUP_SEND: "群发，要员工确认",
    Channel.KF: "微信客服",
    Channel.WELCOME: "欢迎语",
}
FATES: dict[str, str] = {
    "late": "晚了，在窗口内补上",
    "skipped": "跳过了",
    "asked": "错过了，等运营决定",
    "unsaid": "没有说出来",
    "failed": "出错了",
}  # what the list of missed steps says, in words
KNOWN = frozenset({"TA", "ID", "IP", "API"})  # what operators say in Latin letters themselves
FOREIGN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*|[0-9]{5,}")
NAMED = re.compile(r"「[^」]*」|运营 \S+")  # whatever stands there is somebody's or something's name
ASIDE = re.compile(r"（[^（）]*(?:错误码|[A-Za-z]{2,})[^（）]*）")
BEHIND = re.compile(r"(?<=[，；：])")
GAP = 0xE000  # from here on, characters that stand for names
UNSPEAKABLE = "企业微信没有接受，要请管理员看一下"

AWAITED = {
    State.CREATED: "等 {} 在企业微信里点确认",
    State.CONFIRMED: "等平台报送达结果",
}  # what is waited for, of whom


@dataclass(frozen=True)
class Mark:
    """One thing that was decided, in words; ``at`` is None where the moment was not kept."""

    at: datetime | None
    what: str


@dataclass(frozen=True)
class Because:
    """One line, and what led to it in the order of time."""

    line: str
    trace: tuple[Mark, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Told:
    """A message as the ledger has it; ``trail`` is what was decided about it on the way, ``sender`` what people call them."""

    step: str
    state: State
    channel: Channel
    sender: str
    reason: str
    why: str
    written: datetime
    due: datetime
    tried: datetime | None = None  # handed to the platform
    confirmed: datetime | None = None  # by the employee
    sent: datetime | None = None
    settled: datetime | None = None
    number: str = ""
    trail: tuple[Mark, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Missed:
    """A step that was not said as planned."""

    step: str
    fate: str
    reason: str
    due: datetime
    noticed: datetime


def plainly(reason: str) -> str:
    """A reason without what only an administrator reads: error numbers, keys, what to click. The trace has it whole."""
    reason = " ".join(reason.split())
    names = NAMED.findall(reason)
    places = [chr(GAP + number) for number in range(len(names))]
    gaps = iter(places)
    told = ASIDE.sub("", NAMED.sub(lambda _: next(gaps), reason)).partition("。")[0]
    clauses = [clause for clause in BEHIND.split(told) if set(FOREIGN.findall(clause)) <= KNOWN]
    said = "".join(clauses).rstrip("，；：") or UNSPEAKABLE
    for place, name in zip(places, names, strict=True):
        said = said.replace(place, name)
    return said


def of_message(told: Told, zone: str, *, before: Sequence[Mark] = ()) -> Because:
    """Why somebody got, will get or does not get this message; ``before`` is what led to its being written."""
    return Because(_line(told, zone), tuple(in_order([*before, *_marks(told)])))


def _line(told: Told, zone: str) -> str:
    because = f"：{plainly(told.reason)}" if told.reason else ""
    what = told.why or "这条消息"
    return {
        State.PLANNED: f"{what}到点了，正在写文案",
        State.WAITING: f"{what}还没有发，计划 {spoken(told.due, zone)} 发{because}",
        State.SENDING: f"{what}正在发出",
        State.CREATED: f"{what}已建成群发任务，等员工 {told.sender} 点确认",
        State.CONFIRMED: f"{what}员工 {told.sender} 已确认，等平台报送达结果",
        State.SENT: f"{what}已送达{'，' + spoken(told.sent, zone) if told.sent else ''}{because}",
        State.REFUSED: f"{what}没有发到{because}",
        State.CANCELLED: f"{what}取消了{because}",
        State.UNKNOWN: f"{what}发出后没有可信的回音，等人判断{because}",
    }[told.state]


def _marks(told: Told) -> list[Mark]:
    """Everything that was decided about a message, in the order of time; what holds now comes last."""
    way = WAYS.get(told.channel, str(told.channel))
    marks = [
        Mark(told.written, f"写好：{told.why or '一条消息'}；走{way}，由 {told.sender or '系统'} 发"),
        *told.trail,
    ]
    if told.tried is not None:
        number = f"，平台编号 {told.number}" if told.number else ""
        marks.append(Mark(told.tried, f"规则都放行，交给平台{number}"))
    if told.confirmed is not None:  # we hear of it afterwards, together with what came of it
        marks.append(Mark(min(told.confirmed, told.sent or told.confirmed), f"{told.sender} 点了确认"))
    if told.sent is not None:
        marks.append(Mark(told.sent, "平台报告送达"))
    if told.state in AWAITED:
        marks.append(Mark(None, AWAITED[told.state].format(told.sender)))
    elif told.reason and (told.settled or told.reason not in {mark.what for mark in told.trail}):
        marks.append(Mark(told.settled, told.reason))
    return in_order(marks)


def in_order(marks: Sequence[Mark]) -> list[Mark]:
    """By their instants; what has none holds now."""
    return sorted(marks, key=lambda mark: (mark.at is None, mark.at))


def of_journey(template: Template, journey: Journey, decided: Sequence[Mark] = ()) -> list[Mark]:
    """How somebody came to walk a template, where they went on, and where they are."""
    arm = f"，分到「{journey.arm}」组" if journey.arm else ""
    begun = Mark(journey.anchor, f"触发「{template.name}」第 {journey.version} 版，第 {journey.run} 次{arm}")
    words = {
        JourneyState.ACTIVE: f"在路上，{_next(template, journey)}",
        JourneyState.DONE: "走完了",
        JourneyState.EXITED: f"提前结束：{journey.reason}",
        JourneyState.HELD_OUT: journey.reason or "抽入对照组，只观察不发送",
    }
    return [begun, *in_order(decided), Mark(journey.changed, words[journey.state])]


def _next(template: Template, journey: Journey) -> str:
    if journey.step >= len(template.steps):
        return "没有下一步了"
    called, awaited = template.steps[journey.step].called, journey.counted_from(template)
    if awaited and awaited not in journey.heard:
        return f"等对方「{EXIT_WORDS[awaited]}」，再发「{called}」"
    return f"看「{called}」之后做什么" if journey.deciding else f"下一步「{called}」"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where somebody stands with a template: what there is to say about why they got something of it, or nothing.

    ``outside`` is why they are not who it is for, empty when they are; ``refused`` when they opted out, where they have; ``paused`` why it stands still, None while it runs; ``stay`` why they would not begin again now.
    """

    outside: str = ""
    refused: datetime | None = None
    paused: str | None = None
    stay: str = ""
    journey: Journey | None = None
    decided: Sequence[Mark] = ()
    missed: Sequence[Missed] = ()
    told: Sequence[Told] = ()


def outside(audience: Audience, facts: Facts) -> str:
    """Why somebody is not who a template is for, in the words its author wrote; empty when they are."""
    if audience.has(facts):
        return ""
    if audience.exclude is not None and matches(audience.exclude, facts):
        return f"在排除之列：{to_text(audience.exclude)}"
    if audience.include is None:
        return "模板没有写给谁"
    known = holds(audience.include, facts) is not None
    return f"{'不符合' if known else '还不知道是否符合'}：{to_text(audience.include)}"


def of_template(template: Template, zone: str, standing: Standing) -> Because:
    """Why somebody got something of a template, or nothing; the newest that decides comes first."""
    walked = standing.journey
    marks = of_journey(template, walked, standing.decided) if walked else []
    marks += [
        Mark(one.noticed, f"「{one.step}」{FATES.get(one.fate, one.fate)}：{one.reason}")
        for one in standing.missed
    ]
    for one in standing.told:
        marks += _marks(one)
    if walked is None and standing.outside:
        marks.append(Mark(None, standing.outside))
    if standing.refused:
        marks.append(Mark(standing.refused, "对方退订了，推广内容不再发"))
    if standing.paused:
        marks.append(Mark(None, f"模板{standing.paused}"))
    if walked and walked.over and standing.stay:
        marks.append(Mark(None, f"现在再触发也不会进入：{standing.stay}"))
    return Because(_line_of(template, zone, standing), tuple(in_order(marks)))


def _line_of(template: Template, zone: str, standing: Standing) -> str:
    name = f"「{template.name}」"
    journey, missed, told = standing.journey, standing.missed, standing.told
    still = standing.paused
    if journey is None:
        if standing.outside:
            return f"没有进入{name}：现在不在适用人群里"
        return f"没有进入{name}：" + (f"模板{still}" if still else "在适用人群里，但触发条件还没有发生")
    if journey.state is JourneyState.HELD_OUT:
        return f"进了{name}的对照组，只观察不发送"
    if journey.state is JourneyState.EXITED:
        return f"{name}提前结束：{plainly(journey.reason)}"
    if standing.refused and not journey.over:
        return f"{name}里的推广内容不再发：对方 {spoken(standing.refused, zone)} 退订了"
    if still and not journey.over:
        return f"{name}{still}。恢复后再发"
    newest = max(told, key=lambda one: one.written, default=None)
    last = max(missed, key=lambda one: one.noticed, default=None)
    if last is not None and (newest is None or last.noticed > newest.written):
        return f"{name}的「{last.step}」{FATES.get(last.fate, last.fate)}：{plainly(last.reason)}"
    if newest is not None:
        return _line(newest, zone)
    if journey.over:
        return f"走完了{name}" + (f"，不会再进入：{standing.stay}" if standing.stay else "")
    awaited = journey.counted_from(template)
    if awaited and awaited not in journey.heard:
        return f"已进入{name}，{_next(template, journey)}"
    return f"已进入{name}，下一步还没到时候"


# ---------------------------------------------------------------- asked by who got it

BEGAN: dict[On, str] = {
    On.FRIEND_ADDED: "你加了我们好友",
    On.MEMBER_JOINED: "你来到了我们的社群",
    On.GROUP_JOINED: "你进了我们的群",
    On.TAG_ADDED: "你最近的选择和互动，让我们觉得你会感兴趣",
    On.TAG_REMOVED: "你最近的选择和互动，让我们觉得你会感兴趣",
    On.TIER_CHANGED: "你最近在社群里的参与有了变化",
    On.LINK_VISITED: "你打开过我们发的链接",
    On.ORDER_PAID: "你在我们这里下过单",
    On.SILENCE: "有一阵子没有见到你了",
    On.DATE: "这是给大家的一次活动内容",
    On.WEEKLY: "这是每周一次的内容",
    On.MONTHLY: "这是每月一次的内容",
    On.HOLIDAY: "这是节日的问候",
    On.DATE_FIELD: "这是你告诉过我们的日子",
}  # what starts a journey, as the member knows it
DEEDS = frozenset(
    {On.FRIEND_ADDED, On.MEMBER_JOINED, On.GROUP_JOINED, On.LINK_VISITED, On.ORDER_PAID}
)  # the member's own, of which they remember the day


@dataclass(frozen=True)
class Got:
    """A message that reached a member, as they look back on it; ``group`` is where, empty when it was for them alone."""

    text: str
    at: datetime
    group: str
    source: str
    because: str

    @property
    def first_line(self) -> str:
        return next(iter(self.text.strip().splitlines()), "")


def to_member(template: Template | None, began: datetime | None, zone: str, *, group: str = "") -> str:
    """Why somebody got a message of a template, in their own words: what they did, and when."""
    if template is None:
        return f"你在「{group}」群里" if group else "你是我们的好友"
    on = template.trigger.on
    because = BEGAN[on]
    if on in DEEDS and began is not None and not group:
        there = local(began, zone)
        because = f"{there.month}月{there.day}日{because}"
    return f"你在「{group}」群里，{because}" if group else because
