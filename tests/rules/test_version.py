"""Versions of a template: who must agree, what changed in words, and where people under way go on."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sop.file import read
from sop.guard import Guard
from sop.template import Arm, Finish, OnDay, Reentry, Step, Template
from sop.version import changes, moved, own_review, unapproved

PLAN = read((Path(__file__).parents[2] / "sop" / "library" / "seven_day_growth.toml").read_text("utf-8"))
LARGE = replace(PLAN, approval_above=100)


def with_steps(*ids: str) -> Template:
    return replace(PLAN, steps=tuple(replace(PLAN.steps[0], id=one, name="") for one in ids))


# ---------------------------------------------------------------- who must agree


@pytest.mark.parametrize(
    ("size", "reviewed_by", "may"),
    [(100, "", True), (101, "", False), (101, "写的人", False), (101, "另一位", True)],
)
def test_a_large_audience_needs_a_second_person(size: int, reviewed_by: str, may: bool) -> None:
    why = unapproved(LARGE, size=size, saved_by="写的人", reviewed_by=reviewed_by)

    assert (why == "") is may
    assert may or "请 写的人 以外的一位运营先批准这一版" in why


def test_without_a_line_nobody_else_is_asked() -> None:
    assert unapproved(PLAN, size=10**6, saved_by="写的人", reviewed_by="") == ""


def test_nobody_approves_what_they_wrote() -> None:
    assert own_review("小陈", "小陈") == "自己写的版本要请另一位运营批准"
    assert own_review("小陈", "阿宁") == ""


# ---------------------------------------------------------------- where people go on


@pytest.mark.parametrize(
    ("old", "step", "new", "place"),
    [
        ("abc", 1, "abc", 1),
        ("abc", 1, "xabc", 2),
        ("abc", 1, "ac", 1),
        ("abc", 1, "a", 1),
        ("abc", 3, "abcd", 4),
        ("abc", 0, "", 0),
    ],
)
def test_somebody_goes_on_at_the_first_later_step_that_is_still_there(
    old: str, step: int, new: str, place: int
) -> None:
    assert moved(with_steps(*old), with_steps(*new), step) == place


IDS = st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1)


@given(IDS, IDS, st.integers(0, 8))
def test_nobody_is_sent_back_to_what_was_said_and_is_still_behind_them(
    old: list[str], new: list[str], step: int
) -> None:
    step = min(step, len(old))

    at = moved(with_steps(*old), with_steps(*new), step)

    assert at == len(new) or new[at] in old[step:]


# ---------------------------------------------------------------- what changed


def test_the_same_is_no_change() -> None:
    assert changes(PLAN, replace(PLAN, version=2)) == []


def test_what_changed_is_said_step_by_step() -> None:
    first, second, *rest = PLAN.steps
    late = replace(first, when=OnDay(day=2, time=time(19, 30), window=timedelta(hours=2)), text="换一句")
    extra = replace(second, id="extra", name="加一步")

    told = changes(PLAN, replace(PLAN, name="八天计划", steps=(late, extra, *rest)))

    assert told == [
        "名称：7天成长计划 → 八天计划",
        "去掉「第二天 · 看清时间去了哪」",
        "「第一天 · 从十分钟开始」的时间：day 1，time 19:30:00，window 2h → day 2，time 19:30:00，window 2h",
        "「第一天 · 从十分钟开始」的文案改了",
        "新增第 2 步「加一步」",
    ]


def test_steps_that_change_places_are_told() -> None:
    assert changes(with_steps("a", "b"), with_steps("b", "a")) == ["步骤的先后变了"]


@pytest.mark.parametrize("name", [one.name for one in fields(Template) if one.name not in ("version", "id")])
def test_every_part_of_a_template_that_changes_is_told(name: str) -> None:
    weekly = read((Path(__file__).parents[2] / "sop" / "library" / "weekly_light.toml").read_text("utf-8"))
    other = {
        "quiet": read_quiet(),
        "weekly_cap": 1,
        "hold_out": 0.25,
        "arms": (Arm("问句", 0.5),),
        "priority": 3,
        "approval_above": 9,
        "goal": None,
        "guard": Guard(off=True),
        "finish": Finish(chain="weekly_pick"),
        "reentry": Reentry(again=True, days=30),
        "name": "x",
        "description": "x",
    }

    changed = replace(PLAN, **{name: other.get(name, getattr(weekly, name))})  # type: ignore[arg-type]

    assert changes(PLAN, changed), name


def read_quiet() -> object:
    text = (Path(__file__).parents[2] / "sop" / "library" / "welcome.toml").read_text("utf-8")
    return read(text.replace("[rules]", "[rules]\nquiet_hours = { from = 22:00:00, to = 08:00:00 }")).quiet


def test_every_part_of_a_step_is_written_where_a_change_is_seen() -> None:
    assert {one.name for one in fields(Step)} == {
        "id", "when", "text", "name", "channel", "variants", "link", "task", "on_miss", "confirm", "success", "marketing", "branches", "decide", "then", "attachments",
    }  # fmt: skip
