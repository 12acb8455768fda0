"""会话内容存档: what people said in groups, as its records tell, and whose words may be used."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from sop.update import Kind, Update

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
