"""What a finish says: the invitation, where it makes no sense, and which groups nobody can be invited to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sop.errors import TemplateError
from sop.file import read, write
from sop.finish import problem_of
from sop.group import Group, GroupKind
from sop.member import Member
from sop.sender import Senders
from sop.stage import Outcome, Scene, Walker
from sop.version import changes
from sop.way import Way, WayKind
from tests.rules.test_rehearsal import PLAIN, STAGE, played
from tests.world import july

INVITING = PLAIN.replace("[audience]", '[finish]\ninvite = "老友群"\n\n[audience]')
GROUPS = [
    Group(id="old", name="老友群"),
    Group(id="new", name="新手答疑群"),
    Group(id="staff", name="员工群", kind=GroupKind.INTERNAL),
    Group(id="gone", name="散了的群", dismissed=july(1)),
    Group(id="twin1", name="周末群"),
    Group(id="twin2", name="周末群"),
]
WAYS = [
    Way(state="w1", name="海报", kind=WayKind.JOIN, groups=("old", "twin1")),
    Way(state="w2", name="重名", kind=WayKind.JOIN, groups=("twin1",)),
    Way(state="w3", name="重名", kind=WayKind.JOIN, groups=("twin2",)),
]
WALKER = Walker(to=Member(id="lin", name="小林"), senders=Senders(staff="linmo"))


def test_an_invitation_comes_back_as_it_was_written() -> None:
    plan = read(
        INVITING.replace('"老友群"', '"老友群"\non_goal = true') + '\n[goal]\nsignal = "order.paid"\n'
    )

    assert (plan.finish.invite, plan.finish.on_goal) == ("老友群", True)
    assert read(write(plan)) == plan
    assert changes(read(PLAIN), read(INVITING)) == ["走完以后：（没有） → invite 老友群"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (INVITING.replace('"老友群"', '"老友群"\non_goal = true'), "没有写目标，也就没有达成的时候"),
        (INVITING.replace('invite = "老友群"', "invite = 3"), "invite"),
        (INVITING.replace('"老友群"', f'"{"群" * 65}"'), "finish.invite"),
        (INVITING.replace('"friend.added"', '"weekly"\nweekday = "sat"\ntime = 19:30:00').replace(
            "[trigger]", 'subject = "group"\n[trigger]'), "群不能进群"),
    ],
)  # fmt: skip
def test_an_invitation_that_makes_no_sense_is_refused(text: str, told: str) -> None:
    with pytest.raises(TemplateError) as caught:
        read(text)

    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("name", "told", "expected"),
    [
        ("老友裙", "没有叫「老友裙」的群或入群活码", "老友群"),
        ("海抱", "没有叫「海抱」的群或入群活码", "海报"),
        ("员工群", "没有叫「员工群」的群或入群活码", "老友群"),
        ("散了的群", "没有叫「散了的群」的群或入群活码", "新手答疑群"),
        ("周末群", "有 2 个群都叫「周末群」", "只有一个群用的名字"),
        ("重名", "有 2 个入群活码都叫「重名」", "只有一个活码用的名字"),
        ("新手答疑群", "还没有入群活码", "一个入群活码，先在「渠道」页建好"),
    ],
)
def test_nobody_is_invited_to_a_group_that_cannot_be_told_or_entered(
    name: str, told: str, expected: str
) -> None:
    problem = problem_of(INVITING, name, GROUPS, WAYS)

    assert problem is not None
    assert (problem.line, problem.column) == (INVITING.split("invite")[0].count("\n") + 1, 1)
    assert told in problem.reason
    assert expected in problem.expected


@pytest.mark.parametrize("name", ["老友群", "海报"])
def test_a_way_or_the_one_group_of_a_name_that_has_a_way_is_fine(name: str) -> None:
    assert problem_of(INVITING, name, GROUPS, WAYS) is None


def test_without_any_group_the_next_step_is_to_read_them() -> None:
    problem = problem_of(INVITING, "老友群", [], [])

    assert problem is not None
    assert problem.example == "qunxing sync"


def test_a_rehearsal_tells_of_the_invitation_after_the_last_step() -> None:
    scenes = played(replace(STAGE, template=read(INVITING)), WALKER)

    said = [(one.text[:8], one.outcome, one.at) for one in scenes if isinstance(one, Scene)]
    assert said == [
        ("第一句", Outcome.SENT, july(2, "19:32")),
        ("你好，邀请你加入", Outcome.SENT, july(2, "19:32")),
    ]


def test_who_sits_in_a_group_that_the_way_leads_to_is_not_invited_in_a_rehearsal() -> None:
    seated = replace(WALKER, to=Member(id="lin", name="小林", groups=frozenset({"老友二群"})))
    stage = replace(STAGE, template=read(INVITING), invites=frozenset({"老友一群", "老友二群"}))

    scenes = played(stage, seated)

    assert len(scenes) == 1


def test_a_rehearsal_says_that_there_is_no_way_in() -> None:
    scenes = played(replace(STAGE, template=read(INVITING), invites=None), WALKER)

    told = [(one.outcome, one.reason) for one in scenes if isinstance(one, Scene)]
    assert told[0] == (
        Outcome.UNSAID,
        "没有叫「老友群」的入群活码，先在「渠道」页建一个",
    )
