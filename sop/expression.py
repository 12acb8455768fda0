"""Audience expressions as operators write them::

    职场新人 & !(已购 | "暂不 打扰") & tier:potential & group:新手答疑群 & joined >= 7d & active(30d) < 3

``&`` and, ``|`` or, ``!`` not, parentheses; ``!`` binds closest, then ``&``, then ``|``. A name with spaces or signs
stands in double quotes. Full-width signs mean the same. An empty clause cannot be written, so it never widens.
"""

from __future__ import annotations

import re
from functools import lru_cache

from sop.audience import (
    LONGEST_WINDOW,
    SPANS,
    WINDOWED,
    All,
    Ask,
    Compare,
    Expression,
    Is,
    Measure,
    Not,
    Quantity,
    Sign,
    Some,
)
from sop.coupon import Held
from sop.errors import Problem, TemplateError

EXAMPLE = "职场新人 & !已购"
LONGEST = 2000  # characters of one expression
DEEPEST = 40  # parentheses and negations inside each other
KNOWN = {
    Ask.TIER: ("new", "potential", "core"),
    Ask.KIND: ("customer", "internal", "imported"),
}
EXAMPLES = {
    Quantity.JOINED: "joined >= 7d",
    Quantity.SILENT: "silent >= 14d",
    Quantity.ACTIVE: "active(7d) >= 3",
    Quantity.ACTS: "acts(30d) < 5",
    Quantity.SCORE: "score >= 50",
}
QUANTITIES = frozenset(str(quantity) for quantity in Quantity)
DAY = 24  # hours

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
COMPARISON = re.compile("[>＞≥<＜≤=＝][=＝]?")
PLAIN_SIGNS = str.maketrans({"＞": ">", "＜": "<", "＝": "=", "≥": ">=", "≤": "<="})
EQUALS = frozenset("=＝")  # part of a name after a prefix only
BARE_ENDS = frozenset(SIGNS) | frozenset('"“”>＞≥<＜≤')


def to_text(expression: Expression) -> str:
    """The expression in its normal writing; parsing it gives an equal expression."""
    return _written(expression, 0)


def _written(expression: Expression, strength: int) -> str:
    match expression:
        case Is(name, ask):
            return f"{ask}:{_quoted(name)}" if ask else _quoted(name, tag=True)
        case Compare(measure, sign, bound):
            return f"{_measured(measure)} {sign} {_bound(measure.of, bound)}"
        case Not(part):
            return "!" + _written(part, 3)
        case All(parts):
            return _joined(" & ", parts, 2, strength)
        case Some(parts):
            return _joined(" | ", parts, 1, strength)


def _measured(measure: Measure) -> str:
    return f"{measure.of}({measure.days}d)" if measure.days else str(measure.of)


def _bound(of: Quantity, bound: float) -> str:
    if of not in SPANS:
        return repr(float(bound)).removesuffix(".0")
    return f"{int(bound) // DAY}d" if bound % DAY == 0 else f"{int(bound)}h"


def _joined(sign: str, parts: tuple[Expression, ...], own: int, outer: int) -> str:
    """Parts of the same kind keep their parentheses, so that the tree comes back as it was."""
    text = sign.join(_written(part, own + 1) for part in parts)
    return f"({text})" if outer > own else text


def _quoted(name: str, *, tag: bool = False) -> str:
    plain = name and not any(sign in BARE_ENDS or sign.isspace() or sign == "\\" for sign in name)
    if plain and not (tag and _means_more(name)):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _means_more(name: str) -> bool:
    """Whether a bare word would be read as something else than a tag."""
    return _prefix(name) is not None or name in QUANTITIES or not EQUALS.isdisjoint(name)


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
        comparison = COMPARISON.match(self.text, self.at)
        if comparison:
            self.sign, self.at = comparison[0].translate(PLAIN_SIGNS), comparison.end()
        elif here in SIGNS:
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
        begin, ends = self.at, BARE_ENDS | EQUALS
        while self.at < len(self.text) and not ((here := self.text[self.at]) in ends or here.isspace()):
            self.at += 1
            if here in ":：":
                ends = BARE_ENDS
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
        if bare and word in QUANTITIES:
            return self._comparison(Quantity(word), start)
        if self.sign and COMPARISON.fullmatch(self.sign):
            expected = "、".join(Quantity) + " 才能比；标签名里有符号就放进双引号"
            raise _mistake(start, f"“{word}” 不能比大小", expected, EXAMPLES[Quantity.JOINED])
        prefix = _prefix(word) if bare else None
        if prefix is None:
            return Is(_named(word, start))
        return _prefixed(prefix, word[len(prefix) + 1 :], start)

    def _comparison(self, of: Quantity, start: int) -> Compare:
        measure = Measure(of, self._window(of) if of in WINDOWED else 0)
        if self.sign not in frozenset(Sign):
            shown = f"“{self.shown}” 放在这里读不懂" if self.shown else f"{of} 没有和什么比"
            raise _mistake(self.start, shown, "、".join(Sign), EXAMPLES[of])
        sign = Sign(self.sign)
        self.next()
        bound = _number(self.word if not self.sign and not self.quoted else "", of)
        if bound is None:
            expected = "几天或几小时，如 7d、36h" if of in SPANS else "一个数，如 3"
            raise _mistake(self.start, f"{of} {sign} 后面读不出要比的数", expected, EXAMPLES[of])
        self.next()
        return Compare(measure, sign, bound)

    def _window(self, of: Quantity) -> int:
        """The days in parentheses; a :class:`TemplateError` when they are missing or too many."""
        begin, seen = self.start, []
        for wanted in ("(", "", ")"):
            seen.append(self.word if self.sign == wanted and not self.quoted else "?")
            self.next()
        days = re.fullmatch("([0-9]{1,3})d", seen[1])
        if seen[0] or seen[2] or days is None or not 1 <= int(days[1]) <= LONGEST_WINDOW:
            raise _mistake(begin, f"{of} 没有写清最近几天", f"(1d) 到 ({LONGEST_WINDOW}d)", EXAMPLES[of])
        return int(days[1])


def _number(word: str, of: Quantity) -> float | None:
    """The bound that was written, in the quantity's own unit; None when it is not one."""
    form = "([0-9]{1,5})([dh])" if of in SPANS else r"([0-9]{1,6}(?:\.[0-9]{1,4})?)()"
    found = re.fullmatch(form, word)
    return None if found is None else float(found[1]) * (DAY if found[2] == "d" else 1)


def _prefixed(prefix: str, written: str, start: int) -> Is:
    ask = next((ask for ask in Ask if ask and ask == prefix), None)
    if ask is None:
        prefixes = "、".join(f"{ask}:" for ask in Ask if ask)
        raise _mistake(start, f"不认识的前缀 “{prefix}:”", f"{prefixes}，或把标签名放进双引号")
    name = _named(written, start)
    if ask in KNOWN and name not in KNOWN[ask]:
        raise _mistake(
            start, f"没有 “{prefix}:{name}”", "、".join(f"{prefix}:{known}" for known in KNOWN[ask])
        )
    return Is(_coupon(name, start) if ask is Ask.COUPON else name, ask)


def _coupon(name: str, start: int) -> str:
    batch, equals, state = name.replace("＝", "=").partition("=")
    if not batch.strip() or (equals and state not in frozenset(Held)):
        states = "、".join(f"coupon:{batch or 'growth_gift'}={state}" for state in Held)
        raise _mistake(start, f"没有 “coupon:{name}” 这种状态", states, "coupon:growth_gift=claimed")
    return f"{batch}{equals}{state}"


def _named(name: str, start: int) -> str:
    if not name.strip():
        raise _mistake(start, "标签名是空的", "标签名")
    return name


def _mistake(at: int, reason: str, expected: str, example: str = EXAMPLE) -> TemplateError:
    return TemplateError([Problem(1, at + 1, "", reason, expected, example)])
