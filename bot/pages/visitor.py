"""Who is looking: a member known by WeCom's login, a staff member, or a stranger.

Inside WeChat the login is silent: there and back in a blink (developer.work.weixin.qq.com path 91023).
The session is a sealed cookie that names the person. Its times are real ones, however fast the community's clock runs.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from bot.chance import Chance
from bot.clock import Clock
from bot.gateway import Gateway, Identity
from bot.pages.seal import Seal, later
from bot.wecom.login import Login
from sop.errors import SendError

SESSION, BROWSER = "qx_member", "qx_browser"
COOKIES = (SESSION, BROWSER)
SESSION_S, STRANGER_S, TROUBLE_S, LOGIN_S = 7 * 86400, 300, 30, 600
IN_WECHAT = ("micromessenger", "wxwork")
MACHINES = ("bot", "spider", "crawl", "preview", "facebookexternalhit", "slurp", "fetcher")
STATE = re.compile(r"([0-9a-f]{8})([0-9a-f]{40})")  # when it was made, and our mark: letters and digits only
LONGEST_PATH = 300


@dataclass(frozen=True)
class Visitor:
    """At most one of ``member`` and ``staff`` is told; ``asked`` says that WeCom has been asked already."""

    member: str = ""
    staff: str = ""
    asked: bool = False
    key: str = ""  # of the session, so that forms of one session mean nothing in another
    guest: str = ""  # a pseudonym of who is neither: the same person has the same, and nobody can tell who


@dataclass(eq=False)
class Visitors:
    """Recognises visitors, and sends those it does not know through WeCom's login once."""

    gateway: Gateway
    clock: Clock  # real time
    chance: Chance
    seal: Seal
    public_url: str
    login: Login
    joined: Callable[[str, str], Awaitable[None]]  # told when a guest turns out to be a member

    def of(self, request: web.Request) -> Visitor:
        told = self.seal.open(SESSION, request.cookies.get(SESSION, ""), self.clock.now())
        if told is None:
            return Visitor()
        return Visitor(
            told["member"], told["staff"], asked=True, key=told["key"], guest=told.get("guest", "")
        )

    # ------------------------------------------------------------ logging in

    def must_log_in(self, request: web.Request, visitor: Visitor) -> bool:
        """A browser outside WeChat could not pass the login, so it stays a stranger; a stand-in lets everybody in."""
        if visitor.asked or request.method != "GET" or not self.login.corp_id or is_machine(request):
            return False
        agent = request.headers.get("User-Agent", "").lower()
        return self.login.is_stand_in or any(sign in agent for sign in IN_WECHAT)

    def to_login(self, request: web.Request) -> web.Response:
        """Off to WeCom, with a state that only this browser can bring back, for this address and for ten minutes."""
        browser = request.cookies.get(BROWSER, "")[:64] or self.chance.token()
        back = request.path_qs[:LONGEST_PATH]
        home = f"{self.public_url.rstrip('/')}/m/login?{urlencode({'back': back})}"
        address = self.login.silent(
            home, self._state(f"{int(self.clock.now().timestamp()):08x}", browser, back)
        )
        answer = web.Response(status=302, headers={"Location": address})
        self._keep(answer, BROWSER, browser, LOGIN_S)
        return answer

    async def returned(self, request: web.Request) -> web.Response | None:
        """Back from WeCom, on to where they wanted to go; None when this is not the way we sent them."""
        back = request.query.get("back", "")
        if not self._is_ours(request, back):
            return None
        identity, seconds = await self._who(request.query.get("code", ""))
        guest = self.seal.mark("guest", identity.openid)[:24] if identity.openid else ""
        if identity.member and guest:
            await self.joined(guest, identity.member)
        known = bool(identity.member or identity.staff)
        told = {
            "member": identity.member,
            "staff": "" if identity.member else identity.staff,
            "guest": "" if known else guest,
        }
        answer = web.Response(status=302, headers={"Location": back})
        self.remember(answer, told, seconds)
        return answer

    def remember(self, answer: web.Response, told: dict[str, Any], seconds: int) -> None:
        """Begin a session for who was ``told``."""
        session = {**told, "key": self.chance.token(9)}
        self._keep(
            answer, SESSION, self.seal.close(SESSION, session, later(self.clock.now(), seconds)), seconds
        )

    async def _who(self, code: str) -> tuple[Identity, int]:
        """Who it is, and for how long to believe it: who is a stranger now may be a friend in five minutes."""
        try:
            identity = await self.gateway.who(code)
        except SendError:  # an old or used code, or the platform is away
            return Identity(), TROUBLE_S
        return identity, SESSION_S if identity.member or identity.staff else STRANGER_S

    def _state(self, made: str, browser: str, back: str) -> str:
        return made + self.seal.mark("login", f"{made}\0{browser}\0{back}")[:40]

    def _is_ours(self, request: web.Request, back: str) -> bool:
        given, browser = request.query.get("state", ""), request.cookies.get(BROWSER, "")
        found = STATE.fullmatch(given)
        if found is None or not browser or not is_own(back):
            return False
        age = self.clock.now().timestamp() - int(found[1], 16)
        expected = self._state(found[1], browser, back)
        return -1 <= age < LOGIN_S and _same(expected, given)

    # ------------------------------------------------------------ forms

    def token(self, visitor: Visitor) -> str:
        """What a form must bring back."""
        return self.seal.mark("form", f"{visitor.member}\0{visitor.staff}\0{visitor.key}")

    def brought_token(self, visitor: Visitor, given: str) -> bool:
        return _same(self.token(visitor), given)

    def _keep(self, answer: web.Response, name: str, value: str, seconds: int) -> None:
        answer.set_cookie(
            name,
            value,
            max_age=seconds,
            path="/",
            httponly=True,
            samesite="Lax",
            secure=self.public_url.startswith("https://"),
        )


def _same(ours: str, given: str) -> bool:
    return hmac.compare_digest(ours.encode(), given.encode())


def is_machine(request: web.Request) -> bool:
    """Previews and crawlers look, but nobody looks through them."""
    agent = request.headers.get("User-Agent", "").lower()
    purpose = request.headers.get("Sec-Purpose", request.headers.get("Purpose", "")).lower()
    return "prefetch" in purpose or any(sign in agent for sign in MACHINES)


def is_own(path: str) -> bool:
    """Whether this leads to one of our own pages and nowhere else."""
    return path.startswith(("/m/", "/l/")) and "\\" not in path and path.isprintable()
