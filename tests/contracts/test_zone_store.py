"""Whose clock somebody lives by: their own, else that of the group they joined last and that has one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection, insert

from storage.engine import Database
from storage.instant import to_ms
from storage.tables import groups, member, seat
from storage.zone import ZoneStore
from tests.contracts.world import NOW

BERLIN, NEW_YORK, TOKYO = "Europe/Berlin", "America/New_York", "Asia/Tokyo"


def settle(connection: Connection) -> None:
    """Groups with and without a zone, and one member who sits in all of them."""
    zones = {"plain": "", "berlin": BERLIN, "tokyo": TOKYO, "history": "UTC"}
    for at, (name, zone) in enumerate(zones.items()):
        kind = "imported" if name == "history" else "customer"
        connection.execute(insert(groups).values(id=name, kind=kind, zone=zone, created_at=0))
        joined = to_ms(NOW + timedelta(days=at))
        connection.execute(insert(seat).values(group_id=name, member="lin", joined_at=joined))
    for who in ("lin", "zhou"):
        connection.execute(insert(member).values(id=who, seen_at=0))


@pytest.mark.parametrize(
    ("own", "left", "expected"),
    [
        ("", [], TOKYO),
        ("", ["tokyo"], BERLIN),
        ("", ["tokyo", "berlin"], None),
        (NEW_YORK, [], NEW_YORK),
    ],
)
async def test_a_member_lives_by_their_own_clock_then_by_their_groups(
    db: Database, own: str, left: list[str], expected: str | None
) -> None:
    def ask(connection: Connection) -> dict[str, str]:
        settle(connection)
        ZoneStore(connection).keep({"lin": own} if own else {})
        connection.execute(seat.update().where(seat.c.group_id.in_(left)).values(left_at=to_ms(NOW)))
        return ZoneStore(connection).of(["lin", "zhou"])

    assert await db.write(ask) == ({"lin": expected} if expected else {})


async def test_a_group_lives_by_its_own_clock(db: Database) -> None:
    def ask(connection: Connection) -> tuple[dict[str, str], bool]:
        settle(connection)
        store = ZoneStore(connection)
        return (store.keep_of_group("plain", NEW_YORK) and store.of(chats=["plain", "berlin"])) or {}, (
            store.keep_of_group("nowhere", BERLIN)
        )

    assert await db.write(ask) == ({"plain": NEW_YORK, "berlin": BERLIN}, False)
