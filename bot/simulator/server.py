"""The platform's HTTP side: every answer has status 200, an errcode, and an errmsg with a hint to quote.

A call passes token, method, address and rate limits before the noun's own function sees it; faults asked for
change how it ends.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot.simulator import (
    appchat,
    archive,
    greeting,
    group,
    kf,
    login,
    media,
    member,
    message,
    moment,
    statistic,
    tag,
    task,
    way,
    welcome,
)
from bot.simulator.calls import Answer, Api, Call, Refusal
from bot.simulator.credentials import Credentials
from bot.simulator.faults import Fault, Faults
from bot.simulator.limits import Limits
from bot.simulator.world import Holder, World

LARGEST_REQUEST = 24 * 1024 * 1024
ESCAPED = re.compile(rb"(?<!\\)(?:\\\\)*\\u(?!00[0-7])[0-9a-fA-F]{4}")
NOBODY = Holder("webhook", "")
ANYBODY = frozenset({"app", "contact", "kf", "archive"})


def _callback_addresses(call: Call) -> Answer:
    return {"ip_list": ["127.0.0.1"]}


def _menu(call: Call) -> Answer:
    if call.number("agentid", default=0) != call.holder.agent_id:
        raise Refusal(40056)
    return {"button": []}


CALLS: dict[str, Api] = {
    **member.CALLS,
    **tag.CALLS,
    **group.CALLS,
    **way.CALLS,
    **greeting.CALLS,
    **statistic.CALLS,
    **task.CALLS,
    **welcome.CALLS,
    **message.CALLS,
    **kf.CALLS,
    **archive.CALLS,
    **media.CALLS,
    **appchat.CALLS,
    **moment.CALLS,
    **login.CALLS,
    "menu/get": Api("GET", _menu, frozenset({"app"})),
    "getcallbackip": Api("GET", _callback_addresses, ANYBODY),
    "get_api_domain_ip": Api("GET", _callback_addresses, ANYBODY),
}


@dataclass
class Platform:
    """Answers API calls over one world."""

    world: World
    faults: Faults
    limits: Limits
    credentials: Credentials
    answered: Callable[[], None] = lambda: None  # called when an answer is out
    respond: Callable[[str, Mapping[str, Any]], Answer] = (
        lambda code, body: {}
    )  # a response_url of a 智能机器人

    def routes(self) -> list[web.RouteDef]:
        return [web.route("*", "/cgi-bin/{api:.+}", self.serve)]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        api = request.match_info["api"]
        with self.world.clock.hold():
            body = await request.read()
            return await self._answered(request, api, body)

    async def _answered(self, request: web.Request, api: str, body: bytes) -> web.StreamResponse:
        fault = self.faults.take("api", api)
        if fault is not None and fault.what in ("error", "cut"):
            self._note(api, body, "", {}, fault)
            return _cut(request) if fault.what == "cut" else web.Response(status=500, text="")
        after: list[Any] = []
        holder, answer = self._does(request, api, body, fault, after)
        self._note(api, body, holder, answer, fault)
        if fault is not None and fault.what == "slow":
            await asyncio.sleep(fault.seconds)
        for done in after:
            done()
        self.answered()
        if fault is not None and fault.what == "lose":
            return _cut(request)
        if "whole" in answer and not answer.get("errcode"):
            return web.Response(body=answer["whole"], content_type="application/octet-stream")
        text = "<html>gateway</html>" if fault is not None and fault.what == "garble" else _json(answer)
        plain = text.encode("utf-8", "backslashreplace")  # half a character has to be escaped
        return web.Response(body=plain, content_type="application/json", charset="utf-8")

    def _does(
        self, request: web.Request, api: str, body: bytes, fault: Fault | None, after: list[Any]
    ) -> tuple[str, Answer]:
        address, holder = request.remote or "", ""
        try:
            if fault is not None and fault.what == "refuse":
                raise Refusal(fault.code)
            if api == "gettoken":
                answer = self.credentials.issue(
                    request.query.get("corpid", ""), request.query.get("corpsecret", ""), address
                )
            elif api in ("webhook/send", "webhook/upload_media"):
                answer = self._webhook(request, api, body)
            elif api == "aibot/response":
                answer = self.respond(request.query.get("response_code", ""), _object(body))
            else:
                who = self.credentials.check(request.query.get("access_token", ""), address)
                holder = who.name
                answer = self._call(request, api, body, who, after)
            return holder, {"errcode": 0, "errmsg": "ok", **answer}
        except Refusal as refusal:
            hint = self._hint(address)
            return holder, {"errcode": refusal.code, "errmsg": f"{refusal.reason}, {hint}", **refusal.also}

    def _call(self, request: web.Request, api: str, body: bytes, who: Holder, after: list[Any]) -> Answer:
        known = CALLS.get(api)
        if known is None:
            raise Refusal(40066, api)
        if known.method not in ("ANY", request.method):
            raise Refusal(40058, f"{known.method} wanted")
        if not known.admits(who):
            raise Refusal(48002, who.name)
        address = request.remote or ""
        if known.counted and not self.limits.call(api, address, self.world.now()):
            raise Refusal(45009)
        return known.does(self._read(request, body, who, after))

    def _read(self, request: web.Request, body: bytes, who: Holder, after: list[Any]) -> Call:
        """A request's parameters; a form's file stays in its bytes."""
        kind = request.headers.get("Content-Type", "")
        plain = {} if kind.startswith("multipart/") else _object(body)
        return Call(
            self.world, self.limits, who, plain, request.query, request.remote or "", after, body, kind
        )

    def _webhook(self, request: web.Request, api: str, body: bytes) -> Answer:
        if request.method != "POST":
            raise Refusal(40058, "POST wanted")
        key = request.query.get("key", "")
        if api == "webhook/upload_media":
            return message.upload_for_hook(self._read(request, body, NOBODY, []), key)
        if key in self.world.webhooks and not self.limits.webhook(key, self.world.now()):
            raise Refusal(45009)
        return message.post(self.world, key, _object(body))

    def _hint(self, address: str) -> str:
        number = self.world.number("hint")
        return f"hint: [{int(self.world.now().timestamp())}_{number:06d}_sim], from ip: {address}"

    def _note(self, api: str, body: bytes, holder: str, answer: Answer, fault: Fault | None) -> None:
        told = {key: value for key, value in answer.items() if key not in ("access_token", "whole")}
        request = "[form]" if body.startswith(b"--") else body.decode("utf-8", "replace")
        facts = {"fault": fault.what} if fault is not None else {}
        self.world.journal.note("call", api=api, holder=holder, request=request, answer=told, **facts)
        self.world.journal.counts["call refused" if answer.get("errcode") else "call ok"] += 1


def _object(body: bytes) -> Mapping[str, Any]:
    if not body:
        return {}
    if ESCAPED.search(body):
        raise Refusal(40033)
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as mistake:
        raise Refusal(40033) from mistake
    if not isinstance(found, dict):
        raise Refusal(40033)
    return found


def _json(answer: Answer) -> str:
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":"))


def _cut(request: web.Request) -> web.StreamResponse:
    """Reset the connection: the caller gets no answer at all."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
