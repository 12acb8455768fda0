"""The template editor: a text with its mistakes beside it, a preview, and saving that overwrites nobody."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

from aiohttp import web

from bot.console.page import Page, form, go, render, room, signed_in, whole
from bot.console.preview import fits, preview
from bot.console.template import compare
from sop.errors import Conflict, Problem, TemplateError
from sop.file import read
from sop.group import Group
from sop.guide import KEYS
from sop.member import Member
from sop.template import Template
from storage.audience import AudienceStore
from storage.engine import Connection
from storage.group import GroupStore
from storage.member import MemberStore
from storage.operator import OperatorStore
from storage.template import Saved, TemplateStore
from storage.zone import ZoneStore

LONGEST = 200_000  # characters of one template
PEOPLE = 40


@dataclass(frozen=True)
class Checked:
    """A text as far as it can be read: the template, or every mistake."""

    template: Template | None
    problems: tuple[Problem, ...]


def check(text: str, template_id: str = "") -> Checked:
    """Read a text; under an existing template its ``id`` must stay."""
    if len(text) > LONGEST:
        return Checked(None, (Problem(1, 1, "", f"太长了，最多 {LONGEST} 个字符"),))
    try:
        template = read(text)
    except TemplateError as error:
        return Checked(None, error.problems)
    if template_id and template.id != template_id:
        moved = Problem(
            _line_of(text, "id"),
            1,
            "id",
            "编号保存后不能改",
            expected=template_id,
            example=f'id = "{template_id}"',
        )
        return Checked(None, (moved,))
    return Checked(template, ())


def _line_of(text: str, key: str) -> int:
    lines = enumerate(text.splitlines(), start=1)
    return next((number for number, line in lines if line.split("=")[0].strip() == key), 1)


def typed(fields: dict[str, str]) -> str:
    """The text of the form, with the line ends a file has."""
    return fields.get("text", "").replace("\r\n", "\n").replace("\r", "\n")


def as_kept(text: str, before: str) -> str:
    """What was typed with the line ends the version before has, for a browser knows one kind only."""
    if text == before.replace("\r\n", "\n").replace("\r", "\n"):
        return before
    return text.replace("\n", "\r\n") if "\r\n" in before else text


# ---------------------------------------------------------------- opening


async def begin(request: web.Request) -> web.Response:
    """A new template: the starter, or a copy of another."""
    here, source = room(request), request.query.get("from", "")
    now, text = here.now, _starter()
    if source:
        versions = await here.read(lambda c: TemplateStore(c, now).versions(source))
        if not versions:
            raise web.HTTPNotFound
        text = versions[0].text.replace(f'id = "{source}"', f'id = "{source}_copy"', 1)
    return await _editor(request, text)


def _starter() -> str:
    return (files("bot.console") / "views" / "starter.toml").read_text(encoding="utf-8")


async def edit(request: web.Request) -> web.Response:
    """The newest version, or an older one to look at and go on from."""
    here, template_id = room(request), request.match_info["template"]
    now = here.now
    versions = await here.read(lambda c: TemplateStore(c, now).versions(template_id))
    if not versions:
        raise web.HTTPNotFound
    wanted = whole(request.query.get("version"), versions[0].version)
    shown = next((saved for saved in versions if saved.version == wanted), None)
    if shown is None:
        raise web.HTTPNotFound
    return await _editor(request, shown.text, versions=versions, shown=shown)


async def _editor(
    request: web.Request,
    text: str,
    *,
    versions: list[Saved] | tuple[Saved, ...] = (),
    shown: Saved | None = None,
    conflict: Saved | None = None,
    status: int = 200,
) -> web.Response:
    template_id = versions[0].id if versions else ""
    return render(
        request,
        "editor.html",
        status=status,
        text=text,
        template_id=template_id,
        versions=versions,
        shown=shown,
        newest=versions[0] if versions else None,
        conflict=conflict,
        diff=compare(conflict.text, text) if conflict else [],
        checked=check(text, template_id),
        keys=KEYS,
        published=next((saved for saved in versions if saved.state == "published"), None),
        people=await _people(request, ""),
        counted=False,
    )


# ---------------------------------------------------------------- while typing


async def problems(request: web.Request) -> web.Response:
    """The mistakes in a text, for showing beside it."""
    fields = await form(request)
    return render(
        request, "problems.html", checked=check(typed(fields), fields.get("template", "")), counted=True
    )


async def shown_to(request: web.Request) -> web.Response:
    """What this text would say to a chosen member or group."""
    here, fields = room(request), await form(request)
    checked = check(typed(fields), fields.get("template", ""))
    to = await _recipient(request, fields.get("who", ""))
    now = here.now
    seen, size, plan = None, 0, checked.template
    if plan and to and fits(plan, to):
        informed, size, zones = await here.read(
            lambda c: (
                AudienceStore(c, now, here.zone).knowing(to, plan.expressions),
                AudienceStore(c, now, here.zone).size(plan),
                ZoneStore(c).of([to.id], [to.id]),
            )
        )
        seen = preview(plan, informed, now, here.zone, own_zone=zones.get(to.id, ""))
    return render(request, "preview.html", checked=checked, to=to, seen=seen, size=size)


async def _recipient(request: web.Request, who: str) -> Member | Group | None:
    here = room(request)
    now, (kind, _, one) = here.now, who.partition(":")
    if kind == "group":
        return await here.read(lambda c: GroupStore(c, now).get(one))
    return await here.read(lambda c: MemberStore(c, now, lambda update: None).get(one))


async def people(request: web.Request) -> web.Response:
    """Members and groups to choose from."""
    return render(
        request, "people.html", people=await _people(request, request.query.get("q", "").strip()[:64])
    )


async def _people(request: web.Request, text: str) -> tuple[list[Member], list[Group]]:
    here = room(request)
    now = here.now
    members, groups = await here.read(
        lambda c: (
            MemberStore(c, now, lambda update: None).search(text, limit=PEOPLE),
            GroupStore(c, now).all(),
        )
    )
    return members, [group for group in groups if text in group.called and group.kind != "imported"][:PEOPLE]


# ---------------------------------------------------------------- saving


async def save_new(request: web.Request) -> web.Response:
    """A new template must be readable, for its id is taken from the text."""
    fields = await form(request)
    checked = check(typed(fields))
    if checked.template is None:
        return await _editor(request, typed(fields), status=422)
    return await _save(request, checked.template.id, checked.template.name, typed(fields), 0, "draft")


async def save(request: web.Request) -> web.Response:
    """A new version; half-written ones may be saved, but not published."""
    here, fields, template_id = room(request), await form(request), request.match_info["template"]
    now = here.now
    versions = await here.read(lambda c: TemplateStore(c, now).versions(template_id))
    if not versions:
        raise web.HTTPNotFound
    text, checked = as_kept(typed(fields), versions[0].text), check(typed(fields), template_id)
    if checked.template is None and (fields.get("do") == "publish" or len(text) > LONGEST):
        return await _editor(request, text[:LONGEST], versions=versions, shown=versions[0], status=422)
    name = checked.template.name if checked.template else versions[0].name
    expect = whole(fields.get("expect"))
    if text == versions[0].text and expect == versions[0].version:
        return _saved(template_id, versions[0].version, fields.get("do", ""), "没有改动，不用保存。")
    return await _save(request, template_id, name, text, expect, fields.get("do", ""))


async def _save(
    request: web.Request, template_id: str, name: str, text: str, expect: int, do: str
) -> web.Response:
    here, who = room(request), signed_in(request).operator.name
    now, wall = here.now, here.wall.now()

    def work(c: Connection) -> Saved:
        saved = TemplateStore(c, now).save(template_id, name, text, by=who, expect=expect)
        OperatorStore(c, wall).record(who, "saved a template", f"{template_id} v{saved.version}")
        return saved

    try:
        saved = await here.write(work)
    except Conflict:
        versions = await here.read(lambda c: TemplateStore(c, now).versions(template_id))
        return await _editor(
            request, text, versions=versions, shown=versions[0], conflict=versions[0], status=409
        )
    return _saved(template_id, saved.version, do, f"已保存为第 {saved.version} 版草稿。")


def _saved(template_id: str, version: int, do: str, said: str) -> web.Response:
    if do == "publish":
        return go(f"/templates/{template_id}/publish?version={version}")
    return go(f"/templates/{template_id}", said)


PAGES = (
    Page("GET", "/editor", begin),
    Page("POST", "/editor", save_new),
    Page("POST", "/editor/check", problems),
    Page("POST", "/editor/preview", shown_to),
    Page("GET", "/editor/people", people),
    Page("GET", "/templates/{template}", edit),
    Page("POST", "/templates/{template}", save),
)
