"""Lanes: what waits to be sent, by channel, urgency and template, so that no template waits behind all of another's."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

# From the first message of a lane to the first of the next: one look into the index a lane, however many wait in it.
_LANES = text("""
WITH RECURSIVE lane(id) AS (
    SELECT (SELECT id FROM outbox WHERE state = 'waiting' ORDER BY channel, urgent, template, due_at LIMIT 1)
    UNION ALL
    SELECT (SELECT later.id FROM outbox AS later
            WHERE later.state = 'waiting'
                AND (later.channel, later.urgent, later.template) > (first.channel, first.urgent, first.template)
            ORDER BY later.channel, later.urgent, later.template, later.due_at LIMIT 1)
    FROM lane JOIN outbox AS first ON first.id = lane.id)
SELECT first.channel, first.urgent, first.template, first.due_at FROM lane JOIN outbox AS first ON first.id = lane.id
""")


@dataclass(frozen=True)
class Lane:
    """The waiting messages of one template on one channel; ``due_at`` is that of the first, in milliseconds."""

    channel: str
    urgent: bool
    template: str
    due_at: int


def lanes(connection: Connection) -> list[Lane]:
    """All lanes in which something waits."""
    rows = connection.execute(_LANES)
    return [Lane(row.channel, bool(row.urgent), row.template, row.due_at) for row in rows]
