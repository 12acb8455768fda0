"""微信客服: a doorbell, pages of what members did, and answers within 48 hours and five messages.

developer.work.weixin.qq.com paths 94670, 94677 and 95122.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bot.simulator import kf_session
from bot.simulator.calls import Answer, Api, Call, Refusal
from bot.simulator.talks import deliver
from bot.simulator.world import KfAccount, World, kf_talk

TOKEN_S, WELCOME_S = 600, 20
TURN_H, TURN_MESSAGES = 48, 5
TEXT_BYTES, MENU_MOST, CLICK_BYTES = 2048, 10, 128
BY_MEMBER, BY_SYSTEM, BY_STAFF = 3, 4, 5
SORTS = frozenset(
    {"text", "image", "voice", "video", "file", "link", "miniprogram", "msgmenu", "location", "ca_link"}
)
OPEN_TO = frozenset({"app", "kf"})


def accounts(call: Call) -> Answer:
    offset, limit = (call.number("offset", default=0), call.number("limit", default=100, least=1, most=100))
    listed = [
        {"open_kfid": account.id, "name": account.name, "avatar": "", "manage_privilege": True}
        for account in call.world.accounts.values()
    ]
    return {"account_list": listed[offset : offset + limit]}


def sync(call: Call) -> Answer:
    """A page after the cursor; an empty page may say that more waits."""
    account = _account(call)
    token = call.text("token", default="")
    if token:
        _check_token(call, account, token)
    elif not call.limits.untokened(account.id, call.now):
        raise Refusal(45009, "sync_msg without token")
    limit = call.number("limit", default=1000, least=1, most=1000)
    start = _position(call.text("cursor", default=""), account)
    if call.world.kf_empty_pages > 0 and start < len(account.items):
        call.world.kf_empty_pages -= 1
        return {"next_cursor": _cursor(account, start), "has_more": 1, "msg_list": []}
    end = min(start + limit, len(account.items))
    oldest = int((call.now - timedelta(days=call.world.rules.kf_days)).timestamp())
    page = [item for item in account.items[start:end] if _when(item) >= oldest]
    return {"next_cursor": _cursor(account, end), "has_more": int(end < len(account.items)), "msg_list": page}


def send(call: Call) -> Answer:
    account, member = _account(call), call.text("touser")
    if member not in call.world.members:
        raise Refusal(40096)
    session, now = account.sessions[member], call.now
    sort, text = _content(call)
    msgid = _msgid(call, account)
    if session.wrote is None or now >= session.wrote + timedelta(hours=TURN_H):
        raise Refusal(95002)
    if session.answered >= TURN_MESSAGES:
        raise Refusal(95001)
    if session.state not in (0, 1):
        raise Refusal(95013 if session.state == 4 else 95018)
    session.answered += 1
    account.msgids.add(msgid)
    if call.world.kf_failures:
        _fail(call.world, account, member, msgid, call.world.kf_failures.pop(0))
        return {"msgid": msgid}
    _show(call, account, member, sort, text)
    deliver(call.world, "kf", member, text, account=account.id, msgid=msgid)
    return {"msgid": msgid}


def send_on_event(call: Call) -> Answer:
    """The one answer to entering: a welcome within twenty seconds."""
    code = call.world.codes.get(call.text("code"))
    sort, text = _content(call)
    if code is None or code.used or code.about.get("kind") != "KFCODE" or call.now >= code.expires:
        raise Refusal(40029)
    if sort not in code.about.get("sorts", "text,msgmenu").split(","):
        raise Refusal(40008, sort)
    account, member = call.world.accounts[code.about["account"]], code.about["member"]
    msgid = _msgid(call, account)
    code.used = True
    account.msgids.add(msgid)
    account.sessions[member].welcomed = call.now
    _show(call, account, member, sort, text)
    deliver(call.world, "kf", member, text, account=account.id, msgid=msgid)
    return {"msgid": msgid}


def wake(world: World, account: KfAccount, member: str) -> None:
    """The member writes: the window opens anew, and what had ended begins again."""
    session = account.sessions[member]
    session.wrote, session.answered = world.now(), 0
    session.state = 0 if session.state == 4 else session.state


def put(
    world: World,
    account: KfAccount,
    member: str,
    sort: str,
    content: dict[str, Any],
    *,
    origin: int,
    servicer: str = "",
) -> str:
    """Add an item to the account's stream, events with their ids inside; the item's number."""
    item: dict[str, Any] = {
        "msgid": world.id("kfm-"),
        "send_time": int(world.now().timestamp()),
        "origin": origin,
        "msgtype": sort,
    }
    if sort != "event":
        item |= {"open_kfid": account.id, "external_userid": member}
    if servicer:
        item["servicer_userid"] = servicer
    account.items.append({**item, sort: content})
    return str(item["msgid"])


def _when(item: Any) -> int:
    """What is garbled is as good as new."""
    found = item.get("send_time") if isinstance(item, dict) else None
    return found if isinstance(found, int) else 2**40


def _fail(world: World, account: KfAccount, member: str, msgid: str, fail_type: int) -> None:
    """Errcode 0 was no delivery: the platform says so afterwards, in the stream."""
    about = {"event_type": "msg_send_fail", "open_kfid": account.id, "external_userid": member}
    put(
        world,
        account,
        member,
        "event",
        {**about, "fail_msgid": msgid, "fail_type": fail_type},
        origin=BY_SYSTEM,
    )
    world.rung.append(account.id)


def _account(call: Call) -> KfAccount:
    name = call.text("open_kfid", default="")
    if not name.startswith("wk"):
        raise Refusal(95000)
    if name not in call.world.accounts:
        raise Refusal(95004)
    return call.world.accounts[name]


def _check_token(call: Call, account: KfAccount, token: str) -> None:
    code = call.world.codes.get(token)
    if code is None or code.about.get("account") != account.id or call.now >= code.expires:
        raise Refusal(95007)


def _cursor(account: KfAccount, position: int) -> str:
    return f"CUR-{account.id[:20]}-{position}"


def _position(cursor: str, account: KfAccount) -> int:
    if not cursor:
        return 0
    head, _, position = cursor.rpartition("-")
    if f"{head}-" != _cursor(account, 0)[:-1] or not position.isdecimal():
        raise Refusal(50100, "cursor")
    return min(int(position), len(account.items))


def _content(call: Call) -> tuple[str, str]:
    sort = call.text("msgtype")
    if sort not in SORTS:
        raise Refusal(40008, sort)
    content = call.part(sort)
    if sort == "text":
        text = str(content.get("content") or "")
        if not text:
            raise Refusal(44004, "text.content")
        if len(text.encode()) > TEXT_BYTES:
            raise Refusal(45002, "text.content")
        return sort, text
    if sort == "msgmenu":
        entries = [item for item in content.get("list") or [] if item.get("type") != "text"]
        if len(entries) > MENU_MOST:
            raise Refusal(95008)
        clicks = [item.get("click") or {} for item in entries if item.get("type") == "click"]
        if any(
            len(str(click.get(part, "")).encode()) > CLICK_BYTES
            for click in clicks
            for part in ("id", "content")
        ):
            raise Refusal(45002, "msgmenu.list.click")
        return sort, str(content.get("head_content") or "")
    return sort, str(content.get("title") or f"[{sort}]")


def _msgid(call: Call, account: KfAccount) -> str:
    msgid = call.text("msgid", default="") or f"kfs{call.world.number('kfs'):08d}"
    plain = msgid.replace("_", "").replace("-", "")
    if len(msgid) > 32 or not (plain.isascii() and (plain.isalnum() or not plain)):
        raise Refusal(40035, "msgid")
    if msgid in account.msgids:
        raise Refusal(40035, "msgid was used before")
    return msgid


def _show(call: Call, account: KfAccount, member: str, sort: str, text: str) -> None:
    talk, content = kf_talk(account.id, member), call.part(sort)
    if sort == "msgmenu":
        call.world.talk(talk, account.id, text, kind="menu", menu=dict(content))
    elif sort == "link":
        url, description = str(content.get("url", "")), str(content.get("desc", ""))
        call.world.talk(talk, account.id, text, kind="link", url=url, description=description)
    else:
        call.world.talk(talk, account.id, text)


def _state(call: Call) -> Answer:
    return kf_session.state(call, _account(call))


def _trans(call: Call) -> Answer:
    return kf_session.trans(call, _account(call))


CALLS = {
    "kf/account/list": Api("ANY", accounts, OPEN_TO),
    "kf/sync_msg": Api("POST", sync, OPEN_TO),
    "kf/service_state/get": Api("POST", _state, OPEN_TO),
    "kf/service_state/trans": Api("POST", _trans, OPEN_TO),
    "kf/customer/batchget": Api("POST", kf_session.members, OPEN_TO),
    "kf/send_msg": Api("POST", send, OPEN_TO),
    "kf/send_msg_on_event": Api("POST", send_on_event, OPEN_TO),
}
