"""成员: finding people, and everything we know of one, with its reasons."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from bot.console.page import Page, Room, form, go, is_part, render, room, signed_in, whole
from sop.member import Member
from sop.update import TagRequested
from sop.zone import is_zone, nearest
from storage import report
from storage.consent import ConsentStore
from storage.coupon import CouponStore
from storage.engine import Connection
from storage.errand import Errand, ErrandStore
from storage.group import GroupStore
from storage.journey import JourneyStore
from storage.member import MemberStore
from storage.outbox import OutboxStore
from storage.tag import TagStore
from storage.why import WhyStore
from storage.zone import ZoneStore

EACH = 30
LONGEST_TAG = 30
LONGEST_REMARK = 64


async def listed(request: web.Request) -> web.Response:
    """Members by name or number, of one tier or of all, a page at a time."""
    here, query = room(request), request.query
    text, tier, page = (
        query.get("q", "").strip()[:64],
        query.get("tier", ""),
        whole(query.get("page"), 1) or 1,
    )
    now = here.now
    found, counts, tags = await here.read(
        lambda c: (
            _members(c, here).search(text, tier=tier, limit=EACH + 1, offset=(page - 1) * EACH),
            report.count_members(c, text),
            TagStore(c, now).counts(),
        )
    )
    view = "members_rows.html" if is_part(request) else "members.html"
    return render(
        request,
        view,
        found=found[:EACH],
        more=len(found) > EACH,
        page=page,
        counts=counts,
        text=text,
        tier=tier,
        tags=tags,
    )


async def shown(request: web.Request) -> web.Response:
    """One member in full."""
    known = await _known(room(request), request.match_info["member"])
    return render(request, "member.html", **known)


async def _known(here: Room, member_id: str) -> dict[str, Any]:
    now = here.now

    def ask(c: Connection) -> dict[str, Any] | None:
        members, journeys = _members(c, here), JourneyStore(c, now)
        member = members.get(member_id)
        if member is None:
            return None
        walked, friends = journeys.of(member_id), members.friends(member_id)
        return {
            "member": member,
            "climbs": members.climbs(member_id),
            "whys": WhyStore(c, now, here.zone).templates(member_id),
            "friends": friends,
            "tags": TagStore(c, now).of(member_id),
            "all_tags": list(TagStore(c, now).counts()),
            "groups": GroupStore(c, now).of_member(member_id),
            "journeys": walked,
            "templates": report.template_names(c),
            "next_steps": report.next_steps(c, [journey.id for journey in walked]),
            "messages": OutboxStore(c, now).recent(member=member_id, limit=20),
            "facts": report.facts(c, member_id=member_id, limit=30),
            "coupons": CouponStore(c, now).held_by(member_id),
            "consent": ConsentStore(c, now).in_force(member_id),
            "names": report.names(c, members=[friend.staff for friend in friends]),
        }

    known = await here.read(ask)
    if known is None:
        raise web.HTTPNotFound
    return known


def _members(connection: Connection, here: Room) -> MemberStore:
    """The members' store for reading: nothing it says is noted."""
    return MemberStore(connection, here.now, lambda update: None)


async def tag(request: web.Request) -> web.Response:
    """Add or remove a tag, as an update like any other, so that journeys and the platform follow."""
    here, member_id, fields = room(request), request.match_info["member"], await form(request)
    name, added = fields.get("tag", "").strip(), fields.get("do") != "remove"
    known: Member | None = await here.read(lambda c: _members(c, here).get(member_id))
    if known is None:
        raise web.HTTPNotFound
    if not name or len(name) > LONGEST_TAG or not name.isprintable():
        return go(f"/members/{member_id}", f"标签要有 1 到 {LONGEST_TAG} 个字。")
    who = signed_in(request).operator.name
    reply = await here.desk.ask(
        TagRequested(
            at=here.now,
            id=f"console.{here.chance.token(12)}",
            member=member_id,
            tag=name,
            added=added,
            by=who,
        )
    )
    await here.did(request, "added a tag" if added else "removed a tag", f"{member_id}: {name}")
    return go(f"/members/{member_id}", reply.content.text if reply else "")


async def remark(request: web.Request) -> web.Response:
    """What one employee shall call the member in WeCom."""
    here, member_id, fields = room(request), request.match_info["member"], await form(request)
    staff, text, now = fields.get("staff", ""), fields.get("remark", "").strip(), here.now
    if len(text) > LONGEST_REMARK or not (text.isprintable() or not text):
        return go(f"/members/{member_id}", f"备注最多 {LONGEST_REMARK} 个字。")

    def work(c: Connection) -> bool:
        friend = _members(c, here).friendship(member_id, staff)
        if friend is None or friend.lost_at is not None:
            return False
        _members(c, here).remark(member_id, staff, text)
        data = {"member": member_id, "staff": staff, "remark": text}
        ErrandStore(c).add(Errand(what="remark", whom=f"{member_id}:{staff}", data=data, at=now))
        return True

    if not await here.write(work):
        raise web.HTTPNotFound
    here.desk.after()
    await here.did(request, "set a remark", f"{member_id}: {text}")
    return go(f"/members/{member_id}", "备注已保存，正在写到企业微信。")


async def zone(request: web.Request) -> web.Response:
    """Whose clock the member lives by; empty for their group's, or the community's."""
    here, member_id = room(request), request.match_info["member"]
    name = (await form(request)).get("zone", "").strip()
    if name and not is_zone(name):
        return go(f"/members/{member_id}", f"没有「{name[:40]}」这个时区，最像的是 {nearest(name)}。")
    if await here.read(lambda c: _members(c, here).get(member_id)) is None:
        raise web.HTTPNotFound
    await here.write(lambda c: ZoneStore(c).keep({member_id: name}))
    await here.did(request, "set a member's time zone", f"{member_id}: {name}")
    return go(f"/members/{member_id}", "时区已保存，新开始的旅程按它走。")


PAGES = (
    Page("POST", "/members/{member}/zone", zone),
    Page("POST", "/members/{member}/remark", remark),
    Page("GET", "/members", listed),
    Page("GET", "/members/{member}", shown),
    Page("POST", "/members/{member}/tags", tag),
)
