"""Arms are drawn once and for ever; what is said of them is not said too early, however often one looks."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sop.errors import TemplateError
from sop.experiment import HELD_OUT, LEAST, Tally, arm_of, difference, verdict, verdicts
from sop.file import read, write
from sop.template import Template

PLAN = """
id = "plan"
name = "计划"
version = 1
trigger = { on = "friend.added" }
audience = { everyone = true }

[[arm]]
name = "问句"
share = 0.3

[[arm]]
name = "数字"
share = 0.3

[[step]]
id = "day1"
when = { after = "1m" }
text = "原来的"

[[step.variant]]
arm = "问句"
for = '创业人群'
text = "创业的你，想不想试试？"

[[step.variant]]
arm = "问句"
text = "想不想试试？"
"""
LOOKS = 40  # of each comparison, one after every so many people


def plan() -> Template:
    return read(PLAN)


@given(whom=st.text(max_size=20))
def test_an_arm_is_drawn_once_and_for_ever(whom: str) -> None:
    assert arm_of(plan(), whom) == arm_of(read(write(plan())), whom)


def test_arms_are_as_large_as_their_shares() -> None:
    drawn = [arm_of(plan(), f"wm{number}") for number in range(20_000)]

    shares = {name: drawn.count(name) / len(drawn) for name in ("问句", "数字", "")}
    assert shares == pytest.approx({"问句": 0.3, "数字": 0.3, "": 0.4}, abs=0.015)


def test_an_arm_hears_its_variant_and_the_others_the_text() -> None:
    [step] = plan().steps

    assert [step.wording(personal_facts(), arm=arm) for arm in ("问句", "数字", "")] == [
        "想不想试试？",
        "原来的",
        "原来的",
    ]
    assert step.wording(personal_facts("创业人群"), arm="问句") == "创业的你，想不想试试？"
    assert step.wording(personal_facts("创业人群"), arm="问句", personal=False) == "想不想试试？"


def personal_facts(*tags: str):  # type: ignore[no-untyped-def]
    from sop.audience import Facts

    return Facts(tags=frozenset(tags))


def test_what_is_written_is_read_again() -> None:
    assert read(write(plan())) == plan()


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("share = 0.3\n\n[[step]]", "share = 0.8\n\n[[step]]", "share"),
        ('name = "数字"', 'name = "问句"', "name"),
        ('arm = "问句"\ntext', 'arm = "问答"\ntext', "arm"),
        ("share = 0.3\n\n[[arm]]", "share = 0.0\n\n[[arm]]", "share"),
    ],
)
def test_arms_that_make_no_sense_are_refused_where_they_stand(old: str, new: str, key: str) -> None:
    with pytest.raises(TemplateError) as refused:
        read(PLAN.replace(old, new, 1))

    [problem] = refused.value.problems
    assert problem.key.endswith(key)
    assert problem.line > 1


# ---------------------------------------------------------------- what is known


def test_with_too_few_people_nothing_is_known() -> None:
    few, many = Tally(LEAST - 1, 50), Tally(1000, 100)

    assert difference(few, many) is None
    assert "还不知道" in verdict("问句", few, "原来的文案", many)


def test_a_large_difference_is_said_with_its_interval() -> None:
    line = verdict("问句", Tally(2000, 500), "原来的文案", Tally(2000, 300))

    assert line.startswith("「问句」比「原来的文案」好：相差 +10.0 个百分点")


def test_everybody_who_heard_is_compared_with_the_hold_out() -> None:
    [arm, held] = verdicts({"": Tally(500, 50), "问句": Tally(500, 60), HELD_OUT: Tally(100, 8)})

    assert "「问句」" in arm
    assert HELD_OUT in held


def false_alarms(runs: int, seed: int) -> float:
    """How often two equal arms are told apart at any of many looks."""
    chance, wrong = Random(seed), 0
    for _ in range(runs):
        rate = chance.choice((0.05, 0.2, 0.5))
        one = other = Tally(0, 0)
        for _ in range(LOOKS):
            one, other = (
                Tally(t.began + 100, t.reached + sum(chance.random() < rate for _ in range(100)))
                for t in (one, other)
            )
            found = difference(one, other)
            if found and found.known:
                wrong += 1
                break
    return wrong / runs


@pytest.mark.parametrize("runs", [200, pytest.param(2000, marks=pytest.mark.full)])
def test_equal_arms_are_seldom_told_apart_however_often_one_looks(runs: int) -> None:
    assert false_alarms(runs, seed=20261123) <= 0.05


def test_looking_again_and_again_at_plain_intervals_would_mislead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sop.experiment._widening", lambda people: 1.96)

    assert false_alarms(200, seed=20261123) > 0.1
