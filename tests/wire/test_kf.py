"""微信客服 on the wire: what each item of the stream means, and what each question looks like."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.gateway import Parcel, Unread
from bot.wecom.gateway import WeComGateway
from bot.wecom.kf_parse import DOOR, understood
from bot.wecom.legible import legible
from bot.wecom.parse import parse
from sop.errors import Blocked, Malformed, Refused
from sop.kf import (
    Care,
    KfBarred,
    KfEntered,
    KfFailed,
    KfMoved,
    KfServicerChanged,
    KfSessionChanged,
    KfSessionTold,
    KfStaffSpoke,
)
from sop.message import Channel, Choice, Content, Option
from sop.packed import from_plain, to_plain
from sop.update import MemberDescribed, MessageHeard, MessageRecalled, Unknown, Update

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
AT = datetime.fromtimestamp(1767250800, UTC)
ALICE, ACCOUNT = "wmQXalice", "wkQX1"
SAID = {"msgid": "m1", "open_kfid": ACCOUNT, "external_userid": ALICE, "send_time": 1767250800, "origin": 3}
WHERE: dict[str, Any] = {"at": AT, "id": "kf:m1", "account": ACCOUNT}
WHO: dict[str, Any] = {**WHERE, "member": ALICE}
STAFF: dict[str, Any] = {**WHO, "staff": "linmo"}


def said(kind: str, **content: Any) -> dict[str, Any]:
    return {**SAID, "msgtype": kind, kind: content}


def happened(kind: str, **fields: Any) -> dict[str, Any]:
    about = {"event_type": kind, "open_kfid": ACCOUNT, "external_userid": ALICE, **fields}
    return {"msgid": "m1", "send_time": 1767250800, "origin": 4, "msgtype": "event", "event": about}


def heard(kind: str, text: str = "", **more: Any) -> MessageHeard:
    return MessageHeard(**WHO, text=text, via="kf", media=kind, **more)


ITEMS: dict[str, tuple[dict[str, Any], Update]] = {
    "a word": (said("text", content="领券"), heard("text", "领券")),
    "a click": (said("text", content="燕麦拿铁", menu_id="run:7:A"), heard("text", "燕麦拿铁", menu="run:7:A")),
    "a picture": (said("image", media_id="M"), heard("image")),
    "a voice": (said("voice", media_id="M"), heard("voice")),
    "a film": (said("video", media_id="M"), heard("video")),
    "a file": (said("file", media_id="M"), heard("file")),
    "a place": (said("location", latitude=31.2, longitude=121.4, name="外滩", address="黄浦区"), heard("location", "外滩")),
    "a link": (said("link", title="好文", desc="一篇", url="https://x.cn"), heard("link", "好文")),
    "a business card": (said("business_card", userid="linmo"), heard("business_card")),
    "a mini program": (said("miniprogram", title="小店", appid="wx1"), heard("miniprogram", "小店")),
    "a menu": (said("msgmenu", head_content="选一个", list=[]), heard("msgmenu", "选一个")),
    "a product": (said("channels_shop_product", product_id="1", title="咖啡豆"), heard("channels_shop_product", "咖啡豆")),
    "an order": (said("channels_shop_order", order_id="1", product_titles="咖啡豆"), heard("channels_shop_order", "咖啡豆")),
    "merged messages": (said("merged_msg", title="聊天记录", item=[]), heard("merged_msg", "聊天记录")),
    "a channel's film": (said("channels", sub_type=1, nickname="群星", title="手冲"), heard("channels", "手冲")),
    "a meeting": (said("meeting"), heard("meeting")),
    "a date": (said("calendar"), heard("calendar")),
    "a note": (said("note"), heard("note")),
    "a kind nobody knows yet": (said("hologram", depth=3), heard("hologram")),
    "a colleague's word": (
        {**said("text", content="在"), "origin": 5, "servicer_userid": "LinMo"},
        KfStaffSpoke(**STAFF, text="在"),
    ),
    "a system's word": (
        {**said("text", content="x"), "origin": 4},
        Unknown(at=AT, id="kf:m1", name="kf/4/text"),
    ),
    "entering": (
        happened("enter_session", scene="poster", scene_param="lin", welcome_code="C1"),
        KfEntered(**WHO, scene="poster", param="lin", welcome_code="C1"),
    ),
    "entering again": (
        happened("enter_session", scene="poster", wechat_channels={"nickname": "群星"}),
        KfEntered(**WHO, scene="poster"),
    ),
    "a failure afterwards": (
        happened("msg_send_fail", fail_msgid="x", fail_type=10),
        KfFailed(**WHO, message="x", reason=10),
    ),
    "going on duty": (
        happened("servicer_status_change", servicer_userid="LinMo", status=1),
        KfServicerChanged(**WHERE, staff="linmo", on_duty=True),
    ),
    "a pause": (
        happened("servicer_status_change", servicer_userid="linmo", status=2, stop_type=1),
        KfServicerChanged(**WHERE, staff="linmo", on_duty=False, paused=True),
    ),
    "taken from the queue": (
        happened("session_status_change", change_type=1, new_servicer_userid="LinMo", msg_code="C2"),
        KfSessionChanged(**WHO, change="taken", after="linmo", code="C2"),
    ),
    "given to a colleague": (
        happened("session_status_change", change_type=2, old_servicer_userid="linmo", new_servicer_userid="suhe"),
        KfSessionChanged(**WHO, change="given", before="linmo", after="suhe"),
    ),
    "ended": (
        happened("session_status_change", change_type=3, old_servicer_userid="linmo", msg_code="C3"),
        KfSessionChanged(**WHO, change="ended", before="linmo", code="C3"),
    ),
    "opened again": (
        happened("session_status_change", change_type=4, new_servicer_userid="linmo"),
        KfSessionChanged(**WHO, change="reopened", after="linmo"),
    ),
    "taken back by the member": (
        happened("user_recall_msg", recall_msgid="m0"),
        MessageRecalled(at=AT, id="kf:m1", message="kf:m0", member=ALICE),
    ),
    "taken back by a colleague": (
        happened("servicer_recall_msg", recall_msgid="m0", servicer_userid="linmo"),
        MessageRecalled(at=AT, id="kf:m1", message="kf:m0", member=ALICE),
    ),
    "barred": (
        happened("reject_customer_msg_switch_change", servicer_userid="linmo", reject_switch=1),
        KfBarred(**STAFF, barred=True),
    ),
    "an event nobody knows yet": (happened("weather"), Unknown(at=AT, id="kf:m1", name="kf/weather")),
}  # fmt: skip

GARBLED: dict[str, Any] = {
    "no number": {**said("text", content="x"), "msgid": ""},
    "no time": {key: value for key, value in said("text", content="x").items() if key != "send_time"},
    "a time in words": {**said("text", content="x"), "send_time": "soon"},
    "a time after the end of time": {**said("text", content="x"), "send_time": 10**30},
    "nobody": {**said("text", content="x"), "external_userid": None},
    "a member nobody gave out": {**said("text", content="x"), "external_userid": "w" * 65},
    "an account nobody gave out": happened("servicer_status_change", open_kfid="w" * 65, status=1),
    "a colleague nobody gave out": happened(
        "session_status_change", external_userid="wm1", change_type=3, new_servicer_userid="w" * 65
    ),
    "content that is a text": {**SAID, "msgtype": "text", "text": "x"},
    "an event without parts": {**SAID, "msgtype": "event"},
    "a change without a meaning": happened("session_status_change", change_type=9),
    "a list": [1, 2],
    "a number": 7,
    "nothing": None,
    "too large": said("text", content="啊" * 200_000),
}


@pytest.mark.parametrize("name", ITEMS)
def test_an_item_becomes_the_update_it_means(name: str) -> None:
    item, update = ITEMS[name]

    assert understood(item) == update


@pytest.mark.parametrize("name", GARBLED)
async def test_a_garbled_item_is_kept_with_a_reason_and_stops_no_other(
    gateway: WeComGateway, wire: Any, name: str
) -> None:
    item, update = ITEMS["a word"]
    wire.answer("kf/sync_msg", {"msg_list": [GARBLED[name], item], "next_cursor": "CUR-2", "has_more": 1})

    page = await gateway.hear_kf(ACCOUNT, cursor="CUR-1", token="TOK")

    assert (page.updates, page.cursor, page.more) == ((update,), "CUR-2", True)
    (unread,) = page.unread
    assert unread.door == DOOR
    assert unread.reason
    assert len(unread.body) <= 256 * 1024


def test_a_kept_item_can_be_read_again_once_we_know_how() -> None:
    item, update = ITEMS["a click"]

    assert parse(DOOR, json.dumps(item).encode(), "x") == update
    with pytest.raises(Malformed):
        parse(DOOR, b"[1, 2]", "x")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda part: (
            st.lists(part, max_size=3)
            | st.dictionaries(
                st.sampled_from([*SAID, "msgtype", "event", "event_type", "text"]), part, max_size=6
            )
        ),
        max_leaves=12,
    )
)
def test_no_item_breaks_the_stream(item: Any) -> None:
    assert isinstance(legible(understood, item, DOOR), Update | Unread)


async def test_a_page_is_asked_for_as_documented(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("kf/sync_msg", {"msg_list": [], "has_more": 1})

    page = await gateway.hear_kf(ACCOUNT, cursor="CUR-1", token="TOK")

    assert (page.updates, page.cursor, page.more) == ((), "CUR-1", True)
    assert (wire.last.method, wire.last.path, wire.last.token) == ("POST", "kf/sync_msg", "T-kf-secret-1")
    assert wire.last.body == {
        "open_kfid": ACCOUNT, "limit": 1000, "voice_format": 0, "cursor": "CUR-1", "token": "TOK",
    }  # fmt: skip


async def test_a_stale_token_is_done_without(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("kf/sync_msg", {"errcode": 95007}, {"next_cursor": "CUR-2", "has_more": 0})

    assert (await gateway.hear_kf(ACCOUNT, cursor="", token="OLD")).cursor == "CUR-2"
    assert "token" not in wire.last.body


async def test_a_lost_cursor_starts_over(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("kf/sync_msg", {"errcode": 50100}, {"next_cursor": "CUR-2", "has_more": 0})

    assert (await gateway.hear_kf(ACCOUNT, cursor="BAD", token="TOK")).cursor == "CUR-2"
    assert "cursor" not in wire.last.body


async def test_accounts_are_listed_page_by_page(gateway: WeComGateway, wire: Any) -> None:
    first = [{"open_kfid": f"wk{number}"} for number in range(100)]
    wire.answer("kf/account/list", {"account_list": first}, {"account_list": [{"open_kfid": "wk100"}]})

    assert len(await gateway.kf_accounts()) == 101
    assert [asked.body for asked in wire.asked] == [
        {"offset": 0, "limit": 100},
        {"offset": 100, "limit": 100},
    ]


async def test_who_writes_is_asked_for_in_hundreds(gateway: WeComGateway, wire: Any) -> None:
    told = {"external_userid": ALICE, "nickname": "小林", "gender": 2, "avatar": "https://a", "unionid": "oU"}
    wire.answer("kf/customer/batchget", {"customer_list": [told]}, {"customer_list": []})

    found = await gateway.kf_members([ALICE] * 101)

    described = MemberDescribed(
        at=NOW, member=ALICE, name="小林", avatar="https://a", unionid="oU", gender=2, whole=False
    )
    assert found == (described,)
    assert [len(asked.body["external_userid_list"]) for asked in wire.asked] == [100, 1]


async def test_who_looks_after_a_session(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("kf/service_state/get", {"service_state": 3, "servicer_userid": "LinMo"})

    told = await gateway.kf_session(ACCOUNT, ALICE)

    assert told == KfSessionTold(at=NOW, member=ALICE, account=ACCOUNT, care=Care.PERSON, staff="linmo")
    assert wire.last.body == {"open_kfid": ACCOUNT, "external_userid": ALICE}


async def test_a_session_is_given_to_somebody(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("kf/service_state/trans", {"msg_code": "C1"})

    moved = await gateway.move_kf(ACCOUNT, ALICE, Care.PERSON, staff="linmo")

    where: dict[str, Any] = {"at": NOW, "member": ALICE, "account": ACCOUNT, "staff": "linmo"}
    assert moved == KfMoved(care=Care.PERSON, code="C1", **where)
    assert wire.last.body == {
        "open_kfid": ACCOUNT, "external_userid": ALICE, "service_state": 3, "servicer_userid": "linmo",
    }  # fmt: skip


@pytest.mark.parametrize(("code", "error"), [(95016, Refused), (95014, Refused), (95017, Blocked)])
async def test_a_way_the_platform_does_not_know_is_refused(
    gateway: WeComGateway, wire: Any, code: int, error: type[Exception]
) -> None:
    wire.answer("kf/service_state/trans", {"errcode": code})

    with pytest.raises(error):
        await gateway.move_kf(ACCOUNT, ALICE, Care.ENDED)


@pytest.mark.parametrize("update", [update for _, update in ITEMS.values()], ids=list(ITEMS))
def test_an_update_is_the_same_after_the_inbox(update: Update) -> None:
    assert from_plain(json.loads(json.dumps(to_plain(update)))) == update


def test_who_looks_after_a_session_is_the_same_after_the_inbox() -> None:
    told = KfSessionTold(at=NOW, member=ALICE, account=ACCOUNT, care=Care.PERSON)

    assert from_plain(to_plain(told)).care is Care.PERSON  # type: ignore[attr-defined]


LONG = "燕麦拿铁" * 11  # 132 bytes


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ([f"第{number}项" for number in range(10)], "msgmenu"),
        ([f"第{number}项" for number in range(11)], "text"),
        ([LONG[:42]], "msgmenu"),
        ([LONG], "text"),
    ],
)
async def test_a_choice_that_fits_no_menu_is_said_in_words(
    gateway: WeComGateway, wire: Any, options: list[str], kind: str
) -> None:
    shown = tuple(Option(str(number), words) for number, words in enumerate(options))
    content = Content("选一个", choice=Choice("run:7", "喝什么？", shown))

    await gateway.send(
        Parcel(channel=Channel.KF, content=content, recipients=(ALICE,), sender=ACCOUNT, key="k")
    )

    assert wire.last.body["msgtype"] == kind
    assert all(words in str(wire.last.body) for words in options)
