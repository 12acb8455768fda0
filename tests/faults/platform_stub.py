"""A platform of our own making for storms: it rings, answers the few calls that matter, and writes down what it saw.

It shares no code with the product, so that what both believe must be said twice.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import struct
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

CORP, TOKEN = "wwstorm", "stormToken"
KEY = base64.b64encode(bytes(range(32))).decode().rstrip("=")
ACCOUNT = "wkstorm"
ANSWER_WITHIN_S = 5.0
TRIES = 4  # the first and three more


def seal(message: bytes) -> tuple[str, dict[str, str]]:
    """The envelope of a callback and the query that signs it; random every time, as the platform's is."""
    key = base64.b64decode(KEY + "=")
    plain = os.urandom(16) + struct.pack(">I", len(message)) + message + CORP.encode()
    pad = 32 - len(plain) % 32
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    sealed = base64.b64encode(encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()).decode()
    timestamp, nonce = str(int(time.time())), os.urandom(6).hex()
    signature = hashlib.sha1("".join(sorted([TOKEN, timestamp, nonce, sealed])).encode()).hexdigest()
    body = f"<xml><ToUserName><![CDATA[{CORP}]]></ToUserName><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>"
    return body, {"msg_signature": signature, "timestamp": timestamp, "nonce": nonce}


class Platform:
    """Rings the bot's doors and answers its calls."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.in_flight = 0
        self.acks = 0
        self.reached = asyncio.Event()
        self._goal = 0
        self.said: list[dict[str, Any]] = []  # what members wrote to 微信客服
        self._journal = (folder / "journal.jsonl").open("a", encoding="utf-8", buffering=1)
        self._acked = (folder / "acked.jsonl").open("a", encoding="utf-8", buffering=1)
        self._welcomed: set[str] = set()
        self._replies: set[str] = set()
        self._turns: dict[str, int] = defaultdict(int)

    def expect(self, acks: int) -> None:
        """``reached`` is set after so many more acknowledgements."""
        self._goal = self.acks + acks
        self.reached.clear()

    def close(self) -> None:
        self._journal.close()
        self._acked.close()

    # ------------------------------------------------------------ ringing

    async def deliver(self, session: aiohttp.ClientSession, base: str, door: str, message: bytes) -> bool:
        """One callback with the platform's tries; acknowledged ones are written down."""
        for attempt in range(TRIES):
            body, query = seal(message)
            self.in_flight += 1
            try:
                async with (
                    asyncio.timeout(ANSWER_WITHIN_S),
                    session.post(f"{base}/callback/{door}", params=query, data=body.encode()) as answer,
                ):
                    await answer.read()
                    if answer.status == 200:
                        self.acks += 1
                        if self.acks >= self._goal:
                            self.reached.set()
                        self._acked.write(json.dumps({"door": door, "body": message.decode()}) + "\n")
                    return answer.status == 200
            except (aiohttp.ClientError, TimeoutError, OSError):
                await asyncio.sleep(0.2 * (attempt + 1))
            finally:
                self.in_flight -= 1
        return False

    # ------------------------------------------------------------ answering

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/cgi-bin/{path:.*}", self._call)
        return app

    async def _call(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        body = await request.json() if request.can_read_body else {}
        return web.json_response(
            {"errcode": 0, "errmsg": "ok", **self._answer(path, body, dict(request.query))}
        )

    def _answer(self, path: str, body: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        match path:
            case "gettoken":
                return {"access_token": "storm", "expires_in": 7200}
            case "kf/sync_msg":
                start = int(body.get("cursor") or 0)
                page = self.said[start : start + 100]
                end = start + len(page)
                return {"msg_list": page, "next_cursor": str(end), "has_more": int(end < len(self.said))}
            case "kf/send_msg":
                return self._take_reply(body)
            case "externalcontact/send_welcome_msg":
                return self._take_welcome(str(body["welcome_code"]))
            case "externalcontact/add_corp_tag":
                made = [{"id": f"et{tag['name']}", "name": tag["name"]} for tag in body["tag"]]
                return {
                    "tag_group": {"group_id": "et0", "group_name": body.get("group_name", ""), "tag": made}
                }
            case "externalcontact/get":
                member = query["external_userid"]
                return {
                    "external_contact": {"external_userid": member, "name": member, "type": 1},
                    "follow_user": [],
                }
            case _:
                return {}

    def _take_reply(self, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("msgid") in self._replies:
            return {"errcode": 40035, "errmsg": "msgid is used"}
        self._replies.add(str(body.get("msgid")))
        self._note(
            "reply", to=body["touser"], msgid=body.get("msgid"), text=body.get("text", {}).get("content", "")
        )
        return {"msgid": body.get("msgid")}

    def _take_welcome(self, code: str) -> dict[str, Any]:
        if code in self._welcomed:
            return {"errcode": 41051, "errmsg": "delivered already"}
        self._welcomed.add(code)
        self._note("welcome", code=code)
        return {}

    def _note(self, what: str, **about: Any) -> None:
        self._journal.write(json.dumps({"what": what, **about}, ensure_ascii=False) + "\n")
