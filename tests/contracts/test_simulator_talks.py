"""微信客服, the archive and the login page of the simulated platform."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web

from tests.contracts.simulated import STAFF, Stage, on_stage


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with on_stage() as one:
        yield one


def account(stage: Stage) -> str:
    return next(iter(stage.sim.world.accounts))


async def pulled(stage: Stage, cursor: str = "", **more: Any) -> dict[str, Any]:
    body = {"open_kfid": account(stage), "cursor": cursor, **more}
    return await stage.call("kf/sync_msg", body, by="kf")


def says(stage: Stage, member: str, text: str) -> dict[str, Any]:
    return {"touser": member, "open_kfid": account(stage), "msgtype": "text", "text": {"content": text}}


async def test_the_doorbell_says_only_that_something_waits(stage: Stage) -> None:
    stage.acts.speak_kf(stage.acts.meet("甲").id, account(stage), "领券")
    await stage.sim.quiet()
    rung = stage.receiver.heard[0]
    page = await pulled(stage, token=rung.field("Token"))

    assert (rung.door, rung.field("OpenKfId")) == ("kf", account(stage))
    assert "领券" not in rung.plain
    assert "FromUserName" not in rung.plain
    assert [item["text"]["content"] for item in page["msg_list"]] == ["领券"]


async def test_a_doorbell_s_token_is_good_for_ten_minutes(stage: Stage) -> None:
    stage.acts.speak_kf(stage.acts.meet("甲").id, account(stage), "领券")
    await stage.sim.quiet()
    await stage.clock.turn(timedelta(minutes=10))

    assert (await pulled(stage, token=stage.receiver.heard[0].field("Token")))["errcode"] == 95007


async def test_pages_go_on_from_their_cursor_and_may_be_empty(stage: Stage) -> None:
    member = stage.acts.meet("甲").id
    for number in range(3):
        stage.acts.speak_kf(member, account(stage), str(number))
    stage.sim.world.kf_empty_pages = 1
    pages = [await pulled(stage, limit=2)]
    while pages[-1]["has_more"]:
        pages.append(await pulled(stage, pages[-1]["next_cursor"], limit=2))

    assert [[item["text"]["content"] for item in page["msg_list"]] for page in pages] == [
        [],
        ["0", "1"],
        ["2"],
    ]


async def test_an_account_must_be_named_and_known(stage: Stage) -> None:
    assert await stage.code("kf/sync_msg", {}, by="kf") == 95000
    assert await stage.code("kf/sync_msg", {"open_kfid": "wkNone"}, by="kf") == 95004


async def test_five_answers_then_silence_until_they_write_again(stage: Stage) -> None:
    member = stage.acts.meet("甲").id
    stage.acts.speak_kf(member, account(stage), "你好")
    codes = [await stage.code("kf/send_msg", says(stage, member, str(n)), by="kf") for n in range(6)]
    stage.acts.speak_kf(member, account(stage), "还在吗")

    assert codes == [0] * 5 + [95001]
    assert await stage.code("kf/send_msg", says(stage, member, "在"), by="kf") == 0


async def test_after_two_days_there_is_no_answering(stage: Stage) -> None:
    member = stage.acts.meet("甲").id
    never_wrote = await stage.code("kf/send_msg", says(stage, member, "你好"), by="kf")
    stage.acts.speak_kf(member, account(stage), "你好")
    await stage.later(hours=48)

    assert never_wrote == 95002
    assert await stage.code("kf/send_msg", says(stage, member, "在"), by="kf") == 95002


async def test_an_accepted_message_may_still_fail(stage: Stage) -> None:
    member = stage.acts.meet("甲").id
    stage.acts.speak_kf(member, account(stage), "你好")
    stage.sim.world.kf_failures = [10]
    sent = await stage.call("kf/send_msg", {**says(stage, member, "在"), "msgid": "qx-1"}, by="kf")
    await stage.sim.quiet()
    event = (await pulled(stage))["msg_list"][-1]["event"]

    assert sent["errcode"] == 0
    assert (event["event_type"], event["fail_msgid"], event["fail_type"]) == ("msg_send_fail", "qx-1", 10)
    assert not stage.sim.journal.of("delivery", channel="kf")
    assert len(stage.receiver.heard) == 2


async def test_entering_brings_a_welcome_code_once(stage: Stage) -> None:
    member = stage.acts.meet("甲").id
    stage.acts.enter_kf(member, account(stage))
    code = (await pulled(stage))["msg_list"][0]["event"]["welcome_code"]
    answer = {"code": code, "msgtype": "text", "text": {"content": "欢迎"}}
    codes = [await stage.code("kf/send_msg_on_event", answer, by="kf") for _ in range(2)]
    stage.acts.enter_kf(member, account(stage))

    assert codes == [0, 40029]
    assert "welcome_code" not in (await pulled(stage))["msg_list"][1]["event"]


async def test_a_menu_tapped_is_a_word_with_its_number(stage: Stage) -> None:
    stage.acts.speak_kf(stage.acts.meet("甲").id, account(stage), "冷泡茶", menu="w02_tea")

    item = (await pulled(stage))["msg_list"][0]
    assert item["text"] == {"content": "冷泡茶", "menu_id": "w02_tea"}


async def test_the_archive_keeps_five_days_of_those_who_agreed(stage: Stage) -> None:
    group = stage.acts.create_group(STAFF, "新手答疑群")
    open_one, silent_one = stage.acts.meet("甲").id, stage.acts.meet("乙", archived=False).id
    stage.acts.join(group, open_one, silent_one)
    stage.acts.speak(group, open_one, "旧的")
    await stage.clock.turn(timedelta(days=5, hours=1))
    stage.acts.speak(group, silent_one, "别记我")
    stage.acts.speak(group, open_one, "新的")
    answer = await stage.call("archive/feed", by="archive", seq="0", limit="1000")

    assert [record["text"]["content"] for record in answer["chatdata"]] == ["新的"]
    assert answer["chatdata"][0]["roomid"] == group
    assert set(answer["chatdata"][0]["tolist"]) == {STAFF, silent_one}


async def test_the_archive_goes_on_after_a_number(stage: Stage) -> None:
    group = stage.acts.create_group(STAFF, "新手答疑群")
    for number in range(5):
        stage.acts.speak(group, STAFF, str(number))
    first = await stage.call("archive/feed", by="archive", seq="0", limit="3")
    rest = await stage.call("archive/feed", by="archive", seq=str(first["chatdata"][-1]["seq"]), limit="3")

    assert (first["more"], rest["more"]) == (1, 0)
    assert [record["text"]["content"] for record in rest["chatdata"]] == ["3", "4"]


async def logged_in(stage: Stage, person: str, **change: str) -> tuple[int, dict[str, str]]:
    query = {
        "appid": stage.sim.world.corp_id,
        "redirect_uri": "https://qx.example.org/m/x?a=1",
        "state": "s1",
        **change,
    }
    url = f"{stage.sim.oauth_base}/connect/oauth2/authorize"
    async with stage.session.get(url, params={**query, "as": person}, allow_redirects=False) as reply:
        back = parse_qs(urlsplit(reply.headers.get("Location", "")).query)
        return reply.status, {key: values[0] for key, values in back.items()}


async def test_a_login_code_tells_staff_from_members_from_strangers(stage: Stage) -> None:
    member, _ = stage.friend()
    stranger = stage.acts.meet("路人").id
    told = []
    for person in (STAFF, member, stranger):
        _, back = await logged_in(stage, person)
        answer = await stage.call("auth/getuserinfo", by="app/qunxing", code=back["code"])
        told.append({key for key in answer if not key.startswith("err")})

    assert told == [{"userid"}, {"openid", "external_userid"}, {"openid"}]


async def test_a_login_code_works_once_within_five_minutes(stage: Stage) -> None:
    _, used = await logged_in(stage, STAFF)
    _, old = await logged_in(stage, STAFF)
    codes = [await stage.code("auth/getuserinfo", by="app/qunxing", code=used["code"]) for _ in range(2)]
    await stage.clock.turn(timedelta(minutes=5))

    assert codes == [0, 40029]
    assert await stage.code("auth/getuserinfo", by="app/qunxing", code=old["code"]) == 40029


async def test_the_login_page_keeps_the_state_and_the_address(stage: Stage) -> None:
    status, back = await logged_in(stage, STAFF)

    assert (status, back["state"], back["a"]) == (302, "s1", "1")


@pytest.mark.parametrize(
    "change", [{"appid": "wwOther"}, {"state": "-"}, {"redirect_uri": "javascript:alert(1)"}]
)
async def test_the_login_page_sends_nobody_where_the_platform_would_not(
    stage: Stage, change: dict[str, str]
) -> None:
    status, back = await logged_in(stage, STAFF, **change)

    assert (status, back) == (200, {})


async def test_a_person_opens_a_link_logs_in_and_sends_a_form(stage: Stage) -> None:
    sent: list[dict[str, Any]] = []

    async def page(request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            sent.append({**dict(await request.post()), "who": request.cookies.get("who")})
            return web.Response(text="谢谢")
        if "code" not in request.query:
            query = f"appid={stage.sim.world.corp_id}&redirect_uri={request.url}&state=s1"
            raise web.HTTPFound(f"{stage.sim.oauth_base}/connect/oauth2/authorize?{query}#wechat_redirect")
        form = '<form method="post"><input type="hidden" name="t" value="1"><input type="radio" name="a" value="tea"></form>'
        reply = web.Response(text=form, content_type="text/html")
        reply.set_cookie("who", "me")
        return reply

    app = web.Application()
    app.router.add_route("*", "/m/poll", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    member, _ = stage.friend()
    shown = await stage.sim.browsers.open(member, f"http://127.0.0.1:{runner.addresses[0][1]}/m/poll")
    answered = await stage.sim.browsers.submit(member, shown.forms[0], a="tea")
    await runner.cleanup()

    assert shown.forms[0].choices == {"a": ["tea"]}
    assert (answered.status, sent) == (200, [{"t": "1", "a": "tea", "who": "me"}])
