"""Arrows point down, and every library has one home."""

from __future__ import annotations

import sys

import pytest
from importlinter.cli import lint_imports

from tests.repo.source import ROOT, imports, modules, shown

PURE = {"sop/render.py": "liquid", "sop/file.py": "tomlkit"}  # the two libraries the rules may lean on


def test_every_import_contract_holds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)

    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)

    assert status == 0, capsys.readouterr().out


def test_the_rules_need_the_standard_library_only() -> None:
    strangers = [
        f"{shown(path)}:{line} imports {name}"
        for path in modules("sop")
        for line, name in imports(path)
        if name.split(".")[0] not in {*sys.stdlib_module_names, "sop", PURE.get(shown(path))}
    ]

    assert strangers == []


def test_the_rules_touch_neither_files_nor_network_nor_clock() -> None:
    doing = {
        "asyncio",
        "http",
        "os",
        "pathlib",
        "random",
        "secrets",
        "shutil",
        "socket",
        "sqlite3",
        "subprocess",
        "time",
    }

    busy = [
        f"{shown(path)}:{line} imports {name}"
        for path in modules("sop")
        for line, name in imports(path)
        if name.split(".")[0] in doing
    ]

    assert busy == []
