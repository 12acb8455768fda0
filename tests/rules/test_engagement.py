"""How alive a group is: the six parts, what is left out, and when there is no number."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from math import log, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sop.activity import ANSWERED, ANSWERED_LATE
from sop.engagement import (
    OBSERVING,
    OK,
    ONE_MEMBER,
    PARTIAL,
    PARTS,
    TOO_LITTLE,
    ActiveDay,
    Energy,
    Score,
    concern,
    energy_of,
    explain,
    floods,
    return_chance,
    score,
)
from sop.errors import Misconfigured
from sop.formula import CANDIDATE, FORMULAS, STANDARD, Formula, reweighed

AS_OF = date(2026, 3, 29)
LONG_AGO = AS_OF - timedelta(days=200)
WINDOW = [AS_OF - timedelta(days=age + 1) for age in range(28)]


def on(age: int) -> date:
    """The day of this age; 0 is yesterday."""
    return AS_OF - timedelta(days=age + 1)


def came(member: str, *ages: int, n: int = 2, answered: int = 0) -> list[ActiveDay]:
    return [ActiveDay(member, on(age), n, 1, min(n, 2), answered) for age in ages]


def everybody(members: int, ages: Iterable[int] = range(28)) -> list[ActiveDay]:
    days = list(ages)
    return [row for number in range(members) for row in came(f"m{number}", *days)]


def scored(rows: list[ActiveDay], *, newcomers: Iterable[str] = (), **more: object) -> Score:
    fresh = set(newcomers)
    firsts = {row.member: LONG_AGO for row in rows if row.member not in fresh}
    for member in fresh:
        firsts[member] = min(row.day for row in rows if row.member == member)
    return score(rows, firsts, AS_OF, **{"began": LONG_AGO, **more})  # type: ignore[arg-type]


# ---------------------------------------------------------------- the parts


def test_breadth_counts_people_not_messages_and_halves_each_week() -> None:
    rows = came("a", 0) + came("b", 7) + came("c", 0, 7, 14, n=20)

    assert scored(rows).parts["breadth"] == pytest.approx(log(1 + 2.5) / log(51))


def test_fifty_people_here_yesterday_are_full_breadth() -> None:
    assert scored(everybody(50)).parts["breadth"] == pytest.approx(1.0)
    assert scored(everybody(80)).parts["breadth"] == 1.0


def test_newcomers_add_no_more_breadth_than_the_regulars_or_three() -> None:
    fresh = [f"n{number}" for number in range(10)]
    rows = came("old", 0) + [row for member in fresh for row in came(member, 0)]

    found = scored(rows, newcomers=fresh)

    assert found.parts["breadth"] == pytest.approx(log(1 + 1 + 3) / log(51))
    assert "newcomer_surge" in found.notes


def test_a_steady_group_has_half_momentum() -> None:
    assert scored(everybody(5)).parts["momentum"] == pytest.approx(0.5)
    assert scored([]).parts["momentum"] == pytest.approx(0.5)


def test_momentum_rises_with_a_busy_week_and_falls_with_a_silent_one() -> None:
    rising, falling = scored(everybody(5, range(7))), scored(everybody(5, range(14, 28)))

    assert falling.parts["momentum"] < 0.3 < 0.6 < rising.parts["momentum"]


def test_newcomers_who_come_twice_have_stayed() -> None:
    rows = everybody(3) + came("n1", 5, 3) + came("n2", 5)

    assert scored(rows, newcomers=["n1", "n2"]).parts["newcomers"] == pytest.approx(2 / 6)
    assert scored(everybody(3)).parts["newcomers"] == 0.25


def test_the_candidate_asks_newcomers_of_a_week_whether_they_came_back_after_a_week() -> None:
    rows = everybody(3) + came("week", 20, 13) + came("days", 20, 15) + came("fresh", 6, 0)

    found = scored(rows, newcomers=["week", "days", "fresh"], formula=CANDIDATE)

    assert found.parts["newcomers"] == pytest.approx(2 / 6)
    assert found.formula == "2"


@pytest.mark.parametrize("formula", FORMULAS.values(), ids=list(FORMULAS))
def test_every_formula_weighs_the_six_parts_to_one(formula: Formula) -> None:
    assert [part for part, _ in formula.weights] == list(PARTS)
    assert sum(weight for _, weight in formula.weights) == pytest.approx(1.0)


def test_five_puppets_move_the_candidate_less_than_the_standard() -> None:
    calm = everybody(8, range(0, 28, 2))
    puppets = [row for number in range(5) for row in came(f"puppet{number}", *range(7), n=3)]
    names = {row.member for row in puppets}

    moved = [
        scored(calm + puppets, newcomers=names, formula=formula).value - scored(calm, formula=formula).value
        for formula in (STANDARD, CANDIDATE)
    ]

    assert 0 < moved[1] < moved[0]


def test_depth_is_days_per_member_in_doublings() -> None:
    assert scored(everybody(4, range(8))).parts["depth"] == pytest.approx(log2(33 / 5) / 3)
    assert scored(everybody(4, [0])).parts["depth"] == 0.0
    assert scored(everybody(4)).parts["depth"] == 1.0


def test_rhythm_is_the_share_of_days_on_which_people_met() -> None:
    alternating = everybody(2, range(0, 28, 2))
    weights = [2 ** (-age / 14) for age in range(28)]

    assert scored(alternating).parts["rhythm"] == pytest.approx(sum(weights[::2]) / sum(weights))
    assert scored(came("a", *range(0, 28, 2)) + came("b", *range(1, 28, 2))).parts["rhythm"] == 0.0


def test_reciprocity_counts_members_who_were_answered() -> None:
    rows = came("a", 1, 2, answered=ANSWERED) + came("b", 1) + came("c", 1)

    assert scored(rows).parts["reciprocity"] == pytest.approx(2 / 5)


def test_an_answer_past_the_last_midnight_lies_in_the_future() -> None:
    rows = came("a", 0, answered=ANSWERED_LATE) + came("b", 1, answered=ANSWERED_LATE) + came("c", 1)

    assert scored(rows).parts["reciprocity"] == pytest.approx(2 / 5)


def test_the_score_is_the_weighted_sum() -> None:
    found = scored(everybody(10))

    assert found.value == pytest.approx(
        100 * sum(weight * found.parts[part] for part, weight in STANDARD.weights)
    )


def test_what_happens_on_the_day_itself_or_before_the_window_is_not_looked_at() -> None:
    rows = everybody(4)
    more = [ActiveDay("z", AS_OF), ActiveDay("y", AS_OF + timedelta(days=3)), ActiveDay("x", on(28))]

    assert scored(rows + more).value == scored(rows).value


# ---------------------------------------------------------------- what is left out


@pytest.mark.parametrize(
    ("row", "flood"),
    [
        (ActiveDay("a", on(0), n=29, turns=1, different=1), False),
        (ActiveDay("a", on(0), n=30, turns=3, different=30), True),
        (ActiveDay("a", on(0), n=30, turns=4, different=9), True),
        (ActiveDay("a", on(0), n=30, turns=4, different=10), False),
        (ActiveDay("a", on(0), n=250, turns=60, different=64), True),
        (ActiveDay("a", on(0), n=190, turns=60, different=64), False),
    ],
)
def test_a_flood_is_told_by_turns_by_repeats_or_by_drowning_the_others(row: ActiveDay, flood: bool) -> None:
    assert bool(floods([row, *came("b", 0, n=20)])) is flood


def test_two_hundred_messages_in_a_busy_group_are_no_flood() -> None:
    busy = [ActiveDay(f"m{number}", on(0), n=25, turns=20, different=25) for number in range(10)]

    assert not floods([ActiveDay("a", on(0), n=250, turns=100, different=64), *busy])


def test_flooding_does_not_raise_the_score() -> None:
    calm = everybody(5)
    flooded = [*calm, ActiveDay("new", on(0), n=1000, turns=1, different=10)]

    found = scored(flooded, newcomers=["new"])

    assert found.value == scored(calm).value
    assert found.excluded.flood_days == 1
    assert "flood" in found.notes


def test_a_one_person_show_is_left_out_and_named() -> None:
    show = [ActiveDay("star", on(age), n=25, turns=20, different=25) for age in range(10)]

    found = scored(everybody(3, range(5)) + show)

    assert found.excluded.one_person == ("star",)
    assert found.value == scored(everybody(3, range(5))).value


# ---------------------------------------------------------------- labels


def test_a_young_group_is_observed() -> None:
    assert scored(everybody(5), began=AS_OF - timedelta(days=27)).label == OBSERVING
    assert scored(everybody(5), began=AS_OF - timedelta(days=28)).label == OK
    assert scored([], began=None).label == OBSERVING


def test_too_few_people_or_words_make_no_number() -> None:
    assert scored(everybody(2)).label == TOO_LITTLE
    assert scored(everybody(4, [0])).label == TOO_LITTLE
    assert scored(everybody(5, [0])).label == OK


def test_missing_days_are_unknown_and_not_silent() -> None:
    heard = {day for day in WINDOW if (AS_OF - day).days % 2}
    rows = [row for row in everybody(5) if row.day in heard]

    half = scored(rows, observed=heard)

    assert half.label == PARTIAL
    assert half.parts["momentum"] == pytest.approx(0.5)
    assert half.parts["rhythm"] == pytest.approx(1.0)
    assert scored(everybody(5), observed=set(WINDOW[:24])).label == OK


def test_a_number_without_a_clean_label_is_not_shown() -> None:
    assert scored(everybody(5)).shown == scored(everybody(5)).value
    assert scored(everybody(2)).shown is None


# ---------------------------------------------------------------- laws

days = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 27)), unique=True, max_size=60)


@given(days)
def test_every_part_lies_between_nothing_and_everything(spoken: list[tuple[str, int]]) -> None:
    found = scored([row for member, age in spoken for row in came(member, age)])

    assert all(0 <= part <= 1 for part in found.parts.values())
    assert 0 <= found.value <= 100


@given(days, st.integers(2, 15))
def test_saying_more_on_the_same_days_changes_nothing(spoken: list[tuple[str, int]], times: int) -> None:
    quiet = [row for member, age in spoken for row in came(member, age, n=1)]
    loud = [ActiveDay(row.member, row.day, times, times, times) for row in quiet]

    assert scored(loud).value == pytest.approx(scored(quiet).value)


@given(days, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(spoken: list[tuple[str, int]], random) -> None:  # type: ignore[no-untyped-def]
    rows = [row for member, age in spoken for row in came(member, age)]
    shuffled = list(rows)
    random.shuffle(shuffled)

    assert scored(shuffled).value == pytest.approx(scored(rows).value, abs=1e-9)


@given(days)
def test_one_more_regular_who_comes_every_day_never_lowers_the_score(spoken: list[tuple[str, int]]) -> None:
    rows = [row for member, age in spoken for row in came(member, age)]

    assert scored(rows + came("genuine", *range(28))).value >= scored(rows).value - 1e-9


# ---------------------------------------------------------------- in words


@given(days, st.lists(st.integers(0, 27), unique=True, min_size=1), st.booleans(), st.integers(1, 400))
def test_one_member_moves_a_group_by_no_more_than_the_stated_bound(
    spoken: list[tuple[str, int]], ages: list[int], fresh: bool, messages: int
) -> None:
    others = [row for number in range(3) for row in came(f"other{number}", number * 9)]
    others += [row for who, age in set(spoken) for row in came(who, age)]
    one = came("one", *ages, n=messages)

    without, together = scored(others), scored(others + one, newcomers=["one"] if fresh else [])

    assert abs(together.value - without.value) <= ONE_MEMBER


def test_confidence_needs_everything_heard_and_more_than_a_handful() -> None:
    crowd, few = everybody(8), everybody(4)

    found = [
        scored(crowd).confidence,
        scored(few).confidence,
        scored(crowd, coverage="bot").confidence,
        scored(crowd, observed=WINDOW[:20]).confidence,
        scored(crowd, began=AS_OF).confidence,
    ]

    assert found == ["high", "medium", "medium", "low", "none"]


def test_other_weights_are_scaled_to_one_and_move_the_score_their_way() -> None:
    other = reweighed(STANDARD, {"depth": 0.5, "breadth": 0.0})

    assert sum(weight for _, weight in other.weights) == pytest.approx(1)
    assert scored(everybody(5), formula=other).value > scored(everybody(5)).value
    assert (other.version, reweighed(STANDARD, {})) == ("1*", STANDARD)


@pytest.mark.parametrize("told", [{"noise": 1.0}, {"breadth": -1.0}, {"breadth": float("nan")}])
def test_weights_that_make_no_sense_are_refused(told: dict[str, float]) -> None:
    with pytest.raises(Misconfigured, match=r"breadth=0\.6"):
        reweighed(STANDARD, told)


def test_the_sentence_names_the_part_that_moved_most() -> None:
    before = score(everybody(12), {}, AS_OF, began=LONG_AGO)
    after = score(everybody(3), {}, AS_OF, began=LONG_AGO)

    assert "低了" in explain(after, before)
    assert "开口的人变少" in explain(after, before)
    assert "开口的人变多" in explain(before, after)


def test_a_small_change_is_called_steady() -> None:
    same = scored(everybody(6))

    assert explain(same, same).endswith("基本持平。")


def test_without_a_number_the_sentence_says_why() -> None:
    assert "28 天" in explain(scored(everybody(5), began=on(3)))
    assert "2 位成员" in explain(scored(everybody(2)))


def test_operators_hear_of_a_group_below_its_line_and_of_silence_but_not_of_missing_data() -> None:
    low = concern("新手群", scored(everybody(3, [20, 21, 22, 23])), 30.0, "")
    silent = concern("新手群", scored([]), 30.0, "")
    unheard = concern("新手群", scored([], observed=set()), 30.0, "")

    assert low is not None
    assert low.key == "line"
    assert "警戒线 30 分" in low.text
    assert silent is not None
    assert silent.key == "silent"
    assert unheard is None
    assert concern("新手群", scored(everybody(20)), 30.0, "") is None


# ---------------------------------------------------------------- members


@given(st.lists(st.integers(0, 100), unique=True, min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_energy_does_not_care_in_which_order_days_are_told(ages: list[int], random) -> None:  # type: ignore[no-untyped-def]
    random.shuffle(ages)
    energy = Energy(0.0, on(ages[0]))
    for age in ages:
        energy = energy.plus(on(age))

    assert energy.at(on(0)) == pytest.approx(energy_of([on(age) for age in ages], on(0)))


def test_a_day_taken_back_was_never_there() -> None:
    energy = Energy(0.0, on(5)).plus(on(5)).plus(on(2)).plus(on(2), -1)

    assert energy.at(on(0)) == pytest.approx(energy_of([on(5)], on(0)))


def test_the_chance_to_return_follows_the_formula() -> None:
    chance = return_chance(3.9, was_active_before=True, is_new=False)

    assert chance == pytest.approx(1 / (1 + 2.718281828 ** -(-0.5 + 0.95 * 2 + 0.75)))
    assert return_chance(3.9, was_active_before=True, is_new=True) < chance
