"""Signing in by a scan with WeCom. Being staff is not being an operator: an account must name the employee.

The way there carries a random state that only this browser holds, for five minutes and one return; the way back leads
to pages of the console only.
"""

from __future__ import annotations

import hmac
import re
from urllib.parse import urlencode

from aiohttp import web

from bot.console.auth import begin_session, inside
from bot.console.page import ANYONE, PREFIX, SESSION, Page, Room, go, render, room, way
from sop.errors import Refused, SendError
from storage.operator import OperatorStore

STATE_COOKIE = "qunxing_scan"
STATE = re.compile(r"([0-9a-f]{8})[0-9a-f]{40}")  # when it was made, and what nobody can guess
PATIENCE_S = 300


async def begin(request: web.Request) -> web.Response:
    """Off to WeCom's login page."""
    here = room(request)
    if here.login is None:
        raise web.HTTPNotFound
    if request.get(SESSION) is not None:
        return go("/")
    state = f"{int(here.wall.now().timestamp()):08x}{here.chance.bytes(20).hex()}"
    onward = urlencode({"next": inside(request.query.get("next", ""))})
    back = f"{here.public_url.rstrip('/')}{way('/scan/back')}?{onward}"
    answer = web.Response(status=303, headers={"Location": here.login.scan(back, state)})
    answer.set_cookie(
        STATE_COOKIE,
        state,
        path=PREFIX,
        max_age=PATIENCE_S,
        httponly=True,
        samesite="Lax",
        secure=here.secure,
    )
    return answer


async def returned(request: web.Request) -> web.Response:
    """Back from WeCom: who it is, and whether they are an operator."""
    if room(request).login is None:
        raise web.HTTPNotFound
    answer = await _judged(request)
    answer.del_cookie(STATE_COOKIE, path=PREFIX)
    return answer


async def _judged(request: web.Request) -> web.Response:
    here = room(request)
    if not _is_ours(here, request):
        return _again(request, "这次登录不是从这台电脑发起的，或者已经过了五分钟。", status=400)
    try:
        identity = await here.who(request.query.get("code", "")[:512])
    except Refused:
        return _again(request, "登录码无效、用过或已过期。", status=400)
    except SendError:
        return _again(request, "企业微信暂时没有回应，请稍后再试，或用密码登录。", status=503)
    if not identity.staff:
        return _refused(request, here, "", [])
    return await _admitted(request, here, identity.staff)


async def _admitted(request: web.Request, here: Room, staff: str) -> web.Response:
    now = here.wall.now()
    account, everybody = await here.read(
        lambda c: (OperatorStore(c, now).of_staff(staff), OperatorStore(c, now).all())
    )
    if account is None or not account.active:
        admins = [one.name for one in everybody if one.is_admin and one.active]
        return _refused(request, here, staff, admins)
    answer = web.Response(status=303, headers={"Location": inside(request.query.get("next", ""))})
    await begin_session(request, account.name, answer, how="企业微信扫码")
    return answer


def _is_ours(here: Room, request: web.Request) -> bool:
    given, held = request.query.get("state", ""), request.cookies.get(STATE_COOKIE, "")
    found = STATE.fullmatch(held)
    if found is None or not hmac.compare_digest(given.encode(), held.encode()):
        return False
    return -1 <= here.wall.now().timestamp() - int(found[1], 16) < PATIENCE_S


def _again(request: web.Request, problem: str, status: int) -> web.Response:
    return render(
        request, "scan.html", status=status, title="没有登录成功", problem=problem, staff="", admins=[]
    )


def _refused(request: web.Request, here: Room, staff: str, admins: list[str]) -> web.Response:
    problem = "" if staff else "只有本企业的员工能扫码登录控制台，你的微信不是员工账号。"
    return render(
        request,
        "scan.html",
        status=403,
        title="还不能进入控制台",
        problem=problem,
        staff=staff,
        admins=admins,
    )


PAGES = (
    Page("GET", "/scan", begin, ANYONE),
    Page("GET", "/scan/back", returned, ANYONE),
)
