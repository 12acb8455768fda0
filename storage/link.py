"""Tracked links: a token nobody can guess, and the one target it leads to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from storage.engine import insert_into
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
        wanted = {"owner_": owner, "target_": target}
        row = self._connection.execute(_KNOWN, wanted).one_or_none()
        if row is None:
            self._connection.execute(
                insert_into(self._connection, link)
                .values(
                    token=token(),
                    target=target,
                    title=title,
                    template=template,
                    step=step,
                    owner=owner,
                    created_at=to_ms(self._now),
                )
                .on_conflict_do_nothing(index_elements=["owner", "target"])
            )
            row = self._connection.execute(_KNOWN, wanted).one()
        return _tracked(row)

    def get(self, token: str) -> Tracked | None:
        row = self._connection.execute(select(link).where(link.c.token == token)).one_or_none()
        return None if row is None else _tracked(row)


def _tracked(row: Any) -> Tracked:
    return Tracked(row.token, row.target, row.title, row.template, row.step, row.owner)
