"""The journal: everything the simulated platform did and saw, as plain entries an independent reader can trust."""

from __future__ import annotations

from collections import Counter
from typing import Any

from bot.clock import Clock

Entry = dict[str, Any]


class Journal:
    """Append-only. Every entry has ``n`` (from 1), ``at`` (ISO-8601) and ``what``: act, callback, call or delivery."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: list[Entry] = []
        self.counts: Counter[str] = Counter()

    def note(self, what: str, **facts: Any) -> Entry:
        entry: Entry = {
            "n": len(self._entries) + 1,
            "at": self._clock.now().isoformat(),
            "what": what,
            **facts,
        }
        self._entries.append(entry)
        self.counts[what] += 1
        return entry

    def since(self, number: int = 0, *, limit: int | None = None) -> list[Entry]:
        """Entries after ``number``, oldest first."""
        stop = None if limit is None else number + limit
        return self._entries[number:stop]

    def of(self, what: str, **facts: Any) -> list[Entry]:
        """Entries of one sort whose named facts are equal."""
        return [
            entry
            for entry in self._entries
            if entry["what"] == what and all(entry.get(key) == value for key, value in facts.items())
        ]

    def __len__(self) -> int:
        return len(self._entries)
