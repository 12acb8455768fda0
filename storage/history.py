"""Imported history: groups and members we only know from a file, and how far a file has been read."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from sop.activity import Activity
from sop.group import GroupKind
from storage.activity import HOME, ActivityStore
from storage.engine import insert_into
from storage.instant import to_ms
from storage.position import read_position, write_position
from storage.stale import changed
from storage.tables import groups, member


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How far a file has been read, and what came of it so far."""

    line: int = 0
    rows: int = 0
    new: int = 0
    bad: int = 0
    done: bool = False


@dataclass(frozen=True)
class Person:
    """Somebody a file speaks of."""

    first_seen: datetime
    bot: bool


class HistoryStore:
    """Everything one file tells, written piece by piece; what is written is never written again."""

    def __init__(self, connection: Connection, file: str) -> None:
        self._connection = connection
        self._name = f"import:{file}"

    def names(self) -> dict[str, list[str]]:
        """Names of groups that are no group's id, with the ids of who bears them."""
        rows = self._connection.execute(select(groups.c.id, groups.c.name).where(groups.c.name != "")).all()
        ids, named = {row.id for row in rows}, defaultdict[str, list[str]](list)
        for row in rows:
            if row.name not in ids:
                named[row.name].append(row.id)
        return dict(named)

    def reading(self) -> Reading:
        kept = read_position(self._connection, self._name)
        return Reading(**json.loads(kept)) if kept else Reading()

    def keep(self, reading: Reading) -> None:
        write_position(self._connection, self._name, json.dumps(asdict(reading)))

    def write(
        self,
        facts: Sequence[Activity],
        people: Mapping[str, Person],
        began: Mapping[str, datetime],
        *,
        zone: str = HOME,
    ) -> int:
        """Log a piece of the file; returns how many facts were new."""
        self._meet_groups(began)
        self._meet_people(people)
        return ActivityStore(self._connection).log_all(facts, zone=zone, unmask=False)

    def finish(self, reading: Reading, *, zone: str = HOME) -> None:
        """The file is read: stop counting what was sent to many groups at once."""
        ActivityStore(self._connection).unmask(zone=zone)
        self.keep(reading)

    def _meet_groups(self, began: Mapping[str, datetime]) -> None:
        """A group not yet known is an imported one: its days are UTC, and all of them observed."""
        rows = [
            {
                "id": group,
                "name": group,
                "kind": str(GroupKind.IMPORTED),
                "zone": "UTC",
                "created_at": to_ms(at),
            }
            for group, at in began.items()
        ]
        if rows:
            self._connection.execute(
                insert_into(self._connection, groups).on_conflict_do_nothing(index_elements=["id"]), rows
            )

    def _meet_people(self, people: Mapping[str, Person]) -> None:
        rows = [
            {
                "id": who,
                "seen_at": to_ms(person.first_seen),
                "tier_at": to_ms(person.first_seen),
                "bot": person.bot,
            }
            for who, person in people.items()
        ]
        if not rows:
            return
        self._connection.execute(
            insert_into(self._connection, member).on_conflict_do_nothing(index_elements=["id"]), rows
        )
        robots = [who for who, person in people.items() if person.bot]
        if robots:
            self._connection.execute(update(member).where(member.c.id.in_(robots)).values(bot=True))
        changed(self._connection, people)
