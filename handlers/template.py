"""Templates start journeys: when something happens to a member, or when the clock reaches a slot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from handlers.context import Context
from handlers.filters import Ticked, Waited
from handlers.router import Router
from sop.audience import Facts
from sop.experiment import arm_of, lot_of
from sop.group import Group, GroupKind
from sop.journey import Enrol, Journey, enrol, starts
from sop.member import Member
from sop.message import Channel
from sop.template import CLOCKED, On, Subject, Template
from sop.timing import local_day, spoken
from sop.update import ClockTicked, FriendAdded, Kind, LinkVisited, MembersJoined, Update, WaitEnded
from storage.audience import is_kept
from storage.due import Due
from storage.template import SLOT

router = Router("template")

PAUSED_SLOT = "模板暂停着，这一期没有开始"
BREATH = timedelta(milliseconds=200)  # between chunks, in which callbacks are stored
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
    for template in _going(ctx):
        if template.subject is Subject.MEMBER and template.trigger.on not in CLOCKED:
            started = [member for member in members if _starts(template, update, member, ctx)]
            begin(template, started, ctx, since=update.at, greeting=_greeting(update))


def _going(ctx: Context) -> list[Template]:
    """The published templates that are not paused."""
    paused = ctx.tx.pauses.paused()
    return [template for template in ctx.tx.templates.running() if template.id not in paused]


def _greeting(update: Update) -> dict[str, str]:
    """What a welcome needs to know of a new friendship: the code, and whose friend it is."""
    if isinstance(update, FriendAdded) and update.welcome_code:
        return {"welcome_code": update.welcome_code, "staff": update.staff}
    return {}


def _about(update: Update) -> tuple[str, ...]:
    if isinstance(update, MembersJoined):
        return update.members
    member = getattr(update, "member", "")
    return (member,) if member else ()


def _starts(template: Template, update: Update, member: Member, ctx: Context) -> bool:
    group = ctx.tx.groups.get(update.group) if isinstance(update, MembersJoined) else None
    link = ctx.tx.links.get(update.token) if isinstance(update, LinkVisited) else None
    if isinstance(update, FriendAdded) and _welcomed_before(template, update, ctx):
        return False
    if isinstance(update, FriendAdded) and update.half and _only_welcomes(template):
        update = replace(update, half=False)  # a half friendship can be welcomed, and nothing else
    return starts(
        template.trigger,
        update,
        group=group.name if group else "",
        first=member.first_seen == update.at,
        template=link.template if link else "",
    )


def _welcomed_before(template: Template, added: FriendAdded, ctx: Context) -> bool:
    """Who was welcomed as half a friend brings no second code when the friendship is whole."""
    if added.welcome_code or not _only_welcomes(template):
        return False
    return added.member in ctx.tx.journeys.latest(template.id, [added.member])


def _only_welcomes(template: Template) -> bool:
    return all(step.channel is Channel.WELCOME for step in template.steps)


def begin(
    template: Template,
    candidates: Sequence[Member] | Sequence[Group],
    ctx: Context,
    *,
    since: datetime | None = None,
    greeting: Mapping[str, str] | None = None,
) -> None:
    """Let those begin whom the rules let; their first step waits on the due table.

    A journey is counted from ``since``, when what began it happened, however late we heard of it.
    """
    anchor = min(since or ctx.now, ctx.now)
    facts = _facts(template, candidates, ctx)
    last = ctx.tx.journeys.latest(template.id, list(facts)) if facts else {}
    zones = ctx.tx.zones.of(facts) if template.subject is Subject.MEMBER else ctx.tx.zones.of(chats=facts)
    begun = []
    for whom, known in facts.items():
        verdict = enrol(template, known, last.get(whom), ctx.now, fraction=lot_of(template, whom))
        if isinstance(verdict, Enrol):
            begun.append(_journey(template, whom, verdict, anchor, zones.get(whom, "")))
    journeys = ctx.tx.journeys.enrol(begun)
    ctx.tx.journeys.await_steps(template, journeys, ctx.settings.zone, greeting, best=ctx.settings.house.best)


def _facts(
    template: Template, candidates: Sequence[Member] | Sequence[Group], ctx: Context
) -> dict[str, Facts]:
    """What the template's audience may ask of each."""
    audiences, asked = ctx.tx.audiences(ctx.settings.zone), template.audience.expressions
    known: list[Member | Group] = []
    known += audiences.informed([one for one in candidates if isinstance(one, Member)], asked)
    known += audiences.informed_groups([one for one in candidates if isinstance(one, Group)], asked)
    return {one.id: one.facts() for one in known}


def _journey(template: Template, whom: str, verdict: Enrol, anchor: datetime, zone: str) -> Journey:
    return Journey(
        template=template.id,
        version=template.version,
        subject=template.subject,
        whom=whom,
        run=verdict.run,
        anchor=anchor,
        state=verdict.state,
        reason=verdict.reason,
        zone=zone,
        arm=arm_of(template, whom),
    )


# ---------------------------------------------------------------- the clock starts


@router.observe(Kind.WAIT_ENDED, where=Waited(SLOT))
def start_slot(slot: WaitEnded, ctx: Context) -> None:
    """The clock reached a slot: everybody in the audience begins, in chunks; then the next slot is waited for."""
    template = _published(slot.whom, ctx)
    if template is None:
        return
    if "after" not in dict(slot.data):
        ctx.tx.templates.pass_slot(template, ctx.settings.zone, slot.due)
    if template.id in ctx.tx.pauses.paused():
        wait = Due(what=SLOT, whom=slot.whom, occurrence=slot.occurrence, at=slot.due)
        ctx.tx.due.miss(wait, ctx.now, "skipped", f"{PAUSED_SLOT}：{spoken(slot.due, ctx.settings.zone)}")
    elif template.subject is Subject.GROUP:
        groups = [group for group in ctx.tx.groups.all() if group.kind != GroupKind.IMPORTED]
        begin(template, groups, ctx)
    elif not _start_members(template, slot, ctx):
        return
    ctx.tx.templates.schedule(template, ctx.settings.zone, after=max(slot.due, ctx.now))


def _start_members(template: Template, slot: WaitEnded, ctx: Context) -> bool:
    """Enrol one chunk of those who belong; False while more remain."""
    data = dict(slot.data)
    day = data.get("day") or local_day(slot.due, ctx.settings.zone).isoformat()
    ids = _those_to_begin(template, date.fromisoformat(day), data.get("after", ""), ctx)
    begin(template, [one for one in ctx.tx.members.several(ids) if not one.staff and not one.bot], ctx)
    if len(ids) < SLOT_CHUNK:
        return True
    ctx.tx.due.add(
        Due(
            what=SLOT,
            whom=slot.whom,
            occurrence=f"{slot.occurrence[:25]}#{ids[-1]}"[:64],
            at=ctx.now,
            version=template.version,
            data={"after": ids[-1], "day": day},
        )
    )
    return False


def _those_to_begin(template: Template, day: date, after: str, ctx: Context) -> list[str]:
    """The next members, in the order of their ids, of whom a slot on a local day asks whether they begin."""
    trigger = template.trigger
    if trigger.on is On.DATE_FIELD:
        on = day + timedelta(days=trigger.days_before)
        return ctx.tx.fields.whose(trigger.field, on, after=after, limit=SLOT_CHUNK)
    audiences = ctx.tx.audiences(ctx.settings.zone)
    if not after:
        audiences.absorb([one for one in ctx.tx.templates.running() if is_kept(one)])
    return audiences.members(template, after=after, limit=SLOT_CHUNK)


def _published(template_id: str, ctx: Context) -> Template | None:
    saved = ctx.tx.templates.published_version(template_id)
    return None if saved is None else ctx.tx.templates.read(template_id, saved.version)


@router.observe(Kind.CLOCK_TICKED, where=Ticked("day"))
def start_silent(ticked: ClockTicked, ctx: Context) -> None:
    """Members of whom nothing was heard for as long as a template waits begin it."""
    for template in _going(ctx):
        if template.trigger.on is On.SILENCE:
            since = ctx.now - timedelta(days=template.trigger.days)
            members = ctx.tx.members.quiet_since(since, template.id)
            begin(template, members, ctx)


@router.observe(Kind.CLOCK_TICKED, where=Ticked("day"))
def keep_slots(ticked: ClockTicked, ctx: Context) -> None:
    """Every template the clock starts has its next slot on the due table, whatever happened to the last one or the clock."""
    for template in ctx.tx.templates.running():
        ctx.tx.templates.schedule(template, ctx.settings.zone, after=ctx.now)
