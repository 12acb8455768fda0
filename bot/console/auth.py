"""Signing in and out, and the gate every request passes.

A session is an opaque identity in a cookie, its hash in a table: new at every sign-in, gone at sign-out. Every form carries a
token of its session; a request that changes something without it, or from another site, is refused.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import quote, urlsplit

from aiohttp import web

from bot.console.page import (
    ANYONE,
    PICTURES,
    PREFIX,
    SESSION,
    Handler,
    Page,
    form,
    go,
    is_part,
    render,
    room,
    signed_in,
    way,
)
from bot.console.password import objection
from storage.operator import ADMIN, OperatorStore, Session

COOKIE = "qunxing_session"
KNOCK = "qunxing_knock"  # proves that the sign-in form was ours
LIFE = timedelta(hours=12)
POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
READING = ("GET", "HEAD")


# ---------------------------------------------------------------- the gate


class Gate:
    """Who may pass: decided from the table of pages, before any page runs."""

    def __init__(self, roles: Mapping[object, str]) -> None:
        self._roles = roles

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await self._passed(request, handler)
        except web.HTTPNotFound:
            response = render(request, "missing.html", status=404)
        for name, value in HEADERS.items():
            response.headers[name] = value
        if PICTURES in response:
            response.headers["Content-Security-Policy"] = POLICY.replace("img-src", "img-src https:")
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    async def _passed(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        role = self._roles.get(request.match_info.handler, "unknown")
        session = await session_of(request)
        if session is not None:
            request[SESSION] = session
        if request.method not in READING and not _same_site(request):
            return _refused(request, "请求来自别的网站，没有执行。")
        if role == ANYONE:
            return await handler(request)
        if session is None:
            return _to_sign_in(request)
        if request.method not in READING and not await _carries_token(request, session):
            return _refused(request, "页面已过期，请返回刷新后再试一次。")
        if role == ADMIN and not session.operator.is_admin:
            return _refused(request, "这里只有管理员可以操作。")
        return await handler(request)


def _same_site(request: web.Request) -> bool:
    """Browsers say where a form came from; who says nothing must still carry the token."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host


async def _carries_token(request: web.Request, session: Session) -> bool:
    token = request.headers.get("X-CSRF") or (await form(request)).get("csrf", "")
    return hmac.compare_digest(token.encode(), session.csrf.encode())


def _refused(request: web.Request, reason: str) -> web.Response:
    return render(request, "refused.html", status=403, reason=reason)


def _to_sign_in(request: web.Request) -> web.Response:
    """Unknown and known addresses are answered alike, so that a stranger learns nothing."""
    if is_part(request):
        return web.Response(status=401, headers={"HX-Redirect": way("/login")})
    back = f"?next={quote(request.path_qs)}" if request.method == "GET" and request.path != way("/") else ""
    return web.Response(status=303, headers={"Location": way("/login") + back})


# ---------------------------------------------------------------- sessions


def hash_of(identity: str) -> bytes:
    return hashlib.sha256(identity.encode()).digest()


async def session_of(request: web.Request) -> Session | None:
    """The live session behind the request's cookie; half way through its life it is prolonged."""
    identity = request.cookies.get(COOKIE, "")
    if not identity or len(identity) > 100:
        return None
    here, hashed = room(request), hash_of(identity)
    now = here.wall.now()
    session = await here.read(lambda c: OperatorStore(c, now).session(hashed))
    if session is not None and session.expires_at - now < LIFE / 2:
        await here.accounts(lambda store: store.extend(hashed, now + LIFE))
    return session


async def begin_session(request: web.Request, name: str, response: web.Response, how: str = "密码") -> None:
    """A new identity for this browser; the one it had before ends."""
    here = room(request)
    identity, csrf, old = here.chance.token(32), here.chance.token(32), request.cookies.get(COOKIE, "")
    until = here.wall.now() + LIFE

    def open_new(store: OperatorStore) -> None:
        store.close(hash_of(old))
        store.open(name, hashed=hash_of(identity), csrf=csrf, until=until)
        store.record(name, "signed in", f"{how} {request.remote or ''}".strip())

    await here.accounts(open_new)
    response.set_cookie(COOKIE, identity, path=PREFIX, httponly=True, samesite="Lax", secure=here.secure)
    response.del_cookie(KNOCK, path=PREFIX)


# ---------------------------------------------------------------- the pages


async def ask(request: web.Request) -> web.Response:
    """The sign-in form."""
    if request.get(SESSION) is not None:
        return go("/")
    return _form(request)


def _form(request: web.Request, problem: str = "", name: str = "", status: int = 200) -> web.Response:
    here = room(request)
    knock = request.cookies.get(KNOCK) or here.chance.token(16)
    response = render(
        request,
        "login.html",
        status=status,
        knock=knock,
        problem=problem,
        name=name,
        next=request.query.get("next", ""),
        scan=here.login is not None,
    )
    response.set_cookie(KNOCK, knock, path=PREFIX, httponly=True, samesite="Strict", secure=here.secure)
    return response


async def sign_in(request: web.Request) -> web.Response:
    """A right name and password begin a session; failures are answered alike and make the next one wait."""
    fields = await form(request)
    name, here = fields.get("name", "").strip()[:64], room(request)
    knock = request.cookies.get(KNOCK, "")
    if not knock or not hmac.compare_digest(fields.get("knock", "").encode(), knock.encode()):
        return _form(request, "页面已过期，请再试一次。", name, status=403)
    now, key = here.wall.now(), f"{name.casefold()}\n{request.remote}"
    if wait := here.throttle.wait(key, now):
        return _form(request, f"失败次数太多，请 {_spoken(wait)}后再试。", name, status=429)
    here.throttle.failed(key, now)  # counted before the slow check, so that many at once do not slip through
    known = await here.read(lambda c: OperatorStore(c, now).get(name))
    if not await here.passwords.is_right(
        known.password if known and known.active else None, fields.get("password", "")
    ):
        return _form(request, "账号或密码不对。", name, status=401)
    here.throttle.succeeded(key)
    response = web.Response(status=303, headers={"Location": inside(request.query.get("next", ""))})
    await begin_session(request, name, response)
    return response


def _spoken(wait: timedelta) -> str:
    seconds = math.ceil(wait.total_seconds())
    return f"{seconds} 秒" if seconds < 60 else f"{math.ceil(seconds / 60)} 分钟"


def inside(address: str) -> str:
    """Where to after signing in: a page of the console, never another site."""
    safe = address.startswith(f"{PREFIX}/") and "\\" not in address and address.isprintable()
    return address if safe else way("/")


async def sign_out(request: web.Request) -> web.Response:
    here, hashed = room(request), hash_of(request.cookies.get(COOKIE, ""))
    await here.accounts(lambda store: store.close(hashed))
    response = go("/login")
    response.del_cookie(COOKIE, path=PREFIX)
    return response


async def own_account(request: web.Request) -> web.Response:
    return render(request, "account.html", problem="")


async def change_password(request: web.Request) -> web.Response:
    """A new password needs the old one, and signs every other browser out."""
    fields, here, me = await form(request), room(request), signed_in(request).operator
    fresh = fields.get("fresh", "")
    problem = objection(fresh) or ("" if fresh == fields.get("again") else "两次输入的新密码不一样。")
    if not problem and not await here.passwords.is_right(me.password, fields.get("password", "")):
        problem = "原密码不对。"
    if problem:
        return render(request, "account.html", status=422, problem=problem)
    hashed = await here.passwords.hash(fresh)

    def change(store: OperatorStore) -> None:
        store.change_password(me.name, hashed)
        store.record(me.name, "changed own password")

    await here.accounts(change)
    response = go("/", "密码已修改，其他浏览器需要重新登录。")
    await begin_session(request, me.name, response)
    return response


PAGES = (
    Page("GET", "/login", ask, ANYONE),
    Page("POST", "/login", sign_in, ANYONE),
    Page("POST", "/logout", sign_out),
    Page("GET", "/account", own_account),
    Page("POST", "/account", change_password),
)
