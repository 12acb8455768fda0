"""Whatever comes to a door is refused, or parked with a reason, and the next good word is heard as if nothing had been."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from bot.cipher import Cipher
from bot.simulator.corp import BOT, KF_ACCOUNT
from bot.simulator.envelope import sealed
from storage import inbox
from tests.world import THURSDAY, Person, World, world_at

GROUP = "新手答疑群"
COUNTS = [40, pytest.param(1000, marks=pytest.mark.full)]
HEAD = (
    "<xml><ToUserName>c</ToUserName><FromUserName>{}</FromUserName><CreateTime>1782990000</CreateTime>"
    "<MsgType>{}</MsgType>{}</xml>"
)
XML = [
    HEAD.format("linmo", "text", "<Content><![CDATA[待办]]></Content><MsgId>1</MsgId>"),
    HEAD.format("linmo", "image", "<PicUrl>http://x</PicUrl><MediaId>M</MediaId><MsgId>2</MsgId>"),
    *(
        HEAD.format("sys", "event", f"<Event>{event}</Event>{inside}")
        for event, inside in {
            "template_card_event": "<TaskId>t</TaskId><EventKey>k</EventKey><SelectedItems><SelectedItem>"
            "<QuestionKey>q</QuestionKey><OptionIds><OptionId>a</OptionId></OptionIds></SelectedItem></SelectedItems>",
            "change_contact": "<ChangeType>delete_user</ChangeType><UserID>nobody</UserID>",
            "change_external_contact": "<ChangeType>add_external_contact</ChangeType><UserID>linmo</UserID>"
            "<ExternalUserID>wmX</ExternalUserID><State>s</State><WelcomeCode>w</WelcomeCode>",
            "change_external_chat": "<ChatId>wrX</ChatId><ChangeType>update</ChangeType>"
            "<UpdateDetail>add_member</UpdateDetail><MemChangeList><Item>wmX</Item></MemChangeList>"
            "<LastMemVer>1</LastMemVer><CurMemVer>2</CurMemVer>",
            "change_external_tag": "<Id>et1</Id><TagType>tag</TagType><ChangeType>delete</ChangeType>",
            "kf_msg_or_event": f"<Token>T</Token><OpenKfId>{KF_ACCOUNT}</OpenKfId>",
            "msgaudit_notify": "<AgentID>2000004</AgentID>",
        }.items()
    ),
]
VOTE: dict[str, Any] = {"question_key": "q", "option_ids": {"option_id": ["a"]}}
CARD: dict[str, Any] = {"card_type": "vote_interaction", "event_key": "k", "task_id": "t"}
TOLD: list[dict[str, Any]] = [
    {"msgtype": "text", "text": {"content": "hi"}, "quote": {"msgtype": "text", "text": {"content": "x"}}},
    {"msgtype": "mixed", "mixed": {"msg_item": [{"msgtype": "text", "text": {"content": "hi"}}]}},
    {"msgtype": "image", "image": {"url": "https://x"}},
    {"msgtype": "stream", "stream": {"id": "ab"}},
    {"msgtype": "event", "event": {"eventtype": "enter_chat"}},
    {
        "msgtype": "event",
        "event": {
            "eventtype": "template_card_event",
            "template_card_event": {**CARD, "selected_items": {"selected_item": [VOTE]}},
        },
    },
    {"msgtype": "event", "event": {"eventtype": "feedback_event", "feedback_event": {"id": "f", "type": 2}}},
]
HAPPENED: dict[str, dict[str, Any]] = {
    "enter_session": {"scene": "s", "scene_param": "p", "welcome_code": "w"},
    "msg_send_fail": {"fail_msgid": "x", "fail_type": 4},
    "servicer_status_change": {"servicer_userid": "suhe", "status": 2, "stop_type": 0},
    "session_status_change": {"change_type": 3, "old_servicer_userid": "suhe", "msg_code": "m"},
    "reject_customer_msg_switch_change": {"servicer_userid": "suhe", "reject_switch": 1},
}
SAID: list[dict[str, Any]] = [
    {"origin": 3, "external_userid": "wmX", "msgtype": "text", "text": {"content": "拿铁", "menu_id": "m"}},
    *(
        {"origin": 4, "msgtype": "event", "event": {"event_type": kind, "external_userid": "wmX", **more}}
        for kind, more in HAPPENED.items()
    ),
]
ARCHIVED: list[dict[str, Any]] = [
    {"msgtype": "text", "text": {"content": "签到"}},
    {"action": "recall", "msgtype": "revoke", "revoke": {"pre_msgid": "1"}},
    {"msgtype": "agree", "agree": {"userid": "wmX", "agree_time": 1}},
    {"msgtype": "mixed", "mixed": {"item": [{"type": "text", "content": '{"content": "x"}'}]}},
]
SPOILT_TEXTS = ("", "\0", "&x;", "]]>", "<x>", "-1", "9" * 30, "٣", "1e5", "长" * 300)
SPOILT: tuple[Any, ...] = (
    *SPOILT_TEXTS, None, True, -1, 10**30, 1.5, "half \ud83d", " " * 3000, [], {}, [None], {"a": {}}, "＝cmd()",
)  # fmt: skip


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Every door there is: apps, contacts, 微信客服, the archive and a 智能机器人."""
    async with world_at(THURSDAY, tmp_path, aibot="webhook", archive_door=True) as world:
        yield world


@pytest.mark.timeout(600)
@pytest.mark.parametrize("count", COUNTS)
async def test_nothing_bad_at_any_door_stops_what_is_good(world: World, count: int) -> None:
    await world.founds(GROUP)
    lin = await world.joins("小林", GROUP)

    with capture_logs() as told:
        answers = await hammered(world, Bad(random.Random(20260702)), count)
        await world.turn(minutes=12)

    print(answers, await world.app.db.read(inbox.counts))
    assert set(answers) == {200}
    assert [line for line in told if line["log_level"] in ("error", "critical") or line.get("exc_info")] == []
    assert all(row.error for row in await world.app.db.read(inbox.parked))
    assert await all_is_heard(world, lin)


UNSIGNED: list[dict[str, Any]] = [
    {"data": b""},
    {"data": b"\xff" * 1000},
    {"data": b"x" * 300_000},
    {"data": b"{}", "headers": {"Content-Encoding": "gzip"}},
    {"data": b"{}", "headers": {"Content-Type": "multipart/form-data"}},
    {"data": b"{}", "params": {"msg_signature": "签", "timestamp": "-1", "nonce": "\0"}},
]


async def test_what_nobody_signed_is_refused_alike_at_every_door(world: World) -> None:
    base = f"http://127.0.0.1:{world.app.port}/callback"
    answers: Counter[tuple[int, str]] = Counter()

    async with aiohttp.ClientSession() as session:
        for door in world.sim.world.doors:
            for request in UNSIGNED:
                async with session.post(f"{base}/{door}", **request) as answer:
                    answers[answer.status, await answer.text()] += 1

    assert answers == {(403, "refused"): 5 * len(UNSIGNED)}


class Bad:
    """Good things, each spoilt in one to three places."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def xml(self) -> bytes:
        whole = self.chance.choice(XML)
        for _ in range(self.chance.randint(1, 3)):
            tags = [*re.finditer(r"<(\w+)>([^<>]*)</\1>", whole)]
            if not tags or self.chance.random() < 0.2:
                cut = self.chance.randrange(len(whole))
                whole = whole[:cut] + whole[cut + self.chance.randint(1, 30) :]
                continue
            found = self.chance.choice(tags)
            again = self.chance.choice(SPOILT_TEXTS)
            twice = found[0] * 2
            whole = whole.replace(
                found[0], self.chance.choice(["", twice, f"<{found[1]}>{again}</{found[1]}>"])
            )
        return whole.encode()

    def json(self, good: list[dict[str, Any]], **common: Any) -> dict[str, Any]:
        whole = json.loads(json.dumps({**common, **self.chance.choice(good)}))
        for _ in range(self.chance.randint(1, 3)):
            self._spoil(whole)
        return dict(whole)

    def _spoil(self, node: Any) -> None:
        while node:
            place = self.chance.choice(list(node) if isinstance(node, dict) else range(len(node)))
            inside = node[place]
            if not isinstance(inside, dict | list) or not inside or self.chance.random() < 0.3:
                if self.chance.random() < 0.25:
                    del node[place]
                else:
                    node[place] = self.chance.choice(SPOILT)
                return
            node = inside


async def hammered(world: World, bad: Bad, count: int) -> Counter[int]:
    """So much that is bad at each door; how it was answered where it knocked."""
    answers: Counter[int] = Counter()
    async with aiohttp.ClientSession() as session:
        for number in range(count):
            for door in ("app/qunxing", "contact", "kf", "archive"):
                answers[await knock(world, session, door, bad.xml())] += 1
            told = bad.json(TOLD, msgid=f"Q{number}", chattype="single", **{"from": {"userid": "linmo"}})
            answers[await knock(world, session, f"aibot/{BOT}", json.dumps(told).encode())] += 1
            about = {"msgid": f"K{number}", "open_kfid": KF_ACCOUNT, "send_time": 1782990000}
            world.sim.acts.kf.garble(KF_ACCOUNT, bad.json(SAID, **about))
            said = {
                "msgid": f"A{number}",
                "action": "send",
                "from": "wmX",
                "tolist": ["linmo"],
                "roomid": "wrX",
            }
            world.sim.acts.archive.garble(bad.json(ARCHIVED, msgtime=1782990000123, **said))
            await world.clock.turn(timedelta(milliseconds=10))
    await world.settle()
    return answers


async def knock(world: World, session: aiohttp.ClientSession, door: str, plain: bytes) -> int:
    """A body sealed and signed as the platform would; the status of the answer."""
    known, corp = world.sim.world.doors[door], world.sim.world.corp_id
    bot = door.startswith("aibot/")
    cipher = Cipher(known.token, known.aes_key, "" if bot else corp)
    inner, stamp = cipher.seal(plain, b"0123456789abcdef"), str(int(world.clock.now().timestamp()))
    query = {"msg_signature": cipher.sign(stamp, "n", inner), "timestamp": stamp, "nonce": "n"}
    body = json.dumps({"encrypt": inner}) if bot else sealed(corp, inner, known.agent_id)
    url = f"http://127.0.0.1:{world.app.port}/callback/{door}"
    async with session.post(url, params=query, data=body) as answer:
        return answer.status


async def all_is_heard(world: World, lin: Person) -> bool:
    """A good word at every door."""
    xia = await world.befriends("小夏")
    assert (await xia.known()).name == "小夏"
    assert "打卡" in await lin.says("签到")
    assert "群发" in await world.staff_says("待办")
    assert "群发" in await world.bot_hears("待办")
    await lin.speaks(GROUP, "大家好")
    await world.turn(minutes=10)
    talk = await world.ask(lambda tx: tx.activity.of_member(lin.id))
    return any(one.kind == "spoke" for one in talk)
