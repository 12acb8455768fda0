"""``qunxing check``: each mistake of a set-up, made on purpose, is found, named and told how to mend; the rest is still looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.chance import SeededChance
from bot.clock import Clock, SystemClock, TurnedClock
from bot.config import Config
from bot.doctor import examine
from bot.finding import Finding
from bot.simulator.corp import KF_ACCOUNT, aes_key
from bot.simulator.faults import Fault
from tests.world import THURSDAY, World, free_port, world_at

Plain = dict[str, Any]
TAGS = "externalcontact/get_corp_tag_list"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_at(THURSDAY, tmp_path) as opened:
        yield opened


async def checked(
    world: World, mistake: Callable[[Plain], object] = dict, clock: Clock | None = None
) -> dict[str, Finding]:
    """Every finding by its name, with the configuration as the mistake leaves it."""
    plain, server = world.sim.settings(), world.app.config.server
    plain["server"] = {"host": server.host, "port": server.port, "public_url": server.public_url}
    plain["storage"] = {"database": world.app.config.storage.database.get_secret_value()}
    mistake(plain)
    return {one.what: one async for one in examine(Config.model_validate(plain), clock=clock)}


def bad(findings: dict[str, Finding]) -> set[str]:
    return {name for name, one in findings.items() if one.good is False}


@asynccontextmanager
async def somebody_else(status: int, body: bytes) -> AsyncIterator[str]:
    """Another program at our address."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, body=body)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        yield str(server.make_url(""))


async def test_nothing_is_wrong_with_what_is_set_up_well(world: World) -> None:
    await world.befriends("小林")

    found = await checked(world)

    assert bad(found) == set()
    assert {name for name, one in found.items() if one.good is None} == {
        "对外地址",
        "可信域名",
        "群机器人 ops",
    }
    assert "已收到" in found["回调 contact"].said


SECRETS: dict[str, tuple[str, Callable[[Plain], object]]] = {
    "app": ("[wecom.app qunxing] 的 Secret", lambda plain: plain["wecom"]["app"][0].update(secret="wrong")),
    "contact": ("[wecom.contact] 的 Secret", lambda plain: plain["wecom"]["contact"].update(secret="wrong")),
    "kf": ("[wecom.kf] 的 Secret", lambda plain: plain["wecom"]["kf"].update(secret="wrong")),
    "archive": ("[wecom.archive] 的 Secret", lambda plain: plain["wecom"]["archive"].update(secret="wrong")),
}


@pytest.mark.parametrize("secret", SECRETS)
async def test_a_wrong_secret_is_named_and_the_others_are_still_tried(world: World, secret: str) -> None:
    name, mistake = SECRETS[secret]

    found = await checked(world, mistake)

    assert bad(found) == {name}
    assert found[name].code == 40001
    assert "应用管理" in found[name].remedy
    assert any("没有试" in one.said for one in found.values())
    assert all("wrong" not in one.said + one.remedy for one in found.values())


async def test_a_wrong_corp_is_named(world: World) -> None:
    found = await checked(world, lambda plain: plain["wecom"].update(corp_id="wwother"))

    assert {found[name].code for name in bad(found) if "Secret" in name} == {40013}
    assert "我的企业" in found["[wecom.contact] 的 Secret"].remedy


async def test_a_wrong_agent_id_is_named(world: World) -> None:
    found = await checked(world, lambda plain: plain["wecom"]["app"][0].update(agent_id=7))

    assert bad(found) == {"应用 qunxing 的 AgentId"}
    assert found["应用 qunxing 的 AgentId"].code == 40056


async def test_an_address_not_trusted_is_shown_as_the_platform_sees_it(world: World) -> None:
    world.sim.world.rules.allowed_ips = frozenset({"203.0.113.9"})

    found = await checked(world)

    refused = found["应用 qunxing 的 AgentId"]
    assert refused.code == 60020
    assert "企业可信IP" in refused.remedy
    assert "127.0.0.1" in refused.remedy
    assert found["客户联系：企业标签"].good is None


PERMISSIONS = [
    (48002, TAGS, "客户联系：企业标签", "可调用接口的应用"),
    (84074, "externalcontact/get_follow_user_list", "客户联系：开通的员工", "可调用接口的应用"),
    (60011, "externalcontact/list", "客户联系：读取客户", "可见范围"),
    (48006, "externalcontact/get_groupmsg_list_v2", "客户联系：企业群发", "重新申请"),
    (48002, "externalcontact/list_contact_way", "客户联系：渠道活码", "可调用接口的应用"),
    (48002, "externalcontact/groupchat/statistic", "客户联系：群统计", "可调用接口的应用"),
    (95012, "kf/account/list", "微信客服：可管理的账号", "开始使用"),
    (95017, "kf/account/list", "微信客服：可管理的账号", "通过API管理"),
    (301053, "msgaudit/*", "会话内容存档：开通的员工", "会话内容存档"),
]


@pytest.mark.parametrize(("code", "path", "name", "where"), PERMISSIONS)
async def test_a_missing_permission_is_told_with_where_to_click(
    world: World, code: int, path: str, name: str, where: str
) -> None:
    world.sim.faults.add(Fault(where="api", what="refuse", match=path, code=code, times=2))

    found = await checked(world)

    assert found[name].code == code
    assert where in found[name].remedy
    assert found["客户联系：读取客户群"].good


async def test_kf_accounts_nobody_gave_us_are_asked_for(world: World) -> None:
    world.sim.world.accounts.clear()

    found = await checked(world, lambda plain: plain["wecom"]["kf"].update(account=KF_ACCOUNT))

    assert bad(found) == {"微信客服：可管理的账号"}
    assert "勾选" in found["微信客服：可管理的账号"].remedy


async def test_an_account_that_is_not_ours_is_named_with_those_that_are(world: World) -> None:
    found = await checked(world, lambda plain: plain["wecom"]["kf"].update(account="wkOther"))

    assert KF_ACCOUNT in found["微信客服：可管理的账号"].said


async def test_a_clock_that_is_wrong_is_told_by_how_much(world: World) -> None:
    found = await checked(world, clock=TurnedClock(SystemClock().now() + timedelta(minutes=10)))

    assert bad(found) == {"本机时钟"}
    assert "快 6" in found["本机时钟"].said or "快 5" in found["本机时钟"].said


async def test_a_platform_nobody_reaches_stops_no_other_step(world: World) -> None:
    found = await checked(
        world, lambda plain: plain["wecom"].update(api_base=f"http://127.0.0.1:{free_port()}")
    )

    assert "连不上" in found["企业微信"].said
    assert "防火墙" in found["企业微信"].remedy
    assert found["数据库"].good
    assert found["回调 contact"].good


async def test_a_door_that_nobody_reaches_from_outside_tells_what_to_open(world: World) -> None:
    found = await checked(
        world, lambda plain: plain["server"].update(public_url=f"http://127.0.0.1:{free_port()}")
    )

    assert {"回调 contact", "回调 kf", "回调 app/qunxing"} == bad(found)
    assert "443" in found["回调 contact"].remedy


async def test_a_bot_that_does_not_run_is_to_be_started_first(world: World) -> None:
    found = await checked(world, lambda plain: plain["server"].update(port=free_port()))

    assert found["回调地址"].good is None
    assert "qunxing run" in found["回调地址"].remedy


async def test_keys_changed_without_a_restart_are_told(world: World) -> None:
    other = aes_key(SeededChance(3))

    found = await checked(world, lambda plain: plain["wecom"]["contact"].update(aes_key=other))

    assert bad(found) == {"回调 contact"}
    assert "重启" in found["回调 contact"].remedy


async def test_keys_that_differ_from_the_platform_s_are_told_from_what_came(world: World) -> None:
    doors = world.sim.world.doors
    doors["contact"] = replace(doors["contact"], aes_key=aes_key(SeededChance(3)))
    keys = world.app.config.wecom.contact
    await world.befriends("小林")

    found = await checked(
        world, lambda plain: plain["wecom"]["contact"].update(aes_key=keys.aes_key.get_secret_value())
    )

    assert bad(found) == {"回调 contact"}
    assert "EncodingAESKey" in found["回调 contact"].remedy


@pytest.mark.parametrize(("status", "body", "said"), [(404, b"", "HTTP 404"), (200, b"hello", "改过")])
async def test_a_stranger_at_our_address_is_told(world: World, status: int, body: bytes, said: str) -> None:
    async with somebody_else(status, body) as url:
        found = await checked(world, lambda plain: plain["server"].update(public_url=url))

    assert said in found["回调 contact"].said


async def test_what_is_missing_in_the_configuration_is_told_key_by_key(world: World) -> None:
    found = await checked(world, lambda plain: plain["wecom"]["contact"].update(token="", aes_key=""))

    assert found["[wecom.contact]"].said == "缺 token 和 aes_key"


async def test_an_archive_library_that_cannot_be_used_is_named(world: World, tmp_path: Path) -> None:
    findings = await checked(
        world, lambda plain: plain["wecom"]["archive"].update(library=str(tmp_path / "no.so"))
    )

    assert "会话内容存档" in bad(findings)
    assert "91774" in findings["会话内容存档"].said
