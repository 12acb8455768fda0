"""The activity log added up in the database itself: one statement for each table, whatever the number of facts.

What :class:`~storage.roll_up.RollUp` keeps fact by fact is here made from many facts at once, to the same sums. A run
of one member's talk is counted where it ends, so that a single look ahead tells both turns and answers.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from sqlalchemy import Connection, text

from sop.activity import (
    ANSWER_WITHIN,
    ANSWERED,
    ANSWERED_LATE,
    KEPT_HASHES,
    OURS,
    PARTICIPATION,
    TALK,
    UNANSWERED,
    day_start,
)
from sop.engagement import MEMBER_FADE
from sop.group import GroupKind
from storage.instant import MILLISECOND, to_ms
from storage.local_day import A_DAY, day_number

EPOCH_DAY = date(1970, 1, 1)
REACH = (15 * A_DAY // 24, 39 * A_DAY // 24)  # where a local day may lie about the same day of UTC, and a bit
ALL_STALE = "1970-01-01"  # scores of every day are
AT_ONCE = 200_000  # facts added up in one transaction: others want to write too

_WORDS: Mapping[str, Mapping[str, str]] = {
    "sqlite": {
        "iso": "date(({}) * 86400, 'unixepoch')",
        "number": "CAST(julianday({}) - 2440587.5 AS INTEGER)",
        "among": "IN (SELECT value FROM json_each({}))",
        "key": "key",
        "least": "min",
        "greatest": "max",
    },
    "postgresql": {
        "iso": "to_char(DATE '1970-01-01' + ({})::int, 'YYYY-MM-DD')",
        "number": "({}::date - DATE '1970-01-01')::bigint",
        "among": "= ANY({})",
        "key": 'key COLLATE "C"',
        "least": "least",
        "greatest": "greatest",
    },
}


def _quoted(kinds: Collection[str]) -> str:
    return ", ".join(f"'{kind}'" for kind in sorted(kinds))


# ---------------------------------------------------------------- the statements

_COUNTS = f"member <> '' AND kind IN ({_quoted(PARTICIPATION)})"
_DEED = f"kind <> '{TALK}' AND {_COUNTS}"
_DIFFERENT = f"""
    count(DISTINCT CASE WHEN kind = '{TALK}' AND text_hash <> '' THEN text_hash END)
    + count(CASE WHEN kind = '{TALK}' AND text_hash <> '' THEN NULL ELSE 1 END)"""

_GROUPS = f"""
SELECT told.group_id, coalesce(groups.zone, ''), coalesce(groups.kind = '{GroupKind.IMPORTED}', false), told.facts
FROM (SELECT group_id, count(*) AS facts FROM activity GROUP BY group_id) AS told
LEFT JOIN groups ON groups.id = told.group_id ORDER BY 3, 2, 1"""

_LOCK = """
INSERT INTO group_turn (group_id)
SELECT value FROM ({source}) AS named WHERE true ORDER BY value
ON CONFLICT (group_id) DO UPDATE SET group_id = excluded.group_id
RETURNING group_id, member, spoke_at"""

_TALK = f"""
SELECT group_id, member, kind, happened_at, text_hash, {{day}} AS number,
    lead(member) OVER later AS after, lead(happened_at) OVER later AS after_at, lead({{day}}) OVER later AS after_number
FROM activity WHERE {{here}} AND kind = '{TALK}' AND member <> ''
WINDOW later AS (PARTITION BY group_id ORDER BY happened_at, {{key}})"""

_SAID = f"""
INSERT INTO member_day (group_id, day, member, n, turns, different, answered)
SELECT group_id, {{iso}}, member, count(*),
    sum(CASE WHEN after = member AND after_number = number THEN 0 ELSE 1 END),
    {{least}}({KEPT_HASHES}, {_DIFFERENT}),
    CASE max(CASE WHEN after <> member AND after_at - happened_at <= {ANSWER_WITHIN // MILLISECOND}
        THEN CASE WHEN after_number = number THEN 2 ELSE 1 END ELSE 0 END)
        WHEN 2 THEN {ANSWERED} WHEN 1 THEN {ANSWERED_LATE} ELSE {UNANSWERED} END
FROM ({{talk}}) AS said WHERE {{only}} GROUP BY group_id, number, member
{{upsert}}"""

_DID = f"""
INSERT INTO member_day (group_id, day, member, n, turns, different, answered)
SELECT group_id, {{iso}}, member, count(*), count(*), {{least}}({KEPT_HASHES}, count(*)), {UNANSWERED}
FROM (SELECT group_id, member, {{day}} AS number FROM activity WHERE {{here}} AND {_DEED}) AS did
WHERE {{only}} GROUP BY group_id, number, member
{{upsert}}"""

_UPSERT = f"""
ON CONFLICT (group_id, day, member) DO UPDATE SET
    n = member_day.n + excluded.n,
    turns = member_day.turns + excluded.turns,
    different = CASE WHEN member_day.different >= {KEPT_HASHES} THEN {KEPT_HASHES} ELSE {{least}}({KEPT_HASHES}, (
        SELECT {_DIFFERENT} FROM activity
        WHERE activity.member = excluded.member AND activity.group_id = excluded.group_id AND {_COUNTS}
            AND happened_at >= {{number}} * {A_DAY} - {REACH[0]} AND happened_at < {{number}} * {A_DAY} + {REACH[1]}
            AND {{day}} = {{number}})) END,
    answered = CASE WHEN {ANSWERED} IN (member_day.answered, excluded.answered) THEN {ANSWERED}
        ELSE {{greatest}}(member_day.answered, excluded.answered) END"""

_FIRSTS = """
INSERT INTO member_first (group_id, member, day)
SELECT group_id, member, min(day) FROM ({source}) AS seen WHERE true GROUP BY group_id, member
ON CONFLICT (group_id, member) DO UPDATE SET day = excluded.day WHERE excluded.day {sign} member_first.day"""

_JOINS = f"""
SELECT group_id, member, {{iso}} AS day FROM activity
WHERE {{here}} AND kind = 'joined' AND kind <> '{TALK}' AND group_id <> '' AND member <> ''"""

_NUMBERED = f"SELECT DISTINCT group_id, member, {{day}} AS number FROM activity WHERE {{here}} AND {_COUNTS}"
_NEW_DAYS = """
SELECT * FROM ({numbered}) AS told WHERE NOT EXISTS (
    SELECT 1 FROM member_day AS stands
    WHERE stands.group_id = told.group_id AND stands.day = {day} AND stands.member = told.member)"""

_FADED = f"pow(2, {{{{greatest}}}}(-1000, {{gap}} / CAST({MEMBER_FADE} AS double precision)))"
_ENERGY = f"""
INSERT INTO member_score (group_id, member, energy, energy_day)
SELECT group_id, member, sum({_FADED.format(gap="(number - newest)")}), {{iso}}
FROM (SELECT group_id, member, number, max(number) OVER (PARTITION BY group_id, member) AS newest
    FROM ({{days}}) AS days) AS aged
WHERE true GROUP BY group_id, member, newest
ON CONFLICT (group_id, member) DO UPDATE SET"""
_IN_PLACE = """
    energy = excluded.energy, energy_day = excluded.energy_day
WHERE abs(member_score.energy - excluded.energy) > 1e-9 OR member_score.energy_day <> excluded.energy_day"""
_ON_TOP = f"""
    energy = member_score.energy * {_FADED.format(gap="{least}(0, {kept} - {told})")}
        + excluded.energy * {_FADED.format(gap="{least}(0, {told} - {kept})")},
    energy_day = {{greatest}}(member_score.energy_day, excluded.energy_day)"""

_CAME = """EXISTS (
    SELECT 1 FROM member_day AS came WHERE came.member = {table}.member AND came.group_id = {table}.group_id)"""
_SPENT = "UPDATE member_score SET energy = 0 WHERE {here} AND energy > 0 AND NOT " + _CAME.format(
    table="member_score"
)
_NEVER_CAME = f"""
DELETE FROM member_first WHERE {{here}} AND NOT {_CAME.format(table="member_first")} AND NOT EXISTS (
    SELECT 1 FROM activity AS joining
    WHERE joining.member = member_first.member AND joining.group_id = member_first.group_id AND kind = 'joined')"""

_LAST_TURN = f"""
UPDATE group_turn SET
    spoke_at = coalesce((SELECT happened_at FROM activity
        WHERE activity.group_id = group_turn.group_id AND kind = '{TALK}' AND member <> ''
        ORDER BY happened_at DESC LIMIT 1), 0),
    member = coalesce((SELECT activity.member FROM activity
        WHERE activity.group_id = group_turn.group_id AND kind = '{TALK}' AND activity.member <> ''
        ORDER BY happened_at DESC, {{key}} DESC LIMIT 1), ''),
    stale_day = CASE WHEN stale_day <> '' AND stale_day < :stale THEN stale_day ELSE :stale END
WHERE {{here}}"""

_GOES_ON = f"""
UPDATE member_day SET
    turns = turns - CASE WHEN opens.member = before THEN 1 ELSE 0 END,
    answered = CASE WHEN opens.member = before THEN answered WHEN number = before_number THEN {ANSWERED}
        WHEN answered = {UNANSWERED} THEN {ANSWERED_LATE} ELSE answered END
FROM (
    SELECT first.*, group_turn.member AS before, {{before}} AS before_number, spoke_at FROM (
        SELECT group_id, member, happened_at, {{day}} AS number,
            row_number() OVER (PARTITION BY group_id ORDER BY happened_at, {{key}}) AS place
        FROM activity WHERE {{here}} AND kind = '{TALK}' AND member <> '') AS first
    JOIN group_turn ON group_turn.group_id = first.group_id WHERE place = 1 AND group_turn.member <> ''
) AS opens
WHERE member_day.group_id = opens.group_id AND member_day.day = {{iso}} AND member_day.member = before
    AND CASE WHEN opens.member = before THEN number = before_number
        ELSE happened_at - spoke_at <= {ANSWER_WITHIN // MILLISECOND} END"""

_SPOKE_LAST = f"""
UPDATE group_turn SET member = last.member, spoke_at = last.happened_at
FROM (
    SELECT group_id, member, happened_at,
        row_number() OVER (PARTITION BY group_id ORDER BY happened_at DESC, {{key}} DESC) AS place
    FROM activity WHERE {{here}} AND kind = '{TALK}' AND member <> '') AS last
WHERE place = 1 AND group_turn.group_id = last.group_id"""

_STALE = f"""
UPDATE group_turn SET stale_day = since
FROM (SELECT group_id, {{stale}} AS since FROM activity WHERE {{here}} AND {_COUNTS} GROUP BY group_id) AS told
WHERE group_turn.group_id = told.group_id AND (stale_day = '' OR stale_day > since)"""

_OBSERVED = """
INSERT INTO observed_day (day) SELECT DISTINCT day FROM ({source}) AS heard WHERE true ON CONFLICT (day) DO NOTHING"""
_HEARD = f"""
SELECT {{iso}} AS day FROM activity
WHERE {{here}} AND kind <> '{TALK}' AND kind NOT IN ({_quoted(OURS)}) AND NOT ({_COUNTS})"""


@dataclass(frozen=True, kw_only=True)
class Share:
    """Groups whose sums are made again in one transaction, and how many facts the log holds of them."""

    groups: tuple[str, ...]
    zone: str
    watched: bool
    facts: int


def shares(connection: Connection, zone: str) -> list[Share]:
    """All groups of the log, those of one zone together; ``zone`` is the community's."""
    found: list[Share] = []
    for group, own, imported, facts in connection.execute(text(_GROUPS)):
        place = own or zone if group else zone
        one = Share(groups=(group,), zone=place, watched=not imported, facts=facts)
        last = found[-1] if found else None
        if last and (last.zone, last.watched) == (place, one.watched) and last.facts + facts <= AT_ONCE:
            found[-1] = replace(last, groups=(*last.groups, group), facts=last.facts + facts)
        else:
            found.append(one)
    return found


class Recount:
    """Sums made in sets; whoever asks has met the groups, and they share ``zone``."""

    def __init__(self, connection: Connection, zone: str) -> None:
        self._connection = connection
        self._words = _WORDS[connection.dialect.name]
        self._sizes = {word: self._words[word] for word in ("least", "greatest")}
        self._zone, self._day = zone, day_number(zone)

    # ------------------------------------------------------------ everything again

    def replay(self, groups: Collection[str], *, watched: bool = True) -> int:
        """Add up all that was ever logged of these groups, in place of what stands; returns the member-days.

        ``watched``: what these groups tell shows on which days the platform was heard.
        """
        some = {"groups": self._list(sorted(groups))}
        here = f"group_id {self._among(':groups')}"
        self.lock(groups)
        self._run(f"DELETE FROM member_day WHERE {here}", some)
        days = self._add_days(here, some)
        joins = _JOINS.format(iso=self._words["iso"].format(self._day), here=here)
        source = f"SELECT group_id, member, day FROM member_day WHERE {here} UNION ALL {joins}"
        self._add_firsts(source, some, "<>")
        self._run(_NEVER_CAME.format(here=here), some)
        numbered = f"SELECT group_id, member, {self._number('day')} AS number FROM member_day WHERE {here}"
        self._run(self._energy_of(numbered) + _IN_PLACE, some)
        self._run(_SPENT.format(here=here), some)
        self.find_last_turns(groups, ALL_STALE)
        if watched:
            self._observe(here, some)
        return days

    def lock(self, groups: Collection[str]) -> dict[str, tuple[str, int]]:
        """Who spoke last in each of these groups, and when; until the commit nobody else adds them up."""
        named = sorted(group for group in groups if group)
        if not named:
            return {}
        rows = self._connection.execute(
            text(_LOCK.format(source=self._values())), {"groups": self._list(named)}
        )
        return {row.group_id: (row.member, row.spoke_at) for row in rows}

    def rebuild(self, group: str, since: date, until: date, days: Collection[date]) -> None:
        """Add up some days of a group, between two of them, where nothing stands for them any more."""
        some = {
            "in_group": group,
            "since": to_ms(day_start(since, self._zone)),
            "until": to_ms(day_start(until + timedelta(days=1), self._zone) + ANSWER_WITHIN),
            "days": self._list([(day - EPOCH_DAY).days for day in days]),
        }
        here = "group_id = :in_group AND happened_at >= :since AND happened_at < :until"
        self._add_days(here, some, f"number {self._among(':days')}")

    def find_last_turns(self, groups: Collection[str], stale_day: str) -> None:
        """Look up in the log who spoke last in these groups; scores of ``stale_day`` and later are stale."""
        some = {"groups": self._list(list(groups)), "stale": stale_day}
        here = f"group_id {self._among(':groups')}"
        self._run(_LAST_TURN.format(key=self._words["key"], here=here), some)

    # ------------------------------------------------------------ what follows

    def follow(self, facts: Sequence[int]) -> None:
        """Add facts, given by their ids, to what stands; in their groups nobody spoke at their time or later."""
        here, new = self._given(facts)
        numbered = _NUMBERED.format(day=self._day, here=here)
        iso = self._words["iso"].format("told.number")
        self._add_firsts(f"SELECT group_id, member, {iso} AS day FROM ({numbered}) AS told", new)
        self._add_energy(_NEW_DAYS.format(numbered=numbered, day=iso), new)
        self._add_days(here, new, stands=True)
        self._turn_over(here, new)

    def arrive(self, facts: Sequence[int]) -> None:
        """Who joined, of these facts, has been here since then at the latest."""
        here, new = self._given(facts)
        self._add_firsts(_JOINS.format(iso=self._words["iso"].format(self._day), here=here), new)

    def _given(self, facts: Sequence[int]) -> tuple[str, Mapping[str, object]]:
        """Where in the log these facts are; what has ids without a gap is read in one go."""
        first, last = min(facts, default=0), max(facts, default=0)
        if last - first + 1 == len(facts):
            return "id BETWEEN :first AND :last", {"first": first, "last": last}
        return f"id {self._among(':ids')}", {"ids": self._list(facts)}

    def _turn_over(self, here: str, new: Mapping[str, object]) -> None:
        """What follows goes on with the last turn of its group, or answers it."""
        told = {"here": here, "day": self._day, "key": self._words["key"]}
        before = day_number(self._zone, "spoke_at")
        iso = self._words["iso"].format("opens.before_number")
        self._run(_GOES_ON.format(iso=iso, before=before, **told), new)
        self._run(_SPOKE_LAST.format(**told), new)
        stale = self._words["iso"].format(f"min({self._day})")
        self._run(_STALE.format(stale=stale, **told), new)

    # ------------------------------------------------------------ one table each

    def _add_days(
        self, here: str, some: Mapping[str, object], only: str = "true", *, stands: bool = False
    ) -> int:
        """What was said and what was done; ``stands``: added to what was before."""
        iso, upsert = self._words["iso"].format("number"), self._upsert()
        talk = _TALK.format(day=self._day, key=self._words["key"], here=here)
        said = _SAID.format(iso=iso, talk=talk, only=only, upsert=upsert if stands else "", **self._sizes)
        did = _DID.format(iso=iso, day=self._day, here=here, only=only, upsert=upsert, **self._sizes)
        return self._run(said, some) + self._run(did, some)

    def _upsert(self) -> str:
        number = self._number("excluded.day")
        return _UPSERT.format(number=number, day=self._day, **self._sizes)

    def _add_firsts(self, source: str, some: Mapping[str, object], sign: str = "<") -> None:
        self._run(_FIRSTS.format(source=source, sign=sign), some)

    def _add_energy(self, days: str, some: Mapping[str, object]) -> None:
        kept, told = self._number("member_score.energy_day"), self._number("excluded.energy_day")
        self._run(self._energy_of(days) + _ON_TOP.format(kept=kept, told=told, **self._sizes), some)

    def _energy_of(self, days: str) -> str:
        return _ENERGY.format(days=days, iso=self._words["iso"].format("newest"), **self._sizes)

    def _observe(self, here: str, some: Mapping[str, object]) -> None:
        self._run(_OBSERVED.format(source=f"SELECT day FROM member_day WHERE {here}"), some)
        heard = _HEARD.format(iso=self._words["iso"].format(self._day), here=here)
        self._run(_OBSERVED.format(source=heard), some)

    # ------------------------------------------------------------ words

    def _run(self, statement: str, values: Mapping[str, object]) -> int:
        return self._connection.execute(text(statement), values).rowcount

    def _number(self, day: str) -> str:
        return self._words["number"].format(day)

    def _among(self, values: str) -> str:
        return self._words["among"].format(values)

    def _list(self, values: Collection[object]) -> object:
        if self._connection.dialect.name == "postgresql":
            return list(values)
        return json.dumps(list(values), ensure_ascii=False)

    def _values(self) -> str:
        if self._connection.dialect.name == "postgresql":
            return "SELECT unnest(CAST(:groups AS varchar[])) AS value"
        return "SELECT value FROM json_each(:groups)"
