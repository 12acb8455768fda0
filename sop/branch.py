"""Branches 分支: where a journey goes on after a step, as operators write it; ways lead forward, and everybody has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum

from sop.form import Form
from sop.journey import EXIT_WORDS
from sop.template import (
    END,
    After,
    AtBest,
    Branch,
    OnDate,
    OnDay,
    OnWeekday,
    Signal,
    Step,
    Subject,
    Template,
)
from sop.timing import lasting

HOUR = timedelta(hours=1)


class BranchWord(StrEnum):
    """What decides, as it is written: a signal, or ``else`` for whoever does nothing of it in time."""

    LINK_VISITED = "link.visited"
    ANSWERED = "answered"
    CHECKED_IN = "checked_in"
    COUPON_CLAIMED = "coupon.claimed"
    COUPON_REDEEMED = "coupon.redeemed"
    ORDER_PAID = "order.paid"
    REPLIED = "replied"
    PROMOTED = "promoted"
    ELSE = "else"


def read_branch(form: Form) -> Branch:
    """One way, and what leads there."""
    word = form.word("on", BranchWord)
    branch = Branch(None if word in (None, BranchWord.ELSE) else Signal(word), form.text("to", required=True))
    form.done()
    return branch


def taken(template: Template, at: int, signal: Signal | None, to: int) -> str:
    """Which way was taken after a step, and why, in one line; ``to`` beyond the last step is the end."""
    step = template.steps[at]
    did = EXIT_WORDS[signal] if signal else f"{lasting(step.decide)}内没有动作"
    way = f"接着走「{template.steps[to].called}」" if to < len(template.steps) else "到此结束"
    return f"「{step.called}」之后{did}，{way}"


def onward(template: Template, at: int) -> tuple[str, ...]:
    """Where a step leads, a line for each way; nothing when everybody goes on to the next."""
    step = template.steps[at]
    ways = [
        *((branch.on, branch.to) for branch in step.branches),
        *([(None, step.then)] if step.then else []),
    ]
    return tuple(_led(template, step, signal, to) for signal, to in ways)


def _led(template: Template, step: Step, signal: Signal | None, to: str) -> str:
    did = EXIT_WORDS[signal] if signal else f"{lasting(step.decide)}内没有动作" if step.branches else "说完"
    following = template.step(to)
    return f"{did} → {f'「{following.called}」' if following else '到此结束'}"


def read_decide(form: Form) -> timedelta:
    """How long a step waits for what the member does."""
    if form.has("decide") and not form.has("branch"):
        form.wrong("decide", "没有 branch，不用等")
    decide = form.span("decide", 24 * HOUR) if form.has("decide") else 24 * HOUR
    if not decide:
        form.wrong("decide", "一分钟也不等，那就用不着分支")
    return decide


def check_ways(steps: Sequence[Step], forms: Sequence[Form], subject: Subject) -> None:
    """Ways lead forward to steps that are there; where behaviour decides, there is one way for everybody else."""
    places = {step.id: at for at, step in enumerate(steps)} | {END: len(steps)}
    for at, (step, form) in enumerate(zip(steps, forms, strict=True)):
        if step.then:
            _lead_on(form, "then", step.then, at, places)
        for number, branch in enumerate(step.branches):
            inner = Form({}, form.notes, (*form.path, "branch", number))
            _lead_on(inner, "to", branch.to, at, places)
        _one_way_each(step, form, subject)


def _lead_on(form: Form, key: str, to: str, at: int, places: Mapping[str, int]) -> None:
    if to not in places:
        form.wrong(key, f"没有编号是 “{to}” 的步骤", expected="后面某一步的 id，或 end")
    elif places[to] <= at:
        form.wrong(key, f"“{to}” 不在这一步的后面，会绕圈", expected="后面某一步的 id，或 end")


def _one_way_each(step: Step, form: Form, subject: Subject) -> None:
    signals = [branch.on for branch in step.branches]
    if not signals:
        return
    if subject is Subject.GROUP:
        form.wrong("branch", "群一起走的模板看不到某个成员做了什么", expected="只用在成员的模板里")
    if step.then:
        form.wrong("then", "有 branch 就不用 then", expected="只留一个")
    if None not in signals:
        form.wrong("branch", "没有写其余的人往哪走", example='[[step.branch]]\non = "else"\nto = "end"')
    if len(set(signals)) < len(signals):
        form.wrong("branch", "同一个动作写了两条路", expected="每个动作一条")


def out_of_order(steps: Sequence[Step]) -> list[int]:
    """Indexes of steps that would be due before a step that leads to them."""
    places = {step.id: at for at, step in enumerate(steps)}
    late = set()
    for at, step in enumerate(steps):
        ways = [branch.to for branch in step.branches] or [step.then]
        for to in (places.get(way, at + 1 if not way else len(steps)) for way in ways):
            if at < to < len(steps) and _before(steps[to], step):
                late.add(to)
    return sorted(late)


def _before(below: Step, above: Step) -> bool:
    match above.when, below.when:
        case OnDay() as first, OnDay() as second:
            return (second.day, second.time) < (first.day, first.time)
        case (OnDay() | AtBest()) as first, (OnDay() | AtBest()) as second:
            return second.day < first.day
        case OnDate() as first, OnDate() as second:
            return (second.date, second.time) < (first.date, first.time)
        case After() as first, After() as second:
            return second.delay < first.delay
        case OnWeekday() as first, OnWeekday() as second:
            return second.week < first.week
    return False
