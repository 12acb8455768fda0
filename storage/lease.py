"""Leases: who may work on what, until when, with a fencing number that grows with every new holder.

Each later write names its number; a worker that slept past its lease changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, true, tuple_, update

from storage.engine import insert_into
from storage.instant import to_ms
from storage.tables import lease


class Stale(Exception):
    """Someone else holds what we thought was ours; everything done under it must be rolled back."""


def claim(
    connection: Connection,
    names: Iterable[str],
    holder: str,
    now: datetime,
    term: timedelta,
    *,
    anyway: bool = False,
) -> dict[str, int]:
    """Take those of ``names`` that are free or ours, or all ``anyway``; returns their fencing numbers."""
    wanted = list(names)
    insertion = insert_into(connection, lease).on_conflict_do_nothing(index_elements=["name"])
    connection.execute(
        insertion, [{"name": name, "holder": "", "fence": 0, "until_at": 0} for name in wanted]
    )
    free = (lease.c.until_at <= to_ms(now)) | (lease.c.holder == holder)
    rows = connection.execute(
        update(lease)
        .where(lease.c.name.in_(wanted), true() if anyway else free)
        .values(holder=holder, fence=lease.c.fence + 1, until_at=to_ms(now + term))
        .returning(lease.c.name, lease.c.fence)
    )
    return {row.name: row.fence for row in rows}


def next_fence(connection: Connection, name: str, holder: str) -> int:
    """A number larger than any handed out before under ``name``."""
    insertion = insert_into(connection, lease).values(name=name, holder=holder, fence=1, until_at=0)
    fence: int = connection.execute(
        insertion.on_conflict_do_update(
            index_elements=["name"], set_={"fence": lease.c.fence + 1, "holder": holder}
        ).returning(lease.c.fence)
    ).scalar_one()
    return fence


def guard(connection: Connection, held: Mapping[str, int], now: datetime, term: timedelta) -> None:
    """Renew ``held`` within the caller's transaction; raise :class:`Stale` when any number has moved on."""
    ours = tuple_(lease.c.name, lease.c.fence).in_(list(held.items()))
    renewed = set(
        connection.scalars(
            update(lease).where(ours).values(until_at=to_ms(now + term)).returning(lease.c.name)
        )
    )
    if renewed != set(held):
        raise Stale(", ".join(sorted(set(held) - renewed)))


def release(connection: Connection, held: Mapping[str, int]) -> None:
    for name, fence in held.items():
        connection.execute(
            update(lease).where(lease.c.name == name, lease.c.fence == fence).values(until_at=0)
        )
