"""Reading streams: how far we have read and what we read are one; trouble in the middle loses nothing and repeats nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from bot.bell import Bell
from bot.clock import TurnedClock
from bot.errands import Errands
from bot.gateway import ArchivePage, KfPage, Unread
from sop.archive import ArchiveDecided
from sop.errors import Busy, Refused
from sop.update import MessageHeard
from storage import inbox
from storage.alarm import open_alarms
from storage.engine import Database
from storage.errand import Errand, ErrandStore
from storage.position import read_position
from tests.contracts.post import Post
from tests.contracts.world import NOW


@dataclass
class Streams(Post):
    """A platform that hands out these pages, or this trouble, one after another."""

    pages: list[Any] = field(default_factory=list)
    read_from: list[Any] = field(default_factory=list)

    def _next(self, since: Any) -> Any:
        self.read_from.append(since)
        page = self.pages.pop(0)
        if isinstance(page, Exception):
            raise page
        return page

    async def hear_kf(self, account: str, *, cursor: str, token: str) -> KfPage:
        page: KfPage = self._next((cursor, token))
        return page

    async def hear_archive(self, seq: int) -> ArchivePage:
        page: ArchivePage = self._next(seq)
        return page

    def opens_archive(self, version: int) -> bool:
        return False

    async def agreed_in_group(self, group: str) -> tuple[ArchiveDecided, ...]:
        return (ArchiveDecided(at=NOW, member="wmLin", scope=group, agreed=True, asked=True),)


def kf(number: int, *, more: bool = False, **extra: Any) -> KfPage:
    said = MessageHeard(at=NOW, id=f"kf:{number}", member="wmLin", text=f"{number}", via="kf", account="wk1")
    return KfPage((said,), f"CUR-{number}", more, **extra)


def words(number: int, *, more: bool = False) -> ArchivePage:
    said = MessageHeard(at=NOW, id=f"archive:{number}", member="wmLin", text="早", via="archive", group="g")
    return ArchivePage((said,), number, more)


async def read(db: Database, streams: Streams, clock: TurnedClock, what: str, **data: Any) -> None:
    """Run one errand as the role does."""
    whom = "wk1" if what == "kf" else "all"
    await db.write(lambda c: ErrandStore(c).add(Errand(what=what, whom=whom, data=data, at=clock.now())))
    nobody = Bell(clock, here=False)  # a bell somebody is to hear holds the clock
    await Errands(db, streams, clock, nobody, nobody).run_once()  # type: ignore[arg-type]


async def kept(db: Database, name: str) -> tuple[str, dict[str, int]]:
    return await db.read(lambda c: (read_position(c, name), inbox.counts(c)))


async def test_what_was_read_before_trouble_is_kept_with_its_place(db: Database, clock: TurnedClock) -> None:
    streams = Streams(pages=[kf(1, more=True), Busy("later"), kf(2)])
    await read(db, streams, clock, "kf")
    before = await kept(db, "kf:wk1")
    await clock.turn(timedelta(minutes=1))
    await read(db, streams, clock, "kf")

    after = await kept(db, "kf:wk1")
    assert (before[0], before[1]["waiting"]) == ("CUR-1", 1)
    assert (after[0], after[1]["waiting"]) == ("CUR-2", 2)
    assert [since for since, _ in streams.read_from] == ["", "CUR-1", "CUR-1"]


async def test_a_page_read_twice_is_there_once_even_if_we_understand_more_of_it_now(
    db: Database, clock: TurnedClock
) -> None:
    more = MessageHeard(at=NOW, id="kf:1", member="wmLin", text="1", via="kf", account="wk1", menu="run:A")
    streams = Streams(pages=[kf(1), KfPage((more,), "CUR-1", False)])
    for _ in range(2):
        await read(db, streams, clock, "kf")
        await clock.turn(timedelta(seconds=5))

    assert (await kept(db, "kf:wk1"))[1]["waiting"] == 1


async def test_what_cannot_be_read_is_parked_in_the_same_step(db: Database, clock: TurnedClock) -> None:
    streams = Streams(pages=[kf(1, unread=(Unread("kf/item", b"{}", "no number"),))])

    await read(db, streams, clock, "kf")

    (row,) = await db.read(inbox.parked)
    assert (row.door, row.body, row.error) == ("kf/item", b"{}", "no number")
    assert (await kept(db, "kf:wk1"))[1] == {"waiting": 1, "done": 0, "parked": 1}


@pytest.mark.parametrize(("minutes", "token"), [(9, "T"), (11, "")])
async def test_the_bell_s_token_is_shown_for_ten_minutes(
    db: Database, clock: TurnedClock, minutes: int, token: str
) -> None:
    streams = Streams(pages=[kf(1)])
    until = (NOW + timedelta(minutes=10)).isoformat()
    await clock.turn(timedelta(minutes=minutes))

    await read(db, streams, clock, "kf", token="T", until=until)

    assert streams.read_from == [("", token)]


async def test_the_archive_goes_on_where_it_was_and_asks_once_who_agreed(
    db: Database, clock: TurnedClock
) -> None:
    streams = Streams(pages=[words(7, more=True), words(8)])

    await read(db, streams, clock, "archive")

    place, counts = await kept(db, "archive")
    assert (streams.read_from, place, counts["waiting"]) == ([0, 7], "8", 2)


async def test_a_feed_that_stands_still_is_left_for_later(db: Database, clock: TurnedClock) -> None:
    streams = Streams(pages=[ArchivePage((), 0, True)])

    await read(db, streams, clock, "archive")

    ((_, reason),) = await db.read(lambda c: ErrandStore(c).troubled())
    assert "没有往前走" in reason


async def test_a_refused_pull_is_told_to_operators(db: Database, clock: TurnedClock) -> None:
    await read(db, Streams(pages=[Refused("数据已过期", code=10010)]), clock, "archive")

    assert [alarm.text for alarm in await db.read(open_alarms)] == ["数据已过期"]
