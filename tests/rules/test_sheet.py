"""A template as sheets of a workbook: nothing is lost on the way, and a mistake names its cell."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from pathlib import Path
from typing import Any

import pytest

from sop.errors import TemplateError
from sop.file import read, read_tables
from sop.guide import KEYS
from sop.plain import to_plain
from sop.sheet import ARRAYS, HEADS, WHOLE, Cell, columns, from_sheets, letter, to_sheets
from sop.template import OnDay, Template

LIBRARY = {
    path.stem: path.read_text("utf-8")
    for path in sorted((Path(__file__).parents[2] / "sop" / "library").glob("*.toml"))
}
Cells = dict[str, list[list[Cell]]]


def laid_out(template: Template) -> Cells:
    """The sheets as a workbook holds them, heads and guide above the rows."""
    return {
        sheet.name: [list(sheet.columns), [""] * len(sheet.columns), *map(list, sheet.rows)]
        for sheet in to_sheets(template)
    }


@pytest.fixture
def cells() -> Cells:
    return laid_out(read(LIBRARY["newcomer_group"]))


def column(cells: Cells, sheet: str, key: str) -> int:
    return cells[sheet][0].index(key)


def refused(cells: Mapping[str, Any]) -> list[str]:
    with pytest.raises(TemplateError) as caught:
        from_sheets(cells)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("text", LIBRARY.values(), ids=LIBRARY)
def test_a_ready_sop_comes_back_from_its_sheets_as_it_was(text: str) -> None:
    template = read(text)

    assert from_sheets(laid_out(template)) == template


def test_every_key_of_the_guide_has_its_column() -> None:
    tables = {key.rpartition(".")[0] for key in KEYS} | ARRAYS.keys()

    shown = {key for array in ("", *ARRAYS) for key in columns(array)}

    assert shown == KEYS.keys() - tables


def test_every_array_of_tables_has_its_sheet() -> None:
    found: set[str] = set()

    def arrays(table: Any, path: str) -> None:
        for key, value in table.items() if isinstance(table, dict) else ():
            inner = f"{path}.{key}".strip(".")
            if isinstance(value, list) and any(isinstance(one, dict) for one in value):
                found.add(inner)
            for one in value if isinstance(value, list) else [value]:
                arrays(one, inner)

    for text in LIBRARY.values():
        arrays(to_plain(read(text)), "")

    assert found <= ARRAYS.keys()


@pytest.mark.parametrize(
    ("written", "meant"), [("20:15", time(20, 15)), ("8：05:30", time(8, 5, 30)), (time(7), time(7))]
)
def test_a_time_is_understood_however_it_was_typed(cells: Cells, written: Cell, meant: time) -> None:
    cells["步骤"][HEADS][column(cells, "步骤", "step.when.time")] = written

    when = from_sheets(cells).steps[0].when

    assert isinstance(when, OnDay)
    assert when.time == meant


def test_a_share_may_be_a_percentage_and_a_count_a_decimal(cells: Cells) -> None:
    keys = [row[0] for row in cells[WHOLE]]
    cells[WHOLE][keys.index("rules.hold_out")][1] = "20%"
    cells[WHOLE][keys.index("rules.weekly_cap")][1] = 3.0

    template = from_sheets(cells)

    assert (template.hold_out, template.weekly_cap) == (0.2, 3)


def test_a_mistake_names_its_cell_what_was_expected_and_an_example(cells: Cells) -> None:
    at = column(cells, "步骤", "step.when.time")
    cells["步骤"][HEADS + 1][at] = "七点半"

    [problem] = refused(cells)

    assert problem.startswith(f"步骤!{letter(at)}4 step[2].when.time: 这里写的是文字 “七点半”")
    assert "例如 when = { day = 1, time = 19:30:00 }" in problem


def test_a_row_of_nobody_is_refused(cells: Cells) -> None:
    cells["变体"][HEADS][0] = "nobody"

    assert refused(cells) == ["变体!A3 属于: 没有编号是 “nobody” 的步骤；应为 「步骤」里的 id"]


def test_a_column_or_sheet_we_do_not_know_is_refused(cells: Cells) -> None:
    cells["步骤"][0][1] = "step.nmae"
    cells["备注"] = [["随便写写"]]

    problems = refused(cells)

    assert problems[0].startswith("步骤!B1 step.nmae: 没有 step.nmae 这一列")
    assert problems[1].startswith("备注 没有叫「备注」的工作表")


def test_empty_rows_between_steps_are_passed_over(cells: Cells) -> None:
    cells["步骤"].insert(HEADS + 1, [None] * len(cells["步骤"][0]))

    assert len(from_sheets(cells).steps) == 3


def test_a_workbook_without_its_first_sheet_is_refused(cells: Cells) -> None:
    del cells[WHOLE]

    assert refused(cells)[0].startswith("模板 没有「模板」这张工作表")


@pytest.mark.parametrize(
    ("at", "name"), [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (701, "ZZ")]
)
def test_columns_are_called_as_a_spreadsheet_calls_them(at: int, name: str) -> None:
    assert letter(at) == name


def test_tables_without_places_are_read_like_a_text() -> None:
    template = read(LIBRARY["welcome"])

    assert read_tables(to_plain(template), {}) == template
