"""What an app does after it has spoken, and the groups it makes: to the letter."""

from __future__ import annotations

import pytest

from bot.gateway import Chat
from bot.wecom.gateway import WeComGateway
from sop.card import Notice, Opening
from sop.errors import Refused
from tests.wire.conftest import Wire

NOTICE = Notice(title="有 2 个群发待确认", opens=Opening(url="https://qx.example.org/d"))


# ---------------------------------------------------------------- cards after they are sent


async def test_a_pressed_card_s_button_is_renamed(gateway: WeComGateway, wire: Wire) -> None:
    await gateway.update_card("RC1", staff=("linmo",), app="second", button="已确认")

    assert (wire.last.method, wire.last.path) == ("POST", "message/update_template_card")
    assert wire.last.token == "T-second-secret-1"
    assert wire.last.body == {
        "userids": ["linmo"],
        "agentid": 1000003,
        "response_code": "RC1",
        "button": {"replace_name": "已确认"},
    }


async def test_a_pressed_card_is_replaced_as_a_whole(gateway: WeComGateway, wire: Wire) -> None:
    await gateway.update_card("RC1", staff=("linmo",), card=NOTICE)

    assert wire.last.body["template_card"]["card_type"] == "text_notice"
    assert "button" not in wire.last.body


async def test_a_used_card_code_is_refused(gateway: WeComGateway, wire: Wire) -> None:
    wire.answer("message/update_template_card", {"errcode": 60140})

    with pytest.raises(Refused, match="72 小时"):
        await gateway.update_card("RC1", staff=("linmo",), button="已确认")


async def test_taking_a_message_back(gateway: WeComGateway, wire: Wire) -> None:
    await gateway.unsay("MSG1", app="community")

    assert (wire.last.method, wire.last.path, wire.last.body) == ("POST", "message/recall", {"msgid": "MSG1"})


# ---------------------------------------------------------------- an app's groups


async def test_making_a_group(gateway: WeComGateway, wire: Wire) -> None:
    wire.answer("appchat/create", {"chatid": "ops1"})

    assert (
        await gateway.create_chat("运营群", owner="linmo", staff=("linmo", "suhe"), number="ops1") == "ops1"
    )
    assert (wire.last.method, wire.last.path) == ("POST", "appchat/create")
    assert wire.last.body == {
        "name": "运营群",
        "owner": "linmo",
        "userlist": ["linmo", "suhe"],
        "chatid": "ops1",
    }


async def test_changing_a_group(gateway: WeComGateway, wire: Wire) -> None:
    await gateway.change_chat("ops1", name="新名字", add=("a",), remove=("b",))

    assert (wire.last.method, wire.last.path) == ("POST", "appchat/update")
    assert wire.last.body == {
        "chatid": "ops1",
        "name": "新名字",
        "add_user_list": ["a"],
        "del_user_list": ["b"],
    }


async def test_asking_about_a_group(gateway: WeComGateway, wire: Wire) -> None:
    info = {
        "chatid": "ops1",
        "name": "运营群",
        "owner": "LinMo",
        "userlist": ["LinMo", "suhe"],
        "chat_type": 0,
    }
    wire.answer("appchat/get", {"chat_info": info})

    assert await gateway.chat("ops1") == Chat("ops1", "运营群", "linmo", ("linmo", "suhe"))
    assert (wire.last.method, wire.last.query, wire.last.body) == ("GET", {"chatid": "ops1"}, None)


@pytest.mark.parametrize(
    ("name", "staff", "number"),
    [
        ("名" * 51, ("a", "b"), "c1"),
        ("名", ("a",), "c1"),
        ("名", ("a", "b"), "c-1"),
        ("名", ("a",) * 2001, "c1"),
    ],
)
async def test_a_group_nobody_could_make_is_refused_at_home(
    gateway: WeComGateway, wire: Wire, name: str, staff: tuple[str, ...], number: str
) -> None:
    with pytest.raises(Refused):
        await gateway.create_chat(name, owner="a", staff=staff, number=number)

    assert wire.asked == []


async def test_a_group_we_made_already_is_the_one_we_wanted(gateway: WeComGateway, wire: Wire) -> None:
    wire.answer("appchat/create", {"errcode": 86215})
    wire.answer("appchat/get", {"chat_info": {"chatid": "ops1", "name": "运营群", "userlist": ["a", "b"]}})

    assert await gateway.create_chat("运营群", owner="a", staff=("a", "b"), number="ops1") == "ops1"
