"""会话内容存档: what people said in groups, as its records tell, and whose words may be used."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sop.update import Kind, MessageHeard, Update

KEPT = timedelta(days=5)  # how far back the platform lets records be pulled (path 91774)
LATE = timedelta(days=4)  # reading this far behind, we are about to lose some
ASK_AGAIN = timedelta(days=1)  # after somebody had not agreed


def purpose(scope: str) -> str:
    """The name under which a member's consent to the archive is kept, for one group or one employee's chat."""
    return "archive:" + hashlib.blake2b(scope.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, kw_only=True)
class ArchiveRang(Update):
    """The archive doorbell: new records wait."""

    kind = Kind.ARCHIVE_RANG


@dataclass(frozen=True, kw_only=True)
class ArchiveDecided(Update):
    """A member agreed, or did not, to being archived in ``scope``: a group, or the chat with one employee.

    ``asked`` when the platform answered our question, and it is no news from the member.
    """

    kind = Kind.ARCHIVE_DECIDED
    member: str
    scope: str
    agreed: bool
    asked: bool = False


Pair = tuple[str, str]  # member, scope


@dataclass
class Agreements:
    """Who agreed, as known before a page of records; ``news`` is what was learnt on the way."""

    known: dict[Pair, bool]
    news: list[ArchiveDecided] = field(default_factory=list)

    def learn(self, decided: ArchiveDecided) -> None:
        self.known[decided.member, decided.scope] = decided.agreed
        self.news.append(decided)

    def filtered(self, updates: Sequence[Update]) -> list[Update]:
        """What may be used, in order: a decision counts from where it stands among the records."""
        kept: list[Update] = []
        for update in updates:
            if isinstance(update, ArchiveDecided):
                self.learn(update)
            pair = spoken_by(update)
            if pair is None or self.known.get(pair, False):
                kept.append(update)
        return kept


def spoken_by(update: Update) -> Pair | None:
    """Whose consent it takes to use an update, None when it takes nobody's."""
    if not isinstance(update, MessageHeard) or update.from_staff:
        return None
    return update.member, update.group or update.account
