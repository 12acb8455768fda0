"""Faults of the installation: after the first refusal the rest is not even asked, but for one call a minute.

An address that is not trusted, an app that is disabled, a permission that is missing: ten thousand waiting messages
would all be refused, and the platform counts refusals too. Whoever cured it need not tell us.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.clock import Clock
from bot.wecom.errcode import Reach, meaning_of
from sop.errors import Blocked, SendError

PAUSE = timedelta(seconds=60)


@dataclass
class Stops:
    """What this process knows to be refused; ``affected`` names what a call shares with others, by reach."""

    clock: Clock
    _stopped: dict[str, tuple[Blocked, datetime]] = field(default_factory=dict)

    def must_be_over(self, affected: Mapping[Reach, str]) -> None:
        """Raise the refusal that still holds; the first call after a pause may try, and the others wait for it."""
        now = self.clock.now()
        for name in affected.values():
            error, until = self._stopped.get(name, (None, now))
            if error is None:
                continue
            if now < until:
                raise Blocked(error.reason, code=error.code, retry_after=(until - now).total_seconds())
            self._stopped[name] = (error, now + PAUSE)

    def note(self, affected: Mapping[Reach, str], code: int, error: SendError) -> SendError:
        """Remember what a refusal says of other calls; gives the error back."""
        self.over(affected)
        name = affected.get(meaning_of(code).reach)
        if name is not None and isinstance(error, Blocked):
            self._stopped[name] = (error, self.clock.now() + PAUSE)
            error.retry_after = max(error.retry_after, PAUSE.total_seconds())
        return error

    def over(self, affected: Mapping[Reach, str]) -> None:
        """An answer of another kind came: whatever stood in the way is gone."""
        for name in affected.values():
            self._stopped.pop(name, None)
