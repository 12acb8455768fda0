"""What a member allows, and why they got what they got."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from bot.pages.page import Page, brought_to, draw, known, place
from bot.pages.visitor import Visitor
from sop.consent import NOTICE
from sop.update import ConsentChanged
from storage.outbox import Entry
from storage.tx import Tx

ADDRESS = "/m/preferences"
SHOWN = 10


@dataclass(frozen=True)
class Got:
    """A message that reached a member, alone or in a group of theirs."""

    entry: Entry
    group: str = ""


def _got(tx: Tx, member: str) -> list[Got]:
    groups = {group.id: group.called for group in tx.groups.of_member(member)}
    entries = tx.outbox.last_to(member, SHOWN, groups=groups.keys())
    return [Got(entry, groups.get(entry.message.to_group, "")) for entry in entries]


@known
async def show(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    def look(tx: Tx) -> tuple[bool, list[Got]]:
        decision = tx.consent.in_force(visitor.member)
        return decision is None or decision.granted, _got(tx, visitor.member)

    granted, got = await place(request).read(look) if visitor.member else (True, [])
    return draw(request, "preferences.html", visitor, granted=granted, got=got, notice=NOTICE)


@brought_to(ADDRESS)
async def decide(request: web.Request, visitor: Visitor, fields: dict[str, str]) -> str:
    here, granted = place(request), fields.get("granted")
    if not visitor.member or granted not in ("yes", "no"):
        return ""
    return await here.ask(
        ConsentChanged(
            at=here.now,
            id=f"page:consent:{visitor.member}:{granted}:{int(here.now.timestamp() * 1000)}",
            member=visitor.member,
            granted=granted == "yes",
            channel="page",
        )
    )


PAGES = (Page("GET", ADDRESS, show), Page("POST", ADDRESS, decide))
