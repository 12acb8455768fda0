"""Why 为什么: what became of a message, or why there is none, as one line an operator understands and the trace beneath."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sop.journey import Journey, JourneyState
from sop.message import Channel
from sop.receipt import State
from sop.template import Template
from sop.timing import spoken

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
    """A message as the ledger has it."""

    step: str
    state: State
    channel: Channel
    sender: str
    reason: str
    why: str
    written: datetime
    due: datetime
    tried: datetime | None = None
    sent: datetime | None = None
    number: str = ""


@dataclass(frozen=True, kw_only=True)
class Missed:
    """A step that was not said as planned."""

    step: str
    fate: str
    reason: str
    due: datetime
    noticed: datetime


def of_message(told: Told, zone: str, *, before: Sequence[Mark] = ()) -> Because:
    """Why somebody got, will get or does not get this message; ``before`` is what led to its being written."""
    return Because(_line(told, zone), (*before, *_marks(told, zone)))


def _line(told: Told, zone: str) -> str:
    because = f"：{told.reason}" if told.reason else ""
    what = told.why or "这条消息"
    return {
        State.PLANNED: f"{what}到点了，正在写文案",
        State.WAITING: f"{what}还没有发，计划 {spoken(told.due, zone)} 发{because}",
        State.SENDING: f"{what}正在发出",
        State.CREATED: f"{what}已建成群发任务，等员工 {told.sender} 点确认{because}",
        State.CONFIRMED: f"{what}员工已确认，等平台报送达结果",
        State.SENT: f"{what}已送达{'，' + spoken(told.sent, zone) if told.sent else ''}",
        State.REFUSED: f"{what}没有发到{because}",
        State.CANCELLED: f"{what}取消了{because}",
        State.UNKNOWN: f"{what}发出后没有可信的回音，等人判断{because}",
    }[told.state]


def _marks(told: Told, zone: str) -> list[Mark]:
    way = WAYS.get(told.channel, str(told.channel))
    marks = [Mark(told.written, f"写好：{told.why or '一条消息'}；走{way}，由 {told.sender or '系统'} 发")]
    if told.tried is not None:
        number = f"，平台编号 {told.number}" if told.number else ""
        marks.append(Mark(told.tried, f"规则都放行，交给平台{number}"))
    if told.sent is not None:
        marks.append(Mark(told.sent, "平台报告送达"))
    if told.reason:
        marks.append(Mark(None, told.reason))
    return marks


def of_journey(template: Template, journey: Journey) -> list[Mark]:
    """How somebody came to walk a template, and where they are."""
    marks = [Mark(journey.anchor, f"触发「{template.name}」第 {journey.version} 版，第 {journey.run} 次")]
    words = {
        JourneyState.ACTIVE: "在路上",
        JourneyState.DONE: "走完了",
        JourneyState.EXITED: f"提前结束：{journey.reason}",
        JourneyState.HELD_OUT: journey.reason or "抽入对照组，只观察不发送",
    }
    marks.append(Mark(journey.changed, words[journey.state]))
    return marks


def of_template(
    template: Template,
    zone: str,
    *,
    belongs: bool,
    paused: bool,
    journey: Journey | None,
    missed: Sequence[Missed],
    told: Sequence[Told],
) -> Because:
    """Why somebody got something of a template, or nothing; the newest that decides comes first."""
    marks = of_journey(template, journey) if journey else []
    marks += [
        Mark(one.noticed, f"「{one.step}」{FATES.get(one.fate, one.fate)}：{one.reason}") for one in missed
    ]
    for one in told:
        marks += _marks(one, zone)
    trace = tuple(sorted(marks, key=lambda mark: (mark.at is None, mark.at)))
    return Because(_standing(template, zone, belongs, paused, journey, missed, told), trace)


def _standing(
    template: Template,
    zone: str,
    belongs: bool,
    paused: bool,
    journey: Journey | None,
    missed: Sequence[Missed],
    told: Sequence[Told],
) -> str:
    name = f"「{template.name}」"
    if journey is None:
        if not belongs:
            return f"没有进入{name}：现在不在适用人群里"
        return f"没有进入{name}：" + ("模板已暂停" if paused else "在适用人群里，但触发条件还没有发生")
    if journey.state is JourneyState.HELD_OUT:
        return f"进了{name}的对照组，只观察不发送"
    if journey.state is JourneyState.EXITED:
        return f"{name}提前结束：{journey.reason}"
    if paused:
        return f"{name}已暂停，恢复后再发"
    newest = max(told, key=lambda one: one.written, default=None)
    last = max(missed, key=lambda one: one.noticed, default=None)
    if last is not None and (newest is None or last.noticed > newest.written):
        return f"{name}的「{last.step}」{FATES.get(last.fate, last.fate)}：{last.reason}"
    if newest is not None:
        return _line(newest, zone)
    return f"已进入{name}，下一步还没到时候"
