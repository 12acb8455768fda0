"""智能机器人 as the platform runs them: who speaks to one, what it is told, and how its answer is fetched.

A bot hears what is said to it alone, and in internal groups what names it; a 客户群 takes none
(developer.work.weixin.qq.com path 100719). Deadlines of five seconds are real time; streams live by the world's clock.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Coroutine, Mapping
from typing import Any

import aiohttp

from bot.cipher import Cipher, seal_file
from bot.simulator.aibot_reply import Exchange, find_card, push, take
from bot.simulator.aibot_socket import Sockets
from bot.simulator.callbacks import ANSWER_S, RESENDS, Session
from bot.simulator.calls import Refusal
from bot.simulator.faults import Faults
from bot.simulator.limits import Limits
from bot.simulator.world import Bot, InternalGroup, World, bot_talk, internal_talk

POLL_S = 1.0
AT_ONCE = 3  # interactions of one person with one bot
RESPONSE_S, FILE_S = 3600, 300
MEDIA = ("image", "file", "video")

Told = dict[str, Any]


class Aibots:
    """Every bot of the corp, and the people's hands where they touch one."""

    def __init__(
        self, world: World, limits: Limits, faults: Faults, session: Session, *, resend_wait_s: float = 1.0
    ) -> None:
        self.world, self._limits, self._faults, self._session = world, limits, faults, session
        self._resend_wait_s = resend_wait_s
        self.answer_s, self.poll_s = ANSWER_S, POLL_S
        self.bot_url = self.api_base = ""
        self.sockets = Sockets(world, limits)
        self.files: dict[str, bytes] = {}
        self._exchanges: list[Exchange] = []
        self._greeted: set[tuple[str, str, str]] = set()
        self._running: set[asyncio.Task[None]] = set()
        self._posting: set[asyncio.Task[Any]] = set()

    # groups

    def found(self, name: str, *staff: str, group: str = "") -> str:
        """An internal group of these employees."""
        one = group or f"CHAT-{self.world.number('internal'):06d}"
        self.world.internal[one] = InternalGroup(one, name, list(staff))
        return one

    def invite(self, group: str, bot: str) -> None:
        """Put a bot into a group; a 客户群 does not take it."""
        if group in self.world.groups:
            raise Refusal(48002, "智能机器人 cannot join a customer group")
        self.world.internal[group].bots.add(bot)

    # speaking

    def say(
        self, staff: str, text: str, *, bot: str = "", group: str = "", quote: Told | None = None
    ) -> bool:
        """A word in an internal group or to the bot alone; whether a bot hears it."""
        told: Told = {"msgtype": "text", "text": {"content": text}}
        if quote is not None:
            told["quote"] = quote
        return self.tell(staff, told, text, bot=bot, group=group)

    def show(self, staff: str, sort: str, content: bytes, *, bot: str = "") -> bool:
        """A picture, a file or a video, to the bot alone."""
        if sort not in MEDIA:
            raise ValueError(f"{sort} is nothing to show")
        return self.tell(
            staff, {"msgtype": sort, sort: self._file(self._bot(bot), content)}, f"[{sort}]", bot=bot
        )

    def tell(self, staff: str, told: Told, text: str, *, bot: str = "", group: str = "") -> bool:
        """Anything said, as the bot will be told it."""
        one = self._hearer(bot, group, text)
        talk = internal_talk(group) if group else bot_talk(self._bot(bot).name, staff)
        self.world.talk(talk, staff, text)
        if one is None:
            return False
        if len(self._open(one.name, staff)) >= AT_ONCE:
            self.world.talk(talk, f"aibot/{one.name}", "正在回答你前面的问题，请稍候", kind="notice")
            return False
        self._tell(one, staff, group, "message", {**told, **self._response(one, staff, group)})
        return True

    def open_chat(self, staff: str, *, bot: str = "") -> bool:
        """Open the chat with a bot; it hears of the first time each day."""
        one, day = self._bot(bot), self.world.now().date().isoformat()
        if (one.name, staff, day) in self._greeted:
            return False
        self._greeted.add((one.name, staff, day))
        self._tell(one, staff, "", "greeting", self._event("enter_chat", {}))
        return True

    def press(
        self,
        staff: str,
        task: str,
        key: str,
        options: Mapping[str, list[str]],
        *,
        bot: str = "",
        group: str = "",
    ) -> None:
        """A button or a vote on a bot's card."""
        one = self._bot(bot)
        talk = internal_talk(group) if group else bot_talk(one.name, staff)
        line = find_card(self.world, talk, task)
        chosen = [{"question_key": name, "option_ids": {"option_id": ids}} for name, ids in options.items()]
        event = {
            "card_type": line.data["card"].get("card_type", "") if line else "",
            "event_key": key,
            "task_id": task,
            "selected_items": {"selected_item": chosen},
        }
        told = {**self._event("template_card_event", event), **self._response(one, staff, group)}
        self._tell(one, staff, group, "click", told, task=task)

    def judge(self, staff: str, feedback: str, verdict: int, *, bot: str = "", words: str = "") -> None:
        """Thumbs up or down on an answer that asked for it."""
        one = self._bot(bot)
        said = {
            "id": feedback,
            "type": verdict,
            "content": words,
            "inaccurate_reason_list": [2] if verdict == 2 else [],
        }
        self._tell(one, staff, "", "feedback", self._event("feedback_event", said))

    # what the bot calls

    def respond(self, code: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """A post to a response_url: once, within the hour."""
        found = self.world.codes.get(code)
        if found is None or found.used or self.world.now() >= found.expires or found.about["kind"] != "AIBOT":
            raise Refusal(60140, "used or expired")
        bot, staff, group = (found.about[name] for name in ("bot", "staff", "group"))
        if not self._limits.conversation(bot, group or staff, self.world.now()):
            raise Refusal(45009)
        push(self.world, bot, internal_talk(group) if group else bot_talk(bot, staff), body)
        found.used = True
        return {}

    # on its way

    async def quiet(self) -> None:
        """Wait until nothing is on its way; the next question for more of a stream is not waited for."""
        while self._posting:
            await asyncio.wait(set(self._posting))
            await asyncio.sleep(0)

    async def aclose(self) -> None:
        for task in self._running | self._posting:
            task.cancel()
        await asyncio.gather(*self._running, *self._posting, return_exceptions=True)
        await self.sockets.aclose()

    def _tell(self, bot: Bot, staff: str, group: str, sort: str, told: Told, *, task: str = "") -> None:
        number = self.world.number("botmsg")
        exchange = Exchange(bot.name, bot.mode, staff, group, sort, self.world.now(), f"req-{number}", task)
        if sort == "message":
            self._exchanges.append(exchange)
        whole = {"msgid": f"QXBOT-{number:06d}", **self._head(bot, staff, group), **told}
        fault = self._faults.take("callback", f"aibot/{bot.name}")
        if fault is not None and fault.what == "drop":
            return
        times = 2 if fault is not None and fault.what == "duplicate" else 1
        bringing = self._start(self._bring(bot, exchange, whole, times), self._posting)
        if bot.mode == "webhook":
            self._start(self._follow(bot, exchange, bringing), self._running)

    async def _bring(self, bot: Bot, exchange: Exchange, told: Told, times: int) -> None:
        if bot.mode == "websocket":
            await self.sockets.tell(bot, exchange, told)
            return
        tries = 1 if exchange.sort == "click" else RESENDS + 1
        self._take(exchange, await self._attempts(bot, told, tries))
        if times > 1:  # whatever is answered to a repeat is not needed
            await self._attempts(bot, told, tries)

    async def _follow(self, bot: Bot, exchange: Exchange, bringing: asyncio.Task[None]) -> None:
        """Come again for more until the answer is whole, or six minutes are over."""
        await bringing
        while exchange.stream and not exchange.finished:
            await self.world.clock.sleep(self.poll_s)
            if exchange.over(self.world.now()):
                exchange.finished = True
                return
            number = self.world.number("botmsg")
            more = {"msgid": f"QXBOT-{number:06d}", **self._head(bot, exchange.staff, exchange.group)}
            told = {**more, "msgtype": "stream", "stream": {"id": exchange.stream}}
            self._take(exchange, await self._start(self._attempts(bot, told, RESENDS + 1), self._posting))

    async def _attempts(self, bot: Bot, told: Told, tries: int) -> dict[str, Any] | None:
        with self.world.clock.hold():
            for attempt in range(1, tries + 1):
                outcome, reply = await self._post(bot, told)
                self._note(bot, told, attempt, outcome)
                if outcome not in ("timeout", "refused", "disconnected"):
                    return reply
                await asyncio.sleep(self._resend_wait_s)
        return None

    def _take(self, exchange: Exchange, reply: Mapping[str, Any] | None) -> None:
        if reply is None:
            return
        try:
            take(self.world, exchange, reply)
        except Refusal as refusal:
            self.world.journal.note("aibot", bot=exchange.bot, refused=refusal.code, reason=refusal.reason)
            exchange.finished = True

    async def _post(self, bot: Bot, told: Told) -> tuple[str, dict[str, Any] | None]:
        door = self.world.doors[f"aibot/{bot.name}"]
        cipher = Cipher(door.token, door.aes_key, "")
        sealed = cipher.seal(json.dumps(told, ensure_ascii=False).encode(), self.world.chance.bytes(16))
        timestamp, nonce = str(int(self.world.now().timestamp())), self.world.chance.token(5)
        query = {
            "msg_signature": cipher.sign(timestamp, nonce, sealed),
            "timestamp": timestamp,
            "nonce": nonce,
        }
        url = f"{self.bot_url.rstrip('/')}/callback/{door.name}"
        try:
            async with (
                asyncio.timeout(self.answer_s),
                self._session.post(
                    url,
                    params=query,
                    data=json.dumps({"encrypt": sealed}),
                    headers={"Content-Type": "application/json"},
                    allow_redirects=False,
                ) as answer,
            ):
                body = await answer.read()
                if answer.status != 200:
                    return "answered", None
                return "acked", _opened(cipher, nonce, body) if body else None
        except TimeoutError:
            return "timeout", None
        except aiohttp.ClientConnectorError:
            return "refused", None
        except (aiohttp.ClientError, OSError):
            return "disconnected", None
        except ValueError:
            return "wrong answer", None

    # how things are put together

    def _head(self, bot: Bot, staff: str, group: str) -> Told:
        where = {"chatid": group, "chattype": "group"} if group else {"chattype": "single"}
        return {"aibotid": bot.bot_id, **where, "from": {"userid": self.alias(bot, staff)}}

    def alias(self, bot: Bot, staff: str) -> str:
        """The id by which this bot knows somebody."""
        if bot.plain_ids:
            return staff
        return "woQX" + hashlib.sha256(f"{self.world.corp_id}/{staff}".encode()).hexdigest()[:28]

    def _event(self, sort: str, fields: Told) -> Told:
        created = int(self.world.now().timestamp())
        return {"create_time": created, "msgtype": "event", "event": {"eventtype": sort, sort: fields}}

    def _response(self, bot: Bot, staff: str, group: str) -> Told:
        code = self.world.code("AIBOT", RESPONSE_S, bot=bot.name, staff=staff, group=group).code
        return {"response_url": f"{self.api_base}/cgi-bin/aibot/response?response_code={code}"}

    def _file(self, bot: Bot, content: bytes) -> Told:
        """A file to fetch within five minutes, sealed with the bot's key or with one that comes along."""
        code = self.world.code("FILE", FILE_S).code
        place = {"url": f"{self.api_base}/aibot/file/{code}"}
        if bot.mode == "webhook":
            self.files[code] = seal_file(self.world.doors[f"aibot/{bot.name}"].aes_key, content)
            return place
        key = base64.b64encode(self.world.chance.bytes(32)).decode()
        self.files[code] = seal_file(key, content)
        return {**place, "aeskey": key}

    def file(self, code: str) -> bytes | None:
        """A sealed file, as long as its address lives."""
        found = self.world.codes.get(code)
        return self.files.get(code) if found is not None and self.world.now() < found.expires else None

    def _bot(self, name: str) -> Bot:
        return self.world.bots[name] if name else next(iter(self.world.bots.values()))

    def _hearer(self, name: str, group: str, text: str) -> Bot | None:
        if not group:
            return self._bot(name)
        bots = (self.world.bots[one] for one in sorted(self.world.internal[group].bots))
        return next((bot for bot in bots if f"@{bot.display_name}" in text), None)

    def _open(self, bot: str, staff: str) -> list[Exchange]:
        now = self.world.now()
        self._exchanges = [one for one in self._exchanges if not (one.finished or one.over(now))]
        return [one for one in self._exchanges if (one.bot, one.staff) == (bot, staff)]

    def _note(self, bot: Bot, told: Told, attempt: int, outcome: str) -> None:
        plain = json.dumps(told, ensure_ascii=False)
        if told["msgtype"] == "stream":  # a question, and no news
            self.world.journal.note("poll", door=f"aibot/{bot.name}", attempt=attempt, outcome=outcome)
            return
        self.world.journal.note(
            "callback",
            id=f"bot{told['msgid']}",
            door=f"aibot/{bot.name}",
            attempt=attempt,
            outcome=outcome,
            plain=plain,
            sha256=hashlib.sha256(plain.encode()).hexdigest(),
        )
        self.world.journal.counts[f"callback {outcome}"] += 1

    @staticmethod
    def _start(work: Coroutine[Any, Any, Any], among: set[asyncio.Task[Any]]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        among.add(task)
        task.add_done_callback(among.discard)
        return task


def _opened(cipher: Cipher, nonce: str, body: bytes) -> dict[str, Any]:
    """The reply inside its envelope; ``ValueError`` when anything about it is wrong."""
    envelope = json.loads(body)
    stamp = envelope.get("timestamp")
    if envelope.get("nonce") != nonce or type(stamp) is not int:
        raise ValueError("nonce or timestamp is wrong")
    if not cipher.verified(
        str(envelope.get("msgsignature")), str(stamp), nonce, str(envelope.get("encrypt"))
    ):
        raise ValueError("signature is wrong")
    reply = json.loads(cipher.open(envelope["encrypt"]))
    if not isinstance(reply, dict):
        raise ValueError("reply is no object")
    return reply
