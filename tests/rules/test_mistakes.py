"""Every mistake under every key is refused whole: where it stands, what belongs there, and an example that works."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from datetime import date
from typing import Any

import pytest
import tomlkit

from sop.errors import Problem, TemplateError
from sop.file import edit, read, write
from sop.guide import KEYS

HEAD = """
id = "seven"
name = "7天成长计划"
version = 2
description = "新朋友的前七天"
subject = "member"

[trigger]
on = "friend.added"

[audience]
include = '职场新人 | 创业人群'
exclude = 'tier:core'
"""
STEP = """
[[step]]
id = "only"
when = { after = "1h" }
text = "晚上好"
"""
RICH = f"""{HEAD}
[rules]
quiet_hours = {{ from = 22:00:00, to = 08:00:00 }}
weekly_cap = 7
priority = 2
again = "30d"
hold_out = 0.1
approval_above = 500

[exit]
promoted = true
left = false
tags = '已转化'
on = ["order.paid"]

[finish]
tags_add = ["完成成长计划"]
chain = "weekly_pick"
invite = "老友群"
on_goal = true
invite_text = "来老友群坐坐：{{{{ link }}}}"

[guard]
off = false
opt_outs = 0.02
refusals = 0.02
leavers = 0.02
window = "12h"
minimum = 9

[goal]
signal = "order.paid"
tag = "已完成"
within_days = 9

[[arm]]
name = "问句开头"
share = 0.4

[[step]]
id = "first"
name = "第一步"
when = {{ day = 1, time = 19:30:00, window = "2h", workday = true }}
channel = "kf"
text = "早：{{{{ link }}}}"
link = {{ url = "https://example.com/1", title = "一" }}
on_miss = "ask"
on_no_confirm = {{ do = "deputy", after = "1h", deputy = "lisi" }}
success = "answered"
marketing = false
decide = "12h"
[[step.variant]]
arm = "问句开头"
text = "早吗"
[[step.variant]]
for = '职场新人'
text = "职场早"
[[step.branch]]
on = "replied"
to = "nudge"
[[step.branch]]
on = "else"
to = "thanks"

[[step]]
id = "nudge"
when = {{ wait = "1h" }}
text = "打卡：{{{{ task }}}}"
then = "day7"
[step.task]
kind = "check_in"
[[step.task.reward]]
days = 3
tag = "打卡3天"
[[step.task.reward]]
days = 9
coupon = "checkin_9"

[[step]]
id = "thanks"
when = {{ wait = "2h" }}
text = "谢谢"
[[step.attach]]
kind = "image"
file = "海报.png"
[[step.attach]]
kind = "link"
title = "手冲课"
url = "https://example.com/class"
description = "周六"
picture = "https://example.com/a.png"
[[step.attach]]
kind = "mini_program"
title = "报名"
file = "封面.png"
app_id = "wx1111111111111111"
page = "pages/index"

[[step]]
id = "asked"
when = {{ weekday = "mon", week = 2, time = 19:30:00 }}
text = "{{{{ task }}}}"
[step.task]
kind = "poll"
question = "？"
options = [{{ text = "甲", tag = "选甲" }}, "乙"]
closes = "2h"
post_result = false

[[step]]
id = "day7"
when = {{ date = 2027-01-02, time = 10:00:00 }}
text = "券：{{{{ task }}}}"
task = {{ kind = "coupon", batch = "winter" }}

[[step]]
id = "bought"
when = {{ after_event = "order.paid", delay = "1h", within = "3d" }}
text = "谢谢惠顾"

[[step]]
id = "best"
when = {{ best = true, day = 9, from = 10:00:00, to = 20:00:00 }}
text = "晚安"

[[step]]
id = "light"
when = {{ wait = "3h" }}
text = "{{{{ joke }}}}"
task = {{ kind = "light", weeks_apart = 4 }}

[[item]]
id = "coffee"
joke = "早"
question = "喝什么？"
options = [{{ text = "茶", tag = "茶党" }}, "水"]
"""


def begun(trigger: str) -> str:
    return HEAD.replace('[trigger]\non = "friend.added"', f"[trigger]\n{trigger}") + STEP


EVERYONE = HEAD.replace("include = '职场新人 | 创业人群'\nexclude = 'tier:core'", "everyone = true")
CARRIERS = [
    RICH,
    begun('on = "tag.added"\ntag = "已购"'),
    begun('on = "tier.changed"\ntier = "potential"'),
    begun('on = "group.joined"\ngroup = "答疑群"'),
    begun('on = "link.visited"\ntemplate = "six"'),
    begun('on = "silence"\ndays = 9'),
    begun('on = "date"\ndate = 2027-01-01\ntime = 10:00:00'),
    begun('on = "weekly"\nweekday = "mon"\ntime = 10:00:00'),
    begun('on = "monthly"\nday = 9\ntime = 10:00:00'),
    begun('on = "holiday"\nholiday = "元旦"\ndays_before = 2\ntime = 10:00:00'),
    begun('on = "date_field"\nfield = "wedding"\ntime = 10:00:00'),
    EVERYONE + "[guard]\noff = true\n" + STEP,
    EVERYONE.replace('"member"', '"group"').replace(
        '"friend.added"', '"date"\ndate = 2027-01-01\ntime = 10:00:00'
    )
    + STEP,
]
OTHER: list[Any] = [-3, "x", True, [1], {"a": 1}, date(2026, 1, 1)]
Path = tuple[str | int, ...]


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*path, key)
        yield from places(one, (*path, key))


def named(path: Path) -> str:
    return ".".join(part for part in path if isinstance(part, str))


def carried() -> dict[str, tuple[dict[str, Any], Path]]:
    """A template that has each key, and where there."""
    found: dict[str, tuple[dict[str, Any], Path]] = {}
    for text in CARRIERS:
        whole = tomlkit.parse(text).unwrap()
        for path in places(whole):
            if isinstance(path[-1], str):
                found.setdefault(named(path), (whole, path))
    return found


CARRIED = carried()
WRITTEN = {
    key: (next(text for text in CARRIERS if tomlkit.parse(text).unwrap() == whole), path)
    for key, (whole, path) in CARRIED.items()
}


def put(whole: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """A copy with this value there."""
    changed = deepcopy(whole)
    holder: Any = changed
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return changed


def problems_of(whole: dict[str, Any]) -> tuple[str, tuple[Problem, ...]]:
    text = tomlkit.dumps(whole)
    try:
        read(text)
    except TemplateError as error:
        return text, error.problems
    return text, ()


@pytest.mark.parametrize("text", CARRIERS)
def test_what_the_mistakes_are_made_in_is_good(text: str) -> None:
    assert read(text).steps


@pytest.mark.parametrize("text", CARRIERS)
def test_a_template_with_every_key_is_written_and_read_back_equal(text: str) -> None:
    template = read(text)

    assert read(write(template)) == template


def test_no_key_is_lost_in_writing() -> None:
    written = {
        named(path) for text in CARRIERS for path in places(tomlkit.parse(write(read(text))).unwrap()) if isinstance(path[-1], str)
    }  # fmt: skip

    assert set(KEYS) - written == set()


@pytest.mark.parametrize("key", [key for key in KEYS if "." in key])
def test_an_edit_that_changes_nothing_keeps_every_byte(key: str) -> None:
    text, path = WRITTEN[key]
    value: Any = tomlkit.parse(text).unwrap()
    for part in path:
        value = value[part]

    edited = edit(text, {path: value})

    assert edited == text


def test_every_key_of_the_guide_is_tried() -> None:
    assert set(CARRIED) == set(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_a_value_of_another_kind_is_refused_where_it_stands(key: str) -> None:
    whole, path = CARRIED[key]
    refused = 0
    for value in OTHER:
        text, problems = problems_of(put(whole, path, value))
        refused += bool(problems)
        about = [one for one in problems if key.split(".")[0] in one.key]
        assert bool(about) == bool(problems), (value, problems)
        for problem in problems:
            assert 1 <= problem.line <= len(text.splitlines()) + 1, (value, problem)
            assert problem.column >= 1
            assert problem.reason
            assert problem.expected or problem.example, (value, problem)

    assert refused >= 3


@pytest.mark.parametrize("key", KEYS)
def test_a_key_misspelt_is_refused_on_its_line_with_the_right_one(key: str) -> None:
    whole, path = CARRIED[key]
    changed = deepcopy(whole)
    holder: Any = changed
    for part in path[:-1]:
        holder = holder[part]
    holder[f"{path[-1]}x"] = holder.pop(path[-1])

    text, problems = problems_of(changed)

    wrong = [one for one in problems if one.key.endswith(f"{path[-1]}x")]
    assert len(wrong) == 1
    assert f"{path[-1]}x" in text.splitlines()[wrong[0].line - 1]
    assert str(path[-1]) in wrong[0].expected + wrong[0].example


@pytest.mark.parametrize("key", KEYS)
def test_the_example_of_a_key_can_stand_in_its_place(key: str) -> None:
    whole, path = CARRIED[key]

    _, problems = problems_of(exampled(whole, path, KEYS[key].example))

    assert problems == ()


def exampled(whole: dict[str, Any], path: Path, example: str) -> dict[str, Any]:
    """With the example where it belongs: it shows the key itself, or the table the key is in."""
    if example.startswith("{"):  # one of several, which shows both its keys
        return put(whole, path[:-1], tomlkit.parse(f"x = {example}").unwrap()["x"])
    said = tomlkit.parse(example).unwrap()
    if not example.startswith("["):
        depth = max(at for at, part in enumerate(path) if part in said)
        return put(whole, path[: depth + 1], said[str(path[depth])])
    for name in named(path).split("."):
        said = said[name]
    return put(whole, path, said)


@pytest.mark.parametrize(
    "key", ["id", "name", "trigger", "trigger.on", "audience", "step", "step.id", "step.when", "step.text"]
)
def test_a_key_that_must_be_there_is_missed(key: str) -> None:
    whole, path = CARRIED[key]
    changed = deepcopy(whole)
    holder: Any = changed
    for part in path[:-1]:
        holder = holder[part]
    del holder[path[-1]]

    _, problems = problems_of(changed)

    about = [one for one in problems if one.key.endswith(str(path[-1]))]
    assert len(about) == 1
    assert (about[0].expected, about[0].example) != ("", "")
