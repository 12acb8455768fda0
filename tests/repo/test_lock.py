"""The locks choose versions and hashes, and leave the choice of the index to whoever installs."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.repo.source import ROOT, project

RUNTIME, DEVELOPMENT = "requirements.lock", "requirements-dev.lock"


@dataclass(frozen=True)
class Pin:
    name: str
    version: str
    hashes: tuple[str, ...]


def pins(lock: str) -> dict[str, Pin]:
    text = (ROOT / lock).read_text().replace("\\\n", " ")
    found: dict[str, Pin] = {}
    for line in text.splitlines():
        match = re.fullmatch(
            r"([A-Za-z0-9._-]+)==([^\s;]+)\s*(?:;[^\\]*?)?((?:\s+--hash=sha256:[0-9a-f]{64})*)\s*", line
        )
        assert match, f"{lock}: {line[:80]}"
        found[canonicalize_name(match[1])] = Pin(
            match[1], match[2], tuple(re.findall(r"sha256:\w+", match[3]))
        )
    return found


@pytest.mark.parametrize("lock", [RUNTIME, DEVELOPMENT])
def test_every_pin_has_a_version_and_hashes_and_nothing_else(lock: str) -> None:
    assert [pin.name for pin in pins(lock).values() if not pin.hashes] == []


@pytest.mark.parametrize("lock", [RUNTIME, DEVELOPMENT])
def test_a_lock_names_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()

    assert not re.search(r"://|^\s*-(i|f|e|-index|-extra|-find|-trusted)| @ |file:", text, re.M)


def test_the_runtime_lock_satisfies_what_the_project_asks_for() -> None:
    asked = [*project()["project"]["dependencies"], *project()["dependency-groups"]["build"]]
    asked += [need for extra in project()["project"]["optional-dependencies"].values() for need in extra]

    assert _unmet(asked, pins(RUNTIME)) == []


def test_the_development_lock_satisfies_the_development_group() -> None:
    assert _unmet(project()["dependency-groups"]["dev"], pins(DEVELOPMENT)) == []


def test_the_two_locks_agree() -> None:
    runtime, development = pins(RUNTIME), pins(DEVELOPMENT)

    assert [name for name in runtime.keys() & development.keys() if runtime[name] != development[name]] == []


def test_no_file_makes_a_tool_download_an_interpreter() -> None:
    assert not (ROOT / ".python-version").exists()


def _unmet(asked: list[str], chosen: dict[str, Pin]) -> list[str]:
    unmet = []
    for need in map(Requirement, asked):
        pin = chosen.get(canonicalize_name(need.name))
        if pin is None or not need.specifier.contains(pin.version, prereleases=True):
            unmet.append(str(need))
    return unmet
