"""入群欢迎语: written here, kept in WeCom's library; which group says it, its owner chooses in WeCom by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiohttp import web

from bot.console.page import Page, form, go, render, room
from sop.greeting import Greeting, objections
from storage.engine import Connection
from storage.errand import Errand, ErrandStore
from storage.greeting import GreetingStore

EMPTY = Greeting(name="", text="")


async def shown(request: web.Request) -> web.Response:
    """A new one, or the one named, to change its words."""
    now, name = room(request).now, request.query.get("name", "")
    kept = await room(request).read(lambda c: GreetingStore(c, now).get(name)) if name else None
    return _page(request, kept.greeting if kept else EMPTY, known=kept is not None)


def _page(
    request: web.Request, greeting: Greeting, problem: str = "", *, known: bool = False, status: int = 200
) -> web.Response:
    shown: dict[str, Any] = {"greeting": greeting, "problem": problem, "known": known}
    return render(request, "greeting.html", status=status, **shown)


async def keep(request: web.Request) -> web.Response:
    """Keep the words, and let the library follow."""
    here, fields = room(request), await form(request)
    given = {name: fields.get(name, "").strip() for name in ("name", "text", "url", "title", "description")}
    wanted = replace(EMPTY, **given, tells_owners=fields.get("tell") == "yes")
    if problems := objections(wanted):
        return _page(request, wanted, " ".join(problems), known=fields.get("known") == "yes", status=422)
    now = here.now

    def work(c: Connection) -> bool:
        store = GreetingStore(c, now)
        taken = store.get(wanted.name) is not None
        if taken != (fields.get("known") == "yes"):
            return False
        (store.change if taken else store.add)(wanted)
        ErrandStore(c).add(Errand(what="greeting", whom=wanted.name, data={"do": "keep"}, at=now))
        return True

    if not await here.write(work):
        return _page(request, wanted, f"已经有叫「{wanted.name}」的欢迎语了，换个名称。", status=409)
    here.desk.after()
    await here.did(request, "kept a greeting", wanted.name)
    return go("/ways", f"正在把「{wanted.name}」存进企业微信的欢迎语库；要用它，还得群主在群里手动选。")


async def drop(request: web.Request) -> web.Response:
    here, fields = room(request), await form(request)
    name, now = fields.get("name", ""), here.now
    if await here.read(lambda c: GreetingStore(c, now).get(name)) is None:
        raise web.HTTPNotFound
    errand = Errand(what="greeting", whom=name, data={"do": "drop"}, at=now)
    await here.write(lambda c: ErrandStore(c).add(errand))
    here.desk.after()
    await here.did(request, "dropped a greeting", name)
    return go("/ways", f"正在从欢迎语库里删掉「{name}」。")


PAGES = (
    Page("GET", "/greeting", shown),
    Page("POST", "/greeting", keep),
    Page("POST", "/greeting/drop", drop),
)
