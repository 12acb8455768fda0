"""The gateway and the simulator about 微信客服 sessions and the archive: each holds the other to the platform's word."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.cipher import RsaKey
from bot.simulator.archive import StandInLibrary
from bot.simulator.corp import KF_ACCOUNT
from bot.wecom.archive_key import ArchiveKeys
from bot.wecom.gateway import WeComGateway
from sop.errors import Refused
from sop.kf import Care, KfSessionChanged, KfStaffSpoke
from sop.update import MessageHeard, MessageRecalled
from tests.world import THURSDAY, Person, World, world_at

GROUP = "新手答疑群"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_at(THURSDAY, tmp_path) as one:
        yield one


@pytest.fixture
def gateway(world: World) -> WeComGateway:
    return world.app.gateway


@pytest.fixture
async def lin(world: World) -> Person:
    await world.founds(GROUP)
    return await world.joins("小林", GROUP)


async def test_accounts_and_those_who_write_are_known(
    gateway: WeComGateway, world: World, lin: Person
) -> None:
    await lin.says("你好")
    world.sim.acts.kf.open_account("wk2", "第二个")

    (told,) = await gateway.kf_members([lin.id, "wmNobody"])
    assert await gateway.kf_accounts() == (KF_ACCOUNT, "wk2")
    assert (told.name, told.unionid) == ("小林", world.sim.world.members[lin.id].unionid)


async def test_a_session_is_moved_and_found_where_it_was_moved(
    gateway: WeComGateway, world: World, lin: Person
) -> None:
    await lin.says("你好")
    world.sim.acts.kf.serve("suhe", KF_ACCOUNT)
    queued = await gateway.move_kf(KF_ACCOUNT, lin.id, Care.QUEUED)
    await gateway.move_kf(KF_ACCOUNT, lin.id, Care.PERSON, staff="suhe")
    told = await gateway.kf_session(KF_ACCOUNT, lin.id)

    assert queued.code
    assert (told.care, told.staff) == (Care.PERSON, "suhe")
    with pytest.raises(Refused):
        await gateway.move_kf(KF_ACCOUNT, lin.id, Care.QUEUED)


async def test_what_colleagues_do_in_the_client_is_heard(
    gateway: WeComGateway, world: World, lin: Person
) -> None:
    number = world.sim.acts.kf.send(lin.id, KF_ACCOUNT, "image", {"media_id": "M"})
    world.sim.acts.kf.recall(lin.id, KF_ACCOUNT, number)
    world.sim.acts.kf.write("suhe", lin.id, KF_ACCOUNT, "在")
    world.sim.acts.kf.end("suhe", lin.id, KF_ACCOUNT)

    heard = (await gateway.hear_kf(KF_ACCOUNT, cursor="", token="")).updates
    assert [type(one) for one in heard] == [MessageHeard, MessageRecalled, KfStaffSpoke, KfSessionChanged]
    assert isinstance(heard[1], MessageRecalled)
    assert heard[1].message == heard[0].id


async def test_who_agreed_is_told_for_groups_and_for_chats(
    gateway: WeComGateway, world: World, lin: Person
) -> None:
    zhou = await world.joins("老周", GROUP)
    world.sim.world.members[zhou.id].archived = False

    in_group = await gateway.agreed_in_group(world.groups[GROUP])
    alone = await gateway.agreed_alone({(lin.id, "linmo"), (zhou.id, "linmo")})

    assert {one.member: one.agreed for one in in_group} == {lin.id: True, zhou.id: False}
    assert {(one.member, one.scope): one.agreed for one in alone} == {
        (lin.id, "linmo"): True, (zhou.id, "linmo"): False,
    }  # fmt: skip


async def test_sealed_records_tell_the_same_as_the_feed(
    gateway: WeComGateway, world: World, lin: Person, tmp_path: Path
) -> None:
    world.sim.acts.speak(world.groups[GROUP], lin.id, "签到")
    world.sim.acts.archive.decide(lin.id, agreed=False)
    plain = await gateway.hear_archive(0)
    key, pem = RsaKey.made()
    (tmp_path / "key.pem").write_bytes(pem)
    archive = gateway._archive
    archive.library = StandInLibrary(world.sim.world, {1: key})
    archive.keys = ArchiveKeys(str(tmp_path / "key.pem"))

    opened = await gateway.hear_archive(0)

    assert (opened.updates, opened.seq, opened.unread) == (plain.updates, plain.seq, ())
    assert len(plain.updates) == 3
