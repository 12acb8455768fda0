"""One token for all, patience with refusals, our turn at the limits, and one fate for each ending."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import pytest

from bot.chance import SeededChance
from bot.clock import TurnedClock
from bot.gateway import Parcel
from bot.wecom.gateway import WeComGateway
from bot.wecom.settings import App, WeComSettings
from sop.errors import Blocked, Busy, Refused, SendError, Unanswered
from sop.message import Channel, Content
from storage.shared_memory import MemoryShared

GROUPS = "externalcontact/groupchat/list"
LIST = "externalcontact/list"
SETTINGS = WeComSettings(
    corp_id="wwqx2026demo0001",
    api_base="https://wecom.test/",
    apps=(App("community", 1000002, "app-secret"),),
    webhooks={"运营群": "hook-key"},
)


def note(text: str = "hi", *, key: str = "k", to: tuple[str, ...] = ("linmo",)) -> Parcel:
    return Parcel(channel=Channel.APP, content=Content(text), recipients=to, audience="staff", key=key)


def post(key: str) -> Parcel:
    return Parcel(channel=Channel.WEBHOOK, content=Content("hi"), recipients=(), sender="运营群", key=key)


# ---------------------------------------------------------------- tokens


async def test_many_questions_share_one_token(gateway: WeComGateway, wire: Any) -> None:
    await asyncio.gather(*(gateway.members_of(f"s{n}") for n in range(50)))

    assert wire.fetches == ["contact-secret"]
    assert {asked.token for asked in wire.asked} == {"T-contact-secret-1"}


async def test_processes_share_one_token(wire: Any, clock: TurnedClock) -> None:
    shared = MemoryShared()
    fleet = [WeComGateway(SETTINGS, wire, clock, SeededChance(n), shared) for n in range(8)]

    await asyncio.gather(*(gateway.members_of("s") for gateway in fleet for _ in range(10)))

    assert len(wire.fetches) == 1


async def test_a_token_is_renewed_before_it_ends(
    gateway: WeComGateway, wire: Any, clock: TurnedClock
) -> None:
    await gateway.members_of("s")
    await clock.turn(timedelta(seconds=7200 - 301))
    await gateway.members_of("s")
    await clock.turn(timedelta(seconds=300))
    await gateway.members_of("s")

    assert len(wire.fetches) == 2


async def test_a_token_ended_early_is_renewed_once_and_the_call_made_again(
    gateway: WeComGateway, wire: Any
) -> None:
    wire.answer(LIST, {"errcode": 42001}, {"external_userid": ["wmA"]})

    assert await gateway.members_of("s") == ("wmA",)
    assert [asked.token for asked in wire.asked] == ["T-contact-secret-1", "T-contact-secret-2"]


async def test_a_token_refused_twice_blocks(gateway: WeComGateway, wire: Any) -> None:
    wire.answer(LIST, {"errcode": 40014})

    with pytest.raises(Blocked):
        await gateway.members_of("s")

    assert len(wire.asked) == 2


async def test_tokens_that_end_every_fifty_calls_lose_nothing(gateway: WeComGateway, wire: Any) -> None:
    made = 0

    def sometimes() -> dict[str, Any]:
        nonlocal made
        made += 1
        return {"errcode": 42001} if made % 51 == 0 else {"external_userid": []}

    wire.answer(LIST, sometimes)

    for _ in range(1000):
        await gateway.members_of("s")

    assert len(wire.fetches) == 1 + made // 51


@pytest.mark.parametrize("code", [40014, 42001, 40001])
async def test_sixty_seconds_of_dead_tokens_fetch_at_most_ten(
    gateway: WeComGateway, wire: Any, clock: TurnedClock, code: int
) -> None:
    wire.answer(LIST, {"errcode": code})

    for _ in range(120):
        with pytest.raises(SendError):
            await gateway.members_of("s")
        await clock.turn(timedelta(seconds=0.5))

    assert 2 <= len(wire.fetches) <= 10


@pytest.mark.parametrize(
    "trouble", [{"errcode": 40001}, {"errcode": -1}, Unanswered("nothing"), {"errcode": 45009}]
)
async def test_sixty_seconds_without_a_token_ask_for_one_at_most_ten_times(
    gateway: WeComGateway, wire: Any, clock: TurnedClock, trouble: Any
) -> None:
    wire.answer("gettoken", trouble)

    for _ in range(120):
        with pytest.raises((Busy, Blocked)):
            await gateway.members_of("s")
        await clock.turn(timedelta(seconds=0.5))

    assert 1 <= len(wire.fetches) <= 10
    assert wire.asked == []


async def test_a_wrong_secret_blocks_and_names_where_it_stands(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("gettoken", {"errcode": 40001})

    with pytest.raises(Blocked, match=r"wecom\.contact") as caught:
        await gateway.members_of("s")

    assert caught.value.code == 40001
    assert "contact-secret" not in str(caught.value)


async def test_when_the_platform_recovers_the_next_fetch_helps(
    gateway: WeComGateway, wire: Any, clock: TurnedClock
) -> None:
    wire.answer("gettoken", {"errcode": -1}, {"access_token": "T", "expires_in": 7200})
    with pytest.raises(Busy):
        await gateway.members_of("s")

    await clock.turn(timedelta(seconds=10))

    assert await gateway.members_of("s") == ()


async def test_an_old_token_serves_while_a_new_one_cannot_be_had(
    gateway: WeComGateway, wire: Any, clock: TurnedClock
) -> None:
    wire.answer("gettoken", {"access_token": "T", "expires_in": 7200}, {"errcode": -1})
    await gateway.members_of("s")

    await clock.turn(timedelta(seconds=7199))

    assert await gateway.members_of("s") == ()


# ---------------------------------------------------------------- limits


async def test_a_webhook_gets_no_more_than_twenty_a_minute(
    gateway: WeComGateway, wire: Any, clock: TurnedClock
) -> None:
    for second in range(60):
        with contextlib.suppress(Busy):
            await gateway.send(post(f"k{second}"))
        await clock.turn(timedelta(seconds=1))

    assert 15 <= len(wire.asked) <= 20


async def test_after_a_refusal_for_frequency_nothing_is_asked_until_the_window_ends(
    gateway: WeComGateway, wire: Any, clock: TurnedClock
) -> None:
    wire.answer("webhook/send", {"errcode": 45009}, {})
    with pytest.raises(Busy):
        await gateway.send(post("k1"))
    with pytest.raises(Busy) as wait:
        await gateway.send(post("k1"))
    assert len(wire.asked) == 1

    await clock.turn(timedelta(seconds=wait.value.retry_after))
    await gateway.send(post("k1"))

    assert len(wire.asked) == 2


async def test_a_second_refusal_for_frequency_waits_for_the_hour(
    gateway: WeComGateway, wire: Any, clock: TurnedClock
) -> None:
    wire.answer(LIST, {"errcode": 45009})
    with pytest.raises(Busy):
        await gateway.members_of("s")
    await clock.turn(timedelta(seconds=61))

    with pytest.raises(Busy) as wait:
        await gateway.members_of("s")

    assert wait.value.retry_after == 3600


async def test_a_third_refusal_for_frequency_waits_for_the_platform_s_midnight(
    gateway: WeComGateway, wire: Any, clock: TurnedClock
) -> None:
    wire.answer(LIST, {"errcode": 45009})
    for seconds in (61, 3601):
        with pytest.raises(Busy):
            await gateway.members_of("s")
        await clock.turn(timedelta(seconds=seconds))

    with pytest.raises(Busy) as wait:
        await gateway.members_of("s")

    local = (clock.now() + timedelta(seconds=wait.value.retry_after)).astimezone(timezone(timedelta(hours=8)))
    assert (local.hour, local.minute, local.second) == (0, 0, 0)


async def test_a_missing_permission_is_asked_about_once_a_minute_and_only_there(
    gateway: WeComGateway, wire: Any, clock: TurnedClock
) -> None:
    wire.answer(LIST, {"errcode": 48002})
    for _ in range(50):
        with pytest.raises(Blocked):
            await gateway.members_of("s")
    asked = len(wire.asked)
    await gateway.staff()
    await clock.turn(timedelta(seconds=61))
    wire.answers[LIST] = [{"external_userid": ["wmA"]}]

    assert asked == 1
    assert await gateway.members_of("s") == ("wmA",)
    assert await gateway.members_of("s") == ("wmA",)


async def test_one_employee_is_not_pushed_over_the_limit_that_drops_silently(
    gateway: WeComGateway, wire: Any, clock: TurnedClock
) -> None:
    for number in range(60):
        with contextlib.suppress(Busy):
            await gateway.send(note(key=f"k{number}"))
        await clock.turn(timedelta(seconds=1))

    assert len(wire.asked) <= 30


async def test_one_employee_s_limit_holds_nobody_else_up(gateway: WeComGateway, wire: Any) -> None:
    for number in range(12):
        await gateway.send(note(key=f"k{number}"))

    await gateway.send(note(to=("suhe",)))

    with pytest.raises(Busy):
        await gateway.send(note())


# ---------------------------------------------------------------- endings


@pytest.mark.parametrize(
    ("code", "fate"), [(-1, Busy), (84061, Refused), (60020, Blocked), (48002, Blocked), (987654, Refused)]
)
async def test_a_number_has_one_fate(
    gateway: WeComGateway, wire: Any, code: int, fate: type[SendError]
) -> None:
    wire.answer("message/send", {"errcode": code, "errmsg": "hint"})

    with pytest.raises(fate) as caught:
        await gateway.send(note())

    assert caught.value.code == code
    assert len(wire.asked) == 1


async def test_a_send_without_an_answer_is_unknown_and_not_repeated(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("message/send", Unanswered("no answer"))

    with pytest.raises(Unanswered):
        await gateway.send(note())

    assert len(wire.asked) == 1


@pytest.mark.parametrize("answer", [{"errcode": "ok"}, {"errcode": None}, {"group_chat": []}, {}])
async def test_an_answer_without_what_was_asked_for_is_no_answer(
    gateway: WeComGateway, wire: Any, answer: dict[str, Any]
) -> None:
    wire.answer("externalcontact/groupchat/get", answer)

    with pytest.raises(Unanswered):
        await gateway.group("wrG1")


async def test_a_limit_nobody_counts_still_says_when_to_come_back(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("auth/getuserinfo", {"errcode": 45009})

    with pytest.raises(Busy) as caught:
        await gateway.who("CODE")

    assert caught.value.retry_after == 60


async def test_no_answer_to_the_question_for_a_token_means_not_sent(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("gettoken", Unanswered("no answer"))

    with pytest.raises(Busy):
        await gateway.send(note())


# ---------------------------------------------------------------- what is not configured


def with_settings(wire: Any, clock: TurnedClock, **changes: Any) -> WeComGateway:
    return WeComGateway(replace(SETTINGS, **changes), wire, clock, SeededChance(1), MemoryShared())


async def test_without_secrets_of_their_own_contact_and_kf_use_the_first_app(
    wire: Any, clock: TurnedClock
) -> None:
    gateway = with_settings(wire, clock)

    await gateway.staff()
    await gateway.hear_kf("wk1", cursor="", token="t")

    assert wire.fetches == ["app-secret"]


@pytest.mark.parametrize(
    ("changes", "names"),
    [({"apps": ()}, r"wecom\.contact\.secret"), ({"corp_id": ""}, r"wecom\.corp_id")],
)
async def test_what_is_missing_is_named(
    wire: Any, clock: TurnedClock, changes: dict[str, Any], names: str
) -> None:
    with pytest.raises(Blocked, match=names):
        await with_settings(wire, clock, **changes).staff()


async def test_without_a_feed_the_archive_says_that_it_cannot_be_heard(wire: Any, clock: TurnedClock) -> None:
    with pytest.raises(Blocked, match="会话内容存档"):
        await with_settings(wire, clock).hear_archive(0)


def test_no_secret_can_be_read_off_the_settings() -> None:
    shown = repr(replace(SETTINGS, contact_secret="contact-secret"))

    assert "secret" not in shown.replace("_secret", "")
    assert "hook-key" not in shown
