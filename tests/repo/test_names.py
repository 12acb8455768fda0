"""A file holds one idea, a name says what it is, and the glossary's words are the only ones."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.repo.source import ROOT, modules, shown, tree

LONGEST_FILE = 500
LONGEST_FUNCTION = 60
SHAPELESS = {"base", "common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}
AVOIDED = {"user", "customer", "room", "flow", "campaign"}  # say member, group, template
WHOLE = {"storage/tables.py"}  # the schema stays on one page, however long


def test_no_file_is_longer_than_five_hundred_lines() -> None:
    lines = {shown(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}

    assert {name: count for name, count in lines.items() if count > LONGEST_FILE and name not in WHOLE} == {}


def test_no_function_is_longer_than_sixty_lines() -> None:
    long = [
        f"{shown(path)}:{function.lineno} {function.name} has {length} lines"
        for path in modules()
        for function in _functions(path)
        if (length := (function.end_lineno or 0) - function.lineno + 1) > LONGEST_FUNCTION
    ]

    assert long == []


def test_no_name_is_shapeless() -> None:
    shapeless = [
        f"{shown(path)}: {name}"
        for path in modules()
        for name in [path.stem, *_names(path)]
        if set(_words(name)) <= SHAPELESS or {"helper", "manager", "util"} & set(_words(name))
    ]

    assert shapeless == []


def test_the_glossary_is_the_only_vocabulary() -> None:
    wrong = [
        f"{shown(path)}: {name}"
        for path in modules("sop", "storage", "handlers")
        for name in [path.stem, *_names(path)]
        if AVOIDED & set(_words(name))
    ]

    assert wrong == []


def test_a_noun_has_the_same_file_name_on_every_floor() -> None:
    """sop/coupon.py, storage/coupon.py, handlers/coupon.py, bot/console/coupon.py; never coupons.py or coupon_store.py."""
    nouns = set(_nouns())

    stray = [
        shown(path)
        for path in modules()
        if path.stem not in nouns
        and {re.sub(r"ies$", "y", word).removesuffix("s") for word in path.stem.split("_")} & nouns
    ]

    assert stray == []


def test_the_glossary_can_be_read() -> None:
    assert {"member", "coupon", "template", "topic"} <= set(_nouns())


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        shown(path) for path in modules() if path.read_text().strip() and not ast.get_docstring(tree(path))
    ]

    assert silent == []


def _nouns() -> list[str]:
    glossary = (ROOT / "sop" / "__init__.py").read_text(encoding="utf-8")
    return [row for row in re.findall(r"^([a-z]+)  +\S+", glossary, re.MULTILINE) if row != "word"]


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _names(path: Path) -> Iterator[str]:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return (node.name for node in ast.walk(tree(path)) if isinstance(node, kinds))


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower())
