"""Tracked links: a token nobody can guess, and the one target it leads to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from storage.engine import insert_new
from storage.instant import to_ms
from storage.tables import link


@dataclass(frozen=True)
class Tracked:
    """A stored link. ``owner`` names what it was made for, so that the same thing gets the same token."""

    token: str
    target: str
    title: str = ""
    template: str = ""
    step: str = ""
    owner: str = ""


# built once: a planning tick asks it for every sender
_KNOWN = select(link).where(link.c.owner == bindparam("owner_"), link.c.target == bindparam("target_"))


class LinkStore:
    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def find(self, owner: str, target: str) -> Tracked | None:
        """The tracked link already made for ``owner`` to ``target``."""
        row = self._connection.execute(_KNOWN, {"owner_": owner, "target_": target}).one_or_none()
        return None if row is None else _tracked(row)

    def keep(self, links: Sequence[Tracked]) -> bool:
        """Keep new links; False when somebody made one for the same owner and target first."""
        if not links:
            return True
        insert_new(self._connection, link, [_row(one, self._now) for one in links], "owner", "target")
        tokens = [one.token for one in links]
        found = self._connection.scalars(select(link.c.token).where(link.c.token.in_(tokens)))
        return len(found.all()) == len(tokens)

    def make(
        self,
        target: str,
        token: Callable[[], str],
        *,
        owner: str,
        title: str = "",
        template: str = "",
        step: str = "",
    ) -> Tracked:
        """The tracked link of ``owner`` to ``target``, made once."""
        found = self.find(owner, target)
        if found is None:
            made = Tracked(token(), target, title, template, step, owner)
            found = made if self.keep([made]) else self.find(owner, target)
        assert found is not None  # whoever was first has committed, or waits behind us
        return found

    def get(self, token: str) -> Tracked | None:
        row = self._connection.execute(select(link).where(link.c.token == token)).one_or_none()
        return None if row is None else _tracked(row)


def _row(made: Tracked, now: datetime) -> dict[str, Any]:
    return {
        "token": made.token,
        "target": made.target,
        "title": made.title,
        "template": made.template,
        "step": made.step,
        "owner": made.owner,
        "created_at": to_ms(now),
    }


def _tracked(row: Any) -> Tracked:
    return Tracked(row.token, row.target, row.title, row.template, row.step, row.owner)
