"""Staff 员工: the employees in whose name messages go out, as they come, go, and change their number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sop.update import Kind, Update


@dataclass(frozen=True, kw_only=True)
class StaffChanged(Update):
    """An employee came into or went out of the app's sight; ``left`` when they are no employee any more."""

    kind = Kind.STAFF_CHANGED
    staff: str
    present: bool
    left: bool = False


@dataclass(frozen=True, kw_only=True)
class StaffRenamed(Update):
    """An employee is known by another number (``now``) from here on; the person is the same."""

    kind = Kind.STAFF_RENAMED
    staff: str
    now: str


@dataclass(frozen=True, kw_only=True)
class TransferFailed(Update):
    """A member was to be handed over to ``staff``, and refused or cannot be handed over any more."""

    kind = Kind.TRANSFER_FAILED
    member: str
    staff: str
    reason: Literal["refused", "limit", "unknown"]
