"""Addresses for late answers that the platform takes once: whoever uses one writes it down first, so that a restart forgets none."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete

from storage.engine import insert_into
from storage.instant import to_ms
from storage.tables import response

LIFE = timedelta(hours=1)


def use(connection: Connection, url: str, now: datetime) -> bool:
    """Write down that an address is used; False when it was before."""
    insertion = insert_into(connection, response).on_conflict_do_nothing(index_elements=["digest"])
    used = connection.execute(insertion.returning(response.c.digest), _row(url, now))
    return used.first() is not None


def give_back(connection: Connection, url: str) -> None:
    """Nothing had left: the address is as good as new."""
    connection.execute(delete(response).where(response.c.digest == _digest(url)))


def forget(connection: Connection, now: datetime) -> None:
    """Those nobody can use any more."""
    connection.execute(delete(response).where(response.c.used_at < to_ms(now - 2 * LIFE)))


def _row(url: str, now: datetime) -> dict[str, object]:
    return {"digest": _digest(url), "used_at": to_ms(now)}


def _digest(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()
