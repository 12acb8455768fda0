"""A rehearsal says what every rule would do, and adds it up."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from sop.file import read
from sop.member import Member
from sop.quota import Span
from sop.rehearsal import Rehearsal, answer_lot
from sop.rehearsed import Summary
from sop.sender import Senders
from sop.stage import ANSWERS_AFTER, NOT_THEIR_DAY, Absence, Outcome, Scene, Stage, Walker, assumed
from sop.timing import QuietHours
from tests.world import july

PLAN = """
id = "plan"
name = "计划"

[trigger]
on = "friend.added"

[audience]
exclude = "同行"
everyone = true

[[step]]
id = "first"
when = { day = 1, time = 19:30:00, window = "1h" }
text = "第一句"

[[step.branch]]
on = "answered"
to = "second"

[[step.branch]]
on = "else"
to = "end"

[[step]]
id = "second"
when = { wait = "1h" }
text = "第二句"
"""
PLAIN = PLAN.split("[[step.branch]]")[0]
STAGE = Stage(template=read(PLAIN), start=july(1), end=july(5), zone="Asia/Shanghai", weekly_cap=3)
LIN = Walker(to=Member(id="lin", name="小林"), senders=Senders(staff="linmo"))


def played(stage: Stage, walker: Walker) -> list[Scene | Absence]:
    return list(Rehearsal(stage).play(walker))


def test_what_leaves_has_its_moment_its_sender_and_its_words() -> None:
    [scene] = played(STAGE, LIN)

    assert isinstance(scene, Scene)
    assert (scene.outcome, scene.sender, scene.text) == (Outcome.SENT, "linmo", "第一句")
    assert scene.at == july(2, "19:32")  # a group-send gathers equal texts first


def test_who_opted_out_is_refused_and_told_why() -> None:
    [scene] = played(STAGE, replace(LIN, refused=True))

    assert isinstance(scene, Scene)
    assert (scene.outcome, scene.reason) == (Outcome.REFUSED, "对方已退订，不再发送推送")


def test_a_full_week_keeps_back_what_its_window_does_not_wait_for() -> None:
    [scene] = played(STAGE, replace(LIN, sent=(july(1), july(1), july(1))))

    assert isinstance(scene, Scene)
    assert scene.outcome is Outcome.REFUSED
    assert "上限" in scene.reason


def test_quiet_hours_and_quota_are_asked_too() -> None:
    [quiet] = played(replace(STAGE, quiet=QuietHours(july(1, "19:00").time(), july(1, "23:00").time())), LIN)
    [spent] = played(STAGE, replace(LIN, quota_until=july(4)))

    assert isinstance(quiet, Scene)
    assert isinstance(spent, Scene)
    assert spent.outcome is Outcome.REFUSED
    assert "平台的发送额度已用完" in spent.reason


def test_who_has_no_friend_among_the_staff_is_told_nothing() -> None:
    [scene] = played(STAGE, replace(LIN, senders=Senders()))

    assert isinstance(scene, Scene)
    assert (scene.outcome, scene.reason) == (Outcome.UNSAID, "「小林」没有可以代发的员工")


def test_who_does_not_belong_does_not_begin() -> None:
    member = Member(id="lin", tags=frozenset({"同行"}))

    assert played(STAGE, replace(LIN, to=member)) == [Absence("lin", "不在适用人群里")]


def test_nobody_reacts_so_a_branch_takes_else() -> None:
    scenes = played(replace(STAGE, template=read(PLAN)), LIN)

    assert [one.step for one in scenes if isinstance(one, Scene)] == [0]


def test_equal_texts_of_one_sender_are_one_confirmation_until_the_task_is_full() -> None:
    summary, rehearsal = Summary(STAGE), Rehearsal(STAGE)

    for number in range(5):
        walker = replace(LIN, to=Member(id=f"wm{number}"))
        summary.add(walker, list(rehearsal.play(walker)))

    assert summary.confirmations(10) == [("linmo", "2026-07-02", 1)]
    assert summary.confirmations(2) == [("linmo", "2026-07-02", 3)]
    assert summary.calendar["2026-07-02", 0].number == 5


def test_days_that_are_not_played_hold_nothing() -> None:
    assert played(replace(STAGE, end=STAGE.start + timedelta(hours=1)), LIN) == []


def test_everybody_is_played_by_their_own_clock() -> None:
    [scene] = played(STAGE, replace(LIN, zone="America/New_York"))

    assert isinstance(scene, Scene)
    assert scene.at == july(3, "07:32")  # half past seven in the evening of the 2nd


def test_what_the_platform_takes_is_counted_and_named() -> None:
    tight = replace(STAGE, group_send_limit=Span.DAY)

    [scene] = played(tight, replace(LIN, sends=(july(2, "08:00"),)))

    assert isinstance(scene, Scene)
    assert scene.outcome is Outcome.REFUSED
    assert "平台的发送额度已用完，7月3日 周五 08:00 恢复" in scene.reason
    assert tight.limits == ["企业群发：每位客户、每个客户群一天最多收 1 条（管理员收紧过）"]


def test_what_waits_for_a_member_waits_in_vain_and_the_best_hour_is_the_learnt_one() -> None:
    waits = PLAIN.replace("day = 1, time = 19:30:00", 'after_event = "replied", within = "1d"')
    best = PLAIN.replace("day = 1, time = 19:30:00", "best = true, day = 1")
    noon = tuple(0.9 if hour % 24 == 12 else 0.1 for hour in range(168))

    [missed] = played(replace(STAGE, template=read(waits)), LIN)
    [sent] = played(replace(STAGE, template=read(best), hour_hold_out=0.0), replace(LIN, rates=noon))

    assert isinstance(missed, Scene)
    assert (missed.outcome, missed.reason) == (Outcome.SKIPPED, "等了 1 天，没有等到「已经回复」，跳过")
    assert isinstance(sent, Scene)
    assert sent.at == july(2, "12:32")


def test_who_answers_goes_on_by_the_branch_a_while_after_they_read_it() -> None:
    scenes = played(replace(STAGE, template=read(PLAN), answer_rate=1.0), LIN)

    first, second = (one for one in scenes if isinstance(one, Scene))
    assert second.step == 1
    assert second.planned == first.at + ANSWERS_AFTER + timedelta(hours=1)


def test_the_share_that_answers_is_said_first_and_the_same_every_time() -> None:
    template, people = read(PLAN), [f"wm{number}" for number in range(1000)]

    lots = [answer_lot(template, template.steps[0], one) for one in people]

    assert lots == [answer_lot(template, template.steps[0], one) for one in people]
    assert 250 < sum(lot < 0.3 for lot in lots) < 350
    assert "30%" in assumed(0.3)[0]
    assert "没有人" in assumed()[0]


def test_journeys_beside_each_other_share_one_week() -> None:
    weekly = PLAIN.replace('on = "friend.added"', 'on = "weekly"\nweekday = "wed"\ntime = 10:00:00')
    second = '[[step]]\nid = "second"\nwhen = { day = 9, time = 19:30:00, window = "1h" }\ntext = "第二句"\n'
    stage = replace(STAGE, template=read(weekly + second), end=july(25), weekly_cap=1)

    scenes = [one for one in played(stage, LIN) if isinstance(one, Scene)]

    assert [(one.at.day, one.step, one.outcome) for one in scenes] == [
        (9, 0, Outcome.SENT),
        (16, 0, Outcome.SENT),
        (17, 1, Outcome.REFUSED),  # the week is used up by the journey that began later
        (23, 0, Outcome.SENT),
        (24, 1, Outcome.REFUSED),
    ]


def test_a_day_of_their_own_begins_for_whom_it_is() -> None:
    birthday = PLAIN.replace('on = "friend.added"', 'on = "date_field"\nfield = "生日"\ntime = 10:00:00')
    stage = replace(STAGE, template=read(birthday))

    [scene] = played(stage, replace(LIN, day=date(1990, 7, 3)))
    [absence] = played(stage, replace(LIN, day=date(1990, 8, 3)))

    assert isinstance(scene, Scene)
    assert scene.at == july(4, "19:32")
    assert absence == Absence("lin", NOT_THEIR_DAY)
