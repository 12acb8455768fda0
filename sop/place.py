"""Where in a TOML text each key and value stands, so that a mistake can be shown where it was made.

The text is known to be TOML, or nearly: this reads positions only, and understands just enough to find its way.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

Path = tuple[str | int, ...]
BARE_END = frozenset(" \t\r\n=.[]{},#\"'")


@dataclass(frozen=True)
class Place:
    """Line and column of a key, and of the first sign inside its value; all count from 1. In a workbook, also the cell."""

    line: int
    column: int
    inner_line: int
    inner_column: int
    cell: str = ""

    def inside(self, line: int, column: int) -> tuple[int, int]:
        """Where line and column of the value's own text stand in the whole."""
        if line == 1:
            return self.inner_line, self.inner_column + column - 1
        return self.inner_line + line - 1, column


def places(text: str) -> tuple[dict[Path, Place], list[tuple[Path, Place]]]:
    """The place of every key, array item and table, and those that were written twice."""
    reader = _Reader(text)
    reader.document()
    return reader.found, reader.twice


class _Reader:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.found: dict[Path, Place] = {}
        self.twice: list[tuple[Path, Place]] = []
        self.counts: dict[Path, int] = {}
        self.starts = [0, *(at + 1 for at, sign in enumerate(text) if sign == "\n")]

    # ------------------------------------------------------------ the document

    def document(self) -> None:
        table: Path = ()
        while self._skip(" \t\r\n"):
            before = self.at
            if self._here("["):
                table = self._header()
            else:
                self._pair(table)
            self.at = max(self.at, before + 1)  # a text that is not TOML must not hold us

    def _header(self) -> Path:
        begin, many = self.at, self._here("[[")
        self.at += 2 if many else 1
        keys = self._keys()
        self.at += 2 if many else 1
        path = self._resolved(keys[:-1]) + tuple(keys[-1:])
        if many:
            self.counts[path] = self.counts.get(path, 0) + 1
            self.found.setdefault(path, self._place(begin, begin))
            path = (*path, self.counts[path] - 1)
        self._note(path, begin, begin)
        return path

    def _resolved(self, keys: list[str]) -> Path:
        """The path of a table's parents: under an array of tables it is the newest one."""
        path: Path = ()
        for key in keys:
            path = (*path, key)
            if path in self.counts:
                path = (*path, self.counts[path] - 1)
        return path

    def _pair(self, table: Path) -> None:
        begin = self.at
        keys = self._keys()
        self._skip(" \t")
        if not self._here("="):
            return
        self.at += 1
        self._skip(" \t")
        for depth in range(1, len(keys)):
            self.found.setdefault((*table, *keys[:depth]), self._place(begin, self.at))
        self._value((*table, *keys), begin)

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._skip(" \t")
            keys.append(self._string() if self._here('"') or self._here("'") else self._bare())
            self._skip(" \t")
            if not self._here("."):
                return keys
            self.at += 1

    def _bare(self) -> str:
        begin = self.at
        while self.at < len(self.text) and self.text[self.at] not in BARE_END:
            self.at += 1
        return self.text[begin : self.at]

    # ------------------------------------------------------------ values

    def _value(self, path: Path, key_at: int) -> None:
        begin = self.at
        if self._here('"') or self._here("'"):
            quotes = 3 if self.text[begin : begin + 3] in ('"""', "'''") else 1
            inner = begin + quotes
            self._string()
            if quotes == 3 and self.text.startswith(("\n", "\r\n"), inner):
                inner = self.text.index("\n", inner) + 1
            self._note(path, key_at, inner)
            return
        self._note(path, key_at, begin)
        if self._here("{"):
            self._inline(path)
        elif self._here("["):
            self._array(path)
        else:
            while self.at < len(self.text) and self.text[self.at] not in ",]}#\n":
                self.at += 1

    def _inline(self, path: Path) -> None:
        self.at += 1
        while self._skip(" \t\r\n,") and not self._here("}"):
            before = self.at
            self._pair(path)
            self.at = max(self.at, before + 1)
        self.at += 1

    def _array(self, path: Path) -> None:
        self.at += 1
        index = 0
        while self._skip(" \t\r\n,") and not self._here("]"):
            before = self.at
            self._value((*path, index), self.at)
            self.at, index = max(self.at, before + 1), index + 1
        self.at += 1

    def _string(self) -> str:
        sign = self.text[self.at]
        quotes = sign * 3 if self.text.startswith(sign * 3, self.at) else sign
        begin = self.at = self.at + len(quotes)
        while self.at < len(self.text) and not self.text.startswith(quotes, self.at):
            if len(quotes) == 1 and self.text[self.at] == "\n":
                break
            self.at += 2 if sign == '"' and self.text[self.at] == "\\" else 1
        found = self.text[begin : self.at]
        self.at = min(len(self.text), self.at + len(quotes))
        while len(quotes) == 3 and self._here(sign):  # up to two quotes may stand before the closing three
            self.at += 1
        return found

    # ------------------------------------------------------------ small steps

    def _here(self, signs: str) -> bool:
        return self.text.startswith(signs, self.at)

    def _skip(self, signs: str) -> bool:
        """Step over signs and, where lines may end, comments; False at the end of the text."""
        while self.at < len(self.text):
            if self.text[self.at] == "#" and "\n" in signs:
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif self.text[self.at] not in signs:
                return True
            else:
                self.at += 1
        return False

    def _note(self, path: Path, key_at: int, inner: int) -> None:
        place = self._place(key_at, inner)
        if path in self.found:
            self.twice.append((path, place))
        self.found.setdefault(path, place)

    def _place(self, key_at: int, inner: int) -> Place:
        return Place(*self._spot(key_at), *self._spot(inner))

    def _spot(self, at: int) -> tuple[int, int]:
        row = bisect_right(self.starts, at) - 1
        return row + 1, at - self.starts[row] + 1
