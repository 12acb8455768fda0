"""Keys of the configuration: what each expects, how the environment names it, and what to say when it is wrong."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

LONGEST_SHOWN = 60
LARGEST_SECRET = 64 * 1024
PREFIX = "QUNXING_"


@dataclass(frozen=True)
class Form:
    """What a key expects, in words, and how a variable's text becomes its value."""

    words: str
    read: Callable[[str], Any]
    secret: bool = False


def text(value: str) -> Any:
    return value


def whole(value: str) -> Any:
    return int(value) if re.fullmatch(r"\s*[+-]?\d{1,18}\s*", value) else value


def decimal(value: str) -> Any:
    return float(value) if re.fullmatch(r"\s*[+-]?\d{1,18}(\.\d{1,18})?\s*", value) else value


def listed(value: str) -> Any:
    """``["a", "b"]`` as TOML writes it, or just ``a, b``."""
    if not value.strip().startswith("["):
        return [part.strip() for part in value.split(",") if part.strip()]
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        return value


@dataclass(frozen=True)
class Key:
    """One key; ``[]`` in its path stands for any entry of a list of tables."""

    path: str
    form: Form
    default: Any

    @property
    def secret(self) -> bool:
        return self.form.secret


@dataclass(frozen=True)
class Mistake:
    """One thing wrong: where, and a sentence about it."""

    key: str
    reason: str

    def __str__(self) -> str:
        return f"{self.key}{self.reason}"


def sentences(source: str, mistakes: Sequence[Mistake]) -> str:
    if len(mistakes) == 1:
        return f"{source}: {mistakes[0]}"
    return "\n  ".join([f"{source} has {len(mistakes)} mistakes:", *map(str, mistakes)]) + "\n"


Step = str | int


class Tree:
    """The keys below one model."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._sections = dict(_sections(model, ""))
        self.keys = {key.path: key for key in _keys(model, "")}

    # ------------------------------------------------------------ the environment

    def override(self, raw: dict[str, Any], variables: Mapping[str, str]) -> list[Mistake]:
        """Put each variable's value where it belongs in ``raw``."""
        almost = {_variable(path).replace("__", "_") for path in self.keys}
        meant = {name: value for name, value in variables.items() if "__" in name or name in almost}
        found = [self._set(raw, name, value) for name, value in sorted(meant.items())]
        return [mistake for mistake in found if mistake]

    def _set(self, raw: dict[str, Any], name: str, value: str) -> Mistake | None:
        parts = name.removeprefix(PREFIX).lower().split("__")
        table, path = self._descend(raw, parts[:-1])
        last = parts[-1]
        plain = last.removesuffix("_file")
        known = self.keys.get(f"{path}.{last}".strip("."))
        if table is None or len(parts) < 2 or (known is None and not self._is_file(path, last)):
            return Mistake(name, f" is no key{self._suggestion(name)}")
        table.pop(f"{last}_file" if known else plain, None)
        table[last] = known.form.read(value) if known else value
        return None

    def _descend(self, raw: dict[str, Any], parts: Sequence[str]) -> tuple[dict[str, Any] | None, str]:
        """The table the parts lead to, made on the way where it may be, and its path with ``[]`` for entries."""
        table: Any = raw
        path = ""
        for part in parts:
            if isinstance(table, list):
                table, path = _entry(table, part), f"{path}[]"
                continue
            path = f"{path}.{part}".strip(".")
            many = f"{path}[]" in self._sections
            if not isinstance(table, dict) or not (many or path in self._sections):
                return None, path
            table = table.setdefault(part, [] if many else {})
        return (table, path) if isinstance(table, dict) else (None, path)

    def _suggestion(self, name: str) -> str:
        named = {_variable(path): path for path in self.keys}
        near = difflib.get_close_matches(name.upper(), named, 1, 0.6)
        if not near:
            return "; variables are written QUNXING_SECTION__KEY."
        return f"; did you mean {near[0]} ({self.keys[named[near[0]]].form.words})?"

    # ------------------------------------------------------------ secrets in files

    def fill_from_files(self, raw: dict[str, Any], directory: Path) -> list[Mistake]:
        """Replace each ``<key>_file`` by what the file holds."""
        return list(self._fill(raw, "", "", directory))

    def _fill(self, table: dict[str, Any], path: str, shown: str, directory: Path) -> Iterator[Mistake]:
        for name, value in list(table.items()):
            here, place = f"{path}.{name}".strip("."), f"{shown}.{name}".strip(".")
            if isinstance(value, dict) and here in self._sections:
                yield from self._fill(value, here, place, directory)
            elif isinstance(value, list) and f"{here}[]" in self._sections:
                for index, entry in enumerate(value):
                    if isinstance(entry, dict):
                        yield from self._fill(entry, f"{here}[]", f"{place}[{index}]", directory)
            elif self._is_file(path, name):
                yield from _read_secret(table, name, place, directory)

    def _is_file(self, path: str, name: str) -> bool:
        key = self.keys.get(f"{path}.{name.removesuffix('_file')}".strip("."))
        return name.endswith("_file") and key is not None and key.secret

    # ------------------------------------------------------------ what is wrong

    def mistakes(self, error: ValidationError) -> list[Mistake]:
        found = [self._mistake(detail) for detail in error.errors(include_url=False)]
        return list(dict.fromkeys(found))

    def _mistake(self, detail: Any) -> Mistake:
        steps: tuple[Step, ...] = tuple(detail["loc"])
        path, shown = _path(steps), _shown_path(steps)
        if detail["type"] == "extra_forbidden":
            return Mistake(shown, self._unknown(path, detail["input"]))
        if detail["type"] == "missing":
            return Mistake(shown, f" is missing: expected {self._expected(path)}.")
        if detail["type"] == "value_error" and path not in self.keys:
            return Mistake(shown, f"{': ' if shown else ''}{detail['ctx']['error']}.")
        known = self._nearest_above(path)
        value = "" if known is None or known.secret else _shown(detail["input"])
        return Mistake(shown, f"{value}: expected {self._expected(path)}.")

    def _expected(self, path: str) -> str:
        key = self._nearest_above(path)
        if key is not None:
            return key.form.words
        if f"{path}[]" in self._sections:
            return f"tables, each written [[{path}]]"
        return f"a table, written [{path.replace('[]', '')}]"

    def _nearest_above(self, path: str) -> Key | None:
        """The key at ``path``; for a part of a value, the key that holds it."""
        while path:
            if path in self.keys:
                return self.keys[path]
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return None

    def _unknown(self, path: str, value: Any) -> str:
        near = self._near(path)
        key = self.keys.get(near.removesuffix("_file")) or self.keys.get(near)
        seen = _shown(value) if key is not None and not key.secret else ""
        if not near:
            return f"{seen}: no such key."
        expects = f" ({key.form.words})" if key is not None and not near.endswith("_file") else ""
        return f"{seen}: no such key; did you mean {near}{expects}?"

    def _near(self, path: str) -> str:
        """The real key or section most like ``path``: beside it, else anywhere by its last word."""
        parent, _, last = path.rpartition(".")
        names = [
            *self.keys,
            *self._sections,
            *(f"{key.path}_file" for key in self.keys.values() if key.secret),
        ]
        beside = {name.rpartition(".")[2]: name for name in names if name.rpartition(".")[0] == parent}
        anywhere = {name.rpartition(".")[2]: name for name in names}
        for choice in (beside, anywhere):
            near = difflib.get_close_matches(last[:64], choice, 1, 0.6)
            if near:
                return choice[near[0]]
        return ""


# ---------------------------------------------------------------- walking the model


def _keys(model: type[BaseModel], path: str) -> Iterator[Key]:
    for name, info in model.model_fields.items():
        here = f"{path}.{name}".strip(".")
        inner = _inner(info)
        if inner is not None:
            yield from _keys(inner[0], here + inner[1])
        else:
            form = next(part for part in info.metadata if isinstance(part, Form))
            yield Key(here, form, info.get_default())


def _sections(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    for name, info in model.model_fields.items():
        inner = _inner(info)
        if inner is not None:
            here = f"{path}.{name}".strip(".") + inner[1]
            yield here, inner[0]
            yield from _sections(inner[0], here)


def _inner(info: FieldInfo) -> tuple[type[BaseModel], str] | None:
    """The model a field holds, and whether it holds a list of them."""
    for kind, mark in ((info.annotation, ""), *((part, "[]") for part in get_args(info.annotation))):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind, mark
    return None


def _entry(entries: list[Any], part: str) -> dict[str, Any] | None:
    """The entry with this name or place; the place after the last makes a new one."""
    for entry in entries:
        if isinstance(entry, dict) and str(entry.get("name", "")).lower().replace("-", "_") == part:
            return entry
    if part.isdecimal() and int(part) == len(entries):
        entries.append({})
    place = int(part) if part.isdecimal() and len(part) < 4 else len(entries)
    return entries[place] if place < len(entries) and isinstance(entries[place], dict) else None


def _variable(path: str) -> str:
    return PREFIX + path.replace("[]", "__0").replace(".", "__").upper()


# ---------------------------------------------------------------- secrets and words


def _read_secret(table: dict[str, Any], name: str, shown: str, directory: Path) -> Iterator[Mistake]:
    file = table.pop(name)
    plain = name.removesuffix("_file")
    if plain in table:
        yield Mistake(shown, f": {plain} is given too; keep one of them.")
    elif not isinstance(file, str) or not file:
        yield Mistake(shown, ": expected the path of a file.")
    else:
        try:
            with (directory / file).open("rb") as content:
                table[plain] = content.read(LARGEST_SECRET).decode().strip()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            yield Mistake(shown, f"{_shown(file)}: cannot be read: {reason}.")


def _path(steps: Sequence[Step]) -> str:
    return "".join("[]" if isinstance(step, int) else f".{step}" for step in steps).strip(".")


def _shown_path(steps: Sequence[Step]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{_word(step)}" for step in steps).strip(".")


def _word(step: str) -> str:
    return step if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", step) else _quoted(step)


def _shown(value: Any) -> str:
    """`` = value`` as TOML would have it; never a whole table, never a password inside an address."""
    match value:
        case bool():
            words = str(value).lower()
        case str():
            words = _quoted(re.sub(r"://[^/@\s]*@", "://…@", value))
        case int() | float():
            words = str(value) if not isinstance(value, int) or abs(value) < 10**30 else "a very long number"
        case date() | time():
            words = value.isoformat()
        case list() | tuple():
            words = "[" + ", ".join(_shown(part).removeprefix(" = ") for part in value[:4]) + "]"
        case _:
            return ""
    return f" = {_cut(words)}"


def _quoted(words: str) -> str:
    printable = words[: LONGEST_SHOWN * 2].encode("utf-8", "backslashreplace").decode()
    return json.dumps(_cut(printable), ensure_ascii=False)


def _cut(words: str) -> str:
    return words if len(words) <= LONGEST_SHOWN else f"{words[:LONGEST_SHOWN]}…"
