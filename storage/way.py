"""Ways in: what was wished, and what the platform made of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select, update

from sop.errors import Conflict
from sop.way import Scene, Way, WayKind
from storage.engine import insert_into
from storage.instant import from_ms, to_ms
from storage.tables import groups, way

SOURCE_TAG = "来自:"
LONGEST_TAG_NAME = 64


class Standing(StrEnum):
    """How a thing we keep at the platform is doing."""

    MAKING = "making"
    READY = "ready"
    REFUSED = "refused"
    DROPPED = "dropped"


@dataclass(frozen=True, kw_only=True)
class KeptWay:
    """A way as we keep it; ``image`` is the address of its QR code, ``reason`` why it is not ready."""

    way: Way
    standing: Standing
    number: str = ""
    image: str = ""
    reason: str = ""
    made_by: str = ""
    created_at: datetime


class WayStore:
    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def add(self, wanted: Way, by: str) -> None:
        """A new way, to be made; refused when its state is taken, for a state must tell one source."""
        row = self._connection.execute(
            insert_into(self._connection, way)
            .values(
                state=wanted.state,
                kind=str(wanted.kind),
                name=wanted.name,
                tags=list(wanted.tags),
                wish=_wish(wanted),
                standing=str(Standing.MAKING),
                made_by=by,
                created_at=to_ms(self._now),
            )
            .on_conflict_do_nothing(index_elements=["state"])
            .returning(way.c.state)
        ).first()
        if row is None:
            raise Conflict("way", wanted.state)

    def get(self, state: str) -> KeptWay | None:
        row = self._connection.execute(select(way).where(way.c.state == state)).one_or_none()
        return None if row is None else _kept(row)

    def into_groups(self) -> list[Way]:
        """Every way into a group that is there, or is being made."""
        kept = [one for one in self.all() if one.standing in (Standing.MAKING, Standing.READY)]
        return [one.way for one in kept if one.way.kind is WayKind.JOIN]

    def into(self, name: str) -> KeptWay | None:
        """The newest way into a group that is called so, else into a group that is called so; made ones first."""
        called = {
            row.id for row in self._connection.execute(select(groups.c.id).where(groups.c.name == name))
        }
        ways = [
            one for one in self.all() if one.way.kind is WayKind.JOIN and one.standing is not Standing.DROPPED
        ]
        named = [one for one in ways if one.way.name == name] or [
            one for one in ways if called & set(one.way.groups)
        ]
        return next((one for one in named if one.image), named[0] if named else None)

    def all(self) -> list[KeptWay]:
        """Every way, the newest first."""
        rows = self._connection.execute(select(way).order_by(way.c.created_at.desc(), way.c.state))
        return [_kept(row) for row in rows]

    def settle(
        self, state: str, standing: Standing, *, number: str = "", image: str = "", reason: str = ""
    ) -> None:
        """What the platform made of it; a number or image once known stays."""
        values: dict[str, Any] = {"standing": str(standing), "reason": reason[:300]}
        values |= {name: text for name, text in (("number", number), ("image", image)) if text}
        self._connection.execute(update(way).where(way.c.state == state).values(**values))

    def explain(self, state: str, reason: str) -> None:
        """Why it is not done yet."""
        self._connection.execute(update(way).where(way.c.state == state).values(reason=reason[:300]))

    def tags_of(self, state: str) -> tuple[str, ...]:
        """The tags of who came with this state: those of its way, else one that names the source."""
        row = self._connection.execute(
            select(way.c.name, way.c.tags).where(way.c.state == state)
        ).one_or_none()
        if row is None:
            return (_named_after(state),)
        return tuple(row.tags) or (_named_after(row.name),)


def _named_after(source: str) -> str:
    return f"{SOURCE_TAG}{source}"[:LONGEST_TAG_NAME]


def _wish(wanted: Way) -> dict[str, Any]:
    return {
        "scene": str(wanted.scene),
        "staff": list(wanted.staff),
        "needs_no_consent": wanted.needs_no_consent,
        "groups": list(wanted.groups),
        "opens_rooms": wanted.opens_rooms,
        "room_name": wanted.room_name,
        "room_number": wanted.room_number,
    }


def _kept(row: Any) -> KeptWay:
    return KeptWay(
        way=_way(row),
        standing=Standing(row.standing),
        number=row.number,
        image=row.image,
        reason=row.reason,
        made_by=row.made_by,
        created_at=from_ms(row.created_at),
    )


def _way(row: Any) -> Way:
    return Way(
        state=row.state,
        name=row.name,
        kind=WayKind(row.kind),
        tags=tuple(row.tags),
        scene=Scene(row.wish["scene"]),
        staff=tuple(row.wish["staff"]),
        needs_no_consent=bool(row.wish["needs_no_consent"]),
        groups=tuple(row.wish["groups"]),
        opens_rooms=bool(row.wish["opens_rooms"]),
        room_name=str(row.wish["room_name"]),
        room_number=int(row.wish["room_number"]),
    )
