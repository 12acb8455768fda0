"""The sender when no answer came, or when it died: what may be repeated, and what a person must decide."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from bot.clock import TurnedClock
from sop.errors import Busy, Refused, Unanswered
from sop.message import Channel, Message
from sop.receipt import Sent, State
from storage.engine import Database
from storage.outbox import OutboxStore
from tests.contracts.office import Office, Slow, app, hook, welcome
from tests.contracts.post import LostAnswer
from tests.contracts.world import NOW, message, push


@pytest.fixture
def office(db: Database, clock: TurnedClock) -> Office:
    return Office(db, clock)


NOT_SAFE = [hook(), message("kf")]


def named(message: Message) -> str:
    return str(message.channel)


# ---------------------------------------------------------------- unknown


async def test_an_unanswered_app_message_is_repeated_and_arrives_once(office: Office) -> None:
    office.post.will(Channel.APP, LostAnswer(), LostAnswer())
    await office.say(app())

    await office.send()

    assert await office.state("app") == State.SENT
    assert (len(office.post.asked), office.post.texts) == (3, ["早会改到十点"])
    assert len(set(office.post.asked)) == 1


async def test_an_app_message_that_is_never_answered_ends_in_review(office: Office) -> None:
    office.post.will(Channel.APP, *[LostAnswer()] * 9)
    await office.say(app())

    await office.send()

    assert await office.state("app") == State.UNKNOWN
    assert len(office.post.texts) == 1


async def test_an_unanswered_message_is_not_repeated_once_the_platform_has_forgotten_it(
    office: Office,
) -> None:
    office.post.will(Channel.APP, LostAnswer(), Busy("45009", retry_after=3600))
    await office.say(app())

    await office.send()
    await office.clock.turn(timedelta(hours=1))
    await office.send()

    assert await office.state("app") == State.UNKNOWN
    assert len(office.post.asked) == 2


async def test_busy_after_no_answer_is_repeated_while_the_platform_remembers(office: Office) -> None:
    office.post.will(Channel.APP, LostAnswer(), Busy("45009", retry_after=60))
    await office.say(app())

    await office.send()
    await office.clock.turn(timedelta(minutes=1))
    await office.send()

    assert await office.state("app") == State.SENT
    assert len(office.post.texts) == 1


async def test_a_refusal_after_no_answer_says_nothing_of_the_first(office: Office) -> None:
    office.post.will(Channel.WELCOME, LostAnswer(), Refused("41051 code used up", code=41051))
    await office.say(welcome())

    await office.send()

    assert await office.state("welcome") == State.UNKNOWN


async def test_a_welcome_is_repeated_only_while_its_code_lives(office: Office) -> None:
    office.post.will(Channel.WELCOME, LostAnswer(), Busy("45009", retry_after=30))
    await office.say(welcome())

    await office.send()
    await office.clock.turn(timedelta(seconds=30))
    await office.send()

    assert await office.state("welcome") == State.UNKNOWN
    assert len(office.post.asked) == 2


@pytest.mark.parametrize("said", NOT_SAFE, ids=named)
async def test_where_the_platform_drops_no_repeat_a_person_decides(office: Office, said: Message) -> None:
    office.post.will(said.channel, LostAnswer())
    await office.say(said)

    await office.send()
    await office.clock.turn(timedelta(hours=1))
    await office.send()

    assert await office.state(said.key) == State.UNKNOWN
    assert len(office.post.asked) == 1


async def test_an_unanswered_task_is_looked_up_from_before_it_left(office: Office) -> None:
    await office.befriend("lin")
    office.post.will(Channel.GROUP_SEND, Unanswered("timeout"))
    await office.say(push())

    await office.send()

    (errand,) = await office.errands()
    assert (await office.state("p1"), errand.what) == (State.UNKNOWN, "adopt")
    assert datetime.fromisoformat(str(errand.data["since"])) < NOW
    assert len(office.post.asked) == 1


async def test_a_fault_of_our_own_after_the_request_left_is_no_answer(office: Office) -> None:
    def breaks(parcel: object) -> Sent:
        raise KeyError("msgid")

    office.post.will(Channel.KF, breaks)
    await office.say(message("kf"))

    await office.send()

    assert await office.state("kf") == State.UNKNOWN


# ---------------------------------------------------------------- a sender that died


async def claimed_by_a_dead_sender(office: Office, *said: Message) -> None:
    await office.say(*said)
    now = office.clock.now()
    await office.db.write(
        lambda c: OutboxStore(c, now).claim(99, channels=[str(channel) for channel in Channel], fence=0)
    )


async def test_what_a_dead_sender_left_in_the_middle_is_unknown_and_not_repeated(office: Office) -> None:
    await claimed_by_a_dead_sender(office, message("kf"), hook())

    await office.send()

    assert (await office.state("kf"), await office.state("hook")) == (State.UNKNOWN, State.UNKNOWN)
    assert office.post.asked == []


async def test_what_a_dead_sender_left_is_repeated_where_the_platform_drops_a_repeat(office: Office) -> None:
    await claimed_by_a_dead_sender(office, app(), welcome())

    await office.send()

    assert (await office.state("app"), await office.state("welcome")) == (State.SENT, State.SENT)


async def test_a_task_left_by_a_dead_sender_is_looked_up(office: Office) -> None:
    await office.befriend("lin")
    await claimed_by_a_dead_sender(office, push())

    await office.send()

    assert await office.state("p1") == State.UNKNOWN
    assert [errand.what for errand in await office.errands()] == ["adopt"]


async def test_in_a_fleet_the_living_notice_the_dead_within_a_minute(office: Office) -> None:
    living = await office.begin("living", alone=False)
    await claimed_by_a_dead_sender(office, message("kf"))
    await living.look_after_others()
    young = await office.state("kf")

    await office.clock.turn(timedelta(seconds=55))
    await living.look_after_others()

    assert (young, await office.state("kf")) == (State.SENDING, State.UNKNOWN)


async def test_a_sender_that_slept_too_long_writes_nothing(office: Office) -> None:
    slow = await office.begin("slow")
    slow.gateway = platform = Slow()
    await office.say(message("kf"))
    sending = asyncio.create_task(slow.send_once())
    await platform.reached.wait()
    await office.begin("next")
    platform.answers.set()
    await sending

    assert await office.state("kf") == State.UNKNOWN
