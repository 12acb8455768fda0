"""A table of a TOML file, read key by key like a form that somebody filled in.

Every answer has a type; a wrong or missing one is noted with its place, what was expected and an example, and reading goes
on, so that an operator sees all mistakes at once. Keys nobody asked for are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, TypeVar

from sop.audience import Expression
from sop.errors import Problem, TemplateError
from sop.expression import parse
from sop.guide import KEYS, Key
from sop.place import Path, Place

E = TypeVar("E", bound=StrEnum)
UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
SPAN = re.compile(r"(?=\d)(?:(\d{1,4})d)?(?:(\d{1,4})h)?(?:(\d{1,4})m)?(?:(\d{1,5})s)?")
IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,63}")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
YEARS = range(2000, 2100)  # a plan is for people who live
CHINESE_WEEKDAYS = "一二三四五六日"


@dataclass
class Notes:
    """What is known of a text while it is read: where everything stands, and what is wrong with it."""

    places: Mapping[Path, Place]
    problems: list[Problem] = field(default_factory=list)


@dataclass
class Form:
    """One table; ``path`` is where it stands."""

    values: Mapping[str, Any]
    notes: Notes
    path: Path = ()
    asked: set[str] = field(default_factory=set)

    # ------------------------------------------------------------ mistakes

    def wrong(
        self, key: str, reason: str, *, expected: str = "", example: str = "", at: tuple[int, int] = (0, 0)
    ) -> None:
        """Note a mistake under ``key``; at (line, column) inside its text when given."""
        guide = self._guide(key)
        place = self._place(key)
        line, column = place.inside(*at) if at != (0, 0) else (place.line, place.column)
        self.notes.problems.append(
            Problem(
                line,
                column,
                self._shown(key),
                reason,
                expected or guide.expected,
                example or guide.example,
                place.cell,
            )
        )

    def done(self) -> None:
        """Refuse the keys nobody asked for."""
        for key in self.values:
            if key not in self.asked:
                near = get_close_matches(key, self.asked, n=1, cutoff=0.5)
                expected = near[0] if near else "、".join(sorted(self.asked))
                self.wrong(
                    key,
                    f"没有 {key} 这个键",
                    expected=expected,
                    example=self._guide(near[0] if near else "").example,
                )

    def strangers(self) -> None:
        """Refuse the keys that never belong here: what tells the cases apart may be among them, misspelt."""
        here = self._generic("")
        self.asked |= {key.rpartition(".")[2] for key in KEYS if key.rpartition(".")[0] == here}
        self.done()

    def _guide(self, key: str) -> Key:
        return KEYS.get(self._generic(key), Key("", ""))

    def _generic(self, key: str) -> str:
        return ".".join(part for part in (*self.path, key) if isinstance(part, str) and part)

    def _shown(self, key: str) -> str:
        shown = ""
        for part in (*self.path, key):
            shown += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if shown and part else part
        return shown

    def _place(self, key: str) -> Place:
        path: Path = (*self.path, key)
        while path and path not in self.notes.places:
            path = path[:-1]
        return self.notes.places.get(path, Place(1, 1, 1, 1))

    # ------------------------------------------------------------ answers

    def has(self, key: str) -> bool:
        return key in self.values

    def _take(self, key: str, kind: type | tuple[type, ...], *, required: bool) -> Any:
        """The value under ``key`` when it is of that kind; None, and a note if need be, otherwise."""
        self.asked.add(key)
        if key not in self.values:
            if required:
                self.wrong(key, f"缺少 {key}")
            return None
        value = self.values[key]
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if type(value) in kinds:
            return value
        self.wrong(key, f"这里写的是{_called(value)}")
        return None

    def text(self, key: str, *, required: bool = False, longest: int = 200) -> str:
        value = self._take(key, str, required=required)
        if value is None:
            return ""
        if required and not value.strip():
            self.wrong(key, "是空的")
        elif len(value) > longest:
            self.wrong(key, f"有 {len(value)} 个字，太长了", expected=f"不超过 {longest} 个字")
        return str(value)

    def identifier(self, key: str) -> str:
        value = self.text(key, required=True)
        if value.strip() and not IDENTIFIER.fullmatch(value):
            self.wrong(key, f"“{value}” 不能做编号")
        return value

    def number(
        self, key: str, default: int = 0, *, required: bool = False, least: int = 0, most: int = 10**9
    ) -> int:
        value = self._take(key, int, required=required)
        if value is None:
            return default
        if not least <= value <= most:
            self.wrong(key, f"{value} 超出了范围")
            return default
        return int(value)

    def share(self, key: str, default: float = 0.0, *, least: float = 0.0, most: float) -> float:
        value = self._take(key, (float, int), required=False)
        if value is None:
            return default
        if not least <= value <= most:
            self.wrong(key, f"{value} 超出了范围")
            return default
        return float(value)

    def flag(self, key: str, default: bool = False) -> bool:
        value = self._take(key, bool, required=False)
        return default if value is None else bool(value)

    def moment(self, key: str, *, required: bool = True) -> time:
        """A TOML time; a text that looks like one is answered with the right way to write it."""
        value = self.values.get(key)
        clock = (
            re.fullmatch(r"(\d{1,2})[:：](\d{2})(?:[:：](\d{2}))?", value.strip())
            if isinstance(value, str)
            else None
        )
        if clock:
            self.asked.add(key)
            right = f"{int(clock[1]):02}:{clock[2]}:{clock[3] or '00'}"
            self.wrong(key, f"“{value}” 是文字，不是时间", example=f"{key} = {right}")
            return time()
        found = self._take(key, time, required=required)
        return time() if found is None else found.replace(microsecond=0)

    def day(self, key: str) -> date | None:
        value = self._take(key, (date, datetime), required=True)
        if isinstance(value, datetime):
            self.wrong(key, "这里写的是日期加时间")
            return None
        if isinstance(value, date) and value.year not in YEARS:
            self.wrong(key, f"{value.year} 年太远了", expected=f"{YEARS[0]} 到 {YEARS[-1]} 年的日期")
            return None
        return value if isinstance(value, date) else None

    def span(self, key: str, default: timedelta | None = None, *, required: bool = False) -> timedelta:
        """A length of time: 90s, 30m, 2h, 3d, 1d12h."""
        value = self._take(key, str, required=required)
        if value is None:
            return default or timedelta()
        match = SPAN.fullmatch(value)
        if match is None:
            self.wrong(key, f"“{value}” 不是时长")
            return default or timedelta()
        return timedelta(
            seconds=sum(int(n or 0) * size for n, size in zip(match.groups(), UNITS.values(), strict=True))
        )

    def weekday(self, key: str) -> int:
        """0 for Monday; mon … sun, or 周一 … 周日."""
        value = self._take(key, str, required=True)
        if value is None:
            return 0
        plain = value.strip().casefold()
        chinese = plain.removeprefix("周").removeprefix("星期").replace("天", "日")
        if plain[:3] in WEEKDAYS and plain.isascii():
            return WEEKDAYS.index(plain[:3])
        if len(chinese) == 1 and chinese in CHINESE_WEEKDAYS and chinese != plain:
            return CHINESE_WEEKDAYS.index(chinese)
        self.wrong(key, f"“{value}” 不是星期几")
        return 0

    def word(self, key: str, words: type[E], default: E | None = None) -> E | None:
        """One word of a list; required unless there is a default."""
        value = self._take(key, str, required=default is None)
        return default if value is None else self._word(key, value, words) or default

    def words(self, key: str, words: type[E]) -> frozenset[E]:
        values = self._take(key, list, required=False) or []
        found = [self._word(key, value, words) for value in values]
        return frozenset(word for word in found if word is not None)

    def texts(self, key: str, *, longest: int = 200) -> tuple[str, ...]:
        """A list of texts, none of them empty and none twice."""
        values = self._take(key, list, required=False) or []
        if any(not isinstance(one, str) or not one.strip() or len(one) > longest for one in values):
            self.wrong(key, "有一项是空的、太长，或不是文字")
            return ()
        if len(set(values)) < len(values):
            self.wrong(key, "有一项写了两次")
        return tuple(values)

    def _word(self, key: str, value: object, words: type[E]) -> E | None:
        known = [str(word) for word in words]
        if isinstance(value, str) and value in known:
            return words(value)
        near = get_close_matches(str(value), known, n=1, cutoff=0.6)
        self.wrong(key, f"没有 “{value}” 这个值", expected=f"{near[0]}" if near else "")
        return None

    def expression(self, key: str, *, required: bool = False) -> Expression | None:
        value = self._take(key, str, required=required)
        if value is None:
            return None
        try:
            return parse(value)
        except TemplateError as error:
            for problem in error.problems:
                self.wrong(key, problem.reason, expected=problem.expected, at=(problem.line, problem.column))
            return None

    # ------------------------------------------------------------ tables inside

    def inner(self, key: str, *, required: bool = False) -> Form | None:
        """The table under ``key``."""
        value = self._take(key, dict, required=required)
        return None if value is None else Form(value, self.notes, (*self.path, key))

    def inners(self, key: str, *, required: bool = False) -> list[Form]:
        """The tables of the array under ``key``."""
        value = self._take(key, list, required=required)
        if value is not None and any(not isinstance(one, dict) for one in value):
            self.wrong(key, "这里要写成表")
            return []
        return [Form(one, self.notes, (*self.path, key, at)) for at, one in enumerate(value or [])]

    def items(self, key: str) -> Iterable[tuple[int, Any]]:
        return enumerate(self._take(key, list, required=True) or [])


def _called(value: object) -> str:
    match value:
        case bool():
            return f"{str(value).lower()}"
        case str():
            return f"文字 “{value[:40]}”"
        case int() | float():
            return f"数 {value}"
        case datetime():
            return "日期加时间"
        case date():
            return f"日期 {value}"
        case time():
            return f"时间 {value}"
        case dict():
            return "一张表"
    return "一个数组"
