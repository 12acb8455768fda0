"""A preview shows what stands beside a step's words, and what its end says."""

from __future__ import annotations

from bot.console.preview import preview
from sop.file import read
from sop.member import Member
from tests.rules.test_attachment import CARD, POSTER, plan
from tests.rules.test_finish import INVITING
from tests.world import july

ZONE = "Asia/Shanghai"
LIN = Member(id="lin", name="小林")


def test_attachments_are_shown_with_their_words_filled_in() -> None:
    [step] = preview(read(plan(POSTER + CARD)), LIN, july(1), ZONE).steps

    assert step.attachments == ("图片「海报.png」", "链接卡片「第 1 天的手冲课」")


def test_an_attachment_whose_words_cannot_be_filled_in_says_why() -> None:
    long = CARD.replace("第 {{ day }} 天的手冲课", "长" * 43)

    [step] = preview(read(plan(long)), LIN, july(1), ZONE).steps

    assert step.attachments[0].endswith("带不上：写出来有 129 字节，超过 128 字节")


def test_the_invitation_stands_behind_the_last_step() -> None:
    first, last = preview(read(INVITING), LIN, july(1), ZONE).steps

    assert (last.name, last.at, last.card) == ("走完以后", first.at, "加入「老友群」")
    assert last.rendered.text.startswith("你好，邀请你加入「老友群」")


def test_who_sits_in_the_group_is_shown_no_invitation() -> None:
    seated = Member(id="lin", name="小林", groups=frozenset({"老友群"}))

    assert len(preview(read(INVITING), seated, july(1), ZONE).steps) == 1


BRANCHING = """
id = "two_ways"
name = "两条路"
[trigger]
on = "friend.added"
[audience]
everyone = true
[[step]]
id = "ask"
name = "问一句"
when = { day = 1, time = 19:30:00 }
text = "在吗"
decide = "12h"
[[step.branch]]
on = "replied"
to = "thanks"
[[step.branch]]
on = "else"
to = "end"
[[step]]
id = "nudge"
when = { wait = "1h" }
text = "再看看"
then = "end"
[[step]]
id = "thanks"
name = "道谢"
when = { wait = "1h" }
text = "谢谢"
"""


def test_a_step_says_which_way_leads_where() -> None:
    seen = preview(read(BRANCHING), LIN, july(1), ZONE)

    assert seen.parts
    assert [step.ways for step in seen.steps] == [
        ("已经回复 → 「道谢」", "12 小时内没有动作 → 到此结束"),
        ("说完 → 到此结束",),
        (),
    ]


def test_a_straight_plan_has_no_ways_to_tell_of() -> None:
    seen = preview(read(INVITING), LIN, july(1), ZONE)

    assert (seen.parts, [step.ways for step in seen.steps]) == (False, [(), ()])
