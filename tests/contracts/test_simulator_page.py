"""The chat page: be anybody, say and tap, open what one was shown, turn the clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from bot.simulator.world import app_talk, friend_talk, group_talk, kf_talk
from tests.contracts.simulated import STAFF, Stage, on_stage

URL = "https://qx.example.org/l/abc"


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with on_stage() as one:
        yield one


async def does(stage: Stage, who: str, deed: str, **about: Any) -> int:
    return await posts(stage, "do", {"who": who, "deed": deed, **about})


async def posts(stage: Stage, path: str, body: dict[str, Any]) -> int:
    async with stage.session.post(f"{stage.sim.api_base}/sim/api/{path}", json=body) as reply:
        return reply.status


async def view(stage: Stage, who: str, talk: str = "") -> dict[str, Any]:
    query = {"who": who, "talk": talk}
    async with stage.session.get(f"{stage.sim.api_base}/sim/api/view", params=query) as reply:
        shown: dict[str, Any] = await reply.json()
        return shown


async def test_the_shell_runs_no_script_of_its_own_page(stage: Stage) -> None:
    async with stage.session.get(stage.sim.chat_url) as reply:
        text, policy = await reply.text(), reply.headers["Content-Security-Policy"]

    assert "default-src 'self'" in policy
    assert "<script>" not in text
    assert " style=" not in text
    assert "http://" not in text
    assert "https://" not in text


@pytest.mark.parametrize("name", ["chat.css", "phone.css", "dom.js", "bubbles.js", "chat.js", "star.svg"])
async def test_every_file_of_the_page_is_there(stage: Stage, name: str) -> None:
    async with stage.session.get(f"{stage.sim.api_base}/sim/static/{name}") as reply:
        assert reply.status == 200


async def test_a_word_goes_where_it_is_said(stage: Stage) -> None:
    member, _ = stage.friend()
    group = stage.acts.create_group(STAFF, "新手答疑群")
    account = next(iter(stage.sim.world.accounts))
    await does(stage, member, "join", group=group)
    for who, talk in (
        (member, group_talk(group)),
        (member, kf_talk(account, member)),
        (member, friend_talk(STAFF, member)),
        (STAFF, app_talk("qunxing", STAFF)),
    ):
        assert await does(stage, who, "say", talk=talk, text="你好") == 200
    await stage.sim.quiet()

    shown = await view(stage, member, group_talk(group))
    assert shown["talk"]["lines"][0] | {"n": 0} == shown["talk"]["lines"][0] | {
        "n": 0,
        "text": "你好",
        "mine": True,
    }
    assert {one.field("Event") or one.field("MsgType") for one in stage.receiver.heard} >= {
        "kf_msg_or_event",
        "text",
    }


async def test_nobody_speaks_in_a_talk_that_is_not_on_their_phone(stage: Stage) -> None:
    outsider = stage.acts.meet("路人").id
    group = stage.acts.create_group(STAFF, "新手答疑群")

    assert await does(stage, outsider, "say", talk=group_talk(group), text="你好") == 400
    assert (await view(stage, outsider, group_talk(group)))["talk"] == {}


async def test_a_waiting_send_is_confirmed_with_a_tap(stage: Stage) -> None:
    member, _ = stage.friend()
    body = {"sender": STAFF, "external_userid": [member], "text": {"content": "早"}}
    msgid = (await stage.call("externalcontact/add_msg_template", body))["msgid"]
    await stage.clock.turn(timedelta(seconds=4))
    waiting = (await view(stage, STAFF, app_talk("qunxing", STAFF)))["talk"]["waiting"]
    await does(stage, STAFF, "confirm", task=msgid)

    assert [one["id"] for one in waiting] == [msgid]
    assert (await view(stage, member, friend_talk(STAFF, member)))["talk"]["lines"][-1]["text"] == "早"


async def test_a_link_opens_only_for_those_who_were_shown_it(stage: Stage) -> None:
    member, code = stage.friend()
    link = {"msgtype": "link", "link": {"title": "看看", "url": URL}}
    await stage.code("externalcontact/send_welcome_msg", {"welcome_code": code, "attachments": [link]})
    stranger = stage.acts.meet("路人").id
    opened = []
    for who in (member, stranger):
        query = {"as": who, "url": URL}
        url = f"{stage.sim.api_base}/sim/open"
        async with stage.session.get(url, params=query, allow_redirects=False) as reply:
            opened.append((reply.status, reply.headers.get("Location", "")))

    assert opened == [(302, URL), (404, "")]


async def test_opening_a_link_forgets_whose_visit_it_was_before(stage: Stage) -> None:
    member, code = stage.friend()
    stage.sim.visitor_cookies = ("visit",)
    link = {"msgtype": "link", "link": {"title": "看看", "url": URL}}
    await stage.code("externalcontact/send_welcome_msg", {"welcome_code": code, "attachments": [link]})
    url, query = f"{stage.sim.api_base}/sim/open", {"as": member, "url": URL}
    async with stage.session.get(url, params=query, allow_redirects=False) as reply:
        cookies = reply.headers.getall("Set-Cookie")

    assert any(cookie.startswith(f"sim_as={member}") for cookie in cookies)
    assert sum(cookie.startswith("visit=;") and "Max-Age=0" in cookie for cookie in cookies) == 3


async def test_a_new_person_arrives_by_scanning_a_code(stage: Stage) -> None:
    assert await posts(stage, "arrive", {"name": "新来的"}) == 200
    await stage.sim.quiet()

    assert [one.field("ChangeType") for one in stage.receiver.heard] == ["add_external_contact"]
    assert "新来的" in [one["name"] for one in (await view(stage, STAFF))["people"]]


async def test_the_clock_turns_to_saturday_evening(stage: Stage) -> None:
    assert await posts(stage, "turn", {"to": "saturday"}) == 200

    assert (await view(stage, STAFF))["now"] == "2026-03-07T19:30:00+08:00"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("turn", {"seconds": -1}),
        ("turn", {"seconds": "many"}),
        ("pace", {"speed": -1}),
        ("do", {"who": "nobody", "deed": "say"}),
        ("do", {"who": STAFF, "deed": "fly"}),
        ("do", {"who": STAFF, "deed": "confirm", "task": "none"}),
        ("arrive", {"staff": "nobody"}),
    ],
)
async def test_what_makes_no_sense_is_refused(stage: Stage, path: str, body: dict[str, Any]) -> None:
    assert await posts(stage, path, body) == 400


async def test_another_site_s_form_cannot_act_here(stage: Stage) -> None:
    url = f"{stage.sim.api_base}/sim/api/do"
    async with stage.session.post(url, data={"who": STAFF, "deed": "open_app"}) as reply:
        assert reply.status == 415
