"""The sender: what leaves, what waits, and in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot.clock import TurnedClock
from bot.gateway import Parcel
from sop.errors import Blocked, Busy, Crowded, Refused
from sop.message import Channel, Content, Message
from sop.receipt import Sent, State
from storage import inbox
from storage.alarm import open_alarms
from storage.consent import ConsentStore
from storage.engine import Connection, Database
from storage.group import GroupStore
from storage.outbox import Entry, OutboxStore
from tests.contracts.office import Office, Slow, app, hook, welcome
from tests.contracts.world import NOW, after, message, push


@pytest.fixture
def office(db: Database, clock: TurnedClock) -> Office:
    return Office(db, clock)


CHANNELS = [app(), welcome(), hook(), message("kf"), push("push")]


def named(message: Message) -> str:
    return str(message.channel)


# ---------------------------------------------------------------- taking turns


async def test_those_who_must_wait_are_given_a_turn_each(office: Office) -> None:
    office.post.will(Channel.WEBHOOK, *[Crowded("20 a minute", retry_after=6, step=6)] * 5)
    await office.say(*[hook(f"h{number}") for number in range(5)])

    await office.send()

    turns = [(await office.entry(f"h{number}")).due_at - NOW for number in range(5)]
    assert turns == [timedelta(seconds=6 * number) for number in range(1, 6)]


async def test_one_employee_s_turns_are_not_another_s(office: Office) -> None:
    office.post.will(Channel.APP, *[Crowded("30 a minute", retry_after=4, step=4)] * 3)
    await office.say(app("a1"), app("a2"), replace(app("b1"), to_staff="su"))

    await office.send()

    turns = [(await office.entry(key)).due_at - NOW for key in ("a1", "a2", "b1")]
    assert turns == [timedelta(seconds=seconds) for seconds in (4, 8, 4)]


async def test_replies_have_a_line_of_their_own(office: Office) -> None:
    office.post.will(Channel.WEBHOOK, *[Crowded("20 a minute", retry_after=6, step=6)] * 4)
    await office.say(*[hook(f"h{number}", urgent=False) for number in range(3)])
    await office.say(hook("reply"))

    await office.send()

    assert (await office.entry("reply")).due_at - NOW == timedelta(seconds=6)


async def test_two_hundred_who_wait_are_asked_for_about_twice_each(office: Office) -> None:
    """Were they all to try again at each turn, it would be hundreds of times."""
    sent: list[datetime] = []

    def twenty_a_minute(parcel: Parcel) -> Sent:
        recent = [at for at in sent if office.clock.now() - at < timedelta(seconds=60)]
        if len(recent) >= 20:
            raise Crowded("20 a minute", retry_after=3, step=3)
        sent.append(office.clock.now())
        return Sent("no")

    office.post.will(Channel.WEBHOOK, *[twenty_a_minute] * 2000)
    await office.say(*[hook(f"h{number:03d}") for number in range(200)])

    sender = await office.begin()
    while len(sent) < 200:
        while await sender.send_once():
            pass
        (await sender.woken.wait(0)).release()  # no worker is here to hear of it
        await office.clock.turn(timedelta(seconds=3))

    assert len(office.post.asked) < 3 * 200


# ---------------------------------------------------------------- sent, later, never


@pytest.mark.parametrize("said", CHANNELS[:4], ids=named)
async def test_what_the_platform_takes_is_sent_with_its_number_and_a_receipt(
    office: Office, said: Message
) -> None:
    office.post.will(said.channel, Sent("no-7"))
    await office.say(said)

    await office.send()

    entry = await office.entry(said.key)
    assert (entry.state, entry.number, entry.sent_at) == (State.SENT, "no-7", NOW)
    assert (await office.db.read(inbox.counts))["waiting"] == 1


@pytest.mark.parametrize("said", CHANNELS, ids=named)
async def test_busy_means_later_as_the_platform_asked(office: Office, said: Message) -> None:
    await office.befriend("lin")
    office.post.will(said.channel, Busy("45009 too often", retry_after=7))
    await office.say(said)
    await office.send()
    waiting = await office.entry(said.key)

    await office.clock.turn(timedelta(seconds=7))
    await office.send()

    assert (waiting.state, waiting.due_at, waiting.reason) == (
        State.WAITING,
        after(seconds=7),
        "45009 too often",
    )
    assert await office.state(said.key) in (State.SENT, State.CREATED)
    assert len(office.post.arrived) == 1


@pytest.mark.parametrize("said", CHANNELS, ids=named)
async def test_refused_means_never_with_the_reason(office: Office, said: Message) -> None:
    await office.befriend("lin")
    office.post.will(said.channel, Refused("84061 not a friend", code=84061))
    await office.say(said)

    await office.send()

    entry = await office.entry(said.key)
    assert (entry.state, entry.reason) == (State.REFUSED, "84061 not a friend")
    assert len(office.post.asked) == 1


@pytest.mark.parametrize("said", CHANNELS, ids=named)
async def test_a_blocked_channel_stops_and_tells_an_operator_once(office: Office, said: Message) -> None:
    await office.befriend("lin", "bo")
    office.post.will(said.channel, *[Blocked("60020 address not allowed", code=60020)] * 3)
    await office.say(said)

    await office.send()

    (alarm,) = await office.db.read(open_alarms)
    assert "60020" in alarm.text
    assert (await office.state(said.key), len(office.post.asked)) == (State.WAITING, 1)


async def test_recipients_the_platform_did_not_take_are_told_apart(office: Office) -> None:
    await office.befriend("lin", "bo")
    office.post.will(Channel.GROUP_SEND, Sent("task-1", failed=("bo",)))
    await office.say(push("lin"), push("bo", to_member="bo"))
    await office.clock.turn(timedelta(minutes=1))

    await office.send()

    assert (await office.state("lin"), await office.state("bo")) == (State.CREATED, State.REFUSED)


# ---------------------------------------------------------------- tasks


async def test_equal_messages_of_one_sender_share_one_task(office: Office) -> None:
    members = [f"m{number}" for number in range(30)]
    await office.befriend(*members)
    await office.say(*(push(member, to_member=member) for member in members))
    await office.say(push("another text", to_member="m1", content=Content("另一条"), marketing=False))

    await office.send()

    assert sorted(len(parcel.recipients) for parcel in office.post.asked) == [1, 30]
    assert len(await office.tasks()) == 2
    assert {await office.state(member) for member in members} == {State.CREATED}


async def test_members_and_groups_of_one_text_are_two_tasks(office: Office) -> None:
    await office.befriend("lin")
    await office.db.write(lambda c: GroupStore(c, NOW).meet("g1", name="新手答疑群"))
    await office.say(push("member"), push("group", to_member="", to_group="g1"))

    await office.send()

    assert sorted(parcel.audience for parcel in office.post.asked) == ["group", "member"]


async def test_a_created_task_is_asked_about_and_not_called_sent(office: Office) -> None:
    await office.befriend("lin")
    office.post.will(Channel.GROUP_SEND, Sent("task-1"))
    await office.say(push())

    await office.send()

    assert await office.state("p1") == State.CREATED
    assert [(errand.what, errand.whom) for errand in await office.errands()] == [("task", "task-1")]


# ---------------------------------------------------------------- order and policy


async def test_replies_leave_before_pushes(office: Office) -> None:
    await office.say(
        *(hook(f"hook {number}", urgent=False) for number in range(20)),
        message("reply", content=Content("在的")),
    )
    sender = await office.begin()

    await sender.send_once()

    assert office.post.texts[0] == "在的"


async def test_the_policy_is_asked_at_the_moment_of_sending(office: Office) -> None:
    await office.befriend("lin")
    await office.say(push())
    await office.db.write(lambda c: ConsentStore(c, NOW).decide("lin", False, channel="kf"))

    await office.send()

    entry = await office.entry("p1")
    assert (entry.state, "退订" in entry.reason, office.post.asked) == (State.REFUSED, True, [])


async def test_who_says_no_while_the_task_is_being_made_is_taken_out_of_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.befriend("lin", "bo")
    await office.say(push("lin", to_member="lin"), push("bo", to_member="bo"))
    answer = office.post.send

    async def slowly(parcel: Parcel) -> Sent:
        await office.db.write(lambda c: ConsentStore(c, NOW).decide("lin", granted=False, channel="kf"))
        return await answer(parcel)

    monkeypatch.setattr(office.post, "send", slowly)
    await office.send()

    assert (await office.state("lin"), await office.state("bo")) == (State.CANCELLED, State.CREATED)
    assert [one.what for one in await office.errands()] == ["recall", "task"]


async def test_who_wants_no_pushes_still_gets_what_is_none(office: Office) -> None:
    await office.befriend("lin")
    await office.db.write(lambda c: ConsentStore(c, NOW).decide("lin", granted=False, channel="kf"))
    await office.say(push("lin", to_member="lin", marketing=False))

    await office.send()

    assert await office.state("lin") is State.CREATED
    assert [one.what for one in await office.errands()] == ["task"]


async def test_who_says_no_while_waiting_for_a_place_is_not_written_to(
    office: Office, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.sender.AT_ONCE", 1)
    office.post = slow = Slow()
    first, second = (message(key, to_member=key, urgent=False, marketing=True) for key in ("lin", "bo"))
    await office.say(first, second)
    sending = asyncio.create_task((await office.begin()).send_once())
    await slow.reached.wait()

    await office.db.write(lambda c: ConsentStore(c, NOW).decide("bo", granted=False, channel="kf"))
    await clock.turn(timedelta(seconds=2))
    slow.answers.set()
    await sending

    assert (await office.state("lin"), await office.state("bo")) == (State.SENT, State.REFUSED)
    assert [parcel.recipients for parcel in slow.arrived] == [("lin",)]


async def test_a_sender_never_asks_more_than_it_has_places_for(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.sender.AT_ONCE", 3)
    office.post = slow = Slow()
    await office.say(*(message(f"m{number}", to_member=f"m{number}") for number in range(9)))
    sending = asyncio.create_task((await office.begin()).send_once())

    await slow.reached.wait()
    at_first = slow.waiting
    slow.answers.set()
    await sending

    assert (at_first, slow.most, len(slow.arrived)) == (3, 3, 9)


async def test_a_first_push_is_not_held_back_by_itself(office: Office) -> None:
    await office.befriend("lin")
    await office.say(push())

    await office.send()

    assert await office.state("p1") == State.CREATED


async def test_the_second_push_of_one_round_waits_for_its_distance(office: Office) -> None:
    await office.befriend("lin")
    await office.say(push("first"), push("second", content=Content("第二条")))

    await office.send()

    second = await office.entry("second")
    assert (second.state, second.due_at) == (State.WAITING, after(minutes=30))


async def test_what_is_too_late_is_not_sent_and_says_so(office: Office) -> None:
    await office.say(welcome(deadline=after(seconds=20)))
    await office.clock.turn(timedelta(seconds=21))

    await office.send()

    assert (await office.state("welcome"), office.post.asked) == (State.REFUSED, [])


async def test_settled_messages_are_reported_once(office: Office) -> None:
    reported: list[tuple[str, State]] = []
    sender = await office.begin()
    sender.on_settled = lambda entry, state: reported.append((entry.message.key, state))
    await office.say(message("kf"), welcome(deadline=NOW - timedelta(seconds=1)))

    await sender.send_once()

    assert sorted(reported) == [("kf", State.SENT), ("welcome", State.REFUSED)]


# ---------------------------------------------------------------- many at once


async def test_many_of_one_text_are_claimed_in_short_turns_and_share_one_task(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.sender.CHUNK", 20)
    turns = claimed_in(monkeypatch)
    members = [f"m{number}" for number in range(90)]
    await office.befriend(*members)
    await office.say(*(push(member, to_member=member) for member in members))

    await office.send()

    assert turns == [20, 20, 20, 20, 10]
    assert [sorted(parcel.recipients) for parcel in office.post.asked] == [sorted(members)]


async def test_who_opts_out_between_two_turns_is_not_in_the_task(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.sender.CHUNK", 2)
    await office.befriend("a", "b", "c")
    await office.say(*(push(member, to_member=member) for member in "abc"))
    claimed_in(monkeypatch, then=lambda c: ConsentStore(c, NOW).decide("a", granted=False, channel="kf"))

    await office.send()

    assert [parcel.recipients for parcel in office.post.asked] == [("b", "c")]
    assert await office.state("a") == State.REFUSED


def claimed_in(
    monkeypatch: pytest.MonkeyPatch, then: Callable[[Connection], object] = lambda c: None
) -> list[int]:
    """How many each claim took; ``then`` happens in the transaction of the last."""
    turns: list[int] = []
    claim = OutboxStore.claim

    def counted(self: OutboxStore, limit: int, *, channels: Collection[str], fence: int) -> list[Entry]:
        claimed = claim(self, limit, channels=channels, fence=fence)
        turns.append(len(claimed))
        if turns[:-1]:
            then(self._connection)
        return claimed

    monkeypatch.setattr(OutboxStore, "claim", counted)
    return turns
