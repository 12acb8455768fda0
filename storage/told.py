"""What staff were told lately, as the ledger knows it: a limit counts on when a process has ended."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select

from sop.message import Channel
from sop.receipt import State
from storage.instant import to_ms
from storage.tables import outbox


def told_staff(connection: Connection, since: datetime) -> dict[tuple[str, str], int]:
    """How many app messages left for each employee since then, by (app, employee); those leaving now are not meant."""
    rows = connection.execute(
        select(outbox.c.sender, outbox.c.staff, func.count())
        .where(outbox.c.channel == Channel.APP, outbox.c.tried_at >= to_ms(since))
        .where(outbox.c.state != State.SENDING)
        .group_by(outbox.c.sender, outbox.c.staff)
    )
    return {(row[0], row[1]): row[2] for row in rows}
