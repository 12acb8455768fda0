"""Everything that can become of a message or a step has a line an operator understands."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sop.audience import Audience, Facts, Measure, Quantity
from sop.expression import parse
from sop.file import read
from sop.journey import Fate, Journey, JourneyState
from sop.message import Channel
from sop.receipt import State
from sop.template import On, Subject, Trigger
from sop.why import DEEDS, FATES, Because, Missed, Standing, Told, of_message, of_template, outside, to_member
from tests.world import july

ZONE = "Asia/Shanghai"
PLAN = read("""
id = "plan"
name = "计划"

[trigger]
on = "friend.added"

[audience]
everyone = true

[[step]]
id = "first"
when = { day = 1, time = 19:30:00 }
text = "第一句"
""")


def told(state: State) -> Told:
    return Told(
        step="first",
        state=state,
        channel=Channel.GROUP_SEND,
        sender="linmo",
        reason="免打扰时段",
        why="「计划」的「first」",
        written=july(2),
        due=july(2),
    )


def journey(state: JourneyState) -> Journey:
    return Journey(
        template="plan", version=1, subject=Subject.MEMBER, whom="lin", run=1, anchor=july(1), state=state,
        reason="已经下单",
    )  # fmt: skip


def answer(
    walked: Journey | None, *, belongs: bool = True, paused: bool = False, missed: str = ""
) -> Because:
    one = Missed(step="first", fate=missed, reason="没有员工", due=july(2), noticed=july(2))
    standing = Standing(
        outside="" if belongs else "不符合：新人",
        paused="已由运营 林墨 暂停" if paused else None,
        journey=walked,
        missed=[one] if missed else [],
    )
    return of_template(PLAN, ZONE, standing)


def test_each_state_of_a_message_has_a_line_of_its_own() -> None:
    lines = [of_message(told(state), ZONE).line for state in State]

    assert len(set(lines)) == len(State)
    assert all("「计划」" in line for line in lines)


@pytest.mark.parametrize("state", [State.WAITING, State.REFUSED, State.CANCELLED, State.UNKNOWN])
def test_what_is_kept_back_says_the_gate_s_own_reason(state: State) -> None:
    assert "免打扰时段" in of_message(told(state), ZONE).line


@pytest.mark.parametrize("fate", [*(set(Fate) - {Fate.ON_TIME}), "unsaid", "failed"])
def test_each_missed_step_says_what_became_of_it_and_why(fate: str) -> None:
    line = answer(journey(JourneyState.ACTIVE), missed=str(fate)).line

    assert FATES[str(fate)] in line
    assert "没有员工" in line


def test_each_way_to_get_nothing_of_a_template_has_its_line() -> None:
    assert "不在适用人群里" in answer(None, belongs=False).line
    assert "触发条件还没有发生" in answer(None).line
    assert "模板已由运营 林墨 暂停" in answer(None, paused=True).line
    assert "对照组" in answer(journey(JourneyState.HELD_OUT)).line
    assert "提前结束：已经下单" in answer(journey(JourneyState.EXITED)).line
    assert "已由运营 林墨 暂停" in answer(journey(JourneyState.ACTIVE), paused=True).line
    assert "还没到时候" in answer(journey(JourneyState.ACTIVE)).line


@pytest.mark.parametrize("on", On)
def test_everything_that_starts_a_journey_has_words_for_who_asks(on: On) -> None:
    started = replace(PLAN, trigger=Trigger(on=on))

    alone = to_member(started, july(2), ZONE)
    in_group = to_member(started, july(2), ZONE, group="新手答疑群")

    assert ("7月2日" in alone) == (on in DEEDS)
    assert in_group.startswith("你在「新手答疑群」群里，")
    assert not any(part in alone for part in ("标签", "分层", str(on)))


def test_who_is_left_out_can_be_told_by_which_rule() -> None:
    audience = Audience(include=parse("新人 & score >= 50"), exclude=parse("已购"))

    def told(*tags: str, score: float | None = None) -> str:
        known = {} if score is None else {Measure(Quantity.SCORE): score}
        return outside(audience, Facts(tags=frozenset(tags), measured=known))

    assert told("新人", "已购", score=60) == "在排除之列：已购"
    assert told("新人", score=40) == "不符合：新人 & score >= 50"
    assert told("新人") == "还不知道是否符合：新人 & score >= 50"
    assert told("新人", score=60) == ""
    assert outside(Audience(), Facts()) == "模板没有写给谁"
