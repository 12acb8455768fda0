"""微信客服 sessions: who looks after a member, and the ways from one hand to another.

developer.work.weixin.qq.com path 94669. The API's moves make no callback; people's do (path 94670).
"""

from __future__ import annotations

from typing import Any

from bot.simulator.calls import Answer, Call, Refusal
from bot.simulator.world import KfAccount, KfSession, World

NEW, BOT, QUEUED, PERSON, ENDED = range(5)
WAYS = frozenset({(0, 2), (0, 3), (1, 2), (1, 3), (2, 3), (3, 3), (3, 4)})
MAYBE = frozenset(
    {(0, 1), (0, 4), (1, 4), (2, 4)}
)  # drawn on the page, not written: see ``Rules.kf_all_ways``
LONG_CODE_S, END_CODE_S = 48 * 3600, 20


def state(call: Call, account: KfAccount) -> Answer:
    session = account.sessions[_member(call)]
    servicer = {"servicer_userid": session.staff} if session.state == PERSON else {}
    return {"service_state": session.state, **servicer}


def trans(call: Call, account: KfAccount) -> Answer:
    """Move a session; the code answers the move once."""
    member = _member(call)
    session, wanted = account.sessions[member], call.number("service_state", default=-1, most=ENDED)
    way = (session.state, wanted)
    if way not in WAYS and not (call.world.rules.kf_all_ways and way in MAYBE):
        raise Refusal(95016)
    staff = call.text("servicer_userid", default="")
    if wanted == PERSON:
        _must_serve(account, staff)
    move(session, wanted, staff)
    return {"msg_code": code(call.world, account, member, wanted)} if wanted in (QUEUED, ENDED) else {}


def move(session: KfSession, state: int, staff: str = "") -> None:
    session.state, session.staff = state, staff if state == PERSON else ""


def code(world: World, account: KfAccount, member: str, state: int) -> str:
    """What answers a move once, in text or, at the end of a session, a menu too."""
    life, sorts = (END_CODE_S, "text,msgmenu") if state == ENDED else (LONG_CODE_S, "text")
    return world.code("KFCODE", life, account=account.id, member=member, sorts=sorts).code


def members(call: Call) -> Answer:
    """Who writes to us: only those who were in touch with one of the accounts."""
    ids = call.texts("external_userid_list", most=100)
    known = {member for account in call.world.accounts.values() for member in account.sessions}
    found = [_described(call.world, id) for id in ids if id in known and id in call.world.members]
    missing = [id for id in ids if id not in known or id not in call.world.members]
    return {"customer_list": found, "invalid_external_userid": missing}


def _described(world: World, id: str) -> dict[str, Any]:
    one = world.members[id]
    return {
        "external_userid": id,
        "nickname": one.name,
        "avatar": "",
        "gender": one.gender,
        "unionid": one.unionid,
    }


def _member(call: Call) -> str:
    member = call.text("external_userid")
    if member not in call.world.members:
        raise Refusal(40096)
    return member


def _must_serve(account: KfAccount, staff: str) -> None:
    if staff not in account.servicers:
        raise Refusal(95014)
    if not account.servicers[staff]:
        raise Refusal(95019)
