"""Who stands behind a web visit: the login page's stand-in and the exchange of its code.

A code works once within five minutes. Staff come back as ``userid``, members as ``openid`` and, while some staff member
has them as a friend, ``external_userid`` (developer.work.weixin.qq.com paths 91023 and 98152).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from bot.simulator.calls import Answer, Api, Call, Refusal
from bot.simulator.world import World

CODE_S = 300
STATE = re.compile(r"[A-Za-z0-9]{0,128}")


def back(world: World, query: Mapping[str, str], person: str) -> str:
    """Where the login page sends ``person``'s browser: the asking page, with a code and its state."""
    target = check(world, query)
    code = world.code("LOGIN", CODE_S, person=person).code
    joint = "&" if urlsplit(target).query else "?"
    return f"{target}{joint}{urlencode({'code': code, 'state': query.get('state', '')})}"


def check(world: World, query: Mapping[str, str]) -> str:
    """The address to go back to, if the platform would allow it."""
    if query.get("appid") != world.corp_id:
        raise Refusal(40013)
    if not STATE.fullmatch(query.get("state", "")):
        raise Refusal(84025)
    target = query.get("redirect_uri", "")
    parts = urlsplit(target)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise Refusal(50001)
    trusted = world.rules.trusted_domains
    if trusted is not None and parts.netloc not in trusted:
        raise Refusal(50001, parts.netloc)
    return target


def exchange(call: Call) -> Answer:
    code = call.world.codes.get(call.text("code"))
    if code is None or code.used or code.about.get("kind") != "LOGIN" or call.now >= code.expires:
        raise Refusal(40029)
    code.used = True
    person = code.about["person"]
    if person in call.world.staff:
        return {"userid": person}
    member = call.world.members.get(person)
    if member is None:
        return {"openid": f"oQXstranger-{person}"}
    known = any(not bond.half for bond in call.world.followers(person))
    return {"openid": member.openid, **({"external_userid": person} if known else {})}


CALLS = {
    "auth/getuserinfo": Api("GET", exchange, counted=False),
    "user/getuserinfo": Api("GET", exchange, counted=False),
}
