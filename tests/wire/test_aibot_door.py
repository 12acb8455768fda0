"""The door of a 智能机器人 over HTTP: stored before it is answered, answered at once or as a stream, from any process."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import Table, update

from bot.aibot_door import FORGOTTEN, HEARD, LATE, SPOILT, AibotDoors
from bot.bell import Bell
from bot.chance import SeededChance
from bot.cipher import Cipher
from bot.clock import TurnedClock
from bot.outgoing import Outgoing
from bot.server import Metrics
from bot.wecom.aibot import Aibots
from bot.wecom.callback import LARGEST_BODY
from bot.wecom.card import number_of
from bot.wecom.limit import CONVERSATION
from bot.wecom.settings import Aibot, WeComSettings
from sop.message import Channel, Choice, Content, Message, Option
from sop.receipt import State
from storage import inbox, schema
from storage.engine import SqliteDatabase
from storage.inbox import DONE, PARKED
from storage.outbox import Entry, OutboxStore
from storage.shared import Demand
from storage.shared_memory import MemoryShared
from storage.tables import inbox as inbox_table

NOW = datetime(2026, 1, 3, 2, 0, tzinfo=UTC)
TOKEN, KEY = "qunxingToken2026", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
CIPHER = Cipher(TOKEN, KEY, "")
DOOR = "/callback/aibot/helper"


class Fragile(SqliteDatabase):
    """A database whose disk can be full."""

    full = False

    async def store_new(self, table: Table, rows: Sequence[dict[str, Any]], *unique: str) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        await super().store_new(table, rows, *unique)


def told(msgtype: str = "text", **fields: Any) -> dict[str, Any]:
    head = {"msgid": "QXBOT-0001", "aibotid": "AIB-qx", "chattype": "single", "from": {"userid": "linmo"}}
    return {**head, "msgtype": msgtype, "text": {"content": "待办"}, **fields}


def event(eventtype: str, **fields: Any) -> dict[str, Any]:
    return told("event", create_time=int(NOW.timestamp()), event={"eventtype": eventtype, **fields})


@dataclass
class Door:
    """Two processes with the same door over one database, and no worker but the test."""

    db: Fragile
    clock: TurnedClock
    shared: MemoryShared
    clients: list[TestClient[Any, Any]] = field(default_factory=list)

    async def knock(
        self, said: dict[str, Any] | bytes, *, process: int = 0, cipher: Cipher = CIPHER, path: str = DOOR
    ) -> aiohttp.ClientResponse:
        plain = said if isinstance(said, bytes) else json.dumps(said).encode()
        sealed = cipher.seal(plain, b"0123456789abcdef")
        timestamp = str(int(self.clock.now().timestamp()))
        query = {
            "msg_signature": cipher.sign(timestamp, "qx1", sealed),
            "timestamp": timestamp,
            "nonce": "qx1",
        }
        return await self.clients[process].post(path, params=query, data=json.dumps({"encrypt": sealed}))

    async def answered(self, said: dict[str, Any] | bytes, **how: Any) -> dict[str, Any]:
        """The opened answer, empty when there is none."""
        answer = await self.knock(said, **how)
        assert answer.status == 200
        body = await answer.read()
        if not body:
            return {}
        envelope = json.loads(body)
        assert envelope["nonce"] == "qx1"
        assert CIPHER.verified(
            envelope["msgsignature"], str(envelope["timestamp"]), "qx1", envelope["encrypt"]
        )
        opened: dict[str, Any] = json.loads(CIPHER.open(envelope["encrypt"]))
        return opened

    async def stream(self, number: str, **how: Any) -> dict[str, Any]:
        """What comes when the platform asks for more of a stream."""
        more = told("stream", stream={"id": number}, msgid="QXBOT-0002")
        reply: dict[str, Any] = (await self.answered(more, **how))["stream"]
        return reply

    async def begun(self, **fields: Any) -> str:
        """A message that nobody answers at once; the number of its stream."""
        reply = await self.answered(told(**fields))
        assert (reply["msgtype"], reply["stream"]["finish"]) == ("stream", False)
        return str(reply["stream"]["id"])

    async def reply(self, number: str, content: Content | str = "没有待办", **fields: Any) -> None:
        """What a worker leaves in the ledger."""
        words = content if isinstance(content, Content) else Content(content)
        whole = {"to_staff": "linmo", "sender": "helper", "not_before": NOW + timedelta(minutes=6), **fields}
        message = Message(key=f"reply:{number}", channel=Channel.AIBOT, content=words, urgent=True, **whole)
        await self.db.write(lambda c: OutboxStore(c, self.clock.now()).add(message))

    async def settle(self, state: int) -> None:
        await self.db.write(lambda c: c.execute(update(inbox_table).values(state=state)) and None)

    async def stored(self) -> int:
        return sum((await self.db.read(inbox.counts)).values())

    async def entry(self, number: str) -> Entry:
        found = await self.db.read(lambda c: OutboxStore(c, NOW).by_key(f"reply:{number}"))
        assert found is not None
        return found


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    clock = TurnedClock(NOW)
    settings = WeComSettings(
        corp_id="ww", aibots=tuple(Aibot(name=name, mode="webhook") for name in ("helper", "other"))
    )

    async def alarm(text: str) -> None: ...

    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(
            Fragile(f"sqlite:///{tmp_path / 'door.sqlite'}", synchronous="OFF")
        )
        await schema.ensure(db)
        door = Door(db, clock, MemoryShared())
        for seed in (1, 2):
            chance = SeededChance(seed)
            bots = Aibots(settings, Outgoing(clock), clock, chance, door.shared, db)
            app = web.Application(client_max_size=1024 * 1024)
            ciphers = {"aibot/helper": CIPHER, "aibot/other": CIPHER}
            bell = Bell(clock, here=False)
            AibotDoors(
                db, clock, "ww", ciphers, bell, Metrics(), alarm, aibots=bots, chance=chance, patience_s=0.1
            ).add_to(app)
            door.clients.append(await stack.enter_async_context(TestClient(TestServer(app))))
        yield door


# ---------------------------------------------------------------- who may come in


async def test_the_address_is_verified_with_an_empty_receive_id(door: Door) -> None:
    sealed = CIPHER.seal(b"7301994455120087163", b"0123456789abcdef")
    query = {
        "msg_signature": CIPHER.sign("1", "n", sealed),
        "timestamp": "1",
        "nonce": "n",
        "echostr": sealed,
    }

    answer = await door.clients[0].get(DOOR, params=query)

    assert (answer.status, await answer.read()) == (200, b"7301994455120087163")


async def test_whatever_is_wrong_is_refused_with_one_status_and_one_body(door: Door) -> None:
    client = door.clients[0]
    answers = [
        await door.knock(told(), cipher=Cipher(TOKEN, KEY, "wwqx2026demo0001")),
        await door.knock(told(), cipher=Cipher("wrongToken", KEY, "")),
        await door.knock(told(), cipher=Cipher(TOKEN, "A" * 43, "")),
        await client.post(DOOR),
        await client.post(DOOR, data=b'{"encrypt": "AAAA"}'),
        await client.post(DOOR, data=b"<xml><Encrypt>AAAA</Encrypt></xml>"),
        await client.post(DOOR, data=b"[" * 100_000),
        await client.post(DOOR, data=b"x" * (LARGEST_BODY + 1)),
        await client.get(DOOR, params={"echostr": "AAAA"}),
    ]

    assert {(answer.status, await answer.text()) for answer in answers} == {(403, "refused")}
    assert await door.stored() == 0


@pytest.mark.parametrize("name", ["msgid", "chatid"])
async def test_half_an_emoji_is_stored_like_any_other_sign(door: Door, name: str) -> None:
    answer = await door.knock(told(chattype="group", chatid="C1") | {name: "half \ud83d"})

    assert answer.status == 200
    assert await door.stored() == 1


async def test_what_was_signed_a_week_ago_is_refused(door: Door) -> None:
    sealed = CIPHER.seal(json.dumps(told()).encode(), b"0123456789abcdef")
    stale = str(int((NOW - timedelta(days=7)).timestamp()))
    query = {"msg_signature": CIPHER.sign(stale, "n", sealed), "timestamp": stale, "nonce": "n"}

    answer = await door.clients[0].post(DOOR, params=query, data=json.dumps({"encrypt": sealed}))

    assert (answer.status, await door.stored()) == (403, 0)


@pytest.mark.parametrize("said", [b"not json", b"[]", b"{}", b'{"msgtype": 5}', b'{"msgtype": "hologram"}'])
async def test_what_cannot_be_read_is_stored_to_be_looked_at_and_not_answered(
    door: Door, said: bytes
) -> None:
    assert await door.answered(said) == {}
    assert await door.stored() == 1


async def test_when_storing_fails_the_connection_is_closed_without_an_answer(door: Door) -> None:
    door.db.full = True

    with pytest.raises(aiohttp.ClientError):
        await door.knock(told())


# ---------------------------------------------------------------- messages


async def test_a_message_sent_again_is_stored_once_and_answered_alike(door: Door) -> None:
    first = await door.answered(told())

    again = await door.answered(told(), process=1)

    assert again == first
    assert await door.stored() == 1


async def test_an_answer_that_is_there_goes_with_the_acknowledgement(door: Door) -> None:
    number = await door.begun()
    await door.reply(number)

    reply = await door.answered(told())

    assert reply["stream"] == {
        "id": number, "finish": True, "content": "没有待办", "feedback": {"id": f"reply:{number}"}
    }  # fmt: skip


async def test_a_stream_is_finished_by_whichever_process_is_asked(door: Door) -> None:
    number = await door.begun()
    before = await door.stream(number, process=1)
    await door.reply(number)

    after = await door.stream(number, process=1)

    assert before["finish"] is False
    assert after == {"id": number, "finish": True, "content": "没有待办"}
    assert (await door.entry(number)).state is State.SENT


async def test_who_asks_again_gets_the_same_again_and_it_counts_once(door: Door) -> None:
    number = await door.begun()
    await door.reply(number)
    before = await door.stored()

    replies = [await door.stream(number, process=process) for process in (0, 1, 0)]

    assert replies[0] == replies[1] == replies[2]
    assert await door.stored() == before + 1  # one receipt


async def test_after_six_minutes_a_stream_ends_and_the_answer_still_waits(door: Door) -> None:
    number = await door.begun()
    await door.clock.turn(timedelta(minutes=5, seconds=56))

    reply = await door.stream(number)
    await door.reply(number)

    assert (reply["finish"], reply["content"]) == (True, LATE)
    assert (await door.entry(number)).state is State.WAITING


@pytest.mark.parametrize(("state", "words"), [(PARKED, SPOILT), (DONE, HEARD)])
async def test_what_gets_no_answer_ends_with_a_word(door: Door, state: int, words: str) -> None:
    number = await door.begun()
    await door.settle(state)

    reply = await door.stream(number)

    assert (reply["finish"], reply["content"]) == (True, words)


@pytest.mark.parametrize("number", ["0" * 64, "not hex", "ff"])
async def test_a_stream_nobody_knows_ends(door: Door, number: str) -> None:
    await door.begun()

    reply = await door.answered(told("stream", stream={"id": number}))

    assert reply["stream"] == {"id": number, "finish": True, "content": FORGOTTEN}


async def test_another_bot_s_answer_is_not_given_away(door: Door) -> None:
    number = await door.begun()
    await door.reply(number)

    reply = await door.stream(number, path="/callback/aibot/other")

    assert "没有待办" not in reply["content"]
    assert (await door.entry(number)).state is State.WAITING


async def test_an_answer_no_longer_wanted_is_not_given(door: Door) -> None:
    number = await door.begun()
    await door.reply(number, deadline=NOW)

    assert (await door.stream(number))["finish"] is False


async def test_a_conversation_that_is_full_waits(door: Door) -> None:
    number = await door.begun()
    await door.reply(number)
    limit = CONVERSATION[0]
    await door.shared.take([Demand("aibot:helper:linmo:60", limit, limit.size)], NOW)

    reply = await door.stream(number)

    assert reply["finish"] is False


async def test_an_answer_too_long_is_left_to_the_sender_to_refuse(door: Door) -> None:
    number = await door.begun()
    await door.reply(number, "长" * 7000)

    assert (await door.stream(number))["finish"] is False
    assert (await door.entry(number)).state is State.WAITING


# ---------------------------------------------------------------- greetings and cards


async def test_a_greeting_is_a_text(door: Door) -> None:
    said = event("enter_chat")
    assert await door.answered(said) == {}
    (row,) = await door.db.read(lambda c: inbox.waiting(c, range(16), NOW, 9))
    await door.reply(row.identity, "你好", not_before=NOW, deadline=NOW + timedelta(seconds=5))

    assert await door.answered(said) == {"msgtype": "text", "text": {"content": "你好"}}


async def test_feedback_is_not_answered(door: Door) -> None:
    assert await door.answered(event("feedback_event", feedback_event={"id": "reply:1", "type": 1})) == {}
    assert await door.stored() == 1


CHOICE = Choice("run:1", "喝什么?", (Option("latte", "拿铁"), Option("tea", "冷泡茶")))


async def asked(door: Door) -> str:
    """A vote card that was shown; its number."""
    number = await door.begun()
    await door.reply(number, Content("每周小调查", choice=CHOICE))
    await door.stream(number)
    return number_of("run:1", f"reply:{number}")


def clicked(task: str, **fields: Any) -> dict[str, Any]:
    chosen = [{"question_key": "choice", "option_ids": {"option_id": ["tea"]}}]
    block = {"event_key": "submit", "task_id": task, "selected_items": {"selected_item": chosen}}
    return {**event("template_card_event", template_card_event=block), "msgid": "QXBOT-0009", **fields}


async def test_a_click_is_answered_with_the_card_as_its_reader_left_it(door: Door) -> None:
    task = await asked(door)

    reply = await door.answered(clicked(task))

    card = reply["template_card"]
    assert reply["response_type"] == "update_template_card"
    assert "userids" not in reply
    assert (card["task_id"], card["checkbox"]["disable"]) == (task, True)
    assert [option["is_checked"] for option in card["checkbox"]["option_list"]] == [False, True]


async def test_in_a_group_the_card_changes_only_for_who_clicked(door: Door) -> None:
    task = await asked(door)

    reply = await door.answered(clicked(task, chattype="group", chatid="CHAT-1"))

    assert reply["userids"] == ["linmo"]


async def test_a_click_on_a_card_nobody_knows_is_stored_and_not_answered(door: Door) -> None:
    assert await door.answered(clicked("stranger")) == {}
    assert await door.stored() == 1
