"""What follows the end of a template 走完以后: whether the group it asks members into can be told and entered at all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from difflib import get_close_matches

from sop.errors import Problem
from sop.group import Group, GroupKind
from sop.place import places
from sop.way import Way

STILL_WELCOME = timedelta(days=2)  # an invitation is worth sending so long
NO_WAY = "没有叫「{}」的入群活码，先在「渠道」页建一个"
KEY = ("finish", "invite")
NEAREST = 3


def problem_of(text: str, name: str, groups: Sequence[Group], ways: Sequence[Way]) -> Problem | None:
    """Why the template in this text can't ask anybody into what is called so; ``ways`` are those into groups.

    A way may be named, or a customer group, when there is one of the name and a way leads into it.
    """
    told = _objection(name, [one for one in groups if one.kind == GroupKind.CUSTOMER and one.alive], ways)
    if told is None:
        return None
    place = places(text)[0].get(KEY)
    line, column = (place.line, place.column) if place else (1, 1)
    return Problem(line, column, ".".join(KEY), *told)


def _objection(name: str, groups: Sequence[Group], ways: Sequence[Way]) -> tuple[str, str, str] | None:
    """What is wrong, what was expected, and an example."""
    named = {frozenset(one.groups) for one in ways if one.name == name}
    found = [one for one in groups if one.name == name]
    if len(named) > 1:
        return (
            f"有 {len(named)} 个入群活码都叫「{name}」，通向不同的群",
            "只有一个活码用的名字",
            "给其中一个换个名称",
        )
    if named:
        return None
    if len(found) > 1:
        return f"有 {len(found)} 个群都叫「{name}」，不知道是哪一个", "只有一个群用的名字", "写入群活码的名称"
    if not found:
        return _unknown(name, groups, ways)
    if any(found[0].id in one.groups for one in ways):
        return None
    make = f"qunxing way add {name} --group {found[0].id}"
    return f"「{name}」还没有入群活码", "一个入群活码，先在「渠道」页建好", make


def _unknown(name: str, groups: Sequence[Group], ways: Sequence[Way]) -> tuple[str, str, str]:
    names = sorted({one.name for one in groups if one.name} | {one.name for one in ways})
    near = get_close_matches(name, names, n=NEAREST, cutoff=0.3) or names[:NEAREST]
    if not near:
        return f"没有叫「{name}」的群或入群活码", "已经同步过来的客户群", "qunxing sync"
    return f"没有叫「{name}」的群或入群活码", "、".join(near), f'invite = "{near[0]}"'
