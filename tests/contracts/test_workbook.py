"""Workbooks as Excel writes and reads them."""

from __future__ import annotations

import io
import zipfile

import pytest

from bot.console.workbook import LARGEST, LARGEST_UNPACKED, read, write
from sop.errors import TemplateError
from sop.file import read as read_text
from tests.world import LIBRARY

TEXT = (LIBRARY / "seven_day_growth.toml").read_text("utf-8")


def test_a_template_comes_back_from_its_workbook_as_it_was() -> None:
    template = read_text(TEXT)

    assert read(write(template)) == template


def test_what_looks_like_a_formula_stays_text() -> None:
    template = read_text(TEXT.replace('name = "7天成长计划"', "name = '=1+1'"))

    again = read(write(template))

    assert again.name == "=1+1"


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"id,name\n1,2\n" * 20], ids=["empty", "torn", "csv"])
def test_what_is_no_workbook_is_refused(data: bytes) -> None:
    with pytest.raises(TemplateError, match="打不开这个工作簿；应为 Excel"):
        read(data)


def test_a_workbook_too_large_to_open_is_refused_unopened() -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/worksheets/sheet1.xml", b" " * (LARGEST_UNPACKED + 1))

    for data in (held.getvalue(), b"x" * (LARGEST + 1)):
        with pytest.raises(TemplateError, match="工作簿太大"):
            read(data)
