"""What ``qunxing check`` asks the platform: harmless questions, each with its shape."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from bot.chance import SeededChance
from bot.outgoing import Seen
from bot.wecom.checkup import Checkup
from bot.wecom.client import WeComClient
from storage.shared_memory import MemoryShared
from tests.wire.conftest import NOW, SETTINGS, Wire

WINDOW = {
    "chat_type": "group",
    "start_time": int(NOW.timestamp()) - 86400,
    "end_time": int(NOW.timestamp()),
    "limit": 1,
}


@pytest.fixture
async def asked(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, dict[str, str], Any]]:
    looked: list[str] = []

    async def look(url: str) -> Seen:
        looked.append(url)
        return Seen(200, b"{}", NOW, 0.01)

    monkeypatch.setattr(wire, "look", look)
    wire.answer("externalcontact/get_follow_user_list", {"follow_user": ["linmo"]})
    wire.answer("kf/account/list", {"account_list": [{"open_kfid": "wkQX1"}]})
    wire.answer("msgaudit/get_permit_user_list", {"ids": ["linmo"]})
    client = WeComClient(SETTINGS, wire, wire.clock, SeededChance(1), MemoryShared())
    findings = [finding async for finding in Checkup(client).findings()]
    assert all(finding.good for finding in findings), findings
    assert looked == ["https://wecom.test/cgi-bin/getcallbackip"]
    return [(one.method, one.path, one.query, one.body) for one in wire.asked]


SHAPES = [
    ("GET", "menu/get", {"agentid": str(SETTINGS.apps[0].agent_id)}, None),
    ("GET", "externalcontact/get_follow_user_list", {}, None),
    ("GET", "externalcontact/list", {"userid": "linmo"}, None),
    ("POST", "externalcontact/groupchat/list", {}, {"limit": 1}),
    ("POST", "externalcontact/get_corp_tag_list", {}, {}),
    ("POST", "externalcontact/get_groupmsg_list_v2", {}, WINDOW),
    ("POST", "externalcontact/list_contact_way", {}, {"limit": 1}),
    ("POST", "kf/account/list", {}, {"offset": 0, "limit": 100}),
    ("POST", "msgaudit/get_permit_user_list", {}, {}),
]


@pytest.mark.parametrize("shape", SHAPES, ids=[path for _, path, _, _ in SHAPES])
def test_a_question_of_the_check_has_its_shape(asked: list[Any], shape: tuple[str, str, Any, Any]) -> None:
    assert shape in asked


def test_the_numbers_of_yesterday_begin_at_midnight_in_china(asked: list[Any]) -> None:
    [(_, _, _, body)] = [one for one in asked if one[1] == "externalcontact/groupchat/statistic"]

    assert body["owner_filter"] == {"userid_list": ["linmo"]}
    assert datetime.fromtimestamp(body["day_begin_time"], UTC).hour == 16


def test_nothing_but_questions_is_asked(asked: list[Any]) -> None:
    words = ("get", "list", "statistic")

    assert all(any(word in path for word in words) for _, path, _, _ in asked)
