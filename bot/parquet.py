"""Parquet files, read and written by pyarrow where it is installed; nothing else of the product needs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from sop.errors import Misconfigured

NUMBERS = frozenset({"weight", "text_len"})
AT_ONCE = 5000


def _pyarrow(part: str) -> Any:
    try:
        return import_module(part)
    except ModuleNotFoundError as error:
        raise Misconfigured(
            "Parquet files need pyarrow, which is not installed.",
            remedy="Install it (pip install pyarrow), or use csv or jsonl.",
        ) from error


def parquet_rows(file: BinaryIO) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each row of an open file by its column names, numbered from 1."""
    arrow, parquet = _pyarrow("pyarrow"), _pyarrow("pyarrow.parquet")
    number = 0
    try:
        for batch in parquet.ParquetFile(file).iter_batches(AT_ONCE):
            for row in batch.to_pylist():
                number += 1
                yield number, {str(name).strip().lower(): value for name, value in row.items()}
    except arrow.ArrowException as error:
        raise Misconfigured(
            f"The file is no whole Parquet file: {error}.", remedy="Check the path and the file."
        ) from error


class ParquetSheet:
    """A Parquet file being written, some rows at a time; texts but for :data:`NUMBERS`."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._arrow = _pyarrow("pyarrow")
        kinds = ((name, self._arrow.int32() if name in NUMBERS else self._arrow.string()) for name in columns)
        self._schema = self._arrow.schema(list(kinds))
        self._file = _pyarrow("pyarrow.parquet").ParquetWriter(path, self._schema)

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        self._file.write_table(self._arrow.Table.from_pylist(list(rows), schema=self._schema))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
