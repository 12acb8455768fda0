"""SOP 模板: the list, the versions, publishing and retiring."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot.console import workbook
from bot.console.page import Page, form, go, render, room, signed_in, whole
from sop.errors import Conflict, NotFound, TemplateError, Unapproved
from sop.file import write
from sop.template import Template
from storage import report
from storage.engine import Connection
from storage.operator import OperatorStore
from storage.pause import PauseStore
from storage.template import Saved, TemplateStore, compiled
from storage.version import VersionStore

CONTEXT_LINES = 3
EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True)
class DiffLine:
    """One line of a comparison: ``sign`` is +, -, blank, or @ where lines were left out."""

    sign: str
    old: int
    new: int
    text: str


def compare(old: str, new: str) -> list[DiffLine]:
    """What changed from one text to the other, with a little of what stayed."""
    before, after = old.splitlines(), new.splitlines()
    matcher = difflib.SequenceMatcher(a=before, b=after, autojunk=False)
    lines: list[DiffLine] = []
    for group in matcher.get_grouped_opcodes(CONTEXT_LINES):
        if lines or group[0][1] > 0:
            lines.append(DiffLine("@", 0, 0, ""))
        for tag, a, b, c, d in group:
            lines.extend(_lines(tag, before, after, (a, b, c, d)))
    return lines


def _lines(
    tag: str, before: list[str], after: list[str], span: tuple[int, int, int, int]
) -> Iterator[DiffLine]:
    a, b, c, d = span
    if tag == "equal":
        yield from (DiffLine(" ", a + n + 1, c + n + 1, before[a + n]) for n in range(b - a))
        return
    yield from (DiffLine("-", n + 1, 0, before[n]) for n in range(a, b))
    yield from (DiffLine("+", 0, n + 1, after[n]) for n in range(c, d))


async def listed(request: web.Request) -> web.Response:
    here = room(request)
    now = here.now

    def ask(c: Connection) -> dict[str, Any]:
        store = TemplateStore(c, now)
        return {
            "newest": store.newest_of_each(),
            "published": {saved.id: saved for saved in store.published()},
            "lines": report.journeys_by_template(c),
            "paused": PauseStore(c, now).reasons(),
        }

    return render(request, "templates.html", **await here.read(ask))


async def download(request: web.Request) -> web.Response:
    """The newest version that can be read, as a workbook."""
    here, template_id = room(request), request.match_info["template"]
    now = here.now
    versions = await here.read(lambda c: TemplateStore(c, now).versions(template_id))
    plan = next((plan for saved in versions if (plan := _readable(saved)) is not None), None)
    if plan is None:
        raise web.HTTPNotFound
    headers = {"Content-Disposition": f'attachment; filename="{plan.id}.xlsx"'}
    return web.Response(body=workbook.write(plan), content_type=EXCEL, headers=headers)


def _readable(saved: Saved) -> Template | None:
    try:
        return compiled(saved.text, saved.version)
    except TemplateError:
        return None


async def upload(request: web.Request) -> web.Response:
    """A workbook becomes the newest draft of its template; a mistake names its cell, and nothing is kept."""
    here, who, posted = room(request), signed_in(request).operator.name, await request.post()
    given = posted.get("file")
    if not isinstance(given, web.FileField):
        return go("/templates", "没有选文件。")
    try:
        plan = workbook.read(given.file.read())
    except TemplateError as error:
        return render(request, "workbook.html", status=422, problems=error.problems, name=given.filename)
    now, wall = here.now, here.wall.now()

    def work(c: Connection) -> Saved:
        saved = TemplateStore(c, now).save(plan.id, plan.name, write(plan), by=who)
        OperatorStore(c, wall).record(who, "saved a template", f"{plan.id} v{saved.version}")
        return saved

    saved = await here.write(work)
    return go(f"/templates/{plan.id}", f"已从 Excel 存为第 {saved.version} 版草稿，看过再发布。")


async def _version(request: web.Request, number: int) -> tuple[Saved, Saved | None]:
    """One version, and the published one to compare it with."""
    here, template_id = room(request), request.match_info["template"]
    now = here.now
    saved, published = await here.read(
        lambda c: (
            TemplateStore(c, now).get(template_id, number),
            TemplateStore(c, now).published_version(template_id),
        )
    )
    if saved is None:
        raise web.HTTPNotFound
    return saved, published


async def ask_publish(request: web.Request) -> web.Response:
    """What publishing this version would change, before it does."""
    saved, published = await _version(request, whole(request.query.get("version")))
    return await _publishing(request, saved, published)


async def _publishing(
    request: web.Request, saved: Saved, published: Saved | None, problem: str = "", status: int = 200
) -> web.Response:
    here = room(request)
    now, diff = here.now, compare(published.text if published else "", saved.text)
    try:
        passages = await here.read(lambda c: VersionStore(c, now).passages(saved.id, saved.version))
    except TemplateError:
        passages = []  # what is wrong is told when it is published
    return render(
        request,
        "publish.html",
        status=status,
        saved=saved,
        published=published,
        diff=diff,
        passages=passages,
        problem=problem,
    )


async def publish(request: web.Request) -> web.Response:
    """Publish a version, unless another was published since the operator looked."""
    here, fields, who = room(request), await form(request), signed_in(request).operator.name
    template_id, number, seen = (
        request.match_info["template"],
        whole(fields.get("version")),
        whole(fields.get("seen")),
    )
    now, wall = here.now, here.wall.now()

    def work(c: Connection) -> None:
        store = TemplateStore(c, now)
        published = store.published_version(template_id)
        if (published.version if published else 0) != seen:
            raise Conflict("template", template_id, "was published by someone else meanwhile")
        store.publish(template_id, number, zone=here.zone, by=who)
        OperatorStore(c, wall).record(who, "published a template", f"{template_id} v{number}")
        if fields.get("migrate"):
            OperatorStore(c, wall).record(who, "moved journeys", f"{template_id} v{number}")
            VersionStore(c, now).migrate(template_id, number)

    try:
        await here.write(work)
    except NotFound:
        raise web.HTTPNotFound from None
    except Conflict:
        saved, published = await _version(request, number)
        return await _publishing(
            request, saved, published, "刚才有人发布了别的版本，请再核对一次下面的差异。", status=409
        )
    except Unapproved as error:
        saved, published = await _version(request, number)
        return await _publishing(request, saved, published, f"{error}。", status=409)
    except TemplateError as error:
        told = "；".join(map(str, error.problems))
        return go(f"/templates/{template_id}?version={number}", f"这一版还有错误，改好才能发布：{told}")
    here.desk.woken.ring()
    return go(f"/templates/{template_id}", f"第 {number} 版已发布，新进入旅程的人会走这一版。")


async def retire(request: web.Request) -> web.Response:
    """No new journeys; those under way go on."""
    here, template_id = room(request), request.match_info["template"]
    who, now, wall = signed_in(request).operator.name, here.now, here.wall.now()

    def work(c: Connection) -> bool:
        store = TemplateStore(c, now)
        if not store.newest_version(template_id):
            return False
        store.retire(template_id)
        OperatorStore(c, wall).record(who, "retired a template", template_id)
        return True

    if not await here.write(work):
        raise web.HTTPNotFound
    return go(f"/templates/{template_id}", "已停用：不再有人新进入，已经在路上的会走完。")


PAGES = (
    Page("GET", "/templates", listed),
    Page("POST", "/templates", upload),
    Page("GET", "/templates/{template}/workbook", download),
    Page("GET", "/templates/{template}/publish", ask_publish),
    Page("POST", "/templates/{template}/publish", publish),
    Page("POST", "/templates/{template}/retire", retire),
)
