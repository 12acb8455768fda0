"""Greetings: what groups say to newcomers, as written here and as the platform's library holds them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from sop.errors import Conflict
from sop.greeting import Greeting
from storage.engine import insert_into
from storage.instant import from_ms, to_ms
from storage.tables import greeting
from storage.way import Standing


@dataclass(frozen=True, kw_only=True)
class KeptGreeting:
    """A greeting as we keep it; ``reason`` says why it is not ready."""

    greeting: Greeting
    standing: Standing
    number: str = ""
    reason: str = ""
    created_at: datetime


class GreetingStore:
    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def add(self, wanted: Greeting) -> None:
        """A new greeting, to be put into the library; refused when the name is taken."""
        row = self._connection.execute(
            insert_into(self._connection, greeting)
            .values(
                name=wanted.name,
                content=_content(wanted),
                standing=str(Standing.MAKING),
                created_at=to_ms(self._now),
            )
            .on_conflict_do_nothing(index_elements=["name"])
            .returning(greeting.c.name)
        ).first()
        if row is None:
            raise Conflict("greeting", wanted.name)

    def change(self, wanted: Greeting) -> None:
        """Other words under the same name; the library is to follow."""
        self._connection.execute(
            update(greeting)
            .where(greeting.c.name == wanted.name)
            .values(content=_content(wanted), standing=str(Standing.MAKING), reason="")
        )

    def get(self, name: str) -> KeptGreeting | None:
        row = self._connection.execute(select(greeting).where(greeting.c.name == name)).one_or_none()
        return None if row is None else _kept(row)

    def all(self) -> list[KeptGreeting]:
        """Every greeting, the newest first."""
        rows = self._connection.execute(
            select(greeting).order_by(greeting.c.created_at.desc(), greeting.c.name)
        )
        return [_kept(row) for row in rows]

    def settle(self, name: str, standing: Standing, *, number: str = "", reason: str = "") -> None:
        values: dict[str, Any] = {"standing": str(standing), "reason": reason[:300]}
        values |= {"number": number} if number else {}
        self._connection.execute(update(greeting).where(greeting.c.name == name).values(**values))

    def explain(self, name: str, reason: str) -> None:
        """Why it is not done yet."""
        self._connection.execute(update(greeting).where(greeting.c.name == name).values(reason=reason[:300]))

    def remove(self, name: str) -> None:
        self._connection.execute(delete(greeting).where(greeting.c.name == name))


def _content(wanted: Greeting) -> dict[str, Any]:
    return {name: value for name, value in asdict(wanted).items() if name != "name"}


def _kept(row: Any) -> KeptGreeting:
    return KeptGreeting(
        greeting=Greeting(name=row.name, **row.content),
        standing=Standing(row.standing),
        number=row.number,
        reason=row.reason,
        created_at=from_ms(row.created_at),
    )
