"""Who is looking: a member known by WeCom's login, a staff member, or a stranger.

The session is a signed cookie that names the person; nothing secret is in it, and nobody can make one without the key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from bot.chance import Chance
from bot.clock import Clock
from bot.gateway import Gateway
from sop.errors import SendError

SESSION, STATE = "qx_member", "qx_login"
COOKIES = (SESSION, STATE)
SESSION_S, STRANGER_S, STATE_S = 30 * 86400, 3600, 600
PLATFORM_LOGIN = "https://open.weixin.qq.com"
IN_WECHAT = ("micromessenger", "wxwork")


@dataclass(frozen=True)
class Visitor:
    """``member`` is empty for somebody we do not know; ``asked`` tells that WeCom was asked already."""

    member: str = ""
    asked: bool = False


@dataclass(eq=False)
class Visitors:
    """Recognises visitors, and sends those it does not know through WeCom's login once."""

    gateway: Gateway
    clock: Clock
    chance: Chance
    secret: bytes
    public_url: str
    oauth_base: str
    corp_id: str
    agent_id: str

    def of(self, request: web.Request) -> Visitor:
        told = self._opened(request.cookies.get(SESSION, ""))
        if told is None or told.get("until", 0) < self._now():
            return Visitor()
        return Visitor(str(told.get("member", "")), asked=True)

    def must_log_in(self, request: web.Request, visitor: Visitor) -> bool:
        """Inside WeChat the login is silent; a plain browser could not pass it, so it stays a stranger."""
        if visitor.asked or request.method != "GET" or not self.corp_id:
            return False
        agent = request.headers.get("User-Agent", "").lower()
        return self.oauth_base != PLATFORM_LOGIN or any(sign in agent for sign in IN_WECHAT)

    def to_login(self, request: web.Request) -> web.Response:
        state = self.chance.bytes(16).hex()
        query = urlencode(
            {
                "appid": self.corp_id,
                "redirect_uri": f"{self.public_url}/m/login",
                "response_type": "code",
                "scope": "snsapi_base",
                "state": state,
                "agentid": self.agent_id,
            }
        )
        address = f"{self.oauth_base.rstrip('/')}/connect/oauth2/authorize?{query}#wechat_redirect"
        answer = web.Response(status=302, headers={"Location": address})
        self._set(answer, STATE, {"state": state, "back": request.path_qs}, STATE_S)
        return answer

    async def login(self, request: web.Request) -> web.Response:
        """The way back from WeCom: the state must be the one this browser was given."""
        told = self._opened(request.cookies.get(STATE, ""))
        given = request.query.get("state", "")
        if (
            told is None
            or told.get("until", 0) < self._now()
            or not hmac.compare_digest(str(told["state"]), given)
        ):
            return web.Response(status=302, headers={"Location": "/m/"})
        try:
            member = (await self.gateway.who(request.query.get("code", ""))).member
        except SendError:  # an old or used code: a stranger until the next visit
            member = ""
        answer = web.Response(status=302, headers={"Location": _own(str(told["back"]))})
        self._set(answer, SESSION, {"member": member}, SESSION_S if member else STRANGER_S)
        answer.del_cookie(STATE, path="/")
        return answer

    def token(self, visitor: Visitor) -> str:
        """What a form must bring back."""
        return self._seal(b"form:" + visitor.member.encode())

    def brought_token(self, visitor: Visitor, given: str) -> bool:
        return hmac.compare_digest(self.token(visitor), given)

    def _set(self, answer: web.Response, name: str, told: Mapping[str, Any], seconds: int) -> None:
        plain = json.dumps({**told, "until": self._now() + seconds}).encode()
        packed = base64.urlsafe_b64encode(plain).decode().rstrip("=")
        secure = self.public_url.startswith("https://")
        answer.set_cookie(
            name,
            f"{packed}.{self._seal(plain)}",
            max_age=seconds,
            path="/",
            httponly=True,
            samesite="Lax",
            secure=secure,
        )

    def _opened(self, cookie: str) -> dict[str, Any] | None:
        packed, _, seal = cookie.rpartition(".")
        try:
            plain = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
            if not hmac.compare_digest(self._seal(plain), seal):
                return None
            told = json.loads(plain)
        except (ValueError, TypeError):
            return None
        return told if isinstance(told, dict) else None

    def _seal(self, plain: bytes) -> str:
        return hmac.new(self.secret, plain, hashlib.sha256).hexdigest()

    def _now(self) -> int:
        return int(self.clock.now().timestamp())


def _own(path: str) -> str:
    """Only ever back to a path of ours."""
    return path if path.startswith("/") and not path.startswith("//") and "\\" not in path else "/m/"
