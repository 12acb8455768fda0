"""Rendering: a step's text, written in a small part of Liquid, becomes the words one recipient reads.

Only ``{{ word | filter }}``, ``if`` and ``for`` exist, over the words of :data:`WORDS` and nothing else. Text is data: it
reaches no attribute, no clock, no file, and its size and loops are bounded. A text that cannot be rendered is replaced
by the step's own fallback, and it is said why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from functools import lru_cache, wraps
from typing import Any

from liquid import BoundTemplate, Environment, FalsyStrictUndefined
from liquid.ast import Node
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.context import RenderContext
from liquid.exceptions import (
    FilterArgumentError,
    LiquidError,
    LoopIterationLimitError,
    OutputStreamLimitError,
    UndefinedError,
)
from liquid.expression import Expression

from sop.attachment import DESCRIPTION_BYTES, TITLE_BYTES, Attachment
from sop.audience import Facts
from sop.errors import Problem, TemplateError
from sop.group import Group
from sop.member import TIERS, Member
from sop.template import Step

WORDS: dict[str, str] = {
    "member.name": "成员的名字",
    "member.tier": "成员的分层，如 潜力用户",
    "member.tags": "成员的标签，可以循环",
    "group.name": "群名",
    "community.name": "社群的名字",
    "day": "这是旅程的第几天",
    "link": "这一步的追踪链接",
    "task": "任务页面的链接：作答、打卡或领券",
    "joke": "轻互动的段子",
    "question": "轻互动或投票的题目",
    "options": "各个选项，可以循环",
    "menu": "各个选项，一行一个",
    "coupon.name": "优惠券的名字",
    "coupon.code": "这位成员的券码",
    "coupon.ends": "这位成员的券哪天到期",
}
PERSONAL = frozenset({"member.name", "member.tier", "member.tags", "coupon.code", "coupon.ends"})
FILTERS = (
    "default", "join", "size", "first", "last", "strip", "truncate", "upcase", "downcase", "replace", "append",
    "prepend", "round",
)  # fmt: skip
TAGS = ("if", "for")
EXAMPLE = '{{ member.name | default: "朋友" }}'

LONGEST_TEXT = 8192  # bytes written, and bytes of one text
LONGEST_VALUE = 4096  # bytes of one value inside a text
MOST_ITEMS = 1000
MOST_BITS = 128
ALLOWED = "只用 {{ 变量 | 过滤器 }}、{% if %} 和 {% for %}"
RAW = re.compile(r"\{%-?\s*raw\b")
BROKEN = (LiquidError, ArithmeticError, ValueError, TypeError, LookupError, AttributeError, RecursionError)


class Reach(StrEnum):
    """How many people read one rendering of a text."""

    ONE = "one"  # personal words may stand in it
    MAYBE = "maybe"  # it may go out as one text for all: personal words need a default
    ALL = "all"  # one text for all


@dataclass(frozen=True)
class Rendered:
    """What will be said. ``problem`` tells why it is not the wording that was chosen; an empty text must not be sent."""

    text: str
    problem: str = ""


# ---------------------------------------------------------------- the guarded language


def _weigh(value: object) -> None:
    """Refuse a value no honest text needs."""
    match value:
        case str() if len(value) * 4 > LONGEST_VALUE and len(value.encode()) > LONGEST_VALUE:
            raise FilterArgumentError(f"一个值超过 {LONGEST_VALUE} 字节", token=None)
        case list() | tuple() if len(value) > MOST_ITEMS:
            raise FilterArgumentError(f"一个列表超过 {MOST_ITEMS} 项", token=None)
        case int() if value.bit_length() > MOST_BITS:
            raise FilterArgumentError(f"一个数超过 {MOST_BITS} 位", token=None)
        case range() | dict():
            raise FilterArgumentError("这里只能用文字、数或列表", token=None)


def _weigh_join(items: object, glue: object = " ") -> None:
    if isinstance(items, (list, tuple)):
        total = sum(len(str(item)) for item in items) + len(str(glue)) * len(items)
        _weigh_size(total)


def _weigh_replace(text: object, old: object = "", new: object = "") -> None:
    if not str(old):
        raise FilterArgumentError("replace 要写清楚替换什么", token=None)
    _weigh_size(len(str(text)) + str(text).count(str(old)) * len(str(new)))


def _weigh_size(size: int) -> None:
    if size > LONGEST_VALUE:
        raise FilterArgumentError(f"结果会超过 {LONGEST_VALUE} 字节", token=None)


PRODUCTS: dict[str, Callable[..., None]] = {"join": _weigh_join, "replace": _weigh_replace}


def _guarded(name: str, act: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(act)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        for value in (*args, *kwargs.values()):
            _weigh(value)
        if name in PRODUCTS:
            PRODUCTS[name](*args)
        result = act(*args, **kwargs)
        _weigh(result)
        return result

    return guarded


class _Language(Environment):
    """Liquid with almost everything taken out."""

    block_nesting_limit = 12
    context_depth_limit = 6
    loop_iteration_limit = 500
    local_namespace_limit = 8000
    output_stream_limit = LONGEST_TEXT

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=False)
        kept = {"content", "illegal", "output", *TAGS}
        self.tags = {name: tag for name, tag in self.tags.items() if name.lower() in kept}
        self.filters = {name: _guarded(name, self.filters[name]) for name in FILTERS}


LANGUAGE = _Language(undefined=FalsyStrictUndefined)


@lru_cache(maxsize=2048)
def _compiled(text: str) -> BoundTemplate:
    """The parsed text, checked to use nothing but what we allow."""
    if len(text.encode()) > LONGEST_TEXT:
        raise TemplateError(
            [_problem(text, 0, f"文字超过 {LONGEST_TEXT} 字节", f"不超过 {LONGEST_TEXT} 字节")]
        )
    try:
        template = LANGUAGE.from_string(text)
        problems = list(_forbidden(text, template))
    except BROKEN as error:
        raise TemplateError([_explained(text, error)]) from error
    if problems:
        raise TemplateError(problems)
    return template


def _forbidden(text: str, template: BoundTemplate) -> Iterator[Problem]:
    if raw := RAW.search(text):
        yield _problem(text, raw.start(), "不能用 {% raw %}", ALLOWED)
    analysis = template.analyze()
    for name, spans in analysis.filters.items():
        if name not in FILTERS:
            yield _problem(text, spans[0].index, f"没有过滤器 {name}", "、".join(FILTERS))
    for uses in analysis.globals.values():
        for use in uses:
            if _word(str(use)) is None:
                yield _problem(text, use.span.index, f"没有变量 {use}", _nearest(str(use)))
    for expression in _expressions(template):
        if isinstance(expression, RangeLiteral):
            yield _problem(
                text, expression.token.start_index, "不能写 (1..9) 这样的范围", "循环只用于列表，如 options"
            )


def _word(path: str) -> str | None:
    """The word a path means, None when it means none; a list may be asked for its size, first and last."""
    if path in WORDS:
        return path
    head, _, tail = path.rpartition(".")
    return head if head in ("member.tags", "options") and tail in ("size", "first", "last") else None


def _nearest(word: str) -> str:
    close = get_close_matches(word, WORDS, n=1, cutoff=0.5)
    return f"{close[0]}（{WORDS[close[0]]}）" if close else "、".join(WORDS)


def _expressions(template: BoundTemplate) -> Iterator[Expression]:
    static = RenderContext(template)
    nodes: list[Node] = list(template.nodes)
    while nodes:
        node = nodes.pop()
        nodes.extend(node.children(static))
        for expression in node.expressions():
            yield from _inside(expression)


def _inside(expression: Expression) -> Iterator[Expression]:
    waiting = [expression]
    while waiting:
        found = waiting.pop()
        yield found
        waiting.extend(found.children())


# ---------------------------------------------------------------- asking about a text


def variables(text: str) -> frozenset[str]:
    """The words a text uses, as in :data:`WORDS`; raises :class:`TemplateError` when it cannot be read."""
    uses = (use for found in _compiled(text).analyze().globals.values() for use in found)
    return frozenset(word for use in uses if (word := _word(str(use))))


def check(text: str, reach: Reach = Reach.ONE) -> list[Problem]:
    """Every mistake in a text; lines and columns count inside the text, from 1."""
    try:
        used = variables(text)
    except TemplateError as error:
        return list(error.problems)
    if reach is Reach.ALL and used & PERSONAL:
        return [_too_personal(text, word) for word in sorted(used & PERSONAL)]
    problem = _trial(text, SAMPLE)
    if problem is not None:
        return [problem]
    if reach is Reach.MAYBE:
        return [
            _unsure(text, word) for word in sorted(used & PERSONAL) if _trial(text, _sample_without(word))
        ]
    return []


def _sample_without(word: str) -> dict[str, object]:
    noun, _, part = word.partition(".")
    known = SAMPLE[noun]
    assert isinstance(known, dict)
    return {**SAMPLE, noun: {name: value for name, value in known.items() if name != part}}


def _trial(text: str, words: Mapping[str, object]) -> Problem | None:
    try:
        _compiled(text).render(words)
    except BROKEN as error:
        return _explained(text, error)
    return None


def _too_personal(text: str, word: str) -> Problem:
    reason = f"群发和发到群里的文字人人一样，不能用 {word}"
    return _problem(
        text,
        max(text.find(word), 0),
        reason,
        "人人一样的文字；个人的券码和链接放在打开后的页面里",
        "大家晚上好",
    )


def _unsure(text: str, word: str) -> Problem:
    reason = f'channel = "auto" 时可能走群发，那时没有 {word}'
    return _problem(
        text, max(text.find(word), 0), reason, '给它一个人人适用的默认值，或改用 channel = "kf"', EXAMPLE
    )


def _problem(text: str, index: int, reason: str, expected: str, example: str = EXAMPLE) -> Problem:
    before = text[:index]
    return Problem(
        before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1, "", reason, expected, example
    )


def _explained(text: str, error: BaseException) -> Problem:
    token = getattr(error, "token", None)
    index = token.start_index if token is not None and token.start_index >= 0 else 0
    return _problem(text, index, _said(error), ALLOWED)


def _said(error: BaseException) -> str:
    match error:
        case UndefinedError():
            name = str(error.message).removesuffix(" is undefined").strip("'")
            return f"缺少 {name} 的值"
        case OutputStreamLimitError():
            return f"写出来超过 {LONGEST_TEXT} 字节"
        case LoopIterationLimitError():
            return "循环超过 500 次"
        case LiquidError() if str(error.message).startswith("unexpected tag"):
            return f"不能用 {{% {_quoted(error)} %}}"
        case LiquidError():
            return f"模板写法有误：{error.message}"
    return f"模板写法有误：{type(error).__name__}"


def _quoted(error: LiquidError) -> str:
    """The name the library put in quotes in its message."""
    found = re.search(r"'([^']*)'", str(error.message))
    return found.group(1) if found else "一个变量"


# ---------------------------------------------------------------- filling in


def words(
    *,
    member: Member | None = None,
    group: Group | None = None,
    community: str = "",
    coupon: Mapping[str, str] | None = None,
    **more: object,
) -> dict[str, object]:
    """What a text may say, from what we know; what is empty is left out, so that ``default`` and ``if`` see it.

    ``coupon`` may hold name, code and ends; ``more`` may hold day, link, task, joke, question, options and menu.
    """
    return {
        "member": _kept(_of_member(member)) if member else {},
        "group": _kept({"name": group.name}) if group else {},
        "community": _kept({"name": community}),
        "coupon": _kept(coupon or {}),
        **_kept({name: value for name, value in more.items() if name in WORDS}),
    }


def _of_member(member: Member) -> dict[str, object]:
    return {"name": member.name, "tier": TIERS.get(member.tier, ""), "tags": sorted(member.tags)}


def _kept(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value not in (None, "", {}, [], ())}


SAMPLE: dict[str, object] = {
    "member": {"name": "林晓", "tier": "潜力用户", "tags": ["职场新人", "爱提问"]},
    "group": {"name": "新手答疑群"},
    "community": {"name": "群星读书会"},
    "coupon": {"name": "咖啡券", "code": "KF8X2Q", "ends": "7月31日"},
    "day": 3,
    "link": "https://example.com/l/abc",
    "task": "https://example.com/m/abc",
    "joke": "周一的咖啡，是成年人的开机键。",
    "question": "你今天的第一杯是什么？",
    "options": ["美式", "拿铁", "白开水"],
    "menu": "A. 美式\nB. 拿铁\nC. 白开水",
}


def render(text: str, said: Mapping[str, object], *, longest: int = LONGEST_TEXT) -> Rendered:
    """The text with its words filled in; empty, with the reason, when that is not possible."""
    try:
        written = _compiled(text).render(said).strip()
    except TemplateError as error:
        return Rendered("", error.problems[0].reason)
    except BROKEN as error:
        return Rendered("", _said(error))
    if len(written.encode()) > longest:
        return Rendered("", f"写出来有 {len(written.encode())} 字节，超过 {longest} 字节")
    return Rendered(written) if written else Rendered("", "写出来是空的")


def compose(
    step: Step,
    facts: Facts,
    said: Mapping[str, object],
    *,
    personal: bool = True,
    arm: str = "",
    longest: int = LONGEST_TEXT,
) -> Rendered:
    """What a step says to somebody: the wording that fits, else the step's own text with the reason, else nothing."""
    wording = step.wording(facts, personal=personal, arm=arm)
    first = render(wording, said, longest=longest)
    if first.text or wording == step.text:
        return first
    second = render(step.text, said, longest=longest)
    return Rendered(second.text, f"变体没有发出，改用通用文字：{first.problem}")


def fill(one: Attachment, said: Mapping[str, object]) -> Attachment | str:
    """The attachment with its words filled in, or why they can't be."""
    title = render(one.title, said, longest=TITLE_BYTES[one.kind]) if one.title else Rendered("")
    description = (
        render(one.description, said, longest=DESCRIPTION_BYTES) if one.description else Rendered("")
    )
    problem = title.problem or description.problem
    return problem or replace(one, title=title.text, description=description.text)
