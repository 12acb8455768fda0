"""会话内容存档: what people said in groups, as its records tell."""

from __future__ import annotations

from dataclasses import dataclass

from sop.update import Kind, Update


@dataclass(frozen=True, kw_only=True)
class ArchiveRang(Update):
    """The archive doorbell: new records wait."""

    kind = Kind.ARCHIVE_RANG
