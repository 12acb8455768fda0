"""Everything the platform is known to send has a meaning; what it may send tomorrow is kept and harms nobody."""

from __future__ import annotations

from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.wecom.parse import parse
from sop.errors import Malformed
from sop.notice import PlatformTold
from sop.packed import from_plain, to_plain
from sop.staff import StaffChanged
from sop.update import CardClicked, FriendAdded, MembersJoined, MessageHeard, Unknown, Update

HEAD = "<ToUserName>wwqx2026demo0001</ToUserName><CreateTime>1767225601</CreateTime>"
SYS = "<FromUserName>sys</FromUserName>"
GROUP = "<ChatId>wrQX1</ChatId>"


def letter(inside: str, *, sender: str = SYS) -> bytes:
    return f"<xml>{HEAD}{sender}{inside}</xml>".encode()


def event(name: str, inside: str = "", change: str = "") -> bytes:
    kind = f"<ChangeType>{change}</ChangeType>" if change else ""
    return letter(f"<MsgType>event</MsgType><Event>{name}</Event>{kind}{inside}")


def read(body: bytes) -> Update:
    return parse("app/community", body, "k")


def facts_of(body: bytes) -> tuple[tuple[str, str], ...]:
    told = read(body)
    assert isinstance(told, PlatformTold)
    return told.facts


SCANNED = "<ScanCodeInfo><ScanType>qrcode</ScanType><ScanResult>https://x</ScanResult></ScanCodeInfo>"
ONE_PICTURE = "<PicList><item><PicMd5Sum>a1</PicMd5Sum></item></PicList>"
TWO_PICTURES = (
    "<PicList><item><PicMd5Sum>a1</PicMd5Sum></item><item><PicMd5Sum>b2</PicMd5Sum></item></PicList>"
)
PLACE = "<SendLocationInfo><Location_X>30.1</Location_X><Label>西湖</Label></SendLocationInfo>"
JOB = "<BatchJob><JobId>j1</JobId><JobType>sync_user</JobType><ErrCode>0</ErrCode><ErrMsg>ok</ErrMsg></BatchJob>"
APPROVAL = "<ApprovalInfo><SpNo>1</SpNo><Notifyer><ItemName>a</ItemName></Notifyer></ApprovalInfo>"
MOVED_PEOPLE = "<AddUserItems>zhangsan,lisi</AddUserItems><DelPartyItems>1,2</DelPartyItems>"

NOTICES: dict[str, tuple[bytes, tuple[tuple[str, str], ...]]] = {
    "view": (event("view", "<EventKey>https://x</EventKey>"), (("EventKey", "https://x"),)),
    "view_miniprogram": (
        event("view_miniprogram", "<EventKey>pages/a</EventKey>"),
        (("EventKey", "pages/a"),),
    ),
    "LOCATION": (
        event("LOCATION", "<Latitude>1</Latitude><AppType>wxwork</AppType>"),
        (("Latitude", "1"), ("AppType", "wxwork")),
    ),
    **{
        name: (
            event(name, SCANNED),
            (("ScanCodeInfo.ScanType", "qrcode"), ("ScanCodeInfo.ScanResult", "https://x")),
        )
        for name in ("scancode_push", "scancode_waitmsg")
    },
    "pic_sysphoto": (
        event("pic_sysphoto", f"<SendPicsInfo><Count>1</Count>{ONE_PICTURE}</SendPicsInfo>"),
        (("SendPicsInfo.Count", "1"), ("SendPicsInfo.PicList.item.PicMd5Sum", "a1")),
    ),
    **{
        name: (
            event(name, f"<SendPicsInfo><Count>2</Count>{TWO_PICTURES}</SendPicsInfo>"),
            (
                ("SendPicsInfo.Count", "2"),
                ("SendPicsInfo.PicList.item.PicMd5Sum", "a1"),
                ("SendPicsInfo.PicList.item.PicMd5Sum", "b2"),
            ),
        )
        for name in ("pic_photo_or_album", "pic_weixin")
    },
    "location_select": (
        event("location_select", PLACE),
        (("SendLocationInfo.Location_X", "30.1"), ("SendLocationInfo.Label", "西湖")),
    ),
    "batch_job_result": (
        event("batch_job_result", JOB),
        (
            ("BatchJob.JobId", "j1"),
            ("BatchJob.JobType", "sync_user"),
            ("BatchJob.ErrCode", "0"),
            ("BatchJob.ErrMsg", "ok"),
        ),
    ),
    "open_approval_change": (
        event("open_approval_change", APPROVAL),
        (("ApprovalInfo.SpNo", "1"), ("ApprovalInfo.Notifyer.ItemName", "a")),
    ),
    "share_agent_change": (event("share_agent_change"), ()),
    "share_chain_change": (event("share_chain_change"), ()),
    **{
        name: (event(name, "<EffectTime>1769900000</EffectTime>"), (("EffectTime", "1769900000"),))
        for name in ("inactive_alert", "low_active_alert")
    },
    **{
        name: (event(name), ())
        for name in ("close_inactive_agent", "reopen_inactive_agent", "low_active", "active_restored")
    },
    "taskcard_click": (event("taskcard_click", "<TaskId>t1</TaskId>"), (("TaskId", "t1"),)),
    **{
        f"change_contact/{change}": (event("change_contact", "<Id>2</Id>", change), (("Id", "2"),))
        for change in ("create_party", "update_party", "delete_party")
    },
    "change_contact/update_user": (
        event("change_contact", "<UserID>suhe</UserID><Mobile>1</Mobile>", "update_user"),
        (("UserID", "suhe"), ("Mobile", "1")),
    ),
    "change_contact/update_tag": (
        event("change_contact", f"<TagId>1</TagId>{MOVED_PEOPLE}", "update_tag"),
        (("TagId", "1"), ("AddUserItems", "zhangsan,lisi"), ("DelPartyItems", "1,2")),
    ),
    **{
        f"customer_acquisition/{change}": (event("customer_acquisition", "", change), ())
        for change in ("balance_low", "balance_exhausted", "balance_increased")
    },
    "customer_acquisition/quota_expire_soon": (
        event(
            "customer_acquisition",
            "<ExpireTime>1769900000</ExpireTime><ExpireQuotaNum>9</ExpireQuotaNum>",
            "quota_expire_soon",
        ),
        (("ExpireTime", "1769900000"), ("ExpireQuotaNum", "9")),
    ),
    **{
        f"customer_acquisition/{change}": (
            event("customer_acquisition", "<LinkId>ca1</LinkId><State>s</State>", change),
            (("LinkId", "ca1"), ("State", "s")),
        )
        for change in ("link_unavailable", "delete_link", "open_profile", "friend_request")
    },
    "customer_acquisition/customer_start_chat": (
        event("customer_acquisition", "<ExternalUserID>wmQX1</ExternalUserID>", "customer_start_chat"),
        (("ExternalUserID", "wmQX1"),),
    ),
    "customer_acquisition/message_from_customer": (
        event("customer_acquisition", "<ChatKey>CK</ChatKey>", "message_from_customer"),
        (("ChatKey", "CK"),),
    ),
}


@pytest.mark.parametrize("name", NOTICES)
def test_a_notice_keeps_its_name_and_all_it_says(name: str) -> None:
    body, facts = NOTICES[name]

    update = read(body)

    assert update == PlatformTold(at=update.at, id="k", name=name, app="community", facts=facts)


@pytest.mark.parametrize("name", NOTICES)
def test_a_notice_can_be_written_down_and_read_again(name: str) -> None:
    update = read(NOTICES[name][0])

    assert from_plain(to_plain(update)) == update


def test_a_notice_at_a_door_of_no_app_names_no_app() -> None:
    update = parse("contact", NOTICES["customer_acquisition/balance_low"][0], "k")

    assert isinstance(update, PlatformTold)
    assert update.app == ""


# ---------------------------------------------------------------- lists

ITEMS = {
    "no list": ("", ()),
    "an empty list": ("<MemChangeList></MemChangeList>", ()),
    "one": ("<MemChangeList><Item>wmA</Item></MemChangeList>", ("wmA",)),
    "three": (
        "<MemChangeList><Item>wmA</Item><Item>wmB</Item><Item>wmC</Item></MemChangeList>",
        ("wmA", "wmB", "wmC"),
    ),
}


@pytest.mark.parametrize("count", ITEMS)
def test_one_item_or_many_are_a_list(count: str) -> None:
    listed, members = ITEMS[count]
    inside = f"{GROUP}<UpdateDetail>add_member</UpdateDetail>{listed}"

    update = read(event("change_external_chat", inside, "update"))

    assert getattr(update, "members", ()) == members
    assert isinstance(update, MembersJoined) == bool(members)


OPTIONS = {
    "none": ("", ()),
    "one": ("<OptionId>a</OptionId>", (("q1", ("a",)),)),
    "two": ("<OptionId>a</OptionId><OptionId>b</OptionId>", (("q1", ("a", "b")),)),
}


@pytest.mark.parametrize("count", OPTIONS)
def test_options_of_a_card_are_a_list_however_many(count: str) -> None:
    options, chosen = OPTIONS[count]
    item = f"<SelectedItem><QuestionKey>q1</QuestionKey><OptionIds>{options}</OptionIds></SelectedItem>"
    inside = f"<TaskId>t</TaskId><SelectedItems>{item if options else ''}</SelectedItems>"

    update = read(
        letter(
            f"<MsgType>event</MsgType><Event>template_card_event</Event>{inside}",
            sender=SYS.replace("sys", "linmo"),
        )
    )

    assert isinstance(update, CardClicked)
    assert update.options == chosen


# ---------------------------------------------------------------- tomorrow

KNOWN = {
    "a message": letter("<MsgType>text</MsgType><Content>hi</Content>", sender=SYS.replace("sys", "linmo")),
    "a friend": event(
        "change_external_contact",
        "<UserID>linmo</UserID><ExternalUserID>wmQX1</ExternalUserID>",
        "add_external_contact",
    ),
    "an employee": event("change_contact", "<UserID>suhe</UserID>", "delete_user"),
}
KINDS = {"a message": MessageHeard, "a friend": FriendAdded, "an employee": StaffChanged}
NEW = b"<Weather><Sky>blue</Sky><Wind>3</Wind></Weather>"


@pytest.mark.parametrize("name", KNOWN)
def test_elements_of_tomorrow_change_nothing_and_are_kept(name: str) -> None:
    body = KNOWN[name]

    update = read(body.replace(b"</xml>", NEW + b"</xml>"))

    assert isinstance(update, KINDS[name])
    assert update == read(body)
    assert update.extra == (*read(body).extra, ("Weather.Sky", "blue"), ("Weather.Wind", "3"))


def test_elements_we_have_no_use_for_are_kept_too() -> None:
    body = letter(
        "<MsgType>location</MsgType><Location_X>30.1</Location_X><Label>西湖</Label>",
        sender=SYS.replace("sys", "linmo"),
    )

    assert read(body).extra == (("Location_X", "30.1"),)


@pytest.mark.parametrize("name", ["eclipse", "change_contact/merge_corp", "change_external_chat/teleport"])
def test_an_event_of_tomorrow_is_unknown_with_all_it_says(name: str) -> None:
    kind, _, change = name.partition("/")

    update = read(event(kind, "<Id>7</Id>", change))

    assert update == Unknown(at=update.at, id="k", name=name, facts=(("Id", "7"),))


# ---------------------------------------------------------------- any XML at all

NAMES = st.sampled_from(
    [
        "xml",
        "MsgType",
        "Event",
        "ChangeType",
        "CreateTime",
        "FromUserName",
        "UserID",
        "NewUserID",
        "ExternalUserID",
        "ChatId",
        "UpdateDetail",
        "MemChangeList",
        "Item",
        "SelectedItems",
        "SelectedItem",
        "OptionIds",
        "OptionId",
        "QuestionKey",
        "Id",
        "TagType",
        "Token",
        "OpenKfId",
        "AuthAddOpenKfId",
        "BatchJob",
        "a",
    ]
)
TEXTS = st.one_of(
    st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12).map(escape),
    st.sampled_from(
        [
            "event",
            "text",
            "1767225601",
            "99999999999999",
            "-1",
            "template_card_event",
            "change_external_chat",
            "change_external_contact",
            "change_contact",
            "update",
            "add_member",
            "delete_user",
            "batch_job_result",
            "kf_account_auth_change",
            "LOCATION",
            "wmQX1",
        ]
    ),
)


def _element(inside: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    attributes = st.sampled_from(["", ' a="1"', ' xmlns="u"'])
    return st.builds(lambda n, a, i: f"<{n}{a}>{i}</{n}>", NAMES, attributes, inside)


TREES = st.recursive(TEXTS, lambda inner: st.lists(_element(inner), max_size=6).map("".join), max_leaves=25)


@given(inside=TREES, headed=st.booleans())
def test_well_formed_xml_is_read_or_refused_and_never_breaks_anything(inside: str, headed: bool) -> None:
    body = f"<xml>{HEAD + SYS if headed else ''}{inside}</xml>".encode()

    try:
        update = read(body)
    except Malformed:
        return

    assert from_plain(to_plain(update)) == update
