"""Versions 版本 of a template: who must agree before one is published, what changed, and where running journeys go.

::

    draft ── approve (by another) ──► reviewed ── publish ──► published ── another is published, retire ──► retired
      └──────────────── publish (small audience) ────────────────┘                └── publish again (rollback) ──► published
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from sop.plain import to_plain
from sop.template import Step, Template


class VersionState(StrEnum):
    """Where one version of a template stands."""

    DRAFT = "draft"
    REVIEWED = "reviewed"
    PUBLISHED = "published"
    RETIRED = "retired"


S = VersionState
MOVES: dict[VersionState, frozenset[VersionState]] = {
    S.DRAFT: frozenset({S.REVIEWED, S.PUBLISHED}),
    S.REVIEWED: frozenset({S.PUBLISHED}),
    S.PUBLISHED: frozenset({S.RETIRED}),
    S.RETIRED: frozenset({S.PUBLISHED}),
}


def unapproved(template: Template, *, size: int, saved_by: str, reviewed_by: str) -> str:
    """Why this version may not be published yet; empty when it may. ``size`` is how many it is for now."""
    above = template.approval_above
    if above is None or size <= above or (reviewed_by and reviewed_by != saved_by):
        return ""
    return f"适用人群现在超过 {above} 人，要两个人同意才能发布：请 {saved_by or '写的人'} 以外的一位运营先批准这一版"


def own_review(saved_by: str, by: str) -> str:
    """Why this person may not approve; empty when they may."""
    return "自己写的版本要请另一位运营批准" if by == saved_by else ""


# ---------------------------------------------------------------- running journeys


def moved(old: Template, new: Template, step: int) -> int:
    """Where somebody whose next step of ``old`` is ``step`` goes on in ``new``: the first later step that is still there."""
    places = {one.id: at for at, one in enumerate(new.steps)}
    following = (places[one.id] for one in old.steps[step:] if one.id in places)
    return next(following, len(new.steps))


# ---------------------------------------------------------------- what changed

LABELS = {
    "name": "名称",
    "description": "说明",
    "subject": "对象",
    "trigger": "触发",
    "audience": "适用人群",
    "rules": "规则",
    "exit": "退出条件",
    "finish": "走完以后",
    "guard": "护栏",
    "goal": "目标",
    "arm": "对比组",
    "when": "时间",
    "channel": "渠道",
    "text": "文案",
    "variant": "变体",
    "link": "链接",
    "attach": "附件",
    "task": "任务",
    "on_miss": "错过之后",
    "on_no_confirm": "没人确认时",
    "success": "成功信号",
    "marketing": "是否推广",
    "branch": "分支",
    "decide": "等多久",
    "then": "接着走",
}
LONG = frozenset(
    {"text", "variant", "attach", "description"}
)  # said to have changed; the words stand in the text beneath


def changes(old: Template, new: Template) -> list[str]:
    """What a new version does differently, a line each, as an operator says it."""
    before, after = to_plain(old), to_plain(new)
    parts = [key for key in (before | after) if key not in ("step", "item", "version")]
    lines = [line for key in parts if (line := _change(key, before.get(key), after.get(key)))]
    return [*lines, *_steps(old, new, before, after), *_items(before, after)]


def _change(key: str, before: Any, after: Any, whose: str = "") -> str:
    if before == after:
        return ""
    what = f"{whose}{LABELS.get(key, key)}"
    if key in LONG:
        return f"{what}改了" if before and after else f"{what}{'加上了' if after else '去掉了'}"
    return f"{what}：{_shown(before)} → {_shown(after)}"


def _steps(old: Template, new: Template, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    olds = {one["id"]: one for one in before["step"]}
    news = {one["id"]: one for one in after["step"]}
    lines = [f"去掉{_called(step)}" for step in old.steps if step.id not in news]
    for at, step in enumerate(new.steps, start=1):
        if step.id not in olds:
            lines.append(f"新增第 {at} 步{_called(step)}")
            continue
        was, now = olds[step.id], news[step.id]
        keys = [key for key in (was | now) if key != "id"]
        lines += [
            line for key in keys if (line := _change(key, was.get(key), now.get(key), f"{_called(step)}的"))
        ]
    kept = [step.id for step in old.steps if step.id in news]
    if kept != [step.id for step in new.steps if step.id in olds]:
        lines.append("步骤的先后变了")
    return lines


def _items(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    olds = {one["id"]: one for one in before.get("item", ())}
    news = {one["id"]: one for one in after.get("item", ())}
    counts = {
        "新增": len(news.keys() - olds.keys()),
        "去掉": len(olds.keys() - news.keys()),
        "改了": sum(olds[one] != news[one] for one in olds.keys() & news.keys()),
    }
    said = [f"{word} {count} 题" for word, count in counts.items() if count]
    return [f"题库{'，'.join(said)}"] if said else []


def _called(step: Step) -> str:
    return f"「{step.name or step.id}」"


def _shown(value: Any) -> str:
    if value in (None, "", [], {}):
        return "（没有）"
    match value:
        case bool():
            return "是" if value else "否"
        case Mapping():
            return "，".join(f"{key} {_shown(one)}" for key, one in value.items())
        case list():
            return "、".join(_shown(one) for one in value)
    return str(value)
