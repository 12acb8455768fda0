"""会话内容存档 on the wire: what each record means, and how records are pulled."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bot.wecom.gateway import WeComGateway
from sop.update import MessageHeard

ALICE = "wmQXalice"


def _record(seq: int, **fields: Any) -> dict[str, Any]:
    plain = {
        "msgid": f"{seq}_external",
        "action": "send",
        "from": ALICE,
        "tolist": ["linmo"],
        "roomid": "wrG1",
        "msgtime": 1767250800123,
        "msgtype": "text",
        "text": {"content": "签到 @林墨 早"},
    }
    return {"seq": seq, **plain, **fields}


async def test_the_archive_tells_what_people_said_in_groups(gateway: WeComGateway, wire: Any) -> None:
    records = [
        _record(11),
        _record(12, **{"from": "LinMo"}, text={"content": "早"}),
        _record(13, **{"from": "wbRobot"}),
        _record(14, action="recall"),
        {"seq": 15, "action": "switch", "msgid": "x"},
        _record(16, msgtype="revoke", revoke={"pre_msgid": "1"}),
        _record(17, msgtype="image", image={"sdkfileid": "f"}),
        {"seq": 18, "action": "send"},
    ]
    wire.answer("archive/feed", {"chatdata": records, "more": 1})

    page = await gateway.hear_archive(10)

    at = datetime.fromtimestamp(1767250800.123, UTC)
    heard: dict[str, Any] = {"at": at, "via": "archive", "group": "wrG1"}
    assert page.updates == (
        MessageHeard(
            id="archive:11_external", member=ALICE, text="签到 @林墨 早", mentions=("林墨",), **heard
        ),
        MessageHeard(id="archive:12_external", member="linmo", text="早", from_staff=True, **heard),
        MessageHeard(id="archive:17_external", member=ALICE, media="image", **heard),
    )
    assert (page.seq, page.more) == (18, True)
    assert (wire.last.query, wire.last.token) == ({"seq": "10", "limit": "1000"}, "T-archive-secret-1")


async def test_an_empty_feed_stays_where_it_is(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("archive/feed", {"chatdata": [], "more": 0})

    page = await gateway.hear_archive(10)

    assert (page.updates, page.seq, page.more) == ((), 10, False)
