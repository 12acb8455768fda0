"""A template as an Excel workbook: written with a guide above every column, read back cell by cell."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from datetime import date, time, timedelta
from typing import Any

import xlsxwriter
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

from sop.errors import Problem, TemplateError
from sop.guide import KEYS
from sop.sheet import PARENT, WHOLE, Cell, Rows, Sheet, from_sheets, to_sheets
from sop.template import Template

LARGEST = 2 * 1024 * 1024  # bytes of one workbook
LARGEST_UNPACKED = 32 * 1024 * 1024
SPARE_ROWS = 200  # below the last one, where a choice is still offered
WIDE = ("text", "joke", "question", "expected", "value", "include", "exclude", "for")
CHOICES = re.compile(r"([\w.]+(?:、[\w.]+)+) 之一")


def write(template: Template) -> bytes:
    """The workbook of a template."""
    held = io.BytesIO()
    with xlsxwriter.Workbook(held, {"in_memory": True, "strings_to_formulas": False}) as book:
        pen = _Pen(book)
        for sheet in to_sheets(template):
            pen.sheet(sheet)
    return held.getvalue()


class _Pen:
    """Writes sheets with the looks they share."""

    def __init__(self, book: xlsxwriter.Workbook) -> None:
        self._book = book
        self._head = book.add_format({"bold": True, "bg_color": "#EEF1F8", "valign": "top"})
        self._hint = book.add_format(
            {"font_color": "#7A7F8C", "text_wrap": True, "valign": "top", "font_size": 9}
        )
        self._plain = book.add_format({"text_wrap": True, "valign": "top"})
        self._time = book.add_format({"num_format": "hh:mm:ss", "valign": "top", "align": "left"})
        self._day = book.add_format({"num_format": "yyyy-mm-dd", "valign": "top", "align": "left"})

    def sheet(self, sheet: Sheet) -> None:
        page = self._book.add_worksheet(sheet.name)
        whole = sheet.name == WHOLE
        heads = (*sheet.columns, "expected") if whole else sheet.columns
        for column, key in enumerate(heads):
            page.set_column(column, column, 48 if key.rpartition(".")[2] in WIDE else 18)
            page.write_string(0, column, key, self._head)
            page.write_string(1, column, "" if whole else _hint(key), self._hint)
        page.freeze_panes(2, 0 if whole else 1)
        for number, row in enumerate(sheet.rows, start=2):
            for column, value in enumerate(row):
                self._cell(page, number, column, value)
            if whole:
                page.write_string(number, 2, KEYS[str(row[0])].expected, self._hint)
                _offer(page, str(row[0]), number, 1, number)
        if not whole:
            for column, key in enumerate(heads):
                _offer(page, key, 2, column, 2 + len(sheet.rows) + SPARE_ROWS)

    def _cell(self, page: xlsxwriter.worksheet.Worksheet, row: int, column: int, value: Cell) -> None:
        match value:
            case None:
                page.write_blank(row, column, None, self._plain)
            case time():
                page.write_datetime(row, column, value, self._time)
            case date():
                page.write_datetime(row, column, value, self._day)
            case str():
                page.write_string(row, column, value, self._plain)
            case _:
                page.write_number(row, column, value, self._plain)


def _hint(key: str) -> str:
    return "上一级的 id" if key == PARENT else KEYS[key].expected


def _offer(page: xlsxwriter.worksheet.Worksheet, key: str, first: int, column: int, last: int) -> None:
    """A list to choose from, where the guide names one; anything else is warned of and may stay."""
    found = CHOICES.search(KEYS[key].expected) if key in KEYS else None
    if found:
        options = {"validate": "list", "source": found[1].split("、"), "error_type": "warning"}
        page.data_validation(first, column, last, column, options)


def read(data: bytes, *, source: str = "") -> Template:
    """The template in a workbook; a :class:`TemplateError` that names cells when it is not one."""
    return from_sheets(_sheets(data, source), source=source)


def _sheets(data: bytes, source: str) -> Mapping[str, Rows]:
    try:
        if len(data) > LARGEST or _unpacked(data) > LARGEST_UNPACKED:
            problem = Problem(1, 1, "", "工作簿太大", f"不超过 {LARGEST // 1024 // 1024} MiB")
            raise TemplateError([problem], source=source)
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        return {name: _rows(book.get_sheet_by_name(name)) for name in book.sheet_names}
    except (CalamineError, zipfile.BadZipFile) as error:
        problem = Problem(1, 1, "", "打不开这个工作簿", "Excel 或 WPS 存的 .xlsx 文件")
        raise TemplateError([problem], source=source) from error


def _unpacked(data: bytes) -> int:
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        return sum(one.file_size for one in packed.infolist())


def _rows(sheet: CalamineSheet) -> list[list[Cell]]:
    """The rows of a sheet; a length of time, which a spreadsheet makes of 26:00, stays the text it was."""
    found: list[list[Any]] = sheet.to_python(skip_empty_area=False)
    return [[str(cell) if isinstance(cell, timedelta) else cell for cell in row] for row in found]
