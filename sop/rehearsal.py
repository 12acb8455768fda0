"""Rehearsals 彩排: a template played against the members there are, in virtual time, without saying anything.

What decides here is what decides for real: enrolment, the moment of a step, its fate, its channel, sender and wording, and
the policy gate. What nobody can know is assumed, and said in :data:`ASSUMED`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from heapq import heappop, heappush
from typing import Any

from sop.audience import Facts
from sop.consent import Consent
from sop.experiment import arm_of
from sop.finish import NO_WAY, STILL_WELCOME
from sop.group import Group
from sop.hour import PRIOR, Best, Rates, choice
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
    next_slot,
)
from sop.kf import Session, closed
from sop.member import Member
from sop.message import CAPABILITIES, Channel
from sop.quota import Span, opens_again, told
from sop.render import Rendered, compose, words
from sop.sender import Senders, Unsaid, not_before, sender_for, way_for
from sop.template import AfterEvent, Ask, AskKind, AtBest, GiveCoupon, On, Step, Template, Wait
from sop.timing import Later, Never, QuietHours, Situation, local_day, may_send

ASSUMED = (
    "没有人打开、回答或下单：分支都走「否则」，要等这些的步骤都等不到，旅程不会提前结束",
    "员工收到任务马上确认，平台不拒收",
    "标签、好友、群和退订与现在一样；同时在跑的其他模板之后发的不占额度，最近 7 天已经发出的占，也不和更重要的模板争额度",
    "事件触发的模板：适用人群里的每个人都在开始那一刻触发；对照组按成员编号抽取，与真跑时抽到的人不同",
)
LINK, TASK = "https://…/l/追踪链接", "https://…/l/任务页面"


class Outcome(StrEnum):
    """What becomes of one step for one recipient."""

    SENT = "sent"  # it leaves, at the moment given
    WAITING = "waiting"  # kept back until after the last day
    REFUSED = "refused"  # the gate says never
    UNSAID = "unsaid"  # nothing could be said: no sender, no words
    SKIPPED = "skipped"
    ASKED = "asked"


@dataclass(frozen=True, slots=True)
class Scene:
    """One step for one recipient: when it was planned, when it left, in whose name, and why not."""

    whom: str
    called: str
    step: int
    planned: datetime
    at: datetime
    outcome: Outcome
    reason: str = ""  # also of what left: why it left later than planned
    channel: Channel | None = None
    sender: str = ""
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Walker:
    """Somebody who may walk the template, with everything the rules ask about them now."""

    to: Member | Group
    senders: Senders
    last: Journey | None = None
    refused: bool = False
    quota_until: datetime | None = None
    sent: tuple[datetime, ...] = ()  # what counts against the budget
    sends: tuple[datetime, ...] = ()  # 企业群发 of this month
    session: Session | None = None  # of 微信客服
    answered: int = 0
    zone: str = ""  # empty: the community's
    rates: Rates = PRIOR  # by hour of the week, for steps at the best hour


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What is the same for everybody: the template, the community's rules, and the days that are played."""

    template: Template
    start: datetime
    end: datetime
    zone: str
    weekly_cap: int | None = None
    quiet: QuietHours | None = None
    spacing: timedelta = timedelta()
    hour_hold_out: float = 0.1
    group_send_limit: Span = Span.MONTH
    batches: frozenset[str] = frozenset()  # coupon batches there are
    invites: frozenset[str] | None = (
        frozenset()
    )  # the names of the groups one is asked into; None without a way in

    @property
    def limits(self) -> list[str]:
        """What the platform takes at most on the channels of this template, a line each."""
        channels = [step.channel or Channel.GROUP_SEND for step in self.template.sayings]
        return told(channels, self.group_send_limit)

    @property
    def beginnings(self) -> tuple[datetime, ...]:
        """When the clock starts journeys in these days; what an event starts begins at once."""
        slots, after = list[datetime](), self.start - timedelta(microseconds=1)
        while (slot := next_slot(self.template.trigger, after, self.zone)) and slot < self.end:
            slots.append(slot)
            after = slot
        clocked = next_slot(self.template.trigger, self.start - timedelta(days=36500), self.zone) is not None
        return tuple(slots) if clocked else (self.start,)


@dataclass(frozen=True)
class Absence:
    """Somebody does not begin, or only counts for comparison."""

    whom: str
    reason: str


@dataclass
class _Waiting:
    """A message between the plan and the gate."""

    wait: DueStep
    planned: datetime
    channel: Channel
    sender: str
    text: str
    note: str


class Rehearsal:
    """Plays one recipient after another; what many share is worked out once."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.beginnings = stage.beginnings
        self._due: dict[tuple[int, datetime, str], DueStep | None] = {}
        self._texts: dict[tuple[object, ...], Rendered] = {}

    def play(self, walker: Walker) -> Iterator[Scene | Absence]:
        """Everything one recipient would get or miss, in the order of time."""
        template, whom, last = self.stage.template, walker.to.id, walker.last
        for began in self.beginnings:
            lot = _lot(f"{template.id}:{whom}") if template.hold_out else 1.0
            verdict = enrol(template, walker.to.facts(), last, began, fraction=lot)
            if not isinstance(verdict, Enrol) or not _active(verdict):
                yield Absence(whom, verdict.reason)
                continue
            journey = Journey(
                template=template.id,
                version=template.version,
                subject=template.subject,
                whom=whom,
                run=verdict.run,
                anchor=began,
                zone=walker.zone,
                arm=arm_of(template, whom),
            )
            last = journey
            scenes = list(_Walk(self, walker, journey).scenes())
            left = tuple(one.at for one in scenes if one.outcome is Outcome.SENT and self._counts(one))
            sends = tuple(one.at for one in scenes if _is_group_send(one))
            walker = replace(walker, sent=walker.sent + left, sends=walker.sends + sends)
            yield from scenes

    def _counts(self, scene: Scene) -> bool:
        return self.stage.template.sayings[scene.step].marketing and scene.channel is not Channel.WELCOME

    def due(self, journey: Journey, rates: Rates) -> DueStep | None:
        """When the journey goes on; worked out once for all who began together, unless it waits for what was said."""
        template, at = self.stage.template, journey.step
        if journey.over or journey.deciding or isinstance(template.steps[at].when, Wait | AfterEvent):
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
    """One journey, from its beginning to the last day: plans and the gate take turns as the clock brings them."""

    def __init__(self, rehearsal: Rehearsal, walker: Walker, journey: Journey) -> None:
        self._rehearsal, self._stage, self._walker = rehearsal, rehearsal.stage, walker
        self._journey = journey
        self._sent, self._answered = list(walker.sent), walker.answered
        self._sends = list(walker.sends)
        self._queue: list[tuple[datetime, int, _Waiting | None]] = []
        self._number = 0

    def scenes(self) -> Iterator[Scene]:
        self._await_step()
        while self._queue:
            now, _, message = heappop(self._queue)
            if now >= self._stage.end:
                if message is not None:
                    yield self._scene(message, now, Outcome.WAITING, message.note)
            elif message is not None:
                yield from self._judge(message, now)
            else:
                yield from self._plan(now)

    def _push(self, at: datetime, message: _Waiting | None = None) -> None:
        self._number += 1
        heappush(self._queue, (at, self._number, message))

    def _await_step(self) -> None:
        wait = self._rehearsal.due(self._journey, self._walker.rates)
        if wait is not None:
            self._push(max(wait.at, self._journey.changed or self._journey.anchor))

    def _invite(self, now: datetime) -> Iterator[Scene]:
        """What follows the end is said like a step, to whom is not in the group yet."""
        template, to, groups = self._stage.template, self._walker.to, self._stage.invites
        if not template.finish.invite or not isinstance(to, Member) or to.groups & (groups or frozenset()):
            return
        at = len(template.steps)
        wait = DueStep(index=at, step=template.sayings[at], at=now, deadline=now + STILL_WELCOME)
        message = (
            self._write(wait, now, "")
            if groups is not None
            else Unsaid(NO_WAY.format(template.finish.invite))
        )
        if isinstance(message, Unsaid):
            yield self._missed(wait, now, Outcome.UNSAID, message.reason)
        else:
            self._push(not_before(message.channel, now) or now, message)

    def _plan(self, now: datetime) -> Iterator[Scene]:
        template, stage = self._stage.template, self._stage
        to, journey = self._walker.to, self._journey
        if exits(template, to.facts(), left=isinstance(to, Group) and not to.alive):
            return
        if journey.deciding:
            self._journey = journey.decided(template, None, now)
            yield from self._go_on(now)
            return
        wait = self._rehearsal.due(journey, self._walker.rates)
        if wait is None:
            return
        decided = fate(wait, now)
        note = fate_reason(wait, decided, journey.zone or stage.zone)
        said = False
        if decided in (Fate.ON_TIME, Fate.LATE):
            message = self._write(wait, now, note)
            said = not isinstance(message, Unsaid)
            if isinstance(message, Unsaid):
                yield self._missed(wait, now, Outcome.UNSAID, message.reason)
            else:
                self._push(not_before(message.channel, now) or now, message)
        else:
            outcome = Outcome.ASKED if decided is Fate.ASKED else Outcome.SKIPPED
            yield self._missed(wait, now, outcome, note)
        self._journey = journey.advanced(template, now, said=said)
        yield from self._go_on(now)

    def _go_on(self, now: datetime) -> Iterator[Scene]:
        self._await_step()
        if self._journey.state is JourneyState.DONE:
            yield from self._invite(now)

    def _write(self, wait: DueStep, now: datetime, note: str) -> _Waiting | Unsaid:
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
        day = day_of(self._journey.anchor, now, self._walker.zone or self._stage.zone)
        rendered = self._rehearsal.words(step, self._walker, channel, day, self._journey.arm)
        if not rendered.text:
            return Unsaid(f"文案无法生成：{rendered.problem}")
        return _Waiting(wait, now, channel, sender, rendered.text, note or rendered.problem)

    def _judge(self, message: _Waiting, now: datetime) -> Iterator[Scene]:
        verdict = may_send(self._situation(message, now), now)
        if isinstance(verdict, Later):
            message.note = verdict.reason
            self._push(verdict.until, message)
        elif isinstance(verdict, Never):
            yield self._scene(message, now, Outcome.REFUSED, verdict.reason)
        else:
            if message.wait.step.marketing and message.channel is not Channel.WELCOME:
                self._sent.append(now)
            self._answered += message.channel is Channel.KF
            if message.channel is Channel.GROUP_SEND:
                self._sends.append(now)
            yield self._scene(message, now, Outcome.SENT, message.note)

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


def _is_group_send(scene: Scene) -> bool:
    return scene.outcome is Outcome.SENT and scene.channel is Channel.GROUP_SEND


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


def _active(verdict: Enrol) -> bool:
    return verdict.state is JourneyState.ACTIVE


def _lot(name: str) -> float:
    """The same lot for the same name, 0 ≤ lot < 1."""
    return int.from_bytes(sha256(name.encode()).digest()[:7]) / 2**56


# ---------------------------------------------------------------- what it comes to

SHOWN = 20  # people named behind a number


@dataclass
class Count:
    """How many, and who the first of them are."""

    number: int = 0
    people: list[str] = field(default_factory=list)

    def add(self, called: str) -> None:
        self.number += 1
        if len(self.people) < SHOWN:
            self.people.append(called)


@dataclass
class Summary:
    """What a rehearsal comes to; its size depends on days, steps, senders and reasons, not on members."""

    stage: Stage
    looked_at: int = 0
    begun: int = 0
    absent: dict[str, Count] = field(default_factory=dict)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    calendar: dict[tuple[str, int], Count] = field(default_factory=dict)  # (local day, step): what leaves
    reasons: dict[tuple[str, Outcome], Count] = field(default_factory=dict)
    tasks: dict[tuple[str, str], dict[tuple[datetime, str], int]] = field(default_factory=dict)

    def add(self, walker: Walker, scenes: Sequence[Scene | Absence]) -> None:
        self.looked_at += 1
        called, absences = walker.to.called, {one.reason for one in scenes if isinstance(one, Absence)}
        played = [one for one in scenes if isinstance(one, Scene)]
        self.begun += bool(played)
        for reason in absences if not played else ():
            self.absent.setdefault(reason, Count()).add(called)
        for scene in played:
            self._count(scene)

    def _count(self, scene: Scene) -> None:
        self.outcomes[scene.outcome] += 1
        day = local_day(scene.at, self.stage.zone).isoformat()
        if scene.outcome is not Outcome.SENT:
            reason = _kind_of(scene.reason)
            self.reasons.setdefault((reason, scene.outcome), Count()).add(scene.called)
            return
        self.calendar.setdefault((day, scene.step), Count()).add(scene.called)
        if scene.channel is Channel.GROUP_SEND:
            moment = scene.at.replace(second=0, microsecond=0)
            tasks = self.tasks.setdefault((scene.sender, day), {})
            content = (moment, scene.text)
            tasks[content] = tasks.get(content, 0) + 1

    def confirmations(self, per_task: int) -> list[tuple[str, str, int]]:
        """Staff member, local day and how many tasks wait for their tap; a task holds at most ``per_task`` members."""
        found = [
            (sender, day, sum(-(-size // per_task) for size in tasks.values()))
            for (sender, day), tasks in self.tasks.items()
        ]
        return sorted(found, key=lambda row: (row[1], -row[2], row[0]))


def _kind_of(reason: str) -> str:
    """A reason without the name and the moment that differ from one recipient to the next."""
    for common in ("没有可以代发的员工", "错过了发送窗口，跳过", "错过了，等运营决定是否补发"):
        if common in reason:
            return common
    if "上限" in reason:
        return "到了每周的上限" + ("，来不及在时限内再发" if "时限" in reason else "，改到之后")
    for common in ("免打扰时段", "离上一条太近", "平台的发送额度已用完"):
        if reason.startswith(common):
            return common + ("，来不及在时限内再发" if "时限" in reason else "")
    return "已过发送时限" if reason.startswith("已过发送时限") else reason
