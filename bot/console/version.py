"""版本: every version of a template, who is on which, and moving between them; pausing and going on."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from bot.console.page import Page, form, go, render, room, signed_in, whole
from bot.console.template import compare
from sop.errors import Conflict, NotFound, TemplateError, Unapproved
from sop.version import changes
from storage.engine import Connection
from storage.journey import JourneyStore
from storage.operator import OperatorStore
from storage.pause import PauseStore
from storage.template import Saved, TemplateStore, compiled
from storage.version import VersionStore

DEEDS = 20
EACH = 100  # people named on a page


async def listed(request: web.Request) -> web.Response:
    """The versions, the newest first; ``a`` and ``b`` are compared, ``to`` shows who would move there."""
    here, template_id, query = room(request), request.match_info["template"], request.query
    now, wall = here.now, here.wall.now()
    a, b, to, origin, step, after = (
        whole(query.get(name)) for name in ("a", "b", "to", "from", "step", "after")
    )

    def ask(c: Connection) -> dict[str, Any]:
        store = TemplateStore(c, now)
        versions = store.versions(template_id)
        if not versions:
            raise web.HTTPNotFound
        by_number = {saved.version: saved for saved in versions}
        return {
            "versions": versions,
            "newest": versions[0],
            "under_way": {
                number: sum(steps.values())
                for number, steps in JourneyStore(c, now).by_version(template_id).items()
            },
            "paused": PauseStore(c, now).reason(template_id),
            "passages": VersionStore(c, now).passages(template_id, to) if to in by_number else None,
            "travellers": VersionStore(c, now).people(template_id, origin, step, EACH, after=after)
            if origin in by_number and to in by_number
            else None,
            "pair": (by_number[a], by_number[b]) if a in by_number and b in by_number else None,
            "deeds": [one for one in OperatorStore(c, wall).deeds(500) if _about(one.detail, template_id)][
                :DEEDS
            ],
        }

    known = await here.read(ask)
    who, compared = signed_in(request).operator.name, _compared(known["pair"])
    shown: dict[str, Any] = {
        "template_id": template_id,
        "to": to,
        "origin": origin,
        "step": step,
        "each": EACH,
        "who": who,
    }
    return render(request, "versions.html", **shown, **known, **compared)


def _about(detail: str, template_id: str) -> bool:
    return detail.split(" ")[0] == template_id


def _compared(pair: tuple[Saved, Saved] | None) -> dict[str, Any]:
    """What changed in words, and line by line; a draft with mistakes has only lines."""
    if pair is None:
        return {}
    old, new = pair
    diff = compare(old.text, new.text)
    try:
        said = changes(compiled(old.text, old.version), compiled(new.text, new.version))
    except TemplateError:
        said = []
    return {"diff": diff, "said": said}


async def approve(request: web.Request) -> web.Response:
    """Agree to somebody else's draft."""
    here, template_id, who = room(request), request.match_info["template"], signed_in(request).operator.name
    now, wall, number = here.now, here.wall.now(), whole((await form(request)).get("version"))

    def work(c: Connection) -> None:
        TemplateStore(c, now).review(template_id, number, by=who)
        OperatorStore(c, wall).record(who, "approved a template", f"{template_id} v{number}")

    try:
        await here.write(work)
    except NotFound:
        raise web.HTTPNotFound from None
    except Unapproved as error:
        return go(_home(template_id), f"没有批准：{error}。")
    except TemplateError:
        return go(_home(template_id), "这一版还有错误，改好才能批准。")
    except Conflict:
        return go(_home(template_id), "只有草稿能批准，这一版已经不是草稿了。")
    return go(_home(template_id), f"已批准第 {number} 版，可以发布了。")


async def migrate(request: web.Request) -> web.Response:
    """Everybody under way moves to one version, in chunks."""
    here, template_id, who = room(request), request.match_info["template"], signed_in(request).operator.name
    now, wall, number = here.now, here.wall.now(), whole((await form(request)).get("version"))

    def work(c: Connection) -> int:
        OperatorStore(c, wall).record(who, "moved journeys", f"{template_id} v{number}")
        return VersionStore(c, now).migrate(template_id, number)

    try:
        count = await here.write(work)
    except NotFound:
        raise web.HTTPNotFound from None
    here.desk.woken.ring()
    return go(_home(template_id), f"{count} 个旅程正在移到第 {number} 版，一批一批完成。")


async def pause(request: web.Request) -> web.Response:
    """Stop at once, or go on."""
    here, template_id, who = room(request), request.match_info["template"], signed_in(request).operator.name
    now, wall, on = here.now, here.wall.now(), (await form(request)).get("do") != "resume"

    def work(c: Connection) -> None:
        if not TemplateStore(c, now).newest_version(template_id):
            raise web.HTTPNotFound
        store = PauseStore(c, now)
        changed = store.pause(template_id, who) if on else store.resume(template_id)
        if changed:
            OperatorStore(c, wall).record(who, f"{'paused' if on else 'resumed'} a template", template_id)

    await here.write(work)
    here.desk.woken.ring()
    said = (
        "已暂停：不再计划，也不再发送，等员工确认的也撤回了。"
        if on
        else "已恢复：不会重发，过了时间的按每一步的规矩办。"
    )
    return go(_home(template_id), said)


def _home(template_id: str) -> str:
    return f"/templates/{template_id}/versions"


PAGES = (
    Page("GET", "/templates/{template}/versions", listed),
    Page("POST", "/templates/{template}/approve", approve),
    Page("POST", "/templates/{template}/migrate", migrate),
    Page("POST", "/templates/{template}/pause", pause),
)
