"""Guards: how many people are too many, whoever counts them, and how a template says so."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sop.errors import TemplateError
from sop.file import read, write
from sop.guard import USUAL, Guard, Measure, breach
from sop.sheet import from_sheets
from tests.rules.test_sheet import laid_out
from tests.world import july

HEAD = 'id = "x"\nname = "x"\n[trigger]\non = "friend.added"\n[audience]\neveryone = true\n'
STEP = '[[step]]\nid = "a"\nwhen = { after = "1h" }\ntext = "好"\n'
MEASURES = st.sampled_from(Measure)
PEOPLE = st.integers(0, 3000)
GUARDS = st.builds(
    Guard,
    opt_outs=st.integers(1, 1000).map(lambda n: n / 1000),
    refusals=st.integers(1, 1000).map(lambda n: n / 1000),
    leavers=st.integers(1, 1000).map(lambda n: n / 1000),
    minimum=st.integers(1, 50),
    window=st.integers(1, 168).map(lambda hours: timedelta(hours=hours)),
)


def guarded(lines: str) -> Guard:
    return read(HEAD + "[guard]\n" + lines + "\n" + STEP).guard


# ---------------------------------------------------------------- the rule


@given(GUARDS, MEASURES, PEOPLE, PEOPLE)
def test_a_breach_is_the_share_and_the_least_number_together(
    guard: Guard, measure: Measure, people: int, more: int
) -> None:
    reached = people + more

    found = breach(guard, measure, people, reached)

    too_many = people * 1000 >= round(getattr(guard, measure) * 1000) * reached
    assert (found is not None) == (people >= guard.minimum and too_many)


@given(GUARDS, MEASURES, PEOPLE, PEOPLE)
def test_counting_no_further_than_the_answer_needs_gives_the_same_answer(
    guard: Guard, measure: Measure, people: int, more: int
) -> None:
    reached = people + more

    counted = min(reached, guard.enough(measure, people) + 1)

    assert breach(guard, measure, people, counted) == breach(guard, measure, people, reached)


@given(GUARDS, MEASURES, PEOPLE, PEOPLE)
def test_more_people_who_turn_away_never_calm_a_guard(
    guard: Guard, measure: Measure, people: int, more: int
) -> None:
    reached = people + more

    if breach(guard, measure, people, reached):
        assert breach(guard, measure, people + 1, reached)


@given(PEOPLE, MEASURES)
def test_a_guard_that_is_off_says_nothing(people: int, measure: Measure) -> None:
    assert breach(Guard(off=True), measure, people, people) is None


def test_who_lets_a_template_go_on_has_seen_what_came_before() -> None:
    guard = Guard(window=timedelta(hours=24))

    assert guard.since(july(4), None) == july(3)
    assert guard.since(july(4), july(3, "20:00")) == july(3, "20:00")
    assert guard.since(july(4), july(1)) == july(3)


def test_a_breach_is_told_in_numbers() -> None:
    found = breach(USUAL, Measure.OPT_OUTS, 20, 380)

    assert found is not None
    assert found.reason == "过去 1 天发到 380 人，其中 20 人退订（5.3%），到了设定的 5%"


# ---------------------------------------------------------------- as it is written


def test_without_a_table_a_guard_is_on() -> None:
    assert read(HEAD + STEP).guard == USUAL == Guard()
    assert not USUAL.off


@given(GUARDS, st.booleans())
def test_what_is_written_is_read_back_also_from_a_workbook(guard: Guard, off: bool) -> None:
    template = replace(read(HEAD + STEP), guard=replace(guard, off=off))

    assert read(write(template)) == template
    assert from_sheets(laid_out(template)) == template


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("opt_outs = 0", "guard.opt_outs: 0 超出了范围"),
        ("leavers = 1.5", "guard.leavers: 1.5 超出了范围"),
        ('refusals = "10%"', "guard.refusals: 这里写的是文字"),
        ('window = "1m"', "guard.window: 太短或太长"),
        ('window = "8d"', "guard.window: 太短或太长"),
        ("minimum = 0", "guard.minimum: 0 超出了范围"),
        ("optouts = 0.1", "没有 optouts 这个键"),
    ],
)
def test_a_guard_that_makes_no_sense_is_refused(lines: str, told: str) -> None:
    with pytest.raises(TemplateError) as caught:
        guarded(lines)

    assert told in str(caught.value)
