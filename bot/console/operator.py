"""账号: who may sign in, and what they did. For administrators."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from bot.console.page import Page, form, go, render, room, signed_in
from bot.console.password import objection
from sop.errors import Conflict, NotFound
from storage.operator import ADMIN, OPERATOR, ROLES, OperatorStore

LONGEST_NAME = 32
LONGEST_STAFF = 64


async def listed(request: web.Request) -> web.Response:
    return await _page(request)


async def _page(request: web.Request, problem: str = "", name: str = "", status: int = 200) -> web.Response:
    now = room(request).wall.now()
    operators, deeds = await room(request).read(
        lambda c: (OperatorStore(c, now).all(), OperatorStore(c, now).deeds(60))
    )
    return render(
        request,
        "operators.html",
        status=status,
        operators=operators,
        deeds=deeds,
        roles=ROLES,
        problem=problem,
        name=name,
    )


async def add(request: web.Request) -> web.Response:
    fields, here, me = await form(request), room(request), signed_in(request).operator
    name, password, role = (
        fields.get("name", "").strip(),
        fields.get("password", ""),
        fields.get("role", OPERATOR),
    )
    problem = objection(password)
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        problem = f"账号名要有 1 到 {LONGEST_NAME} 个字。"
    if problem or role not in ROLES:
        return await _page(request, problem or "没有这种角色。", name, status=422)
    hashed = await here.passwords.hash(password)

    staff = fields.get("staff", "").strip()[:LONGEST_STAFF]

    def work(store: OperatorStore) -> None:
        store.add(name, hashed, role)
        store.name_staff(name, staff)
        store.record(me.name, "added an account", f"{name} ({role})")

    try:
        await here.accounts(work)
    except Conflict as conflict:
        return await _page(request, _taken(conflict, name, staff), name, status=409)
    return go("/operators", f"已添加账号「{name}」。")


async def change(request: web.Request) -> web.Response:
    """Another role, another employee behind it, active again, or no account any more; the last administrator stays."""
    fields, name, me = await form(request), request.match_info["name"], signed_in(request).operator
    staff = fields.get("staff", "").strip()[:LONGEST_STAFF]
    act = _act(fields.get("do", ""), name, staff)
    if act is None:
        return await _page(request, "没有这种操作。", status=422)

    def work(store: OperatorStore) -> None:
        act(store)
        store.record(me.name, f"account: {fields['do']}", name)

    try:
        await room(request).accounts(work)
    except NotFound:
        raise web.HTTPNotFound from None
    except Conflict as conflict:
        words = _taken(conflict, name, staff) if fields["do"] == "staff" else "至少要留一位管理员。"
        return await _page(request, words, status=409)
    return go("/operators" if name != me.name else "/", "已修改。")


def _taken(conflict: Conflict, name: str, staff: str) -> str:
    if conflict.name == name:
        return f"已经有叫「{name}」的账号了。"
    return f"企业微信账号 {staff} 已经是「{conflict.name}」的了，一位员工只能有一个账号。"


def _act(do: str, name: str, staff: str) -> Callable[[OperatorStore], None] | None:
    if do in ROLES:
        return lambda store: store.change_role(name, do)
    acts: dict[str, Callable[[OperatorStore], None]] = {
        "remove": lambda store: store.remove(name),
        "staff": lambda store: store.name_staff(name, staff),
        "restore": lambda store: store.restore(name),
    }
    return acts.get(do)


PAGES = (
    Page("GET", "/operators", listed, ADMIN),
    Page("POST", "/operators", add, ADMIN),
    Page("POST", "/operators/{name}", change, ADMIN),
)
