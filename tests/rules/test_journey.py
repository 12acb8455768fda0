"""Journeys: who begins, when steps are due, what becomes of late ones, and what ends a journey."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sop.audience import Audience, Facts
from sop.expression import parse
from sop.journey import (
    GRACE,
    MOVES,
    DueStep,
    Enrol,
    Fate,
    Journey,
    JourneyState,
    Stay,
    channel_for,
    day_of,
    due,
    enrol,
    exits,
    fate,
    fate_reason,
    next_due,
    next_slot,
    signal_of,
    silent,
    starts,
)
from sop.message import Channel
from sop.template import (
    After,
    Exit,
    On,
    OnDay,
    OnMiss,
    OnWeekday,
    Reentry,
    Signal,
    Step,
    Subject,
    Template,
    Trigger,
    When,
)
from sop.timing import at_local, local, spoken
from sop.update import (
    AnswerGiven,
    CheckedIn,
    FriendAdded,
    LinkVisited,
    MembersJoined,
    OrderPaid,
    TagChanged,
    TierChanged,
    Update,
)

ZONE = "Asia/Shanghai"
THURSDAY = at_local(date(2026, 7, 2), time(19, 2), ZONE)
INSTANTS = st.datetimes(datetime(2024, 1, 1), datetime(2030, 12, 31), timezones=st.just(UTC))
HALF_PAST_SEVEN = time(19, 30)


def step(when: When, on_miss: OnMiss = OnMiss.LATE, channel: Channel | None = None) -> Step:
    return Step(id="s", when=when, text="晚上好", on_miss=on_miss, channel=channel)


PLAN = Template(
    id="seven",
    name="7天成长计划",
    version=3,
    trigger=Trigger(on=On.FRIEND_ADDED),
    audience=Audience(everyone=True, exclude=parse("tier:core")),
    steps=tuple(step(OnDay(day=day, time=HALF_PAST_SEVEN)) for day in (1, 2, 3)),
    exit=Exit(promoted=True, tags=parse("已转化"), on=frozenset({Signal.ORDER_PAID})),
)


def journey(template: Template = PLAN, **changes: object) -> Journey:
    begun = Journey(
        template=template.id,
        version=template.version,
        subject=template.subject,
        whom="wm_lin",
        run=1,
        anchor=THURSDAY,
    )
    return replace(begun, **changes)  # type: ignore[arg-type]


# ---------------------------------------------------------------- beginning


def test_a_new_friend_begins_with_run_one() -> None:
    begun = enrol(PLAN, Facts(), None, THURSDAY)

    assert begun == Enrol(1, JourneyState.ACTIVE, "进入「7天成长计划」第 3 版")


def test_who_is_not_in_the_audience_stays() -> None:
    assert enrol(PLAN, Facts(tier="core"), None, THURSDAY) == Stay("不在适用人群里")


def test_nobody_walks_a_template_twice_at_once() -> None:
    assert enrol(PLAN, Facts(), journey(), THURSDAY) == Stay("已经在这个旅程里")


@pytest.mark.parametrize(
    ("rule", "days", "begins"),
    [
        (Reentry(), 400, False),
        (Reentry(again=True), 0, True),
        (Reentry(again=True, days=30), 29, False),
        (Reentry(again=True, days=30), 30, True),
    ],
)
def test_walking_again_follows_the_rule(rule: Reentry, days: int, begins: bool) -> None:
    ended = journey(state=JourneyState.DONE, changed=THURSDAY, run=4)

    answer = enrol(replace(PLAN, reentry=rule), Facts(), ended, THURSDAY + timedelta(days=days))

    assert isinstance(answer, Enrol) == begins
    assert not isinstance(answer, Enrol) or answer.run == 5


def test_a_weekly_plan_begins_at_every_slot_even_beside_an_unfinished_run() -> None:
    weekly = replace(PLAN, trigger=Trigger(on=On.WEEKLY, weekday=5, time=HALF_PAST_SEVEN))

    assert enrol(weekly, Facts(), journey(run=7), THURSDAY) == Enrol(
        8, JourneyState.ACTIVE, "进入「7天成长计划」第 3 版"
    )


@given(st.floats(0, 1, exclude_max=True), st.floats(0, 0.5))
def test_the_lot_decides_who_is_held_out(fraction: float, share: float) -> None:
    begun = enrol(replace(PLAN, hold_out=share), Facts(), None, THURSDAY, fraction=fraction)

    assert isinstance(begun, Enrol)
    assert (begun.state is JourneyState.HELD_OUT) == (fraction < share)


STARTS: list[tuple[Trigger, Update, dict[str, object], bool]] = [
    (Trigger(on=On.FRIEND_ADDED), FriendAdded(at=THURSDAY, member="m", staff="s"), {}, True),
    (Trigger(on=On.FRIEND_ADDED), FriendAdded(at=THURSDAY, member="m", staff="s", half=True), {}, False),
    (Trigger(on=On.MEMBER_JOINED), FriendAdded(at=THURSDAY, member="m", staff="s"), {"first": True}, True),
    (Trigger(on=On.MEMBER_JOINED), MembersJoined(at=THURSDAY, group="g", members=("m",)), {}, False),
    (
        Trigger(on=On.GROUP_JOINED),
        MembersJoined(at=THURSDAY, group="g", members=("m",)),
        {"group": "新手群"},
        True,
    ),
    (
        Trigger(on=On.GROUP_JOINED, group="核心群"),
        MembersJoined(at=THURSDAY, group="g", members=("m",)),
        {"group": "新手群"},
        False,
    ),
    (
        Trigger(on=On.TAG_ADDED, tag="已购"),
        TagChanged(at=THURSDAY, member="m", tag="已购", added=True),
        {},
        True,
    ),
    (
        Trigger(on=On.TAG_ADDED, tag="已购"),
        TagChanged(at=THURSDAY, member="m", tag="已购", added=False),
        {},
        False,
    ),
    (Trigger(on=On.TIER_CHANGED), TierChanged(at=THURSDAY, member="m", before="new", after="core"), {}, True),
    (
        Trigger(on=On.TIER_CHANGED, tier="core"),
        TierChanged(at=THURSDAY, member="m", before="core", after="new"),
        {},
        False,
    ),
    (Trigger(on=On.LINK_VISITED), LinkVisited(at=THURSDAY, token="t", member="m"), {}, True),
    (Trigger(on=On.LINK_VISITED), LinkVisited(at=THURSDAY, token="t"), {}, False),
    (
        Trigger(on=On.LINK_VISITED, template="a"),
        LinkVisited(at=THURSDAY, token="t", member="m"),
        {"template": "b"},
        False,
    ),
    (Trigger(on=On.ORDER_PAID), OrderPaid(at=THURSDAY, member="m", order="o"), {}, True),
    (Trigger(on=On.ORDER_PAID), FriendAdded(at=THURSDAY, member="m", staff="s"), {}, False),
    (Trigger(on=On.WEEKLY, time=HALF_PAST_SEVEN), FriendAdded(at=THURSDAY, member="m", staff="s"), {}, False),
]


@pytest.mark.parametrize(("trigger", "update", "known", "begins"), STARTS)
def test_only_the_update_a_trigger_names_starts_it(
    trigger: Trigger, update: Update, known: dict[str, object], begins: bool
) -> None:
    assert starts(trigger, update, **known) is begins  # type: ignore[arg-type]


def test_clocked_triggers_name_their_next_slot() -> None:
    saturday = Trigger(on=On.WEEKLY, weekday=5, time=HALF_PAST_SEVEN)
    first = Trigger(on=On.MONTHLY, day=1, time=time(9, 30))
    day = Trigger(on=On.DATE, date=date(2026, 10, 1), time=time(9))

    slots = [next_slot(trigger, THURSDAY, ZONE) for trigger in (saturday, first, day)]

    assert [spoken(slot, ZONE) for slot in slots if slot] == [
        "7月4日 周六 19:30",
        "8月1日 周六 09:30",
        "10月1日 周四 09:00",
    ]
    assert next_slot(day, at_local(date(2026, 10, 1), time(9), ZONE), ZONE) is None
    assert next_slot(PLAN.trigger, THURSDAY, ZONE) is None


def test_three_weeks_without_a_word_are_silence() -> None:
    trigger = Trigger(on=On.SILENCE, days=21)

    assert silent(trigger, THURSDAY - timedelta(days=21), THURSDAY)
    assert not silent(trigger, THURSDAY - timedelta(days=20, hours=23), THURSDAY)
    assert not silent(PLAN.trigger, THURSDAY - timedelta(days=99), THURSDAY)


# ---------------------------------------------------------------- when steps are due


def due_of(when: When, anchor: datetime = THURSDAY, zone: str = ZONE) -> DueStep:
    return due(replace(PLAN, steps=(step(when),)), 0, anchor, zone)


def test_day_one_is_the_next_day_however_late_one_joined() -> None:
    late = at_local(date(2026, 7, 2), time(23, 59), ZONE)

    assert spoken(due_of(OnDay(day=1, time=HALF_PAST_SEVEN), late).at, ZONE) == "7月3日 周五 19:30"


def test_a_moment_of_day_zero_still_to_come_is_kept() -> None:
    assert spoken(due_of(OnDay(day=0, time=HALF_PAST_SEVEN)).at, ZONE) == "7月2日 周四 19:30"


def test_a_moment_of_day_zero_just_passed_is_due_at_once_while_its_window_is_open() -> None:
    wait = due_of(OnDay(day=0, time=time(18), window=timedelta(hours=2)))

    assert wait.at == THURSDAY
    assert fate(wait, THURSDAY) is Fate.ON_TIME


def test_a_moment_of_day_zero_long_passed_is_missed() -> None:
    wait = due_of(OnDay(day=0, time=time(9), window=timedelta(hours=2)))

    assert fate(wait, THURSDAY) is Fate.SKIPPED


def test_the_second_saturday_is_a_week_after_the_first() -> None:
    first = due_of(OnWeekday(weekday=5, time=HALF_PAST_SEVEN))
    second = due_of(OnWeekday(weekday=5, time=HALF_PAST_SEVEN, week=2))

    assert spoken(first.at, ZONE) == "7月4日 周六 19:30"
    assert second.at - first.at == timedelta(days=7)


def test_days_of_a_journey_are_local_days() -> None:
    past_midnight = at_local(date(2026, 7, 3), time(0, 5), ZONE)

    assert day_of(THURSDAY, THURSDAY, ZONE) == 0
    assert day_of(THURSDAY, past_midnight, ZONE) == 1


@given(
    INSTANTS,
    st.integers(0, 30),
    st.builds(time, st.integers(0, 23), st.integers(0, 59)),
    st.sampled_from([ZONE, "America/New_York", "Europe/Berlin"]),
)
def test_a_day_step_falls_on_that_local_day_and_never_before_the_journey(
    anchor: datetime, day: int, moment: time, zone: str
) -> None:
    wait = due_of(OnDay(day=day, time=moment), anchor, zone)

    assert wait.at >= anchor
    assert local(wait.at, zone).date() - local(anchor, zone).date() == timedelta(days=day)


# ---------------------------------------------------------------- late steps


@pytest.mark.parametrize(
    ("rule", "late", "becomes"),
    [
        (OnMiss.LATE, timedelta(), Fate.ON_TIME),
        (OnMiss.SKIP, GRACE, Fate.ON_TIME),
        (OnMiss.LATE, timedelta(hours=2), Fate.LATE),
        (OnMiss.LATE, timedelta(hours=4), Fate.SKIPPED),
        (OnMiss.SKIP, timedelta(minutes=11), Fate.SKIPPED),
        (OnMiss.ASK, timedelta(minutes=11), Fate.ASKED),
        (OnMiss.ASK, timedelta(days=3), Fate.ASKED),
    ],
)
def test_a_late_step_follows_its_own_rule(rule: OnMiss, late: timedelta, becomes: Fate) -> None:
    wait = due(replace(PLAN, steps=(step(OnDay(day=1, time=HALF_PAST_SEVEN), rule),)), 0, THURSDAY, ZONE)

    assert fate(wait, wait.at + late) is becomes
    assert bool(fate_reason(wait, becomes, ZONE)) == (becomes is not Fate.ON_TIME)


@given(st.timedeltas(timedelta(seconds=1), timedelta(days=3)), st.sampled_from(OnMiss), INSTANTS)
def test_nothing_is_said_after_its_deadline(window: timedelta, rule: OnMiss, now: datetime) -> None:
    plan = replace(PLAN, steps=(step(After(delay=timedelta(), window=window), rule),))
    wait = due(plan, 0, THURSDAY, ZONE)

    if fate(wait, now) in (Fate.ON_TIME, Fate.LATE):
        assert now <= wait.deadline


# ---------------------------------------------------------------- the state machine


def test_a_journey_walks_all_steps_and_is_done() -> None:
    walking = journey()
    said = []

    while (wait := next_due(PLAN, walking, ZONE)) is not None:
        said.append(spoken(wait.at, ZONE))
        walking = walking.advanced(PLAN, wait.at)

    assert said == ["7月3日 周五 19:30", "7月4日 周六 19:30", "7月5日 周日 19:30"]
    assert walking.state is JourneyState.DONE


def test_one_that_is_held_out_walks_nothing() -> None:
    held = journey(state=JourneyState.HELD_OUT)

    assert next_due(PLAN, held, ZONE) is None
    assert held.advanced(PLAN, THURSDAY) == held


@given(st.lists(st.sampled_from(["advance", "exit"]), max_size=8), st.sampled_from(JourneyState))
def test_no_event_moves_a_journey_where_the_table_does_not(events: list[str], state: JourneyState) -> None:
    before = journey(state=state)
    for event in events:
        after = before.advanced(PLAN, THURSDAY) if event == "advance" else before.exited("退群", THURSDAY)
        assert after == before or after.state in MOVES[before.state]
        assert after.version == before.version
        before = after


# ---------------------------------------------------------------- ending early


@pytest.mark.parametrize(
    ("signal", "left", "tags", "says"),
    [
        (None, False, [], ""),
        (Signal.LINK_VISITED, False, [], ""),
        (Signal.PROMOTED, False, [], "已经升级"),
        (Signal.ORDER_PAID, False, [], "已经下单"),
        (None, True, [], "已退群或不再是好友"),
        (None, False, ["已转化"], "符合模板的退出条件"),
    ],
)
def test_a_journey_ends_for_the_reasons_its_template_gives(
    signal: Signal | None, left: bool, tags: list[str], says: str
) -> None:
    assert exits(PLAN, Facts(tags=frozenset(tags)), signal=signal, left=left) == says


def test_leaving_does_not_end_what_wants_to_go_on() -> None:
    assert exits(replace(PLAN, exit=Exit(left=False)), Facts(), left=True) == ""


@pytest.mark.parametrize(
    ("update", "shows"),
    [
        (AnswerGiven(at=THURSDAY, member="m", run="r", option="A"), Signal.ANSWERED),
        (CheckedIn(at=THURSDAY, member="m"), Signal.CHECKED_IN),
        (TierChanged(at=THURSDAY, member="m", before="new", after="potential"), Signal.PROMOTED),
        (TierChanged(at=THURSDAY, member="m", before="core", after="potential"), None),
        (FriendAdded(at=THURSDAY, member="m", staff="s"), None),
    ],
)
def test_updates_are_read_as_signals(update: Update, shows: Signal | None) -> None:
    assert signal_of(update) is shows


# ---------------------------------------------------------------- channels


@pytest.mark.parametrize(
    ("named", "subject", "kind", "staff", "channel"),
    [
        (None, Subject.MEMBER, "", False, Channel.GROUP_SEND),
        (None, Subject.MEMBER, "", True, Channel.APP),
        (Channel.WELCOME, Subject.MEMBER, "", True, Channel.WELCOME),
        (None, Subject.GROUP, "customer", False, Channel.GROUP_SEND),
        (None, Subject.GROUP, "internal", False, Channel.WEBHOOK),
        (None, Subject.GROUP, "imported", False, None),
    ],
)
def test_the_rule_chooses_a_channel_that_reaches(
    named: Channel | None, subject: Subject, kind: str, staff: bool, channel: Channel | None
) -> None:
    said = step(After(delay=timedelta()), channel=named)

    assert channel_for(said, subject=subject, group_kind=kind, staff=staff) is channel
