"""Strides taken by set: of all journeys that go on alike, each message is planned and each next step awaited at once.

On PostgreSQL one statement does it. SQLite changes one table in a statement, so there it takes four: the messages first;
then the waits that go on, which from here on are ahead of their journeys; then the journeys that catch up with them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, TextClause, text

from sop.stride import Stride
from storage.instant import from_ms, to_ms

_PLACES = """
SELECT journey.template, journey.version, journey.step, journey.zone, MIN(journey.anchor_at) AS first, MAX(journey.anchor_at) AS last
FROM due JOIN journey ON journey.id = CAST(due.whom AS BIGINT)
WHERE due.id IN {ids} AND due.what = 'step' AND journey.state = 'active' AND NOT journey.deciding
GROUP BY journey.template, journey.version, journey.step, journey.zone
"""
_LEFT = "SELECT id FROM due WHERE id IN {ids} AND what = 'step' AND due_at <= :now ORDER BY id"

# of a stride is who stands at its step, began in its stretch, and whose step is on time
_MINE = """
    journey.state = 'active' AND NOT journey.deciding AND journey.step = stride.at
    AND stride.template = journey.template AND stride.version = journey.version AND stride.zone = journey.zone
    AND journey.anchor_at >= stride.since AND journey.anchor_at < stride.until
"""
_READY = f"""
    due.what = 'step' AND due.occurrence = stride.occurrence AND due.due_at <= :now AND {_MINE}
"""
_OUTBOX = """
INSERT INTO outbox (key, channel, sender, member, group_id, content, digest, urgent, marketing, template, version,
                    step, journey, why, state, created_at, due_at)
"""
_WALKED = """
    step = stride.further, changed_at = :now,
    state = CASE WHEN stride.awaited = '' THEN 'done' ELSE journey.state END,
    reason = CASE WHEN stride.awaited = '' THEN '走完了全部步骤' ELSE journey.reason END
"""

# ---------------------------------------------------------------- SQLite

_SQLITE_IDS = "(SELECT value FROM json_each(:ids))"
_SQLITE_FIELDS = (
    "template", "version", "at", "occurrence", "step", "channel", "marketing", "why", "to_group",
    "since", "until", "zone", "further", "awaited", "moment", "delay",
)  # fmt: skip
_SQLITE_STRIDE = f"""WITH stride AS MATERIALIZED (
    SELECT {", ".join(f"value ->> '{name}' AS {name}" for name in _SQLITE_FIELDS)} FROM json_each(:strides))"""
_SQLITE_MET = f"journey.id = CAST(due.whom AS BIGINT) AND due.id IN {_SQLITE_IDS}"
_SQLITE = tuple(
    map(
        text,
        (
            f"""{_SQLITE_STRIDE} {_OUTBOX}
    SELECT 'step:' || journey.id || ':' || stride.step, stride.channel, '', iif(stride.to_group, '', journey.whom),
           iif(stride.to_group, journey.whom, ''), '{{"text": ""}}', '', false, stride.marketing, journey.template,
           journey.version, stride.step, journey.id, stride.why, 'planned', :now, due.due_at
    FROM due CROSS JOIN journey CROSS JOIN stride WHERE {_SQLITE_MET} AND {_READY}
    ON CONFLICT (key) DO NOTHING""",
            f"""{_SQLITE_STRIDE}
    UPDATE due SET occurrence = stride.awaited, data = '{{}}',
                   due_at = max(stride.moment, journey.anchor_at + stride.delay)
    FROM journey CROSS JOIN stride WHERE {_SQLITE_MET} AND {_READY}""",
            f"""{_SQLITE_STRIDE} UPDATE journey SET {_WALKED}
    FROM due CROSS JOIN stride WHERE {_SQLITE_MET} AND {_MINE}
    AND due.what = 'step' AND due.occurrence = stride.awaited""",
        ),
    )
)
_SQLITE_ENDED = text(f"DELETE FROM due WHERE id IN {_SQLITE_IDS} AND occurrence = ''")

# ---------------------------------------------------------------- PostgreSQL

_POSTGRES_IDS = "(SELECT unnest(CAST(:ids AS bigint[])))"
_POSTGRES = text(f"""
WITH stride AS MATERIALIZED (SELECT * FROM json_to_recordset(CAST(:strides AS json)) AS stride (
    template text, version int, at int, occurrence text, step text, channel text, marketing bool, why text,
    to_group bool, since bigint, until bigint, zone text, further int, awaited text,
    moment bigint, delay bigint, number int)),
walked AS (
    UPDATE journey SET {_WALKED} FROM due, stride
    WHERE journey.id = CAST(due.whom AS BIGINT) AND due.id = ANY(CAST(:ids AS bigint[])) AND {_READY}
    RETURNING due.id AS due, due.due_at, journey.id, journey.whom, journey.anchor_at, stride.number),
said AS ({_OUTBOX}
    SELECT 'step:' || id || ':' || step, channel, '', CASE WHEN to_group THEN '' ELSE whom END,
           CASE WHEN to_group THEN whom ELSE '' END, '{{"text": ""}}', '', false, marketing, template,
           version, step, id, why, 'planned', :now, due_at
    FROM walked JOIN stride USING (number) ON CONFLICT (key) DO NOTHING),
gone AS (DELETE FROM due USING walked JOIN stride USING (number) WHERE due.id = walked.due AND awaited = ''),
waiting AS (
    UPDATE due SET occurrence = awaited, data = '{{}}', due_at = greatest(moment, anchor_at + delay)
    FROM walked JOIN stride USING (number) WHERE due.id = walked.due AND awaited <> '')
SELECT COUNT(*) FROM walked
""")


class StrideStore:
    """Whose turn has come, and what a set of them does."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._on_sqlite = connection.dialect.name == "sqlite"

    def places(self, ids: Sequence[int]) -> list[Place]:
        """Where those stand whose waits these are."""
        rows = self._ask(_PLACES, ids)
        return [
            Place(row.template, row.version, row.step, from_ms(row.first), from_ms(row.last), row.zone)
            for row in rows
        ]

    def take(self, strides: Sequence[Stride], ids: Sequence[int]) -> int:
        """Whoever of these goes on alike has their message planned, is one step further, and waits for the next."""
        plain = json.dumps(
            [_plain(number, stride) for number, stride in enumerate(strides)], ensure_ascii=False
        )
        values = {"strides": plain, "ids": self._ids(ids), "now": to_ms(self._now)}
        if not self._on_sqlite:
            return self._connection.scalar(_POSTGRES, values) or 0
        *first, walk = _SQLITE
        for statement in first:
            self._connection.execute(statement, values)
        walked = self._connection.execute(walk, values).rowcount
        if any(stride.ends for stride in strides):
            self._connection.execute(_SQLITE_ENDED, values)
        return walked

    def left(self, ids: Sequence[int]) -> list[int]:
        """Which of these waits are due still."""
        return [row.id for row in self._ask(_LEFT, ids, now=to_ms(self._now))]

    def _ask(self, question: str, ids: Sequence[int], **more: Any) -> Sequence[Any]:
        words = _asking(question, self._on_sqlite)
        return self._connection.execute(words, {"ids": self._ids(ids), **more}).all()

    def _ids(self, ids: Sequence[int]) -> Any:
        return json.dumps(list(ids)) if self._on_sqlite else list(ids)


@lru_cache
def _asking(question: str, on_sqlite: bool) -> TextClause:
    return text(question.format(ids=_SQLITE_IDS if on_sqlite else _POSTGRES_IDS))


@dataclass(frozen=True)
class Place:
    """A step of a version, and when the first and the last of those began who stand there, of one time zone."""

    template: str
    version: int
    step: int
    first: datetime
    last: datetime
    zone: str


def _plain(number: int, stride: Stride) -> dict[str, Any]:
    return {
        "template": stride.template,
        "version": stride.version,
        "at": stride.at,
        "occurrence": str(stride.at),
        "step": stride.step,
        "channel": str(stride.channel),
        "marketing": stride.marketing,
        "why": stride.why,
        "to_group": stride.to_group,
        "since": to_ms(stride.since),
        "until": to_ms(stride.until),
        "zone": stride.zone,
        "further": stride.to,
        "awaited": "" if stride.ends else str(stride.to),
        "moment": 0 if stride.moment is None else to_ms(stride.moment),
        "delay": _ms(stride.delay),
        "number": number,
    }


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
