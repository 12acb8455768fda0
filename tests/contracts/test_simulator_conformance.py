"""What every endpoint of the simulated platform takes and refuses, asked in bare HTTP as the platform documents it.

Methods and bodies are copied from the platform's own pages, not from what our gateway sends (which
``tests/wire/test_requests*.py`` hold to the same pages), so that the two can disagree.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bot.simulator.corp import KF_ACCOUNT
from bot.simulator.server import CALLS
from tests.contracts.simulated import STAFF, Stage, on_stage

APP, CONTACT, KF, ARCHIVE = "app/qunxing", "contact", "kf", "archive"
EXTERNAL = "externalcontact"
POSTED: dict[str, str] = {  # asked by POST with JSON, and whose secret opens it
    "message/send": APP, "message/recall": APP, "message/update_template_card": APP,
    "appchat/create": APP, "appchat/update": APP, "appchat/send": APP,
    f"{EXTERNAL}/batch/get_by_user": CONTACT, f"{EXTERNAL}/remark": CONTACT,
    f"{EXTERNAL}/get_corp_tag_list": CONTACT, f"{EXTERNAL}/add_corp_tag": CONTACT,
    f"{EXTERNAL}/edit_corp_tag": CONTACT, f"{EXTERNAL}/del_corp_tag": CONTACT, f"{EXTERNAL}/mark_tag": CONTACT,
    f"{EXTERNAL}/add_contact_way": CONTACT, f"{EXTERNAL}/get_contact_way": CONTACT,
    f"{EXTERNAL}/update_contact_way": CONTACT, f"{EXTERNAL}/del_contact_way": CONTACT,
    f"{EXTERNAL}/list_contact_way": CONTACT, f"{EXTERNAL}/groupchat/list": CONTACT,
    f"{EXTERNAL}/groupchat/get": CONTACT, f"{EXTERNAL}/groupchat/add_join_way": CONTACT,
    f"{EXTERNAL}/groupchat/get_join_way": CONTACT, f"{EXTERNAL}/groupchat/update_join_way": CONTACT,
    f"{EXTERNAL}/groupchat/del_join_way": CONTACT, f"{EXTERNAL}/groupchat/statistic": CONTACT,
    f"{EXTERNAL}/groupchat/statistic_group_by_day": CONTACT, f"{EXTERNAL}/get_user_behavior_data": CONTACT,
    f"{EXTERNAL}/add_msg_template": CONTACT, f"{EXTERNAL}/get_groupmsg_list_v2": CONTACT,
    f"{EXTERNAL}/get_groupmsg_task": CONTACT, f"{EXTERNAL}/get_groupmsg_send_result": CONTACT,
    f"{EXTERNAL}/remind_groupmsg_send": CONTACT, f"{EXTERNAL}/cancel_groupmsg_send": CONTACT,
    f"{EXTERNAL}/add_moment_task": CONTACT, f"{EXTERNAL}/get_moment_task": CONTACT,
    f"{EXTERNAL}/get_moment_comments": CONTACT, f"{EXTERNAL}/send_welcome_msg": CONTACT,
    f"{EXTERNAL}/group_welcome_template/add": CONTACT, f"{EXTERNAL}/group_welcome_template/edit": CONTACT,
    f"{EXTERNAL}/group_welcome_template/get": CONTACT, f"{EXTERNAL}/group_welcome_template/del": CONTACT,
    "kf/sync_msg": KF, "kf/send_msg": KF, "kf/send_msg_on_event": KF,
    "kf/service_state/get": KF, "kf/service_state/trans": KF, "kf/customer/batchget": KF,
    "msgaudit/check_single_agree": ARCHIVE, "msgaudit/check_room_agree": ARCHIVE,
    "msgaudit/get_permit_user_list": ARCHIVE,
}  # fmt: skip
GOT: dict[str, str] = {  # asked by GET
    f"{EXTERNAL}/get_follow_user_list": CONTACT, f"{EXTERNAL}/list": CONTACT, f"{EXTERNAL}/get": CONTACT,
    f"{EXTERNAL}/get_moment_task_result": CONTACT, "appchat/get": APP, "menu/get": APP, "media/get": APP,
    "auth/getuserinfo": APP, "user/getuserinfo": APP, "getcallbackip": APP, "get_api_domain_ip": APP,
}  # fmt: skip
UPLOADED = {"media/upload": APP, "media/uploadimg": APP, "media/upload_attachment": CONTACT}
BOTH_WAYS = {"kf/account/list": KF}
OURS = {"archive/feed"}  # no endpoint of the platform: its archive speaks through a library
UNCOUNTED = {"message/send", "auth/getuserinfo", "user/getuserinfo"}
EVERY = POSTED | GOT | UPLOADED | BOTH_WAYS


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with on_stage() as one:
        yield one


async def ask(
    stage: Stage, path: str, body: bytes | None = None, *, method: str = "", **query: str
) -> dict[str, Any]:
    """One bare request; whatever is wrong is told with status 200 and a number."""
    way = method or ("GET" if body is None else "POST")
    url = f"{stage.sim.api_base}/cgi-bin/{path}"
    async with stage.session.request(way, url, params=query, data=body) as reply:
        assert reply.status == 200, path
        answer: dict[str, Any] = await reply.json(content_type=None)
        return answer


async def codes(
    stage: Stage, paths: dict[str, str], body: bytes | None, *, method: str = ""
) -> dict[str, int]:
    """What each endpoint says to the same request, with the secret it wants."""
    said = {}
    for path, holder in paths.items():
        token = await stage.token(holder)
        said[path] = (await ask(stage, path, body, method=method, access_token=token))["errcode"]
    return said


# ---------------------------------------------------------------- what holds of every endpoint


def test_every_endpoint_the_simulator_has_is_held_to_its_page() -> None:
    assert set(CALLS) - OURS == set(EVERY)


async def test_no_endpoint_answers_without_a_token_and_each_says_so_with_a_hint(stage: Stage) -> None:
    for path in EVERY:
        answer = await ask(stage, path, None if path in GOT else b"{}")

        assert answer["errcode"] == 41001, path
        assert "hint: [" in answer["errmsg"], path


async def test_a_token_in_a_header_or_a_body_is_no_token(stage: Stage) -> None:
    token = await stage.token(APP)
    url = f"{stage.sim.api_base}/cgi-bin/message/send"
    async with stage.session.post(
        url, json={"access_token": token}, headers={"Authorization": f"Bearer {token}"}
    ) as reply:
        answer = await reply.json()

    assert answer["errcode"] == 41001


async def test_every_endpoint_knows_its_method(stage: Stage) -> None:
    by_get = await codes(stage, POSTED | UPLOADED, None)
    by_post = await codes(stage, GOT, b"{}")

    assert {path: code for path, code in (by_get | by_post).items() if code not in (40003, 40058)} == {}


@pytest.mark.parametrize("body", [b'{"text":"\\u4f60"}', b"{", b"[]", b'"text"', b"\xff\xfe"])
async def test_no_endpoint_takes_escaped_or_broken_json(stage: Stage, body: bytes) -> None:
    said = await codes(stage, POSTED, body)

    assert {path: code for path, code in said.items() if code != 40033} == {}


async def test_control_characters_may_be_escaped_for_json_has_no_other_way(stage: Stage) -> None:
    body = b'{"touser":"linmo","msgtype":"text","agentid":1000002,"text":{"content":"a\\u0001b"}}'

    assert (await codes(stage, {"message/send": APP}, body)) == {"message/send": 0}


async def test_another_secret_s_token_opens_nothing(stage: Stage) -> None:
    closed = {path: ARCHIVE for path, holder in EVERY.items() if holder != ARCHIVE and "ip" not in path}

    said = await codes(stage, {path: ARCHIVE for path in closed if path in POSTED}, b"{}")

    assert {path: code for path, code in said.items() if code != 48002} == {}


async def test_every_endpoint_is_shut_to_an_address_that_is_not_trusted(stage: Stage) -> None:
    for holder in (APP, CONTACT, KF, ARCHIVE):
        await stage.token(holder)
    stage.sim.world.rules.allowed_ips = frozenset({"203.0.113.9"})

    said = await codes(stage, POSTED, b"{}") | await codes(stage, GOT, None)

    assert set(said.values()) == {60020}


async def test_every_endpoint_refuses_a_token_that_has_ended(stage: Stage) -> None:
    for holder in (APP, CONTACT, KF, ARCHIVE):
        await stage.token(holder)
    kept = dict(stage.tokens)
    await stage.later(seconds=7200)
    stage.tokens.update(kept)

    said = await codes(stage, POSTED, b"{}") | await codes(stage, GOT, None)

    assert set(said.values()) == {42001}


async def test_every_endpoint_but_the_exempt_has_a_limit_of_its_own(stage: Stage) -> None:
    stage.sim.limits.allowance.call_minute = 0

    said = await codes(stage, POSTED, b"{}") | await codes(stage, GOT, None)

    assert {path for path, code in said.items() if code != 45009} == UNCOUNTED - OURS


async def test_an_endpoint_nobody_has_heard_of_is_refused(stage: Stage) -> None:
    answer = await ask(stage, "externalcontact/sing", access_token=await stage.token(CONTACT))

    assert answer["errcode"] != 0


async def test_twenty_at_once_get_twenty_answers_and_hints_of_their_own(stage: Stage) -> None:
    answers = await asyncio.gather(*(ask(stage, "message/send", b"{}") for _ in range(20)))

    assert len({answer["errmsg"] for answer in answers}) == 20


# ---------------------------------------------------------------- the pages' own examples

SENT = {"touser": STAFF, "msgtype": "text", "agentid": 1000002, "text": {"content": "今天有 2 个群发待确认"}}
TASK = {"chat_type": "single", "sender": STAFF, "text": {"content": "本周小调查"}}
LINKED = {"msgtype": "link", "link": {"title": "30 秒投票", "url": "https://qx.example.org/p/w02?g=1"}}
MENU: dict[str, Any] = {
    "head_content": "本周小调查",
    "list": [{"type": "click", "click": {"id": "w02_latte", "content": "燕麦拿铁"}}],
}
TALK = {"touser": "MEMBER", "open_kfid": KF_ACCOUNT}
TAG = {"group_name": "会员层级", "tag": [{"name": "潜力", "order": 1}]}
EXAMPLES: list[tuple[str, str, dict[str, Any], int]] = [
    ("a text to staff", "message/send", SENT, 0),
    ("a text with the duplicate check", "message/send", {**SENT, "enable_duplicate_check": 1, "duplicate_check_interval": 3600}, 0),
    ("a check over too long a time", "message/send", {**SENT, "enable_duplicate_check": 1, "duplicate_check_interval": 14401}, 40035),
    ("nobody to hear it", "message/send", {**SENT, "touser": ""}, 40035),
    ("nobody who exists", "message/send", {**SENT, "touser": "nobody"}, 81013),
    ("another app's number", "message/send", {**SENT, "agentid": 7}, 40056),
    ("a kind there is not", "message/send", {**SENT, "msgtype": "poem"}, 40008),
    ("no words", "message/send", {**SENT, "text": {"content": ""}}, 44004),
    ("nine articles", "message/send", {**SENT, "msgtype": "news", "news": {"articles": [{"title": "t", "url": "u"}] * 9}}, 40035),
    ("a file nobody handed over", "message/send", {**SENT, "msgtype": "image", "image": {"media_id": "no"}}, 40007),
    ("a mass send to one", f"{EXTERNAL}/add_msg_template", {**TASK, "external_userid": ["MEMBER"]}, 0),
    ("a mass send with a link", f"{EXTERNAL}/add_msg_template", {**TASK, "external_userid": ["MEMBER"], "attachments": [LINKED]}, 0),
    ("a mass send of ten attachments", f"{EXTERNAL}/add_msg_template", {**TASK, "external_userid": ["MEMBER"], "attachments": [LINKED] * 10}, 40035),
    ("a mass send of nothing", f"{EXTERNAL}/add_msg_template", {**TASK, "external_userid": ["MEMBER"], "text": {}}, 44004),
    ("a mass send of 4001 bytes", f"{EXTERNAL}/add_msg_template", {**TASK, "text": {"content": "a" * 4001}}, 45002),
    ("a mass send to nobody", f"{EXTERNAL}/add_msg_template", {"text": {"content": "hi"}}, 40035),
    ("a mass send to strangers", f"{EXTERNAL}/add_msg_template", {**TASK, "external_userid": ["wmNobody"]}, 41048),
    ("a task there is not", f"{EXTERNAL}/get_groupmsg_task", {"msgid": "no"}, 41047),
    ("too old a month of tasks", f"{EXTERNAL}/get_groupmsg_list_v2", {"chat_type": "group", "start_time": 1, "end_time": 3_000_000}, 40035),
    ("a welcome with a made-up code", f"{EXTERNAL}/send_welcome_msg", {"welcome_code": "no", "text": {"content": "你好"}}, 41050),
    ("a tag", f"{EXTERNAL}/add_corp_tag", TAG, 0),
    ("a tag with too long a name", f"{EXTERNAL}/add_corp_tag", {**TAG, "tag": [{"name": "长" * 31}]}, 40035),
    ("a group without tags", f"{EXTERNAL}/add_corp_tag", {**TAG, "tag": []}, 40035),
    ("a tag there is not", f"{EXTERNAL}/mark_tag", {"userid": STAFF, "external_userid": "MEMBER", "add_tag": ["etNo"]}, 40068),
    ("a mark on no friend", f"{EXTERNAL}/mark_tag", {"userid": STAFF, "external_userid": "STRANGER", "add_tag": ["etNo"]}, 84061),
    ("a mark by nobody", f"{EXTERNAL}/mark_tag", {"userid": "nobody", "external_userid": "MEMBER", "add_tag": ["etNo"]}, 60111),
    ("groups, by pages of 1001", f"{EXTERNAL}/groupchat/list", {"limit": 1001}, 40035),
    ("groups of 101 owners", f"{EXTERNAL}/groupchat/list", {"owner_filter": {"userid_list": ["a"] * 101}}, 81017),
    ("statistics of today", f"{EXTERNAL}/groupchat/statistic", {"day_begin_time": 1_772_676_000, "owner_filter": {"userid_list": [STAFF]}}, 40035),
    ("a way with two people of type 1", f"{EXTERNAL}/add_contact_way", {"type": 1, "scene": 2, "user": ["a", "b"]}, 40035),
    ("words in kf before they wrote", "kf/send_msg", {**TALK, "touser": "STRANGER", "msgtype": "text", "text": {"content": "在"}}, 95002),
    ("words in kf", "kf/send_msg", {**TALK, "msgtype": "text", "text": {"content": "在的"}}, 0),
    ("a menu in kf", "kf/send_msg", {**TALK, "msgtype": "msgmenu", "msgmenu": MENU}, 0),
    ("a menu of eleven in kf", "kf/send_msg", {**TALK, "msgtype": "msgmenu", "msgmenu": {**MENU, "list": MENU["list"] * 11}}, 95008),
    ("an account there is not", "kf/sync_msg", {"open_kfid": "wkNo", "limit": 10}, 95004),
    ("no account", "kf/sync_msg", {"limit": 10}, 95000),
    ("a token of another day", "kf/sync_msg", {"open_kfid": KF_ACCOUNT, "token": "old"}, 95007),
    ("a cursor of nowhere", "kf/sync_msg", {"open_kfid": KF_ACCOUNT, "cursor": "no"}, 50100),
    ("an illegal way between states", "kf/service_state/trans", {"open_kfid": KF_ACCOUNT, "external_userid": "MEMBER", "service_state": 0}, 95016),
    ("101 pairs of the archive", "msgaudit/check_single_agree", {"info": [{"userid": "a", "exteranalopenid": "b"}] * 101}, 301060),
    ("an internal group of one", "appchat/create", {"name": "群", "owner": STAFF, "userlist": [STAFF]}, 40035),
    ("an internal group there is not", "appchat/send", {"chatid": "no", "msgtype": "text", "text": {"content": "你好"}}, 86003),
    ("a moment of nothing", f"{EXTERNAL}/add_moment_task", {}, 44004),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body", "code"), [one[1:] for one in EXAMPLES], ids=[one[0] for one in EXAMPLES]
)
async def test_an_example_is_taken_or_refused_as_its_page_says(
    stage: Stage, path: str, body: dict[str, Any], code: int
) -> None:
    member, _ = stage.friend()
    stranger = stage.acts.meet("路人").id
    stage.acts.speak_kf(member, KF_ACCOUNT, "在吗")
    text = json.dumps(body, ensure_ascii=False).replace("MEMBER", member).replace("STRANGER", stranger)

    answer = await ask(stage, path, text.encode(), access_token=await stage.token(EVERY[path]))

    assert (answer["errcode"], "hint: [" in answer["errmsg"]) == (code, code != 0)


async def test_a_file_is_a_form_with_a_part_called_media(stage: Stage) -> None:
    form = aiohttp.FormData()
    form.add_field("media", b"\xff\xd8\xff\xe0" + b"0" * 64, filename="海报.jpg", content_type="image/jpeg")
    url = f"{stage.sim.api_base}/cgi-bin/media/upload"
    async with stage.session.post(
        url, params={"type": "image", "access_token": await stage.token(APP)}, data=form
    ) as reply:
        answer = await reply.json()

    assert (answer["errcode"], answer["type"]) == (0, "image")
    assert isinstance(answer["created_at"], str)
