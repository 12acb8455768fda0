"""Rehearsals 彩排: a template played against the members there are, in virtual time, without saying anything.

What decides here is what decides for real: enrolment, the moment of a step, its fate, its channel, sender and wording, and
the policy gate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from heapq import heappop, heappush
from typing import Any

from sop.audience import Facts
from sop.consent import Consent
from sop.experiment import arm_of, lot_of
from sop.field import is_kept
from sop.finish import NO_WAY, STILL_WELCOME
from sop.group import Group
from sop.hour import Best, Rates, choice
from sop.interaction import menu
from sop.journey import (
    DueStep,
    Enrol,
    Fate,
    Journey,
    JourneyState,
    day_of,
    enrol,
    exits,
    fate,
    fate_reason,
    next_due,
)
from sop.kf import closed
from sop.member import Member
from sop.message import CAPABILITIES, Channel
from sop.quota import opens_again
from sop.render import Rendered, compose, words
from sop.sender import Unsaid, not_before, sender_for, way_for
from sop.stage import ANSWERS_AFTER, NOT_THEIR_DAY, Absence, Outcome, Scene, Stage, Walker
from sop.template import AfterEvent, Ask, AskKind, AtBest, GiveCoupon, On, Signal, Step, Template, Wait
from sop.timing import Later, Never, Situation, local_day, may_send

LINK, TASK = "https://…/l/追踪链接", "https://…/l/任务页面"

# what happens first of what happens in one instant: a sender takes what shares a task before what does not
ANSWERS, BEGINNINGS, TURNS, TASKS, SINGLES = range(5)


@dataclass
class _Run:
    """A journey under way; only the newest turn it waits for is taken."""

    journey: Journey
    turn: int = 0


@dataclass(frozen=True)
class _Begin:
    """The clock, or an event, starts a journey."""


@dataclass(frozen=True)
class _Turn:
    """A journey's next step is due, or its time to decide is over."""

    run: _Run
    number: int


@dataclass(frozen=True)
class _Answer:
    """The recipient does what a step asks."""

    step: int
    signal: Signal


@dataclass
class _Waiting:
    """A message between the plan and the gate."""

    run: _Run
    wait: DueStep
    planned: datetime
    channel: Channel
    sender: str
    text: str
    note: str


_Event = _Begin | _Turn | _Answer | _Waiting


class Rehearsal:
    """Plays one recipient after another; what many share is worked out once."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.beginnings = stage.beginnings
        self._due: dict[tuple[int, datetime, str], DueStep | None] = {}
        self._texts: dict[tuple[object, ...], Rendered] = {}

    def play(self, walker: Walker) -> Iterator[Scene | Absence]:
        """Everything one recipient would get or miss, in the order of time."""
        return _Walk(self, walker).scenes()

    def own_days(self, walker: Walker) -> list[datetime] | None:
        """The beginnings that fall on somebody's own day; None when the template starts for everybody alike."""
        trigger = self.stage.template.trigger
        return (
            None
            if trigger.on is not On.DATE_FIELD
            else [
                began
                for began in self.beginnings
                if walker.day
                and is_kept(
                    walker.day, local_day(began, self.stage.zone) + timedelta(days=trigger.days_before)
                )
            ]
        )

    def due(self, journey: Journey, rates: Rates) -> DueStep | None:
        """When the journey goes on; worked out once for all who began together, unless it waits for what was said."""
        template, at = self.stage.template, journey.step
        alone = journey.state is not JourneyState.ACTIVE or journey.deciding
        if alone or isinstance(template.steps[at].when, Wait | AfterEvent):
            return next_due(template, journey, self.stage.zone)
        if isinstance(template.steps[at].when, AtBest):
            best = Best(self.stage.quiet, self.stage.hour_hold_out)
            found = choice(template, journey, self.stage.zone, rates, best)
            return next_due(template, journey, self.stage.zone, chosen=found.at if found else None)
        key = (at, journey.anchor, journey.zone)
        if key not in self._due:
            self._due[key] = next_due(template, journey, self.stage.zone)
        return self._due[key]

    def words(self, step: Step, walker: Walker, channel: Channel, day: int, arm: str) -> Rendered:
        """What the step says, with stand-ins for links; the same wording of the same words is rendered once."""
        to, personal = walker.to, isinstance(walker.to, Member)
        alone = to if isinstance(to, Member) and CAPABILITIES[channel].individual_text else None
        group = to if isinstance(to, Group) else None
        facts = to.facts()
        seen = (alone.name, alone.tier, alone.tags) if alone else group.name if group else ""
        key = (step.id, channel, day, seen, step.wording(facts, personal=personal, arm=arm))
        if key not in self._texts:
            if len(self._texts) > 10_000:  # names differ; memory stays bounded
                self._texts.clear()
            said = words(member=alone, group=group, day=day, **stand_ins(self.stage.template, step))
            self._texts[key] = self._compose(step, facts, said, channel, personal, arm)
        return self._texts[key]

    def _compose(
        self, step: Step, facts: Facts, said: dict[str, object], channel: Channel, personal: bool, arm: str
    ) -> Rendered:
        longest = CAPABILITIES[channel].max_bytes
        return compose(step, facts, said, personal=personal, arm=arm, longest=longest)


class _Walk:
    """All journeys of one recipient until the last day: beginnings, plans, the gate and answers take turns as the clock brings them."""

    def __init__(self, rehearsal: Rehearsal, walker: Walker) -> None:
        self._rehearsal, self._stage, self._walker = rehearsal, rehearsal.stage, walker
        self._facts = walker.to.facts()
        self._runs: list[_Run] = []
        self._sent, self._answered = list(walker.sent), walker.answered
        self._sends = list(walker.sends)
        self._queue: list[tuple[datetime, int, int, _Event]] = []
        self._number = 0

    def scenes(self) -> Iterator[Scene | Absence]:
        own_days = self._rehearsal.own_days(self._walker)
        if own_days is not None and not own_days:
            yield Absence(self._walker.to.id, NOT_THEIR_DAY)
        for began in self._rehearsal.beginnings if own_days is None else own_days:
            self._push(began, BEGINNINGS, _Begin())
        while self._queue:
            now, _, _, event = heappop(self._queue)
            yield from self._happen(event, now)

    def _happen(self, event: _Event, now: datetime) -> Iterator[Scene | Absence]:
        if isinstance(event, _Waiting):
            yield from self._judge(event, now) if now < self._stage.end else self._kept(event, now)
        elif now >= self._stage.end:
            return
        elif isinstance(event, _Turn):
            if event.number == event.run.turn:
                yield from self._plan(event.run, now)
        elif isinstance(event, _Answer):
            yield from self._hear(event, now)
        else:
            yield from self._begin(now)

    def _push(self, at: datetime, rank: int, event: _Event) -> None:
        self._number += 1
        heappush(self._queue, (at, rank, self._number, event))

    def _begin(self, now: datetime) -> Iterator[Scene | Absence]:
        template, whom = self._stage.template, self._walker.to.id
        last = self._runs[-1].journey if self._runs else self._walker.last
        verdict = enrol(template, self._facts, last, now, fraction=lot_of(template, whom))
        if not isinstance(verdict, Enrol):
            yield Absence(whom, verdict.reason)
            return
        journey = Journey(
            template=template.id,
            version=template.version,
            subject=template.subject,
            whom=whom,
            run=verdict.run,
            anchor=now,
            state=verdict.state,
            zone=self._walker.zone,
            arm=arm_of(template, whom),
        )
        self._runs.append(run := _Run(journey))
        if journey.state is not JourneyState.ACTIVE:
            yield Absence(whom, verdict.reason)
        yield from self._go_on(run, journey, now)

    def _go_on(self, run: _Run, journey: Journey, now: datetime) -> Iterator[Scene]:
        """The journey stands elsewhere now: its next turn comes in its time, and at its end an invitation."""
        run.journey, run.turn = journey, run.turn + 1
        wait = self._rehearsal.due(journey, self._walker.rates)
        if wait is not None:
            self._push(max(wait.at, journey.changed or journey.anchor), TURNS, _Turn(run, run.turn))
        if journey.state is JourneyState.DONE:
            yield from self._invite(run, now)

    def _invite(self, run: _Run, now: datetime) -> Iterator[Scene]:
        """What follows the end is said like a step, to whom is not in the group yet."""
        template, to, groups = self._stage.template, self._walker.to, self._stage.invites
        if not template.finish.invite or not isinstance(to, Member) or to.groups & (groups or frozenset()):
            return
        at = len(template.steps)
        wait = DueStep(index=at, step=template.sayings[at], at=now, deadline=now + STILL_WELCOME)
        no_way = Unsaid(NO_WAY.format(template.finish.invite))
        message = no_way if groups is None else self._write(run, wait, now, "")
        if isinstance(message, Unsaid):
            yield self._missed(wait, now, Outcome.UNSAID, message.reason)
        else:
            self._wait(message, not_before(message.channel, now) or now)

    def _plan(self, run: _Run, now: datetime) -> Iterator[Scene]:
        template, stage = self._stage.template, self._stage
        to, journey = self._walker.to, run.journey
        reason = exits(template, self._facts, left=isinstance(to, Group) and not to.alive)
        if reason:
            yield from self._go_on(run, journey.exited(reason, now), now)
            return
        if journey.deciding:
            yield from self._go_on(run, journey.decided(template, None, now), now)
            return
        wait = self._rehearsal.due(journey, self._walker.rates)
        if wait is None:
            return
        decided = fate(wait, now)
        note = fate_reason(wait, decided, journey.zone or stage.zone)
        said = False
        if decided in (Fate.ON_TIME, Fate.LATE):
            message = self._write(run, wait, now, note)
            said = not isinstance(message, Unsaid)
            if isinstance(message, Unsaid):
                yield self._missed(wait, now, Outcome.UNSAID, message.reason)
            else:
                self._wait(message, not_before(message.channel, now) or now)
        else:
            outcome = Outcome.ASKED if decided is Fate.ASKED else Outcome.SKIPPED
            yield self._missed(wait, now, outcome, note)
        yield from self._go_on(run, journey.advanced(template, now, said=said), now)

    def _wait(self, message: _Waiting, until: datetime) -> None:
        alone = CAPABILITIES[message.channel].individual_text
        self._push(until, SINGLES if alone else TASKS, message)

    def _hear(self, answer: _Answer, now: datetime) -> Iterator[Scene]:
        """Somebody did what a step asks: it may end their journeys, lead them on, or be what a later step counts from."""
        template = self._stage.template
        for run in self._runs:
            journey = run.journey
            if journey.over:
                continue
            reason = exits(template, self._facts, signal=answer.signal)
            if reason:
                yield from self._go_on(run, journey.exited(reason, now), now)
                continue
            further = run.journey = journey.told(template, answer.signal, now)
            if further.deciding and further.step == answer.step:
                yield from self._go_on(run, further.decided(template, answer.signal, now), now)
            elif further is not journey and further.counted_from(template) is answer.signal:
                yield from self._go_on(run, further, now)

    def _write(self, run: _Run, wait: DueStep, now: datetime, note: str) -> _Waiting | Unsaid:
        to, step = self._walker.to, wait.step
        kind = str(to.kind) if isinstance(to, Group) else ""
        subject = self._stage.template.subject
        code = "assumed" if self._stage.template.trigger.on is On.FRIEND_ADDED else ""
        channel = way_for(step, subject=subject, group_kind=kind, welcome_code=code)
        if isinstance(channel, Unsaid):
            return channel
        sender = sender_for(channel, self._walker.senders, to.called)
        if isinstance(sender, Unsaid):
            return sender
        if isinstance(step.task, GiveCoupon) and step.task.batch not in self._stage.batches:
            return Unsaid(f"没有券批次「{step.task.batch}」，先把券码导入进来")
        day = day_of(run.journey.anchor, now, self._walker.zone or self._stage.zone)
        rendered = self._rehearsal.words(step, self._walker, channel, day, run.journey.arm)
        if not rendered.text:
            return Unsaid(f"文案无法生成：{rendered.problem}")
        return _Waiting(run, wait, now, channel, sender, rendered.text, note or rendered.problem)

    def _judge(self, message: _Waiting, now: datetime) -> Iterator[Scene]:
        if message.run.journey.state is JourneyState.EXITED:
            yield from self._kept(message, now)
            return
        verdict = may_send(self._situation(message, now), now)
        if isinstance(verdict, Later):
            message.note = verdict.reason
            self._wait(message, verdict.until)
        elif isinstance(verdict, Never):
            yield self._scene(message, now, Outcome.REFUSED, verdict.reason)
        else:
            if message.wait.step.marketing and message.channel is not Channel.WELCOME:
                self._sent.append(now)
            self._answered += message.channel is Channel.KF
            if message.channel is Channel.GROUP_SEND:
                self._sends.append(now)
            self._ask(message, now)
            yield self._scene(message, now, Outcome.SENT, message.note)

    def _ask(self, message: _Waiting, now: datetime) -> None:
        """Whose lot is among those who answer does so a while after they have read it."""
        step, template = message.wait.step, self._stage.template
        signal = next((branch.on for branch in step.branches if branch.on is not None), None)
        if signal and answer_lot(template, step, self._walker.to.id) < self._stage.answer_rate:
            self._push(now + ANSWERS_AFTER, ANSWERS, _Answer(message.wait.index, signal))

    def _kept(self, message: _Waiting, now: datetime) -> Iterator[Scene]:
        """It has not left: its journey is over, or the days are."""
        journey = message.run.journey
        if journey.state is JourneyState.EXITED:
            yield self._scene(message, now, Outcome.CANCELLED, f"旅程结束：{journey.reason}")
        else:
            yield self._scene(message, now, Outcome.WAITING, message.note)

    def _situation(self, message: _Waiting, now: datetime) -> Situation:
        stage, walker, template = self._stage, self._walker, self._stage.template
        welcome = message.channel is Channel.WELCOME
        marketing = message.wait.step.marketing and not welcome
        shut = message.channel is Channel.KF and walker.session is not None
        cap = stage.weekly_cap if template.weekly_cap is None else template.weekly_cap
        return Situation(
            zone=walker.zone or stage.zone,
            urgent=welcome,
            marketing=marketing,
            consent=Consent.REFUSED if walker.refused else Consent.UNASKED,
            quota_until=self._quota(message, now),
            closed=closed(walker.session, self._answered, now) if shut and walker.session else "",
            sent=self._sent,
            weekly_cap=cap if marketing else None,
            quiet=stage.quiet if template.quiet is None else template.quiet,
            spacing=stage.spacing if marketing else timedelta(),
            deadline=message.wait.deadline,
        )

    def _quota(self, message: _Waiting, now: datetime) -> datetime | None:
        told = self._walker.quota_until
        if message.channel is not Channel.GROUP_SEND:
            return told
        counted = opens_again(self._sends, self._stage.group_send_limit, now)
        return max((one for one in (told, counted) if one is not None), default=None)

    def _scene(self, message: _Waiting, at: datetime, outcome: Outcome, reason: str) -> Scene:
        to = self._walker.to
        return Scene(
            to.id,
            to.called,
            message.wait.index,
            message.planned,
            at,
            outcome,
            reason,
            message.channel,
            message.sender,
            message.text,
        )

    def _missed(self, wait: DueStep, now: datetime, outcome: Outcome, reason: str) -> Scene:
        return Scene(self._walker.to.id, self._walker.to.called, wait.index, wait.at, now, outcome, reason)


def stand_ins(template: Template, step: Step) -> dict[str, Any]:
    """Stand-ins for what is only known when a step is really sent."""
    filled: dict[str, Any] = {"link": LINK if step.link else "", "task": TASK if step.task else ""}
    match step.task:
        case Ask(kind=AskKind.LIGHT) if template.items:
            item = template.items[0]
            options = item.options
            filled |= {"joke": item.joke, "question": item.question}
        case Ask(question=question, options=options):
            filled |= {"question": question}
        case GiveCoupon(batch):
            return filled | {"coupon": {"name": batch}}
        case _:
            return filled
    return filled | {"options": [option.text for option in options], "menu": menu(options)}


def answer_lot(template: Template, step: Step, whom: str) -> float:
    """Where somebody's lot falls among those who answer a step, 0 ≤ lot < 1; the same in every rehearsal."""
    return _lot(f"answer:{template.id}:{step.id}:{whom}")


def _lot(name: str) -> float:
    return int.from_bytes(sha256(name.encode()).digest()[:7]) / 2**56
