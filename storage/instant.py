"""Instants at the border: aware datetimes outside, integer milliseconds inside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def to_ms(instant: datetime) -> int:
    """Unix milliseconds of an aware instant."""
    return (instant - EPOCH) // MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """The aware instant, in UTC."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def maybe_ms(instant: datetime | None) -> int | None:
    return None if instant is None else to_ms(instant)


def maybe_from_ms(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_ms(milliseconds)
