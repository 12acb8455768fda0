"""A dialogue half done: what we asked a member and still await, with an end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from storage.engine import insert_into
from storage.instant import from_ms, to_ms
from storage.tables import conversation


@dataclass(frozen=True)
class Conversation:
    """We asked about ``topic`` and wait for an answer until an instant."""

    member: str
    topic: str
    data: dict[str, Any]
    until: datetime


class ConversationStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def open(self, opened: Conversation) -> None:
        """Await an answer; a member is in one conversation at a time, the newest."""
        insertion = insert_into(self._connection, conversation).values(
            member=opened.member, topic=opened.topic, data=opened.data, until_at=to_ms(opened.until)
        )
        new = insertion.excluded
        self._connection.execute(
            insertion.on_conflict_do_update(
                index_elements=["member"],
                set_={"topic": new.topic, "data": new.data, "until_at": new.until_at},
            )
        )

    def of(self, member: str, now: datetime) -> Conversation | None:
        row = self._connection.execute(
            select(conversation).where(conversation.c.member == member, conversation.c.until_at > to_ms(now))
        ).one_or_none()
        if row is None:
            return None
        return Conversation(row.member, row.topic, row.data, from_ms(row.until_at))

    def close(self, member: str) -> None:
        self._connection.execute(delete(conversation).where(conversation.c.member == member))
