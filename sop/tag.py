"""Tags 标签 and audience expressions 适用人群.

A tag is a word attached to a member. An audience says with tags who something is for::

    职场新人 & !(已购 | "暂不 打扰") & tier:potential & group:新手答疑群 & source:poster_0103

``&`` and, ``|`` or, ``!`` not, parentheses; ``!`` binds closest, then ``&``, then ``|``. A name with spaces or signs
stands in double quotes. Full-width signs mean the same. An empty clause cannot be written, so it never widens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from sop.errors import Problem, TemplateError

EXAMPLE = "职场新人 & !已购"
LONGEST = 2000  # characters of one expression
DEEPEST = 40  # parentheses and negations inside each other


class TagKind(StrEnum):
    """Basic tags say who somebody is; behavioural tags say what they did."""

    BASIC = "basic"
    BEHAVIOUR = "behaviour"


@dataclass(frozen=True)
class Tag:
    """A tag and its kind."""

    name: str
    kind: TagKind = TagKind.BASIC


class Ask(StrEnum):
    """What an atom asks about; the value is the prefix that is written before the colon."""

    TAG = ""
    TIER = "tier"
    GROUP = "group"
    SOURCE = "source"
    KIND = "kind"


KNOWN = {
    Ask.TIER: ("new", "potential", "core"),
    Ask.KIND: ("customer", "internal", "imported"),
}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is true of one member or one group at one moment."""

    tags: frozenset[str] = frozenset()
    tier: str = ""
    groups: frozenset[str] = frozenset()
    source: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Is:
    """Somebody carries the tag, is in the tier or group, or came from the source."""

    name: str
    ask: Ask = Ask.TAG

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("a nameless atom says nothing, so it may not widen")


@dataclass(frozen=True)
class Not:
    part: Expression


@dataclass(frozen=True)
class All:
    """Every part holds; there are two or more."""

    parts: tuple[Expression, ...]

    def __post_init__(self) -> None:
        if len(self.parts) < 2:
            raise ValueError("a clause joins two parts or more; an empty one may not widen")


@dataclass(frozen=True)
class Some:
    """At least one of two or more parts holds."""

    parts: tuple[Expression, ...]

    def __post_init__(self) -> None:
        if len(self.parts) < 2:
            raise ValueError("a clause joins two parts or more; an empty one may not widen")


Expression = Is | Not | All | Some


@dataclass(frozen=True, kw_only=True)
class Audience:
    """Who a template is for. Without ``include`` it is nobody, unless ``everyone`` is said in so many words."""

    include: Expression | None = None
    exclude: Expression | None = None
    everyone: bool = False

    def has(self, facts: Facts) -> bool:
        if self.exclude is not None and matches(self.exclude, facts):
            return False
        return self.everyone or (self.include is not None and matches(self.include, facts))


def matches(expression: Expression, facts: Facts) -> bool:
    """Whether the expression holds for somebody of whom these facts are true."""
    match expression:
        case Is(name, ask):
            return name in _answers(ask, facts)
        case Not(part):
            return not matches(part, facts)
        case All(parts):
            return all(matches(part, facts) for part in parts)
        case Some(parts):
            return any(matches(part, facts) for part in parts)


def _answers(ask: Ask, facts: Facts) -> frozenset[str] | tuple[str, ...]:
    match ask:
        case Ask.TAG:
            return facts.tags
        case Ask.GROUP:
            return facts.groups
        case Ask.TIER:
            return (facts.tier,)
        case Ask.SOURCE:
            return (facts.source,)
        case Ask.KIND:
            return (facts.kind,)


def atoms(expression: Expression) -> Iterator[Is]:
    """Every atom of the expression, in the order it is written."""
    match expression:
        case Is():
            yield expression
        case Not(part):
            yield from atoms(part)
        case All(parts) | Some(parts):
            for part in parts:
                yield from atoms(part)


# ---------------------------------------------------------------- writing

SIGNS = {
    "&": "&",
    "|": "|",
    "!": "!",
    "(": "(",
    ")": ")",
    "＆": "&",
    "｜": "|",
    "！": "!",
    "（": "(",
    "）": ")",
}
BARE_ENDS = frozenset(SIGNS) | frozenset('"“”')


def to_text(expression: Expression) -> str:
    """The expression in its normal writing; parsing it gives an equal expression."""
    return _written(expression, 0)


def _written(expression: Expression, strength: int) -> str:
    match expression:
        case Is(name, ask):
            return f"{ask}:{_quoted(name)}" if ask else _quoted(name, tag=True)
        case Not(part):
            return "!" + _written(part, 3)
        case All(parts):
            return _joined(" & ", parts, 2, strength)
        case Some(parts):
            return _joined(" | ", parts, 1, strength)


def _joined(sign: str, parts: tuple[Expression, ...], own: int, outer: int) -> str:
    """Parts of the same kind keep their parentheses, so that the tree comes back as it was."""
    text = sign.join(_written(part, own + 1) for part in parts)
    return f"({text})" if outer > own else text


def _quoted(name: str, *, tag: bool = False) -> str:
    plain = name and not any(sign in BARE_ENDS or sign.isspace() or sign == "\\" for sign in name)
    if plain and not (tag and _prefix(name) is not None):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _prefix(word: str) -> str | None:
    head, colon, _ = word.replace("：", ":").partition(":")
    return head if colon else None


# ---------------------------------------------------------------- reading


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """The expression that was written; a :class:`TemplateError` with the column and what was expected otherwise."""
    if len(text) > LONGEST:
        raise _mistake(LONGEST, f"表达式太长（{len(text)} 个字）", f"不超过 {LONGEST} 个字")
    reader = _Reader(text)
    expression = reader.some()
    if reader.sign or reader.word or reader.quoted:
        raise _mistake(reader.start, f"“{reader.shown}” 放在这里读不懂", "& 或 | 或表达式结束")
    return expression


class _Reader:
    """Reads one expression from left to right, one word ahead."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.start, self.depth = text, 0, 0, 0
        self.sign, self.word, self.quoted = "", "", False
        self.next()

    @property
    def shown(self) -> str:
        return self.sign or self.word

    def next(self) -> None:
        """Step to the next sign or word."""
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        self.start, self.sign, self.word, self.quoted = self.at, "", "", False
        if self.at == len(self.text):
            return
        here = self.text[self.at]
        if here in SIGNS:
            self.sign, self.at = SIGNS[here], self.at + 1
        else:
            self._read_word()

    def _read_word(self) -> None:
        self.word = self._bare()
        if (
            self.at < len(self.text)
            and self.text[self.at] in '"“'
            and (not self.word or self.word[-1] in ":：")
        ):
            self.word, self.quoted = self.word + self._string(), True
        elif not self.word:
            raise _mistake(
                self.at, f"“{self.text[self.at]}” 没有开头的引号", '成对的双引号，例如 "暂不 打扰"'
            )

    def _bare(self) -> str:
        begin = self.at
        while (
            self.at < len(self.text)
            and self.text[self.at] not in BARE_ENDS
            and not self.text[self.at].isspace()
        ):
            self.at += 1
        return self.text[begin : self.at]

    def _string(self) -> str:
        begin = self.at
        ends = '"' if self.text[begin] == '"' else "”"
        self.at += 1
        found = []
        while self.at < len(self.text) and self.text[self.at] != ends:
            if self.text[self.at] == "\\" and self.at + 1 < len(self.text):
                self.at += 1
            found.append(self.text[self.at])
            self.at += 1
        if self.at == len(self.text):
            raise _mistake(begin, "引号没有合上", '成对的双引号，例如 "暂不 打扰"')
        self.at += 1
        return "".join(found)

    def some(self) -> Expression:
        parts = [self.all()]
        while self.sign == "|":
            self.next()
            parts.append(self.all())
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def all(self) -> Expression:
        parts = [self.one()]
        while self.sign == "&":
            self.next()
            parts.append(self.one())
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def one(self) -> Expression:
        self.depth += 1
        if self.depth > DEEPEST:
            raise _mistake(self.start, "括号套得太深", f"不超过 {DEEPEST} 层")
        try:
            return self._one()
        finally:
            self.depth -= 1

    def _one(self) -> Expression:
        if self.sign == "!":
            self.next()
            return Not(self.one())
        if self.sign == "(":
            return self._inside()
        if not self.word and not self.quoted:
            where = f"“{self.sign}” 前面" if self.sign else "这里"
            raise _mistake(self.start, f"{where}缺少一个标签", "标签名、tier:…、group:…、source:… 或括号")
        return self._atom()

    def _inside(self) -> Expression:
        opened = self.start
        self.next()
        if self.sign == ")":
            raise _mistake(opened, "括号里是空的", "括号里至少写一个标签")
        expression = self.some()
        if self.sign != ")":
            raise _mistake(opened, "左括号没有对应的右括号", "成对的括号")
        self.next()
        return expression

    def _atom(self) -> Expression:
        word, start, bare = self.word, self.start, self.text[self.start] not in '"“'
        self.next()
        prefix = _prefix(word) if bare else None
        if prefix is None:
            return Is(_named(word, start))
        ask = next((ask for ask in Ask if ask and ask == prefix), None)
        if ask is None:
            raise _mistake(
                start, f"不认识的前缀 “{prefix}:”", "tier:、group:、source:、kind:，或把标签名放进双引号"
            )
        name = _named(word[len(prefix) + 1 :], start)
        if ask in KNOWN and name not in KNOWN[ask]:
            raise _mistake(
                start, f"没有 “{prefix}:{name}”", "、".join(f"{prefix}:{known}" for known in KNOWN[ask])
            )
        return Is(name, ask)


def _named(name: str, start: int) -> str:
    if not name.strip():
        raise _mistake(start, "标签名是空的", "标签名")
    return name


def _mistake(at: int, reason: str, expected: str) -> TemplateError:
    return TemplateError([Problem(1, at + 1, "", reason, expected, EXAMPLE)])
