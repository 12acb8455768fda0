"""What is shipped: the four packages with everything beside the code, and nothing of this machine."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

from tests.repo.source import FLOORS, files, modules, shown

hatchling = pytest.importorskip("hatchling.builders.wheel")

DATA = {".toml", ".html", ".css", ".js", ".svg", ".md"}
OF_A_MACHINE = re.compile(
    r"(?<![\w.:/])/(?:work|root|opt)/|/home/[a-z]|shared/(?:DESIGN|STYLE|data|wecom)|PROTOCOL\.md|DESIGN\.md"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    directory = tmp_path_factory.mktemp("wheel")
    builder = hatchling.WheelBuilder(str(Path(__file__).parents[2]))
    (built,) = builder.build(directory=str(directory), versions=["standard"])
    with zipfile.ZipFile(built) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_every_module_and_every_file_beside_it(wheel: set[str]) -> None:
    beside = {shown(path) for path in files() if path.suffix in DATA and shown(path).split("/")[0] in FLOORS}

    assert {shown(path) for path in modules()} | beside <= wheel


def test_the_wheel_holds_nothing_else(wheel: set[str]) -> None:
    assert {name.split("/")[0] for name in wheel if ".dist-info/" not in name} == set(FLOORS)


def test_the_wheel_offers_the_command_and_the_licence(wheel: set[str]) -> None:
    assert {name.partition("/")[2] for name in wheel if ".dist-info/" in name} >= {
        "entry_points.txt",
        "licenses/LICENSE",
    }


def test_nothing_names_a_place_on_somebodys_machine() -> None:
    named = []
    for path in files():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        named += [
            f"{shown(path)}:{n}: {line.strip()[:80]}"
            for n, line in enumerate(lines, 1)
            if OF_A_MACHINE.search(line)
        ]

    assert [line for line in named if not line.startswith("tests/repo/test_wheel.py")] == []
