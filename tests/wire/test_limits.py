"""Every limit the platform publishes is a bucket, and every call takes from the buckets it is counted in.

The rows are a copy of our own of developer.work.weixin.qq.com path 90454 and of the endpoints' own pages.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.chance import SeededChance
from bot.clock import TurnedClock
from bot.gateway import Parcel
from bot.wecom import limit
from bot.wecom.gateway import WeComGateway
from sop.errors import Busy, SendError
from sop.message import Channel, Content
from storage.shared import Demand, Limit
from storage.shared_memory import MemoryShared
from tests.wire.conftest import SETTINGS

MINUTE, HOUR, DAY, MONTH = 60, 3600, 86_400, 30 * 86_400
CORP = {(10_000, MINUTE), (150_000, HOUR)}


class Watched(MemoryShared):
    """Writes down what was demanded."""

    def __init__(self) -> None:
        super().__init__()
        self.demanded: list[Demand] = []

    async def take(self, demands: Sequence[Demand], now: datetime) -> float:
        self.demanded += demands
        return await super().take(demands, now)


def _parcel(channel: Channel, *to: str, **values: Any) -> Parcel:
    return Parcel(
        channel=channel, content=Content("你好"), recipients=to or ("wmQXalice",), key="k1", **values
    )


def _send(channel: Channel, *to: str, **values: Any) -> Callable[[WeComGateway], Awaitable[Any]]:
    return lambda gateway: gateway.send(_parcel(channel, *to, **values))


PUSH = {(10_000, MINUTE), (24, MINUTE), (900, HOUR)}
CALLS: dict[str, tuple[Callable[[WeComGateway], Awaitable[Any]], set[tuple[int, int]]]] = {
    "any API of a corp": (lambda g: g.staff(), CORP),
    "a welcome": (_send(Channel.WELCOME, welcome_code="C"), CORP),
    "a mass send": (_send(Channel.GROUP_SEND, sender="linmo"), CORP),
    "a kf message": (_send(Channel.KF, sender="wkQX1"), CORP),
    "an app message": (_send(Channel.APP, "linmo", audience="staff"), PUSH),
    "an app message to all": (
        _send(Channel.APP, "@all", audience="staff"),
        {(10_000, MINUTE), (6, MINUTE), (100, HOUR)},
    ),
    "a post of a webhook": (_send(Channel.WEBHOOK, sender="运营群"), {(20, MINUTE)}),
    "a new internal group": (
        lambda g: g.create_chat("群", owner="linmo", staff=("linmo", "suhe"), number="c1"),
        {(1000, DAY)},
    ),
    "a changed internal group": (lambda g: g.change_chat("c1", name="新名"), {(1000, HOUR)}),
    "a word in an internal group": (
        _send(Channel.APPCHAT, "c1", audience="group"),
        {(20_000, MINUTE), (150_000, HOUR), (200, MINUTE), (10_000, DAY)}
        | CORP,  # and its size is asked once
    ),
    "a moment": (_send(Channel.MOMENT, "linmo", sender="linmo"), {(10, MINUTE), (100_000, MONTH)}),
    "kf's stream with the doorbell's token": (lambda g: g.hear_kf("wkQX1", cursor="", token="T"), CORP),
    "kf's stream without": (lambda g: g.hear_kf("wkQX1", cursor="", token=""), {(10, MINUTE)} | CORP),
    "the archive": (lambda g: g.hear_archive(0), {(4000, MINUTE)}),
    "who signed in": (lambda g: g.who("CODE"), set()),  # exempt while the code is good
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_is_counted_where_the_platform_counts_it(
    name: str, wire: Any, clock: TurnedClock
) -> None:
    call, limits = CALLS[name]
    shared = Watched()
    wire.answer(
        "appchat/get", {"chat_info": {"chatid": "c1", "owner": "linmo", "userlist": ["linmo", "suhe"]}}
    )

    with contextlib.suppress(SendError):
        await call(WeComGateway(SETTINGS, wire, clock, SeededChance(1), shared))

    assert {(one.limit.size, int(one.limit.seconds)) for one in shared.demanded} == limits
    assert wire.asked


def test_what_one_employee_is_shown_never_reaches_what_the_platform_drops() -> None:
    shown = [
        (one.size + all.size, one.seconds) for one, all in zip(limit.RECEIVER, limit.EVERYONE, strict=True)
    ]

    assert shown == [(30, MINUTE), (1000, HOUR)]


def test_people_count_one_by_one_in_an_app_s_day_and_in_an_internal_group() -> None:
    pushes = {d.key: d.cost for d in limit.of_receivers("qunxing", ("linmo", "suhe"), accounts=50)}
    words = {d.key: (d.limit.size, d.cost) for d in limit.of_appchat("qunxing", 300)}

    assert pushes["push:qunxing:day"] == 2
    assert next(d.limit for d in limit.of_receivers("q", ("a",), 50) if d.key.endswith("day")) == Limit(
        10_000, DAY
    )
    assert words["appchat:qunxing:60"] == (20_000, 300)


def test_permanent_pictures_and_a_bot_s_conversation_have_buckets_too() -> None:
    sizes = [
        [(d.limit.size, d.limit.seconds) for d in of]
        for of in (limit.of_pictures(), limit.of_conversation("b", "c"))
    ]

    assert sizes == [[(1000, DAY), (3000, MONTH)], [(30, MINUTE), (1000, HOUR)]]


def test_an_employee_s_id_counts_as_one_in_any_case() -> None:
    assert limit.of_receivers("q", ("LinMo",)) == limit.of_receivers("q", ("linmo",))


async def test_in_no_minute_does_an_employee_get_more_than_is_shown(
    gateway: WeComGateway, wire: Any, clock: TurnedClock
) -> None:
    sent: list[float] = []
    for number in range(600):
        parcel = _parcel(Channel.APP, "@all" if number % 3 == 0 else "linmo", audience="staff")
        with contextlib.suppress(Busy):
            await gateway.send(parcel)
            sent.append(clock.now().timestamp())
        await clock.turn(timedelta(seconds=0.5))

    busiest = max(Counter(sum(start <= other < start + 60 for other in sent) for start in sent))

    assert 25 <= busiest <= 30
