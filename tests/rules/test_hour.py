"""The best hour: what is learnt from little and from much, what is chosen, and whether it is said to help."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sop.audience import Audience
from sop.hour import (
    LEAST,
    PRIOR,
    WEEK_HOURS,
    Best,
    Choice,
    Counts,
    Tally,
    choice,
    effect,
    hour_of_week,
    learn,
)
from sop.journey import Journey
from sop.template import AtBest, On, OnDay, Step, Subject, Template, Trigger, When
from sop.timing import QuietHours, at_local, local

ZONE = "Asia/Shanghai"
NIGHT = QuietHours(time(22), time(8))
THURSDAY = at_local(date(2026, 7, 2), time(19), ZONE)
NOBODY = Counts()
EVERYBODY_LEARNS = Best(NIGHT, hold_out=0.0)


def counts(**heard: tuple[float, float]) -> Counts:
    """Sends and hits by hour, named by weekday and hour: d2h9 is Wednesday at nine."""
    sends, hits = [0.0] * WEEK_HOURS, [0.0] * WEEK_HOURS
    for name, (sent, hit) in heard.items():
        day, clock = name[1:].split("h")
        sends[int(day) * 24 + int(clock)], hits[int(day) * 24 + int(clock)] = sent, hit
    return Counts(tuple(sends), tuple(hits))


def chosen(
    when: When,
    rates: tuple[float, ...] = PRIOR,
    best: Best = EVERYBODY_LEARNS,
    whom: str = "lin",
    zone: str = "",
) -> Choice | None:
    step = Step(id="only", when=when, text="晚上好")
    trigger, everyone = Trigger(on=On.FRIEND_ADDED), Audience(everyone=True)
    plan = Template(id="plan", name="计划", version=1, trigger=trigger, audience=everyone, steps=(step,))
    one = Journey(
        template="plan", version=1, subject=Subject.MEMBER, whom=whom, run=1, anchor=THURSDAY, zone=zone
    )
    return choice(plan, one, ZONE, rates, best)


def moment(when: When, rates: tuple[float, ...] = PRIOR, best: Best = EVERYBODY_LEARNS) -> str:
    found = chosen(when, rates, best)
    assert found is not None
    return f"{local(found.at, ZONE):%a %H:%M}"


# ---------------------------------------------------------------- learning


def test_while_nothing_is_known_evenings_are_best_and_those_of_the_weekend_better() -> None:
    rates = learn(NOBODY, NOBODY, NOBODY)

    assert rates == PRIOR
    assert {hour % 24 for hour in range(WEEK_HOURS) if rates[hour] == max(rates)} == {19, 20, 21}
    assert {hour // 24 for hour in range(WEEK_HOURS) if rates[hour] == max(rates)} == {5, 6}


def test_a_single_lucky_message_changes_nothing() -> None:
    rates = learn(NOBODY, NOBODY, counts(d2h9=(1, 1)))

    assert moment(AtBest(day=6), rates) == "Wed 19:30"


def test_many_messages_that_are_followed_change_the_hour() -> None:
    rates = learn(NOBODY, NOBODY, counts(d2h9=(80, 60)))

    assert moment(AtBest(day=6), rates) == "Wed 09:30"
    assert moment(AtBest(day=7), rates) == "Thu 19:30"


def test_what_is_known_of_the_group_holds_for_a_tier_of_which_nothing_is_known() -> None:
    group = counts(d0h12=(60, 50), d1h12=(60, 50))

    rates = learn(NOBODY, group, NOBODY)

    assert moment(AtBest(day=6), rates) == "Wed 12:30"  # working days are alike
    assert moment(AtBest(day=2), rates) == "Sat 19:30"


def test_what_is_known_closely_outweighs_what_is_known_broadly() -> None:
    everybody, mine = counts(d2h12=(500, 200)), counts(d2h12=(100, 2), d2h21=(100, 40))

    assert moment(AtBest(day=6), learn(everybody, everybody, NOBODY)) == "Wed 12:30"
    assert moment(AtBest(day=6), learn(everybody, everybody, mine)) == "Wed 21:30"


def test_what_is_learnt_lies_between_what_happened_and_what_was_expected() -> None:
    rates = learn(NOBODY, NOBODY, counts(d2h9=(20, 20)))

    assert rates[hour_of_week(datetime(2026, 7, 1, 9))] == pytest.approx((PRIOR[57] + 1) / 2)


# ---------------------------------------------------------------- choosing


def test_the_best_hour_lies_within_the_limits_and_outside_the_quiet_hours() -> None:
    early = learn(NOBODY, NOBODY, counts(d2h7=(900, 900), d2h8=(900, 800), d2h10=(900, 700)))

    assert moment(AtBest(day=6, earliest=time(7)), early) == "Wed 08:30"
    assert moment(AtBest(day=6, earliest=time(7)), early, Best(None, 0.0)) == "Wed 07:30"
    assert moment(AtBest(day=6, earliest=time(9)), early) == "Wed 10:30"


@given(
    st.integers(1, 30),
    st.integers(0, 22),
    st.integers(1, 23),
    st.lists(st.floats(0, 1), min_size=WEEK_HOURS, max_size=WEEK_HOURS),
    st.sampled_from([ZONE, "America/New_York", "Europe/Berlin", "Asia/Kathmandu"]),
    st.sampled_from([0.0, 0.1, 0.5]),
)
def test_wherever_one_lives_the_moment_is_on_the_day_and_within_the_limits(
    day: int, first: int, span: int, rates: list[float], zone: str, hold_out: float
) -> None:
    when = AtBest(day=day, earliest=time(first), latest=time(min(first + span, 23)))

    found = chosen(when, tuple(rates), Best(None, hold_out), zone=zone)

    assert found is not None
    assert local(found.at, zone).date() == local(THURSDAY, zone).date() + timedelta(days=day)
    assert when.earliest <= found.moment < when.latest


def test_quiet_hours_that_leave_nothing_are_left_to_the_gate() -> None:
    assert moment(AtBest(day=1), best=Best(QuietHours(time(0), time(23, 59)), 0.0)) == "Fri 19:30"


def test_a_share_keeps_the_usual_hour_and_always_the_same_people() -> None:
    noon = learn(NOBODY, NOBODY, counts(d4h12=(500, 400)))
    people = [f"member{number}" for number in range(2000)]

    first = [chosen(AtBest(day=1), noon, Best(NIGHT, 0.1), whom=one) for one in people]
    again = [chosen(AtBest(day=1), noon, Best(NIGHT, 0.1), whom=one) for one in people]

    kept = [one for one in first if one and one.learnt is False]
    assert first == again
    assert 0.08 < len(kept) / len(people) < 0.12
    assert {one.moment for one in kept} == {time(19, 30)}
    assert {one.moment for one in first if one and one.learnt} == {time(12, 30)}


def test_nothing_is_compared_where_the_usual_hour_is_not_allowed() -> None:
    found = chosen(AtBest(day=1, latest=time(12)), best=Best(NIGHT, 0.5))

    assert found is not None
    assert found.learnt is None
    assert found.moment < time(12)


def test_only_a_step_at_its_best_hour_has_one() -> None:
    assert chosen(OnDay(day=1, time=time(9))) is None


# ---------------------------------------------------------------- whether it helps


@pytest.mark.parametrize(
    ("learnt", "usual", "says"),
    [
        (Tally(), Tally(), "还不知道"),
        (Tally(5000, 900), Tally(LEAST - 1, 0), "还不知道"),
        (Tally(LEAST, 6), Tally(LEAST, 5), "还看不出差别"),
        (Tally(1000, 300), Tally(200, 30), "有用"),
        (Tally(1000, 100), Tally(200, 60), "反而更差"),
    ],
)
def test_it_is_said_to_help_only_when_chance_is_no_explanation(
    learnt: Tally, usual: Tally, says: str
) -> None:
    assert effect(learnt, usual).line.startswith(says)


def test_the_interval_is_newcombes() -> None:
    """The example of Newcombe 1998, method 10: 56/70 − 48/80."""
    found = effect(Tally(70, 56), Tally(80, 48))

    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)
