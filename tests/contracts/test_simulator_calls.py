"""The simulated platform's API: tokens, refusals, limits on the turned clock, and answers that get lost."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from bot.simulator.corp import as_toml
from bot.simulator.faults import Fault
from tests.contracts.simulated import STAFF, Stage, on_stage

TEXT: dict[str, Any] = {"touser": STAFF, "msgtype": "text", "agentid": 1000002, "text": {"content": "你好"}}
APP = "app/qunxing"


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with on_stage() as one:
        yield one


async def test_a_token_stays_the_same_while_it_is_fresh(stage: Stage) -> None:
    secret = stage.sim.world.holders["contact"].secret
    first = await stage.get("gettoken", corpid=stage.sim.world.corp_id, corpsecret=secret)
    await stage.clock.turn(timedelta(minutes=10))
    second = await stage.get("gettoken", corpid=stage.sim.world.corp_id, corpsecret=secret)

    assert (first["expires_in"], second["expires_in"]) == (7200, 6600)
    assert first["access_token"] == second["access_token"]


async def test_a_token_ends_after_two_hours(stage: Stage) -> None:
    await stage.token("contact")
    await stage.clock.turn(timedelta(seconds=7200))

    assert await stage.code("externalcontact/get_follow_user_list") == 42001


@pytest.mark.parametrize("code", [42001, 40014, 40001])
async def test_a_token_can_be_ended_before_its_time(stage: Stage, code: int) -> None:
    await stage.token("contact")
    stage.sim.credentials.revoke("contact", code=code)

    assert await stage.code("externalcontact/get_follow_user_list") == code


async def test_a_token_of_one_door_does_not_open_another(stage: Stage) -> None:
    assert await stage.code("message/send", TEXT, by="contact") == 48002


@pytest.mark.parametrize(("query", "code"), [({}, 41001), ({"access_token": "made-up"}, 40014)])
async def test_a_call_without_a_known_token_is_refused(
    stage: Stage, query: dict[str, str], code: int
) -> None:
    answer = await stage.get("externalcontact/get_follow_user_list", **query)

    assert answer["errcode"] == code


async def test_many_wrong_secrets_ban_the_address_for_an_hour(stage: Stage) -> None:
    corp = stage.sim.world.corp_id
    codes = [(await stage.get("gettoken", corpid=corp, corpsecret="wrong"))["errcode"] for _ in range(11)]
    await stage.clock.turn(timedelta(minutes=61))
    good = await stage.get("gettoken", corpid=corp, corpsecret=stage.sim.world.holders["contact"].secret)

    assert codes == [40001] * 10 + [45009]
    assert good["errcode"] == 0


async def test_an_address_that_is_not_trusted_is_refused(stage: Stage) -> None:
    stage.sim.world.rules.allowed_ips = frozenset({"203.0.113.9"})

    assert await stage.code("externalcontact/get_follow_user_list") == 60020


async def test_every_refusal_carries_a_hint_to_quote(stage: Stage) -> None:
    answer = await stage.call("externalcontact/get", external_userid="wmNobody")

    assert answer["errcode"] == 40096
    assert "hint: [" in answer["errmsg"]


async def test_json_with_escaped_characters_is_refused(stage: Stage) -> None:
    url = f"{stage.sim.api_base}/cgi-bin/message/send"
    body = b'{"touser":"linmo","msgtype":"text","agentid":1000002,"text":{"content":"\\u4f60"}}'
    async with stage.session.post(url, params={"access_token": await stage.token(APP)}, data=body) as reply:
        answer = await reply.json()

    assert answer["errcode"] == 40033


async def test_asking_by_the_wrong_method_is_refused(stage: Stage) -> None:
    assert await stage.code("externalcontact/mark_tag") == 40058


async def test_a_minute_s_allowance_overrun_blocks_for_a_minute(stage: Stage) -> None:
    stage.sim.limits.allowance.call_minute = 3
    codes = [await stage.code("externalcontact/get_follow_user_list") for _ in range(4)]
    await stage.clock.turn(timedelta(seconds=59))
    still = await stage.code("externalcontact/get_follow_user_list")
    await stage.clock.turn(timedelta(seconds=2))

    assert codes == [0, 0, 0, 45009]
    assert still == 45009
    assert await stage.code("externalcontact/get_follow_user_list") == 0


async def test_the_thirty_first_push_in_a_minute_is_dropped_without_a_word(stage: Stage) -> None:
    codes = {await stage.code("message/send", TEXT, by=APP) for _ in range(31)}

    assert codes == {0}
    assert len(stage.sim.journal.of("delivery", channel="app")) == 30


async def test_the_twenty_first_post_in_a_minute_is_refused(stage: Stage) -> None:
    key = next(iter(stage.sim.world.webhooks))
    post = {"msgtype": "text", "text": {"content": "周报"}}
    codes = [(await stage.call("webhook/send", post, key=key))["errcode"] for _ in range(21)]

    assert codes == [0] * 20 + [45009]


async def test_a_post_with_an_unknown_key_is_refused(stage: Stage) -> None:
    assert (
        await stage.code("webhook/send", {"msgtype": "text", "text": {"content": "周报"}}, key="no") == 93000
    )


async def test_an_answer_can_be_lost_after_the_deed(stage: Stage) -> None:
    stage.sim.faults.add(Fault(where="api", what="lose", match="message/send"))
    await stage.token(APP)

    with pytest.raises(aiohttp.ClientError):
        await stage.call("message/send", TEXT, by=APP)
    assert len(stage.sim.journal.of("delivery", channel="app")) == 1


async def test_a_connection_can_be_cut_before_the_deed(stage: Stage) -> None:
    await stage.token(APP)
    stage.sim.faults.add(Fault(where="api", what="cut"))

    with pytest.raises(aiohttp.ClientError):
        await stage.call("message/send", TEXT, by=APP)
    assert not stage.sim.journal.of("delivery")


async def test_the_next_calls_can_be_refused_with_any_number(stage: Stage) -> None:
    stage.sim.faults.add(Fault(where="api", what="refuse", match="message/*", code=-1, times=2))

    assert [await stage.code("message/send", TEXT, by=APP) for _ in range(3)] == [-1, -1, 0]


async def test_trouble_can_be_ordered_over_http(stage: Stage) -> None:
    url = f"{stage.sim.api_base}/sim/faults"
    async with stage.session.post(url, json={"where": "api", "what": "error", "match": "kf/*"}) as reply:
        ordered = await reply.json()
    async with stage.session.post(url, json={"where": "api", "what": "sing"}) as reply:
        refused = reply.status

    assert ordered[0]["match"] == "kf/*"
    assert refused == 400
    assert len(stage.sim.faults.plain()) == 1


async def test_the_journal_can_be_read_from_any_point_and_holds_no_secret(stage: Stage) -> None:
    await stage.code("message/send", TEXT, by=APP)
    async with stage.session.get(f"{stage.sim.api_base}/sim/journal", params={"since": "3"}) as reply:
        told, text = (await reply.json())["entries"], await reply.text()

    assert [entry["n"] for entry in told] == list(range(4, len(stage.sim.journal) + 1))
    assert stage.tokens[APP] not in text
    assert stage.sim.world.holders[APP].secret not in text


async def test_the_settings_it_prints_are_the_settings_it_has(stage: Stage) -> None:
    assert tomllib.loads(as_toml(stage.sim.settings())) == stage.sim.settings()
