"""微信客服: each item of an account's stream is one typed update (developer.work.weixin.qq.com path 94670)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from bot.wecom.legible import LONGEST_NUMBER, Item, instant, maybe, must, text
from bot.wecom.person import person
from sop.errors import Malformed
from sop.kf import (
    Care,
    KfBarred,
    KfEntered,
    KfFailed,
    KfServicerChanged,
    KfSessionChanged,
    KfStaffSpoke,
)
from sop.update import MessageHeard, MessageRecalled, Unknown, Update

DOOR = "kf/item"  # under this name an item is kept that cannot be read
BY_MEMBER, BY_SYSTEM, BY_STAFF = 3, 4, 5
CARE = {0: Care.NEW, 1: Care.BOT, 2: Care.QUEUED, 3: Care.PERSON, 4: Care.ENDED}
NUMBER = {care: number for number, care in CARE.items()}
ON_DUTY, PAUSED = 1, 1  # status; stop_type
Change = Literal["taken", "given", "ended", "reopened"]
CHANGES: dict[int, Change] = {1: "taken", 2: "given", 3: "ended", 4: "reopened"}
WORDS = {  # which fields of a kind say something in words, the first that does counts
    "text": ("content",),
    "location": ("name", "address"),
    "link": ("title", "desc"),
    "miniprogram": ("title",),
    "msgmenu": ("head_content", "tail_content"),
    "channels_shop_product": ("title",),
    "channels_shop_order": ("product_titles", "state_wording"),
    "channels": ("title", "nickname"),
    "merged_msg": ("title",),
    "meeting": ("topic", "title"),
    "calendar": ("title", "summary"),
    "note": ("title",),
}


@dataclass(frozen=True)
class Letter:
    """An item as it came: its identity, when, of which account, and what is inside."""

    id: str
    at: datetime
    account: str
    told: Mapping[str, Any]

    def who(self, name: str = "external_userid") -> str:
        return person(must(self.told, name))

    def maybe(self, name: str) -> str:
        return person(maybe(self.told, name))


def kf_id(msgid: str) -> str:
    """The identity of the update an item is."""
    return f"kf:{msgid}"


def understood(item: Item) -> Update:
    """The update an item means; ``Malformed`` and what Python raises when it means nothing."""
    id, at = kf_id(must(item, "msgid", most=LONGEST_NUMBER)), instant(int(item["send_time"]))
    kind = must(item, "msgtype")
    if kind == "event":
        event = item["event"]
        account = maybe(event, "open_kfid") or maybe(item, "open_kfid")
        return _EVENTS.get(must(event, "event_type"), _unknown)(Letter(id, at, account, event))
    origin = int(item.get("origin", BY_MEMBER))
    letter = Letter(id, at, must(item, "open_kfid"), item)
    if origin == BY_MEMBER:
        return _heard(letter, kind)
    if origin == BY_STAFF:
        return _staff_spoke(letter, kind)
    return Unknown(at=at, id=id, name=f"kf/{origin}/{kind}"[:64])


def _heard(letter: Letter, kind: str) -> Update:
    told = letter.told.get(kind) or {}
    return MessageHeard(
        at=letter.at,
        id=letter.id,
        member=letter.who(),
        text=text(told, *WORDS.get(kind, ())),
        via="kf",
        account=letter.account,
        media=kind,
        menu=text(told, "menu_id"),
    )


def _staff_spoke(letter: Letter, kind: str) -> Update:
    return KfStaffSpoke(
        at=letter.at,
        id=letter.id,
        member=letter.who(),
        staff=letter.who("servicer_userid"),
        account=letter.account,
        media=kind,
        text=text(letter.told.get(kind) or {}, *WORDS.get(kind, ())),
    )


def _entered(letter: Letter) -> Update:
    return KfEntered(
        at=letter.at,
        id=letter.id,
        member=letter.who(),
        account=letter.account,
        scene=text(letter.told, "scene"),
        param=text(letter.told, "scene_param"),
        welcome_code=text(letter.told, "welcome_code"),
    )


def _failed(letter: Letter) -> Update:
    return KfFailed(
        at=letter.at,
        id=letter.id,
        member=letter.who(),
        account=letter.account,
        message=must(letter.told, "fail_msgid", most=LONGEST_NUMBER),
        reason=int(letter.told.get("fail_type") or 0),
    )


def _servicer(letter: Letter) -> Update:
    on_duty = int(letter.told["status"]) == ON_DUTY
    return KfServicerChanged(
        at=letter.at,
        id=letter.id,
        staff=letter.who("servicer_userid"),
        account=letter.account,
        on_duty=on_duty,
        paused=not on_duty and int(letter.told.get("stop_type") or 0) == PAUSED,
    )


def _session(letter: Letter) -> Update:
    change = CHANGES.get(int(letter.told["change_type"]))
    if change is None:
        raise Malformed(f"change_type {letter.told['change_type']} has no meaning")
    return KfSessionChanged(
        at=letter.at,
        id=letter.id,
        member=letter.who(),
        account=letter.account,
        change=change,
        before=letter.maybe("old_servicer_userid"),
        after=letter.maybe("new_servicer_userid"),
        code=text(letter.told, "msg_code"),
    )


def _recalled(letter: Letter) -> Update:
    return MessageRecalled(
        at=letter.at,
        id=letter.id,
        message=kf_id(must(letter.told, "recall_msgid", most=LONGEST_NUMBER)),
        member=letter.who(),
    )


def _barred(letter: Letter) -> Update:
    return KfBarred(
        at=letter.at,
        id=letter.id,
        member=letter.who(),
        staff=letter.who("servicer_userid"),
        account=letter.account,
        barred=bool(int(letter.told["reject_switch"])),
    )


def _unknown(letter: Letter) -> Update:
    return Unknown(at=letter.at, id=letter.id, name=f"kf/{letter.told['event_type']}"[:64])


_EVENTS: dict[str, Callable[[Letter], Update]] = {
    "enter_session": _entered,
    "msg_send_fail": _failed,
    "servicer_status_change": _servicer,
    "session_status_change": _session,
    "user_recall_msg": _recalled,
    "servicer_recall_msg": _recalled,
    "reject_customer_msg_switch_change": _barred,
}
