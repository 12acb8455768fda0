"""What is written about the product is true: keys, commands, links and examples."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import PydanticUndefined

from bot.config import TREE, load
from bot.key import Key
from sop.message import CAPABILITIES
from tests.repo.source import ROOT, files, modules, shown

EXAMPLE = ROOT / "config.example.toml"
PAGES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]


def written() -> list[tuple[str, Any, str]]:
    """Each key of the example in its order: path, value, and the reason beside it."""
    section, found = "", []
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if table := re.match(r"\[\[([\w.]+)\]\]|\[([\w.]+)\]", line):
            section = f"{table[1]}[]" if table[1] else table[2]
        elif key := re.match(r"(\w+) = ([^#]+)(?:# (.+))?$", line):
            found.append((f"{section}.{key[1]}", tomllib.loads(f"v = {key[2]}")["v"], key[3] or ""))
    return found


# ---------------------------------------------------------------- the example


def test_the_example_loads_as_it_stands() -> None:
    assert load(EXAMPLE, {}).main_app == "main"


def test_the_example_mentions_every_key_once() -> None:
    assert sorted(path for path, _, _ in written()) == sorted(TREE.keys)


def test_the_example_gives_every_key_its_default() -> None:
    different = {
        path: value
        for path, value, _ in written()
        if (default := _default(TREE.keys[path])) is not PydanticUndefined and default != value
    }

    assert different == {}


def test_the_example_gives_every_key_a_reason() -> None:
    assert [path for path, _, reason in written() if not reason] == []


def test_a_key_is_used_or_said_to_be_reserved() -> None:
    """A key that is accepted and does nothing would be a lie."""
    source = "\n".join(
        path.read_text() for path in modules("bot") if path.name not in ("config.py", "key.py")
    )
    idle = [path for path, _, reason in written() if "Reserved" not in reason and not _used(path, source)]

    assert idle == []


# ---------------------------------------------------------------- the pages


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_readme_names_every_command(page: Path) -> None:
    words = page.read_text(encoding="utf-8")
    commands = _commands()

    assert [name for name in commands if not re.search(rf"`(qunxing )?{name}\b", words)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_readme_names_no_command_that_is_not_there(page: Path) -> None:
    commands = _commands()
    named = set(re.findall(r"`(?:\.venv/bin/)?qunxing ([a-z]+)", page.read_text(encoding="utf-8")))

    assert named - set(commands) == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_readme_names_every_chore(page: Path) -> None:
    chores = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert [
        chore for chore in chores if chore != "help" and f"`{chore}`" not in page.read_text(encoding="utf-8")
    ] == []


def test_every_link_leads_somewhere() -> None:
    broken = [
        f"{shown(page)}: {target}"
        for page in files()
        if page.suffix == ".md"
        for target in re.findall(r"\]\(([^)\s#]+)", page.read_text(encoding="utf-8"))
        if not re.match(r"[a-z]+:", target) and not (page.parent / target).exists()
    ]

    assert broken == []


def _commands() -> list[str]:
    from typer.main import get_group

    from bot.cli.main import commands

    return list(get_group(commands()).commands)


def _default(key: Key) -> Any:
    """The default as a TOML file would say it."""
    default = key.default
    if hasattr(default, "get_secret_value"):
        return default.get_secret_value()
    if isinstance(default, tuple):
        return [f"{part:%H:%M}" if hasattr(part, "hour") else part for part in default]
    return default


def _used(path: str, source: str) -> bool:
    last = path.rpartition(".")[2]
    return re.search(rf"\.{last}\b", source) is not None


# ---------------------------------------------------------------- the channels


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_every_channel_is_told_of_with_what_a_person_must_tap(page: str) -> None:
    """The first table names each channel, and who must tap is set in bold."""
    rows = [line.split("|") for line in (ROOT / "bot/wecom" / page).read_text("utf-8").splitlines()]
    told = {
        name[1]: "**" in row[3] for row in rows if len(row) == 7 and (name := re.search(r"`(\w+)`", row[1]))
    }

    assert told == {str(channel): able.confirmed_by_person for channel, able in CAPABILITIES.items()}
