"""Every callback the platform sends becomes the update it means, and hostile ones become nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.wecom.card import number_of, run_of
from bot.wecom.parse import parse
from sop.archive import ArchiveDecided, ArchiveRang
from sop.errors import Malformed, Refused
from sop.kf import KfAccountsChanged, KfRang
from sop.notice import PlatformTold
from sop.staff import StaffChanged, StaffRenamed, TransferFailed
from sop.update import (
    AppOpened,
    CardClicked,
    FriendAdded,
    FriendEdited,
    FriendLost,
    GroupChanged,
    GroupCreated,
    GroupDismissed,
    MembersJoined,
    MembersLeft,
    MessageHeard,
    TagEdited,
    Unknown,
    Update,
)

AT = datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
ALICE, BOB = "wmQXdemoAAAAalice000000000000001", "wmQXdemoAAAAbob00000000000002"
GROUP = "wrQXdemoGROUP00000000000000001"


def xml(*fields: str, sender: str = "<FromUserName><![CDATA[sys]]></FromUserName>") -> bytes:
    """A decrypted callback; ``Name=value`` is short for a CDATA element."""
    common = "ToUserName=wwqx2026demo0001", sender, "<CreateTime>1767225601</CreateTime>"
    return f"<xml>{''.join(map(_element, (*common, *fields)))}</xml>".encode()


def _element(field: str) -> str:
    name, is_short, value = field.partition("=")
    return field if field.startswith("<") or not is_short else f"<{name}><![CDATA[{value}]]></{name}>"


def event(name: str, *fields: str) -> bytes:
    return xml("MsgType=event", f"Event={name}", *fields)


def from_staff(*fields: str) -> bytes:
    return xml(*fields, "<AgentID>1000002</AgentID>", sender="FromUserName=LinMo")


def contact(change: str, *fields: str) -> bytes:
    return event(
        "change_external_contact", f"ChangeType={change}", "UserID=LinMo", f"ExternalUserID={ALICE}", *fields
    )


def chat(change: str, *fields: str) -> bytes:
    return event("change_external_chat", f"ChatId={GROUP}", f"ChangeType={change}", *fields)


VOTE = (
    "<SelectedItems><SelectedItem><QuestionKey>q1</QuestionKey><OptionIds><OptionId>tea</OptionId>"
    "<OptionId>latte</OptionId></OptionIds></SelectedItem></SelectedItems>"
)
TWO_QUESTIONS = (
    "<SelectedItems><SelectedItem><QuestionKey>q1</QuestionKey><OptionIds><OptionId>tea</OptionId></OptionIds>"
    "</SelectedItem><SelectedItem><QuestionKey>q2</QuestionKey><OptionIds><OptionId>no</OptionId></OptionIds>"
    "</SelectedItem></SelectedItems>"
)
JOINED = (
    "UpdateDetail=add_member",
    "<JoinScene>3</JoinScene><QuitScene>0</QuitScene><MemChangeCnt>2</MemChangeCnt>",
    f"<MemChangeList><Item>{ALICE}</Item><Item>SuHe</Item></MemChangeList>",
    "<LastMemVer>3f1c0e</LastMemVer><CurMemVer>9ab27d</CurMemVer>",
)
LEFT = (
    "UpdateDetail=del_member",
    "<QuitScene>1</QuitScene>",
    f"<MemChangeList><Item><![CDATA[{BOB}]]></Item></MemChangeList>",
    "LastMemVer=9ab27d",
    "CurMemVer=c0ffee",
)
TEXT = from_staff("MsgType=text", "Content=本周 <b>互动</b> & 排行", "<MsgId>9000000000000000001</MsgId>")
HEARD = {"at": AT, "id": "k", "member": "linmo", "via": "app", "account": "community", "from_staff": True}
CARD = from_staff(
    "MsgType=event",
    "Event=template_card_event",
    "EventKey=vote",
    "TaskId=sop-7-d3-0001",
    "ResponseCode=RC1",
    VOTE,
)
CLICKED = CardClicked(
    at=AT,
    id="k",
    staff="linmo",
    task="sop-7-d3-0001",
    key="vote",
    app="community",
    response_code="RC1",
    options=(("q1", ("tea", "latte")),),
)


def moved(kind: type, **values: object) -> Update:
    made: Update = kind(at=AT, id="k", group=GROUP, **values)
    return made


def friend(kind: type, **values: object) -> Update:
    made: Update = kind(at=AT, id="k", member=ALICE, staff="linmo", **values)
    return made


def told(name: str, *facts: tuple[str, str]) -> Update:
    return PlatformTold(at=AT, id="k", name=name, app="community", facts=facts)


def unknown(name: str) -> Update:
    return Unknown(at=AT, id="k", name=name)


CALLBACKS: dict[str, tuple[bytes, Update]] = {
    "text": (TEXT, MessageHeard(text="本周 <b>互动</b> & 排行", **HEARD)),  # type: ignore[arg-type]
    "image": (
        from_staff("MsgType=image", "PicUrl=http://x", "MediaId=M1", "<MsgId>1</MsgId>"),
        MessageHeard(media="image", file="M1", **HEARD),  # type: ignore[arg-type]
    ),
    "voice": (
        from_staff("MsgType=voice", "MediaId=M1", "Format=amr"),
        MessageHeard(media="voice", file="M1", **HEARD),  # type: ignore[arg-type]
    ),
    "video": (
        from_staff("MsgType=video", "MediaId=M1", "ThumbMediaId=M2"),
        MessageHeard(media="video", file="M1", **HEARD),  # type: ignore[arg-type]
    ),
    "location": (
        from_staff("MsgType=location", "Location_X=30.1", "Location_Y=120.2", "Scale=15", "Label=西湖"),
        MessageHeard(media="location", text="西湖", **HEARD),  # type: ignore[arg-type]
    ),
    "link": (
        from_staff("MsgType=link", "Title=周报", "Description=d", "Url=https://x", "PicUrl=p"),
        MessageHeard(media="link", text="周报", **HEARD),  # type: ignore[arg-type]
    ),
    "a message type of tomorrow": (from_staff("MsgType=hologram"), unknown("hologram")),
    "opening the app": (
        from_staff("MsgType=event", "Event=enter_agent", "EventKey="),
        AppOpened(at=AT, id="k", staff="linmo"),
    ),
    "a menu entry": (
        from_staff("MsgType=event", "Event=click", "EventKey=TODO"),
        AppOpened(at=AT, id="k", staff="linmo", key="TODO"),
    ),
    "coming into sight": (
        from_staff("MsgType=event", "Event=subscribe"),
        StaffChanged(at=AT, id="k", staff="linmo", present=True),
    ),
    "going out of sight": (
        from_staff("MsgType=event", "Event=unsubscribe"),
        StaffChanged(at=AT, id="k", staff="linmo", present=False),
    ),
    "a vote": (CARD, CLICKED),
    "a vote on two questions": (
        from_staff("MsgType=event", "Event=template_card_event", "TaskId=t", "EventKey=v", TWO_QUESTIONS),
        CardClicked(
            at=AT,
            id="k",
            staff="linmo",
            task="t",
            key="v",
            app="community",
            options=(("q1", ("tea",)), ("q2", ("no",))),
        ),
    ),
    "a card's menu": (
        from_staff("MsgType=event", "Event=template_card_menu_event", "TaskId=notice-9", "EventKey=mute_7d"),
        CardClicked(at=AT, id="k", staff="linmo", task="notice-9", key="mute_7d", app="community", menu=True),
    ),
    "an employee gone": (
        event("change_contact", "ChangeType=delete_user", "UserID=SuHe"),
        StaffChanged(at=AT, id="k", staff="suhe", present=False, left=True),
    ),
    "an employee hired": (
        event("change_contact", "ChangeType=create_user", "UserID=SuHe", "<Department>1,2</Department>"),
        StaffChanged(at=AT, id="k", staff="suhe", present=True),
    ),
    "an employee with another number": (
        event("change_contact", "ChangeType=update_user", "UserID=SuHe", "NewUserID=SuHe.2"),
        StaffRenamed(at=AT, id="k", staff="suhe", now="suhe.2"),
    ),
    "an employee written otherwise": (
        event("change_contact", "ChangeType=update_user", "UserID=SuHe", "NewUserID=SUHE"),
        told("change_contact/update_user", ("UserID", "SuHe"), ("NewUserID", "SUHE")),
    ),
    "a department made": (
        event("change_contact", "ChangeType=create_party", "<Id>2</Id>"),
        told("change_contact/create_party", ("Id", "2")),
    ),
    "a new friend": (
        contact("add_external_contact", "State=poster_0103", "WelcomeCode=W1"),
        friend(FriendAdded, source="poster_0103", welcome_code="W1"),
    ),
    "a new friend from nowhere": (contact("add_external_contact"), friend(FriendAdded)),
    "half a friend": (
        contact("add_half_external_contact", "WelcomeCode=W2"),
        friend(FriendAdded, welcome_code="W2", half=True),
    ),
    "an edited friend": (contact("edit_external_contact"), friend(FriendEdited)),
    "a friend deleted by staff": (contact("del_external_contact"), friend(FriendLost, by="staff")),
    "a friend handed over": (
        contact("del_external_contact", "Source=DELETE_BY_TRANSFER"),
        friend(FriendLost, by="staff", transferred=True),
    ),
    "staff deleted by a friend": (contact("del_follow_user"), friend(FriendLost, by="member")),
    "a failed transfer": (
        contact("transfer_fail", "FailReason=customer_refused"),
        friend(TransferFailed, reason="refused"),
    ),
    "a transfer over the limit": (
        contact("transfer_fail", "FailReason=customer_limit_exceed"),
        friend(TransferFailed, reason="limit"),
    ),
    "a transfer failed for a reason of tomorrow": (
        contact("transfer_fail", "FailReason=moon_phase"),
        friend(TransferFailed, reason="unknown"),
    ),
    "archiving agreed": (
        contact("msg_audit_approved"),
        ArchiveDecided(at=AT, id="k", member=ALICE, scope="linmo", agreed=True),
    ),
    "a new group": (chat("create"), moved(GroupCreated)),
    "a dissolved group": (chat("dismiss"), moved(GroupDismissed)),
    "two joining": (
        chat("update", *JOINED),
        moved(MembersJoined, members=(ALICE, "suhe"), scene=3, before="3f1c0e", after="9ab27d"),
    ),
    "one leaving": (
        chat("update", *LEFT),
        moved(MembersLeft, members=(BOB,), scene=1, before="9ab27d", after="c0ffee"),
    ),
    "someone joining, not said who": (
        chat("update", "UpdateDetail=add_member", "<JoinScene>0</JoinScene><MemChangeCnt>1</MemChangeCnt>"),
        moved(GroupChanged, detail="add_member"),
    ),
    "a new name": (chat("update", "UpdateDetail=change_name"), moved(GroupChanged, detail="change_name")),
    "a tag changed": (
        event("change_external_tag", "Id=etQX1", "TagType=tag", "ChangeType=update"),
        TagEdited(at=AT, id="k", tag="etQX1", what="tag", change="update"),
    ),
    "tags shuffled": (
        event("change_external_tag", "Id=", "ChangeType=shuffle"),
        TagEdited(at=AT, id="k", tag="", what="tag_group", change="shuffle"),
    ),
    "the kf doorbell": (
        xml("MsgType=event", "Event=kf_msg_or_event", "Token=ENC1", "OpenKfId=wkQX1", sender=""),
        KfRang(at=AT, id="k", account="wkQX1", token="ENC1"),
    ),
    "kf accounts given and taken": (
        xml(
            "MsgType=event",
            "Event=kf_account_auth_change",
            "AuthAddOpenKfId=wk1",
            "AuthAddOpenKfId=wk2",
            "AuthDelOpenKfId=wk3",
            sender="",
        ),
        KfAccountsChanged(at=AT, id="k", added=("wk1", "wk2"), removed=("wk3",)),
    ),
    "the archive doorbell": (
        event("msgaudit_notify", "<AgentID>2000004</AgentID>"),
        ArchiveRang(at=AT, id="k"),
    ),
    "an acquisition event": (
        event("customer_acquisition", "ChangeType=balance_low"),
        told("customer_acquisition/balance_low"),
    ),
    "a location report": (
        event("LOCATION", "Latitude=1", "Longitude=2"),
        told("LOCATION", ("Latitude", "1"), ("Longitude", "2")),
    ),
    "a finished job": (
        event("batch_job_result", "<BatchJob><JobId>j</JobId></BatchJob>"),
        told("batch_job_result", ("BatchJob.JobId", "j")),
    ),
}


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_callback_becomes_the_update_it_means(name: str) -> None:
    body, update = CALLBACKS[name]

    assert parse("app/community", body, id="k") == update


@pytest.mark.parametrize("name", sorted(set(CALLBACKS) - {"text"}))  # its text needs the CDATA
def test_cdata_makes_no_difference(name: str) -> None:
    body, update = CALLBACKS[name]

    assert parse("app/community", body.replace(b"<![CDATA[", b"").replace(b"]]>", b""), id="k") == update


HOSTILE = {
    "nothing": b"",
    "no XML": b"hello",
    "people nobody gave out": chat(
        "update", "UpdateDetail=add_member", f"<MemChangeList><Item>{'w' * 65}</Item></MemChangeList>"
    ),
    "people inside people": chat(
        "update", "UpdateDetail=add_member", "<MemChangeList><Item><Item>a</Item></Item></MemChangeList>"
    ),
    "not UTF-8": b"<xml>\xff\xfe</xml>",
    "another root": b"<html><MsgType>text</MsgType></html>",
    "no type": b"<xml><CreateTime>1</CreateTime></xml>",
    "no time": b"<xml><MsgType>text</MsgType><FromUserName>a</FromUserName></xml>",
    "a time in words": xml("MsgType=text").replace(b"1767225601", b"soon"),
    "a time after the end of time": xml("MsgType=text").replace(b"1767225601", b"9" * 30),
    "no sender": xml("MsgType=text", "Content=x", sender=""),
    "a sender with parts": xml("MsgType=text", sender="<FromUserName><a>1</a></FromUserName>"),
    "two senders": xml("MsgType=text", "FromUserName=b", sender="FromUserName=a"),
    "no member": event("change_external_contact", "ChangeType=add_external_contact", "UserID=linmo"),
    "no group": event("change_external_chat", "ChangeType=create"),
    "a vote with no options": from_staff(
        "MsgType=event",
        "Event=template_card_event",
        "<SelectedItems><SelectedItem>1</SelectedItem></SelectedItems>",
    ),
    "unclosed": b"<xml><MsgType>text</MsgType>",
    "unclosed CDATA": b"<xml><MsgType><![CDATA[text",
    "many unclosed CDATA": b"<xml>" + b"<![CDATA[" * 20_000,
    "deep": b"<xml>" + b"<a>" * 20_000,
    "deep and closed": b"<xml>" + b"<a>" * 20_000 + b"</a>" * 20_000 + b"</xml>",
    "too large": b"<xml>" + b" " * 300_000 + b"</xml>",
    "entities": b'<!DOCTYPE x [<!ENTITY a "b">]><xml><MsgType>&a;</MsgType></xml>',
    "an outside entity": b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><MsgType>&a;</MsgType></xml>',
    "billion laughs": (
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
        b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><xml><MsgType>&c;</MsgType></xml>'
    ),
    "an undefined entity": b"<xml><MsgType>&lol;</MsgType></xml>",
    "an id nobody gave out": event("change_external_chat", "ChangeType=dismiss", f"ChatId={'w' * 65}"),
    "a comment": b"<xml><!-- hi --><MsgType>text</MsgType></xml>",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_cannot_be_read_is_malformed(name: str) -> None:
    with pytest.raises(Malformed):
        parse("contact", HOSTILE[name])


@given(body=st.binary(max_size=300))
def test_no_body_breaks_the_parser(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse("contact", body)


@given(cut=st.integers(0, 10_000), name=st.sampled_from(sorted(CALLBACKS)))
def test_a_callback_cut_short_is_malformed(cut: int, name: str) -> None:
    with pytest.raises(Malformed):
        parse("contact", CALLBACKS[name][0][: cut % (len(CALLBACKS[name][0]) - 1)])


@given(run=st.text(max_size=12), key=st.text())
def test_a_card_s_number_tells_its_run_and_uses_allowed_letters_only(run: str, key: str) -> None:
    number = number_of(run, key)

    assert set(number) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-@")
    assert run == "" or run_of(number) == run


def test_two_messages_about_one_run_never_share_a_card_number() -> None:
    assert number_of("w02", "a") != number_of("w02", "b")


def test_a_run_too_long_for_a_card_is_refused() -> None:
    with pytest.raises(Refused):
        number_of("长" * 40, "a")
