"""Templates SOP 模板: the plan an operator writes, as frozen values.

``sop/file.py`` reads them from TOML and refuses what makes no sense; everybody else may trust what stands here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, time, timedelta
from enum import StrEnum

from sop.attachment import Attachment
from sop.audience import Audience, Expression, Facts, matches
from sop.guard import USUAL, Guard
from sop.interaction import AnswerOption, Item
from sop.message import Channel
from sop.timing import QuietHours

HOUR = timedelta(hours=1)


class Subject(StrEnum):
    """Who walks a template: each member by themselves, or each group as a whole."""

    MEMBER = "member"
    GROUP = "group"


class On(StrEnum):
    """What starts a journey."""

    FRIEND_ADDED = "friend.added"  # became a friend of a staff member
    MEMBER_JOINED = "member.joined"  # came into the community: friend or group, whichever was first
    GROUP_JOINED = "group.joined"  # came into a group (the one named, or any)
    TAG_ADDED = "tag.added"
    TAG_REMOVED = "tag.removed"
    TIER_CHANGED = "tier.changed"
    LINK_VISITED = "link.visited"
    ORDER_PAID = "order.paid"
    SILENCE = "silence"  # nothing was heard of the member for so many days
    DATE = "date"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    HOLIDAY = "holiday"  # the first day of a holiday, or some days before
    DATE_FIELD = "date_field"  # each year on a day kept of the member, like their birthday


CLOCKED = frozenset(
    {On.DATE, On.WEEKLY, On.MONTHLY, On.SILENCE, On.HOLIDAY, On.DATE_FIELD}
)  # the clock starts these, not an event


class Signal(StrEnum):
    """What shows that a step or a template worked, and what can end a journey."""

    LINK_VISITED = "link.visited"
    ANSWERED = "answered"
    CHECKED_IN = "checked_in"
    COUPON_CLAIMED = "coupon.claimed"
    COUPON_REDEEMED = "coupon.redeemed"
    ORDER_PAID = "order.paid"
    REPLIED = "replied"
    PROMOTED = "promoted"


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """What starts a journey; only the fields that belong to ``on`` are set."""

    on: On
    tag: str = ""
    tier: str = ""
    group: str = ""
    template: str = ""  # link.visited: of which template's links; empty is any
    days: int = 0  # silence
    date: date | None = None
    weekday: int = 0  # 0 is Monday
    day: int = 1  # of the month; a short month has it on its last day
    time: time | None = None
    holiday: str = ""  # its name; empty is any
    field: str = ""  # the name of the date field
    days_before: int = 0  # holiday, date_field


# ---------------------------------------------------------------- when a step is due
#
# A ``workday`` is moved to the next day on which people work, when they do not.


@dataclass(frozen=True, kw_only=True)
class OnDay:
    """``day`` local days after the journey began, at ``time``; day 0 is the day it began."""

    day: int
    time: time
    window: timedelta = 3 * HOUR
    workday: bool = False


@dataclass(frozen=True, kw_only=True)
class OnWeekday:
    """The first such weekday and time after the journey began (0 is Monday), ``week`` 1 for the first, 2 for the next."""

    weekday: int
    time: time
    week: int = 1
    window: timedelta = 3 * HOUR
    workday: bool = False


@dataclass(frozen=True, kw_only=True)
class OnDate:
    """A day of the calendar, whenever the journey began."""

    date: date
    time: time
    window: timedelta = 3 * HOUR
    workday: bool = False


@dataclass(frozen=True, kw_only=True)
class AtBest:
    """``day`` local days (1 or more) after the journey began, at the hour at which most follow, within these limits."""

    day: int
    earliest: time = time(8)
    latest: time = time(22)  # not included
    window: timedelta = 3 * HOUR
    workday: bool = False

    @property
    def hours(self) -> tuple[int, ...]:
        """The hours of the day whose half lies within the limits: it is always said at half past."""
        return tuple(hour for hour in range(24) if self.earliest <= time(hour, 30) < self.latest)


@dataclass(frozen=True, kw_only=True)
class After:
    """So long after the journey began, at whatever hour that is."""

    delay: timedelta
    window: timedelta = 24 * HOUR


@dataclass(frozen=True, kw_only=True)
class Wait:
    """So long after the step before it was said, or after a branch was taken."""

    delay: timedelta
    window: timedelta = 24 * HOUR


@dataclass(frozen=True, kw_only=True)
class AfterEvent:
    """So long after the member last did this, since the journey began; who does not do it ``within`` that time misses it."""

    event: Signal
    delay: timedelta
    within: timedelta = 7 * 24 * HOUR
    window: timedelta = 24 * HOUR


When = OnDay | OnWeekday | OnDate | AtBest | After | Wait | AfterEvent


# ---------------------------------------------------------------- what a step says and asks


@dataclass(frozen=True)
class Variant:
    """Another text for those of whom ``audience`` holds, or all, of an ``arm``, or any; the first variant that fits is taken."""

    audience: Expression | None
    text: str
    arm: str = ""

    def fits(self, facts: Facts, arm: str, *, personal: bool) -> bool:
        """``personal`` off means one text for everybody, whose facts then decide nothing."""
        if self.arm and self.arm != arm:
            return False
        return self.audience is None or (personal and matches(self.audience, facts))


@dataclass(frozen=True)
class StepLink:
    """Where a step's tracked link leads: an http(s) address, or a path of our own member pages."""

    url: str
    title: str = ""


@dataclass(frozen=True)
class Reward:
    """What a check-in streak of ``days`` earns: a tag, a coupon of a batch, or both."""

    days: int
    tag: str = ""
    coupon: str = ""


@dataclass(frozen=True)
class CheckIn:
    """Come back each day; streaks earn rewards."""

    rewards: tuple[Reward, ...] = ()


class AskKind(StrEnum):
    """A light interaction comes from the template's pool; a poll tells its result; a question keeps it."""

    LIGHT = "light"
    POLL = "poll"
    QUESTION = "question"


@dataclass(frozen=True, kw_only=True)
class Ask:
    """Something to answer. Without options any words are an answer."""

    kind: AskKind
    question: str = ""
    options: tuple[AnswerOption, ...] = ()
    closes: timedelta = 24 * HOUR
    post_result: bool = False
    weeks_apart: int = 8  # light: an item comes back to the same group after so many weeks


@dataclass(frozen=True)
class GiveCoupon:
    """Offer a coupon of this batch, at most one per member, claimed on a page or by a word."""

    batch: str


@dataclass(frozen=True)
class OpenLink:
    """Open the step's link; nothing else is asked."""


Task = CheckIn | Ask | GiveCoupon | OpenLink


class OnMiss(StrEnum):
    """What to do with a step whose moment has passed: say it late while its window is open, skip it, or ask an operator."""

    LATE = "late"
    SKIP = "skip"
    ASK = "ask"


class NoConfirm(StrEnum):
    """What to do when the staff member does not confirm: remind them, or hand it to a deputy."""

    REMIND = "remind"
    DEPUTY = "deputy"


@dataclass(frozen=True)
class Confirm:
    """When and how to insist on a confirmation."""

    action: NoConfirm = NoConfirm.REMIND
    after: timedelta = 2 * HOUR
    deputy: str = ""


END = "end"  # where a branch leads that ends the journey


@dataclass(frozen=True)
class Branch:
    """Where a journey goes on when the member does something after a step; without a signal, when they do nothing of it."""

    on: Signal | None
    to: str  # the id of a later step, or END


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing a template says. ``text`` is said to whom no variant fits; ``channel`` None lets the rule choose.

    With ``branches`` a journey waits, for as long as ``decide``, for what the member does; ``then`` names the step that
    follows when it is not the next one.
    """

    id: str
    when: When
    text: str
    name: str = ""
    channel: Channel | None = None
    variants: tuple[Variant, ...] = ()
    link: StepLink | None = None
    task: Task | None = None
    on_miss: OnMiss = OnMiss.LATE
    confirm: Confirm = Confirm()
    success: Signal | None = None
    marketing: bool = True
    branches: tuple[Branch, ...] = ()
    decide: timedelta = 24 * HOUR
    then: str = ""
    attachments: tuple[Attachment, ...] = ()

    def wording(self, facts: Facts, *, personal: bool = True, arm: str = "") -> str:
        """The text for somebody of an arm of whom these facts are true; ``personal`` off gives a whole arm the same."""
        fits = (one.text for one in self.variants if one.fits(facts, arm, personal=personal))
        return next(fits, self.text)

    @property
    def called(self) -> str:
        """What people know it by."""
        return self.name or self.id

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.text, *(variant.text for variant in self.variants))


# ---------------------------------------------------------------- the template


@dataclass(frozen=True, kw_only=True)
class Exit:
    """What ends a journey early."""

    promoted: bool = False
    left: bool = True
    tags: Expression | None = None
    on: frozenset[Signal] = frozenset()


INVITE = "finish.invite"  # no step can be called so
INVITATION = "你好，邀请你加入「{}」。点开下面的二维码，长按识别就能进群：{{{{ link }}}}"


@dataclass(frozen=True)
class Finish:
    """What happens to who has walked to the end: tags are added, they are asked into a group, and begin another template.

    With ``on_goal`` it happens as soon as they reach the goal, and then not again at the end.
    """

    tags: tuple[str, ...] = ()
    chain: str = ""
    invite: str = ""  # a way into a group, or the group, by its name
    invite_text: str = ""  # the operators' own words
    on_goal: bool = False

    def invitation(self, url: str) -> Step:
        """What asks somebody into the group, as a step after the last one; ``url`` shows the way in."""
        text = self.invite_text or INVITATION.format(self.invite)
        title = f"加入「{self.invite}」"
        link = StepLink(url, title)
        return Step(id=INVITE, name=title, when=After(delay=timedelta()), text=text, link=link)


@dataclass(frozen=True)
class Goal:
    """What the template is for: a signal or a tag, within so many days of the beginning."""

    signal: Signal | None = None
    tag: str = ""
    within_days: int = 7


@dataclass(frozen=True)
class Reentry:
    """Whether somebody may walk the template again: never, always (``days`` 0), or so many days after the last time."""

    again: bool = False
    days: int = 0


@dataclass(frozen=True)
class Arm:
    """A share of those who begin who hear the variants of this arm; ``share`` is of all who are not held out."""

    name: str
    share: float


@dataclass(frozen=True, kw_only=True)
class Template:
    """One version of one plan. None for ``quiet``, ``weekly_cap`` or ``zone`` means the community's own setting."""

    id: str
    name: str
    version: int
    trigger: Trigger
    audience: Audience
    steps: tuple[Step, ...]
    subject: Subject = Subject.MEMBER
    description: str = ""
    exit: Exit = Exit()
    finish: Finish = Finish()
    guard: Guard = USUAL
    goal: Goal | None = None
    quiet: QuietHours | None = None
    weekly_cap: int | None = None
    priority: int = 0  # −9 to 9: who goes first when a recipient's week is nearly used up
    reentry: Reentry = Reentry()
    hold_out: float = 0.0
    arms: tuple[Arm, ...] = ()
    approval_above: int | None = None
    items: tuple[Item, ...] = field(default=())  # the pool of light interactions

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Everything this template asks of whoever walks it."""
        audiences = (variant.audience for step in self.steps for variant in step.variants)
        variants = (audience for audience in audiences if audience is not None)
        ends = () if self.exit.tags is None else (self.exit.tags,)
        return (*self.audience.expressions, *ends, *variants)

    @property
    def sayings(self) -> tuple[Step, ...]:
        """Every step, and behind them what the end says."""
        return (*self.steps, self.finish.invitation("https://")) if self.finish.invite else self.steps

    def step(self, step_id: str) -> Step | None:
        return next((step for step in self.sayings if step.id == step_id), None)

    def place(self, step_id: str) -> int:
        """The index of a step; of the end, and of a step that is not there, the number of steps."""
        return next((at for at, step in enumerate(self.steps) if step.id == step_id), len(self.steps))

    def following(self, index: int) -> int:
        """The index of the step after this one, where nobody decides."""
        step = self.steps[index]
        if step.branches:
            return self.place(next(branch.to for branch in step.branches if branch.on is None))
        return self.place(step.then) if step.then else index + 1
