"""Branches: ways lead forward, everybody has one, and whatever members do, every journey ends and says nothing twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sop.audience import Audience
from sop.errors import TemplateError
from sop.file import read, write
from sop.journey import Journey, JourneyState, next_due
from sop.sheet import Cell, from_sheets, to_sheets
from sop.template import END, Branch, On, Signal, Step, Subject, Template, Trigger, Wait

NOW = datetime(2026, 7, 2, 11, tzinfo=UTC)
HEAD = 'id = "x"\nname = "x"\n[trigger]\non = "friend.added"\n[audience]\neveryone = true\n'
STEP = '[[step]]\nid = "{id}"\nwhen = {{ wait = "1h" }}\ntext = "好"\n{more}\n'
ELSE = '[[step.branch]]\non = "else"\nto = "{to}"\n'


def written(**more: str) -> str:
    return HEAD + "".join(STEP.format(id=name, more=lines) for name, lines in more.items())


def refused(text: str) -> str:
    with pytest.raises(TemplateError) as caught:
        read(text)
    return str(caught.value)


# ---------------------------------------------------------------- what may be written


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (written(a=ELSE.format(to="nowhere")), "step[1].branch[1].to: 没有编号是 “nowhere” 的步骤"),
        (written(a="", b=ELSE.format(to="a")), "step[2].branch[1].to: “a” 不在这一步的后面，会绕圈"),
        (written(a=ELSE.format(to="a")), "“a” 不在这一步的后面，会绕圈"),
        (written(a='then = "a"'), "step[1].then: “a” 不在这一步的后面，会绕圈"),
        (written(a='[[step.branch]]\non = "answered"\nto = "end"'), "没有写其余的人往哪走"),
        (written(a=ELSE.format(to="end") * 2), "同一个动作写了两条路"),
        (written(a='then = "end"\n' + ELSE.format(to="end")), "有 branch 就不用 then"),
        (written(a='decide = "1h"'), "没有 branch，不用等"),
        (written(a='decide = "0s"\n' + ELSE.format(to="end")), "一分钟也不等"),
        (written(a='[[step.branch]]\non = "opened"\nto = "end"'), "没有 “opened” 这个值"),
    ],
)
def test_a_way_that_leads_nowhere_is_refused_with_its_place(text: str, told: str) -> None:
    problem = refused(text)

    assert told in problem
    assert "应为" in problem


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("tags_add = []", "没有写走完以后做什么"),
        ('tags_add = ["好", "好"]', "有一项写了两次"),
        ('tags_add = ["好", ""]', "有一项是空的"),
        ('chain = "x"', "接着走的就是它自己，会绕圈"),
        ('chian = "y"', "没有 chian 这个键"),
        ('invite_text = "来坐坐"', "没有写邀请进哪个群"),
        ('invite = "老友群"\ninvite_text = "{{ member.nmae }}"', "member.name"),
        ('invite = "老友群"\ninvite_text = "{{ task }}"', "这一步没有 task"),
        (f'invite = "老友群"\ninvite_text = "{"长" * 1400}"', "放不下"),
    ],
)
def test_an_end_that_makes_no_sense_is_refused(lines: str, told: str) -> None:
    assert told in refused(written(a="").replace("[trigger]", f"[finish]\n{lines}\n[trigger]"))


def test_a_plan_for_groups_sees_no_member_decide() -> None:
    text = written(a=ELSE.format(to="end")).replace("[trigger]", 'subject = "group"\n[trigger]')

    assert "群一起走的模板看不到某个成员做了什么" in refused(text.replace('"friend.added"', '"weekly"'))


def test_two_ways_may_be_due_at_the_same_hour() -> None:
    ways = '[[step.branch]]\non = "answered"\nto = "b"\n' + ELSE.format(to="c")

    template = read(
        written(a=ways, b='then = "end"', c="").replace('{ wait = "1h" }', "{ day = 1, time = 19:30:00 }")
    )

    assert [template.following(at) for at in range(3)] == [2, 3, 3]


# ---------------------------------------------------------------- laws


@st.composite
def templates(draw: st.DrawFn) -> Template:
    """Any template whose ways lead forward."""
    count = draw(st.integers(1, 7))
    names = [f"s{at}" for at in range(count)]
    return Template(
        id="x",
        name="x",
        version=1,
        trigger=Trigger(on=On.FRIEND_ADDED),
        audience=Audience(everyone=True),
        steps=tuple(_step(draw, at, names) for at in range(count)),
    )


def _step(draw: st.DrawFn, at: int, names: list[str]) -> Step:
    later = st.sampled_from([*names[at + 1 :], END])
    step = Step(id=names[at], when=Wait(delay=timedelta(hours=1)), text="好")
    sort = draw(st.integers(0, 2))
    if sort == 0:
        return step
    if sort == 1:
        return replace(step, then=draw(later))
    signals = draw(st.lists(st.sampled_from(list(Signal)), unique=True, max_size=3))
    ways = [Branch(signal, draw(later)) for signal in (*signals, None)]
    return replace(step, branches=tuple(ways), decide=timedelta(hours=draw(st.integers(1, 48))))


DEEDS = st.lists(st.one_of(st.none(), st.sampled_from(list(Signal))), max_size=40)


@given(templates(), DEEDS, st.lists(st.booleans(), min_size=20, max_size=20))
def test_whatever_members_do_a_journey_goes_forward_says_nothing_twice_and_ends(
    template: Template, deeds: list[Signal | None], said: list[bool]
) -> None:
    walking = Journey(
        template="x", version=1, subject=Subject.MEMBER, whom="lin", run=1, anchor=NOW, changed=NOW
    )
    spoken, places, now = [], [0], NOW
    while (wait := next_due(template, walking, "Asia/Shanghai")) is not None:
        now = max(now, wait.at)
        if walking.deciding:
            deed = deeds.pop() if deeds else None
            further = walking.decided(template, deed, now)
            walking = further if further != walking else walking.decided(template, None, now)
        else:
            told = said[len(places) % 20]
            spoken += [walking.step] if told else []
            walking = walking.advanced(template, now, said=told)
        places.append(walking.step)

    assert walking.state is JourneyState.DONE
    assert len(spoken) == len(set(spoken))
    assert places == sorted(places)
    assert len(places) <= 2 * len(template.steps) + 1


@given(templates(), st.sampled_from(list(JourneyState)), st.sampled_from(list(Signal)))
def test_only_an_active_journey_that_waits_for_a_deed_is_decided(
    template: Template, state: JourneyState, signal: Signal
) -> None:
    journey = Journey(
        template="x",
        version=1,
        subject=Subject.MEMBER,
        whom="lin",
        run=1,
        anchor=NOW,
        changed=NOW,
        state=state,
    )

    assert journey.decided(template, signal, NOW) == journey
    assert (journey.advanced(template, NOW) == journey) is (state is not JourneyState.ACTIVE)


@given(templates())
def test_ways_survive_being_written_and_laid_out_in_sheets(template: Template) -> None:
    sheets: dict[str, list[list[Cell]]] = {
        sheet.name: [list(sheet.columns), [""] * len(sheet.columns), *map(list, sheet.rows)]
        for sheet in to_sheets(template)
    }

    assert read(write(template)) == template
    assert from_sheets(sheets) == template
