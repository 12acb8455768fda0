"""Templates start journeys: when something happens to a member, or when the clock reaches a slot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from handlers.context import Context
from handlers.filters import Ticked
from handlers.router import Router
from sop.group import GroupKind
from sop.journey import Enrol, Journey, enrol, next_due, starts
from sop.member import Member
from sop.message import Channel
from sop.tag import Facts
from sop.template import CLOCKED, Subject, Template
from sop.update import ClockTicked, FriendAdded, Kind, LinkVisited, MembersJoined, Update
from storage.due import Due

router = Router("template")

SLOT_CHUNK = 500  # members a slot enrols in one transaction


@router.observe(
    Kind.FRIEND_ADDED,
    Kind.MEMBERS_JOINED,
    Kind.TAG_CHANGED,
    Kind.TIER_CHANGED,
    Kind.LINK_VISITED,
    Kind.ORDER_PAID,
)
def start(update: Update, ctx: Context) -> None:
    """Enrol the members this update is about in every template it starts."""
    members = ctx.tx.members.several(_about(update))
    members = [member for member in members if not member.staff and not member.bot]
    if not members:
        return
    for template in ctx.tx.templates.running():
        if template.subject is Subject.MEMBER and template.trigger.on not in CLOCKED:
            started = [member for member in members if _starts(template, update, member, ctx)]
            code = update.welcome_code if isinstance(update, FriendAdded) else ""
            begin(template, {member.id: member.facts() for member in started}, ctx, welcome_code=code)


def _about(update: Update) -> tuple[str, ...]:
    if isinstance(update, MembersJoined):
        return update.members
    member = getattr(update, "member", "")
    return (member,) if member else ()


def _starts(template: Template, update: Update, member: Member, ctx: Context) -> bool:
    group = ctx.tx.groups.get(update.group) if isinstance(update, MembersJoined) else None
    link = ctx.tx.links.get(update.token) if isinstance(update, LinkVisited) else None
    if isinstance(update, FriendAdded) and update.half and _only_welcomes(template):
        update = replace(update, half=False)  # a half friendship can be welcomed, and nothing else
    return starts(
        template.trigger,
        update,
        group=group.name if group else "",
        first=member.first_seen == update.at,
        template=link.template if link else "",
    )


def _only_welcomes(template: Template) -> bool:
    return all(step.channel is Channel.WELCOME for step in template.steps)


def begin(
    template: Template, facts: Mapping[str, Facts], ctx: Context, *, welcome_code: str = ""
) -> list[Journey]:
    """Let those begin whom the rules let; their first step waits on the due table."""
    last = ctx.tx.journeys.latest(template.id, list(facts)) if facts else {}
    begun = []
    for whom, known in facts.items():
        lot = ctx.fraction() if template.hold_out else 1.0
        verdict = enrol(template, known, last.get(whom), ctx.now, fraction=lot)
        if isinstance(verdict, Enrol):
            begun.append(_journey(template, whom, verdict, ctx.now))
    journeys = ctx.tx.journeys.enrol(begun)
    data = {"welcome_code": welcome_code} if welcome_code else {}
    ctx.tx.due.add(*waits(template, journeys, ctx.settings.zone, data))
    return journeys


def _journey(template: Template, whom: str, verdict: Enrol, now: datetime) -> Journey:
    return Journey(
        template=template.id, version=template.version, subject=template.subject, whom=whom, run=verdict.run,
        anchor=now, state=verdict.state, reason=verdict.reason,
    )


def waits(template: Template, journeys: Sequence[Journey], zone: str, data: Mapping[str, str]) -> list[Due]:
    """The waits for the next step of each journey."""
    found = []
    for journey in journeys:
        step = next_due(template, journey, zone)
        if step is not None:
            found.append(
                Due(
                    what="step", whom=str(journey.id), occurrence=str(step.index), at=step.at,
                    version=journey.version, data=dict(data),
                )
            )
    return found


# ---------------------------------------------------------------- the clock starts


def start_slot(slot: Due, ctx: Context) -> None:
    """The clock reached a slot: everybody in the audience begins, in chunks; then the next slot is waited for."""
    template = _published(slot.whom, ctx)
    if template is None:
        return
    if template.subject is Subject.GROUP:
        groups = [group for group in ctx.tx.groups.all() if group.kind != GroupKind.IMPORTED]
        begin(template, {group.id: group.facts() for group in groups}, ctx)
    elif not _start_members(template, slot, ctx):
        return
    ctx.tx.templates.schedule(template, ctx.settings.zone, after=max(slot.at, ctx.now))


def _start_members(template: Template, slot: Due, ctx: Context) -> bool:
    """Enrol one chunk of members; False while more remain."""
    members = ctx.tx.members.page(after=str(slot.data.get("after", "")), limit=SLOT_CHUNK)
    begin(template, {member.id: member.facts() for member in members}, ctx)
    if len(members) < SLOT_CHUNK:
        return True
    rest = f"{slot.occurrence[:25]}#{members[-1].id}"
    ctx.tx.due.add(replace(slot, occurrence=rest[:64], at=ctx.now, data={"after": members[-1].id}, id=0))
    return False


def _published(template_id: str, ctx: Context) -> Template | None:
    saved = ctx.tx.templates.published_version(template_id)
    return None if saved is None else ctx.tx.templates.read(template_id, saved.version)


@router.observe(Kind.CLOCK_TICKED, where=Ticked("day"))
def keep_slots(ticked: ClockTicked, ctx: Context) -> None:
    """Every template the clock starts has its next slot on the due table, whatever happened to the last one."""
    for template in ctx.tx.templates.running():
        if not ctx.tx.due.of("slot", template.id):
            ctx.tx.templates.schedule(template, ctx.settings.zone, after=ctx.now)
