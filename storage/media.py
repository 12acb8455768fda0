"""Files we keep by the hash of their bytes, and the numbers under which the platform knows them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from sop.message import Form, Media
from storage.engine import insert_into
from storage.instant import from_ms, maybe_from_ms, maybe_ms, to_ms
from storage.tables import media, media_number

LONGEST_NAME = 200


@dataclass(frozen=True)
class Handed:
    """A file's number, or its address, at one place of the platform; ``until`` nothing when it stays for good."""

    number: str
    at: datetime
    until: datetime | None


@dataclass(frozen=True)
class Kept:
    """A file we keep, as people are shown it; ``size`` in bytes."""

    form: Form
    name: str
    size: int
    at: datetime


class MediaStore:
    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def keep(self, form: Form, name: str, body: bytes) -> Media:
        """Keep a file; the same bytes are kept once, under the name they first had, and count as given now."""
        digest, shown = hashlib.sha256(body).hexdigest(), name[:LONGEST_NAME]
        row = {"digest": digest, "form": str(form), "name": shown, "body": body, "kept_at": to_ms(self._now)}
        insertion = insert_into(self._connection, media).values(row)
        self._connection.execute(
            insertion.on_conflict_do_update(index_elements=["digest"], set_={"kept_at": row["kept_at"]})
        )
        return Media(form, digest, shown)

    def get(self, digest: str) -> Media | None:
        found = self._connection.execute(
            select(media.c.form, media.c.digest, media.c.name).where(media.c.digest == digest)
        ).one_or_none()
        return None if found is None else Media(Form(found.form), found.digest, found.name)

    def named(self, names: Collection[str]) -> dict[str, Media]:
        """The files of these names; of several with one name, the one that was given last."""
        columns = select(media.c.form, media.c.digest, media.c.name).where(media.c.name.in_(names))
        rows = self._connection.execute(columns.order_by(media.c.kept_at, media.c.digest))
        return {row.name: Media(Form(row.form), row.digest, row.name) for row in rows}

    def all(self) -> list[Kept]:
        """Every file, by name."""
        columns = select(media.c.form, media.c.name, func.length(media.c.body), media.c.kept_at)
        rows = self._connection.execute(columns.order_by(media.c.name, media.c.kept_at))
        return [Kept(Form(form), name, size, from_ms(at)) for form, name, size, at in rows]

    def body(self, digest: str) -> bytes | None:
        return self._connection.scalar(select(media.c.body).where(media.c.digest == digest))

    def size(self, digest: str) -> int:
        """How many bytes; 0 for a file we do not have."""
        return self._connection.scalar(select(func.length(media.c.body)).where(media.c.digest == digest)) or 0

    def number(self, digest: str, place: str) -> Handed | None:
        row = self._connection.execute(
            select(media_number).where(media_number.c.digest == digest, media_number.c.place == place)
        ).one_or_none()
        return (
            None if row is None else Handed(row.number, from_ms(row.handed_at), maybe_from_ms(row.until_at))
        )

    def remember(self, digest: str, place: str, handed: Handed) -> None:
        values = {"number": handed.number, "handed_at": to_ms(handed.at), "until_at": maybe_ms(handed.until)}
        insertion = insert_into(self._connection, media_number).values(digest=digest, place=place, **values)
        self._connection.execute(
            insertion.on_conflict_do_update(index_elements=["digest", "place"], set_=values)
        )

    def forget(self, digest: str, place: str) -> None:
        """The platform does not know the number any more."""
        self._connection.execute(
            delete(media_number).where(media_number.c.digest == digest, media_number.c.place == place)
        )
