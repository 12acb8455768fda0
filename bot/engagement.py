"""``qunxing score``: what the groups' scores are, or were on any day, from what had happened before it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

from sop.activity import local_day
from sop.engagement import PARTS, Score, explain
from sop.errors import Misconfigured, NotFound
from sop.formula import STANDARD, Formula
from sop.group import Group, GroupKind
from storage.engagement import EngagementStore
from storage.engine import Connection, Database
from storage.group import GroupStore
from storage.recount import Recount, Share, shares

COLUMNS = (
    "group", "as_of_date", "score", *PARTS, "label", "coverage", "members", "messages", "flood_days", "notes", "formula", "confidence",
    "why",
)  # fmt: skip
WEEK = timedelta(days=7)
AT_ONCE = 50  # pairs scored in one look at the database


@dataclass(frozen=True)
class Pair:
    """A group and the day on whose morning it is scored."""

    group: str
    as_of: date


@dataclass(frozen=True)
class Scored:
    """A pair with its score."""

    pair: Pair
    score: Score
    why: str

    def cells(self) -> dict[str, object]:
        found = self.score
        return {
            "group": self.pair.group,
            "as_of_date": self.pair.as_of.isoformat(),
            "score": round(found.value, 4),
            **{part: round(found.parts[part], 6) for part in PARTS},
            "label": found.label,
            "coverage": found.coverage,
            "members": found.members,
            "messages": found.messages,
            "flood_days": found.excluded.flood_days,
            "notes": " ".join(found.notes),
            "formula": found.formula,
            "confidence": found.confidence,
            "why": self.why,
        }


async def score_groups(
    db: Database,
    *,
    now: datetime,
    zone: str,
    coverage: str,
    as_of: date | None = None,
    group: str = "",
    formula: Formula = STANDARD,
) -> list[Scored]:
    """Every group (or the one whose id or name is given) on the morning of ``as_of``, today when it is not given."""
    known = await db.read(lambda c: GroupStore(c, now).all())
    if group:
        known = [one for one in known if group in (one.id, one.name)]
        if not known:
            raise NotFound("group", group)
    pairs = [Pair(one.id, as_of or local_day(now, one.zone or zone)) for one in known]
    return await score_pairs(db, pairs, now=now, zone=zone, coverage=coverage, formula=formula, compared=True)


async def score_points(
    db: Database, points: Path, *, now: datetime, zone: str, coverage: str, formula: Formula = STANDARD
) -> list[Scored]:
    """Each pair of a CSV file of ``group,as_of_date``, in the file's order, from what had happened before that day."""
    return await score_pairs(db, read_pairs(points), now=now, zone=zone, coverage=coverage, formula=formula)


async def score_pairs(
    db: Database,
    pairs: Sequence[Pair],
    *,
    now: datetime,
    zone: str,
    coverage: str,
    formula: Formula = STANDARD,
    compared: bool = False,
) -> list[Scored]:
    """Each pair in its order; ``compared``: with the score of a week earlier, to say what moved it."""
    scored: list[Scored] = []
    for start in range(0, len(pairs), AT_ONCE):
        some = pairs[start : start + AT_ONCE]
        scored += await db.read(
            partial(
                _score, pairs=some, now=now, zone=zone, coverage=coverage, formula=formula, compared=compared
            )
        )
    return scored


def _score(
    connection: Connection,
    pairs: Sequence[Pair],
    now: datetime,
    zone: str,
    coverage: str,
    formula: Formula,
    compared: bool,
) -> list[Scored]:
    groups, store = GroupStore(connection, now), EngagementStore(connection)
    scored = []
    for pair in pairs:
        group = groups.get(pair.group) or Group(id=pair.group, kind=GroupKind.IMPORTED, zone="UTC")
        place = group.zone or zone
        found = store.score(group, pair.as_of, place, coverage=coverage, formula=formula)
        before = (
            store.score(group, pair.as_of - WEEK, place, coverage=coverage, formula=formula)
            if compared
            else None
        )
        scored.append(Scored(pair, found, explain(found, before, formula)))
    return scored


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a file; further columns are passed over, a line that makes no sense is named."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} cannot be read: {error}.", remedy="Name a CSV file in UTF-8.") from error
    rows = csv.DictReader(io.StringIO(text))
    if not {"group", "as_of_date"} <= set(rows.fieldnames or ()):
        raise Misconfigured(
            f"{path} has no columns group and as_of_date.",
            remedy="Its first line should read: group,as_of_date",
        )
    return [_pair(row, rows.line_num, path) for row in rows]


def _pair(row: dict[str, str | None], line: int, path: Path) -> Pair:
    try:
        return Pair((row["group"] or "").strip(), date.fromisoformat((row["as_of_date"] or "").strip()))
    except ValueError as error:
        raise Misconfigured(
            f"{path}:{line}: as_of_date {row['as_of_date']!r} is no date.", remedy="Write it like 2026-03-31."
        ) from error


async def replay(
    db: Database, *, zone: str, report: Callable[[int, int], None] = lambda done, of: None
) -> int:
    """Add up the whole log again, some groups at a time; returns the facts. ``report`` hears how many are done, of how many."""
    waiting = await db.read(partial(shares, zone=zone))
    done, of = 0, sum(share.facts for share in waiting)
    report(done, of)
    for share in waiting:
        await db.write(partial(_replay, share))
        done += share.facts
        report(done, of)
    return done


def _replay(share: Share, connection: Connection) -> None:
    Recount(connection, share.zone).replay(share.groups, watched=share.watched)


# ---------------------------------------------------------------- as text


def as_csv(scored: Iterable[Scored]) -> str:
    page = io.StringIO()
    table = csv.DictWriter(page, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(one.cells() for one in scored)
    return page.getvalue()


def as_json(scored: Iterable[Scored]) -> str:
    return json.dumps([one.cells() for one in scored], ensure_ascii=False, indent=2) + "\n"
