"""会话内容存档: what is heard in a 客户群, of whom, and what is said when something is missing."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.cipher import RsaKey
from bot.simulator.archive import StandInLibrary
from bot.simulator.archive_acts import WECHAT
from bot.simulator.faults import Fault
from bot.wecom.archive_key import ArchiveKeys
from bot.wecom.archive_library import error_of
from sop.activity import Activity
from sop.archive import purpose
from sop.timing import local_day
from storage import inbox
from storage.alarm import open_alarms
from storage.consent import ConsentStore
from storage.position import write_position
from tests.world import THURSDAY, Person, World, world_at

GROUP = "新手答疑群"


@pytest.fixture
async def lin(world: World) -> Person:
    await world.founds(GROUP)
    return await world.joins("小林", GROUP)


async def read(world: World) -> None:
    """The timetable's next look into the archive."""
    await world.turn(minutes=10)


async def deeds(world: World, person: Person, *kinds: str) -> list[Activity]:
    """What the bot knows this person did, the oldest first."""
    known = await world.ask(lambda tx: tx.activity.of_member(person.id))
    return [deed for deed in known[::-1] if deed.kind in (kinds or ("spoke",))]


async def alarms(world: World) -> list[str]:
    return [alarm.text for alarm in await world.app.db.read(open_alarms)]


def sealed(world: World, folder: Path, *versions: int) -> StandInLibrary:
    """Let the bot read through a library, with the private keys of these versions; the newest seals."""
    pairs = {version: RsaKey.made() for version in (1, 2)}
    for version in versions:
        (folder / f"archive-{version}.pem").write_bytes(pairs[version][1])
    library = StandInLibrary(world.sim.world, {version: key for version, (key, _) in pairs.items()})
    archive = world.app.gateway._archive
    archive.library, archive.keys = library, ArchiveKeys(str(folder / "archive-{version}.pem"))
    return library


# ---------------------------------------------------------------- what is heard


async def test_words_pictures_and_a_check_in_become_activity(world: World, lin: Person) -> None:
    await lin.speaks(GROUP, "签到")
    world.sim.acts.archive.send(world.groups[GROUP], lin.id, "image", {"sdkfileid": "f"})
    world.sim.acts.archive.send(world.groups[GROUP], lin.id, "docmsg", {"title": "作业"}, name="doc")

    await read(world)

    said = await deeds(world, lin)
    assert [(deed.group, deed.level) for deed in said] == [(world.groups[GROUP], "archive")] * 3
    assert len(await deeds(world, lin, "checked_in")) == 1


async def test_the_archive_s_bell_is_answered_before_the_timetable(tmp_path: Path) -> None:
    async with world_at(THURSDAY, tmp_path, archive_door=True) as world:
        await world.founds(GROUP)
        lin = await world.joins("小林", GROUP)

        await lin.speaks(GROUP, "早")

        assert world.sim.journal.of("callback", door="archive", outcome="acked")
        assert len(await deeds(world, lin)) == 1


@pytest.mark.parametrize("client", ["wecom", WECHAT])
async def test_a_quotation_is_linked_to_what_it_answers(world: World, lin: Person, client: str) -> None:
    zhou = await world.joins("老周", GROUP)
    await zhou.speaks(GROUP, "今天喝什么？")
    world.sim.acts.archive.quote(world.groups[GROUP], lin.id, ("老周", "今天喝什么？"), "拿铁", client=client)
    world.sim.acts.archive.quote(world.groups[GROUP], lin.id, ("老周", "没人说过的话"), "美式", client=client)

    await read(world)

    (asked,) = await deeds(world, zhou)
    answer, other = await deeds(world, lin)
    assert (answer.ref, answer.text_len) == (asked.key, 2)
    assert other.ref == ""


async def test_what_is_taken_back_counts_no_more(world: World, lin: Person) -> None:
    group = world.groups[GROUP]
    number = world.sim.acts.archive.send(group, lin.id, "text", {"content": "发错了"})
    await read(world)
    before = await world.ask(lambda tx: tx.activity.daily(group, *today(world)))

    world.sim.acts.archive.recall(group, lin.id, number)
    await read(world)

    assert len(before) == 1
    assert await world.ask(lambda tx: tx.activity.daily(group, *today(world))) == []
    assert len(await deeds(world, lin, "recalled")) == 1


async def test_robots_say_nothing(world: World, lin: Person) -> None:
    world.sim.acts.archive.garble(
        {"action": "send", "msgid": "r", "from": "wbRobot", "msgtype": "text", "text": {"content": "哔"}}
    )

    await read(world)

    assert await world.app.db.read(inbox.parked) == []
    assert await world.ask(lambda tx: tx.members.get("wbRobot")) is None


# ---------------------------------------------------------------- whose words


async def test_who_withdraws_is_not_heard_any_more_and_heard_again_after_agreeing(
    world: World, lin: Person
) -> None:
    world.sim.world.rules.archive_everyone = True
    for agreed, words in ((True, "一"), (False, "二"), (True, "三")):
        world.sim.acts.archive.decide(lin.id, agreed=agreed)
        await lin.speaks(GROUP, words)

    await read(world)

    assert len(await deeds(world, lin)) == 2
    assert not await written_down(world, "二")


async def test_only_the_words_of_those_who_agreed_are_used(world: World, lin: Person) -> None:
    world.sim.world.rules.archive_everyone = True
    others = [world.sim.acts.meet(f"路人{number}", archived=False).id for number in range(20)]
    world.sim.acts.join(world.groups[GROUP], *others)
    for number in range(1000):
        speaker = lin.id if number % 5 == 0 else others[number % 20]
        world.sim.acts.speak(world.groups[GROUP], speaker, f"话{number}")

    await read(world)

    said = await world.ask(lambda tx: tx.activity.of_group(world.groups[GROUP], 2000))
    speakers = [deed.member for deed in said if deed.kind == "spoke"]
    assert (len(speakers), set(speakers)) == (200, {lin.id})
    assert not await written_down(world, "话1")


async def test_a_group_that_does_not_say_who_agreed_is_not_listened_to(world: World, lin: Person) -> None:
    fault = Fault(where="api", what="refuse", match="msgaudit/check_room_agree", code=301061)
    world.sim.faults.add(fault)

    await lin.speaks(GROUP, "早")
    await read(world)

    assert await deeds(world, lin) == []
    assert any("查不到谁同意了会话存档" in text for text in await alarms(world))


async def test_an_old_no_is_asked_about_again_a_day_later(world: World, lin: Person) -> None:
    yesterday = world.clock.now() - timedelta(days=1)
    about = purpose(world.groups[GROUP])
    await world.change(
        lambda tx: ConsentStore(tx.connection, yesterday).decide(
            lin.id, False, channel="archive_asked", purpose=about
        )
    )

    await lin.speaks(GROUP, "早")
    await read(world)

    assert len(await deeds(world, lin)) == 1


async def test_a_fresh_no_is_not_asked_about_at_every_look(world: World, lin: Person) -> None:
    world.sim.world.rules.archive_everyone = True
    world.sim.world.members[lin.id].archived = False
    for _ in range(2):
        await lin.speaks(GROUP, "早")
        await read(world)

    assert await deeds(world, lin) == []
    assert len(world.sim.journal.of("call", api="msgaudit/check_room_agree")) == 1


# ---------------------------------------------------------------- sealed records


async def test_sealed_records_are_opened_and_heard(world: World, lin: Person, tmp_path: Path) -> None:
    sealed(world, tmp_path, 1, 2)

    await lin.speaks(GROUP, "签到")
    await read(world)

    assert len(await deeds(world, lin)) == 1


async def test_a_missing_key_is_told_and_made_up_for_when_it_comes(
    world: World, lin: Person, tmp_path: Path
) -> None:
    library = sealed(world, tmp_path, 1)
    await lin.speaks(GROUP, "早")
    await read(world)
    deaf, told = await deeds(world, lin), await alarms(world)
    pem = RsaKey.made()
    library.versions[2] = pem[0]
    (tmp_path / "archive-2.pem").write_bytes(pem[1])

    await read(world)

    assert (deaf, len(await deeds(world, lin))) == ([], 1)
    assert any("第 2 版私钥" in text for text in told)
    assert await world.app.db.read(inbox.parked) == []


async def test_the_library_s_trouble_passes_and_nothing_is_lost(
    world: World, lin: Person, tmp_path: Path
) -> None:
    library = sealed(world, tmp_path, 1, 2)
    library.fails = [error_of(10001), error_of(10003)]
    await lin.speaks(GROUP, "早")

    await read(world)
    await read(world)

    assert len(await deeds(world, lin)) == 1


async def test_an_address_that_is_not_trusted_is_told_to_operators(
    world: World, lin: Person, tmp_path: Path
) -> None:
    library = sealed(world, tmp_path, 1, 2)
    library.fails = [error_of(10009)]

    await read(world)

    assert any("可信 IP" in text for text in await alarms(world))


# ---------------------------------------------------------------- paging, trouble, lateness


async def test_many_records_are_read_in_pages_and_none_twice(world: World, lin: Person) -> None:
    world.sim.world.rules.archive_page = 2
    for number in range(5):
        world.sim.acts.speak(world.groups[GROUP], lin.id, f"第{number}句")

    await read(world)
    await world.change(lambda tx: write_position(tx.connection, "archive", "0"))
    await read(world)

    assert len(await deeds(world, lin)) == 5
    assert len(world.sim.journal.of("call", api="archive/feed")) >= 6


async def test_a_garbled_record_is_parked_and_the_next_ones_go_on(world: World, lin: Person) -> None:
    world.sim.acts.archive.garble({"action": "send", "msgid": "odd", "from": lin.id, "msgtype": "text"})
    await lin.speaks(GROUP, "早")

    await read(world)

    (parked,) = await world.app.db.read(inbox.parked)
    assert len(await deeds(world, lin)) == 1
    assert (parked.door, b"odd" in parked.body) == ("archive/record", True)


async def test_who_has_not_read_for_five_days_says_that_some_is_gone(world: World, lin: Person) -> None:
    await read(world)
    long_ago = (world.clock.now() - timedelta(days=6)).isoformat()
    await world.change(lambda tx: write_position(tx.connection, "heard:archive", long_ago))

    await read(world)

    assert any("6 天没有读到" in text for text in await alarms(world))


async def test_reading_that_falls_behind_is_told_before_anything_is_lost(world: World, lin: Person) -> None:
    world.sim.world.rules.archive_page = 1
    four_days_ago = int((world.clock.now() - timedelta(days=4, hours=1)).timestamp() * 1000)
    for number in range(2):
        old: dict[str, Any] = {
            "msgid": f"old{number}",
            "from": "linmo",
            "tolist": [],
            "roomid": world.groups[GROUP],
        }
        old |= {"action": "send", "msgtime": four_days_ago, "msgtype": "text", "text": {"content": "早"}}
        world.sim.acts.archive.garble(old)

    await read(world)

    assert any("还没追上" in text for text in await alarms(world))


def today(world: World) -> tuple[date, date]:
    day = local_day(world.clock.now(), "Asia/Shanghai")
    return day, day


async def written_down(world: World, words: str) -> bool:
    """Do these words stand anywhere in the inbox?"""
    bodies = await world.ask(
        lambda tx: tx.connection.exec_driver_sql("select body from inbox").scalars().all()
    )
    return any(f'"{words}"'.encode() in bytes(body) for body in bodies)
