"""A gateway keeps its promises against the platform: every channel, every ending, nothing repeated."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from bot.chance import SeededChance
from bot.clock import TurnedClock
from bot.gateway import Parcel
from bot.outgoing import Outgoing
from bot.simulator import task as mass_send
from bot.simulator.corp import KF_ACCOUNT
from bot.simulator.faults import Fault
from bot.simulator.simulator import Simulator
from bot.simulator.world import AppChat
from bot.wecom.gateway import WeComGateway
from bot.wecom.settings import App, WeComSettings
from sop.errors import Blocked, Busy, Refused, SendError, Unanswered
from sop.kf import KfEntered, KfFailed
from sop.message import Channel, Choice, Content, Option
from sop.receipt import Outcome
from sop.update import MessageHeard, Update
from storage.shared_memory import MemoryShared

START = datetime(2026, 1, 5, 2, tzinfo=UTC)
ALICE, BOB = "wmQXalice", "wmQXbob"
GROUP = "wrQXgroup"
EVERY = [
    one for one in Channel if one is not Channel.AIBOT
]  # which only answers; test_aibot.py holds it to the same
CHAT = "opsroom"
CHOICE = Choice("run:1", "喝什么？", (Option("A", "拿铁"), Option("B", "冷泡茶")))


@dataclass
class Bench:
    """A gateway, the platform behind it and the clock of both."""

    gateway: WeComGateway
    simulator: Simulator
    clock: TurnedClock

    def parcel(self, channel: Channel, text: str = "你好", *, choice: Choice | None = None) -> Parcel:
        """A parcel that goes well on ``channel``."""
        welcome = self.simulator.acts.add_friend(BOB, "linmo") if channel is Channel.WELCOME else ""
        app = dict.fromkeys((Channel.APP, Channel.APPCHAT), "qunxing")
        sender = {**app, Channel.KF: KF_ACCOUNT, Channel.WEBHOOK: "ops"}.get(channel, "linmo")
        others = {Channel.APPCHAT: (CHAT,), Channel.WEBHOOK: (), Channel.MOMENT: ()}
        to = {Channel.APP: ("suhe",), Channel.WELCOME: (BOB,), **others}.get(channel, (ALICE,))
        return Parcel(
            channel=channel,
            content=Content(text, choice=choice),
            recipients=to,
            audience="staff" if channel is Channel.APP else "member",
            sender=sender,
            key=f"k:{channel}",
            welcome_code=welcome,
        )

    def sent(self) -> int:
        """How many messages and tasks the platform holds, whoever they are for."""
        summary = self.simulator.summary()
        kinds = ["app_messages", "welcomes", "kf_messages", "webhook_posts", "tasks_created"]
        return sum(summary[kind] for kind in [*kinds, "appchat_messages", "moments_created"])


def _settings(plain: dict[str, dict[str, object]]) -> WeComSettings:
    wecom: dict[str, object] = plain["wecom"]
    apps = tuple(App(one["name"], one["agent_id"], one["secret"]) for one in wecom["app"])  # type: ignore[attr-defined]
    return WeComSettings(
        corp_id=str(wecom["corp_id"]),
        api_base=str(wecom["api_base"]),
        apps=apps,
        contact_secret=wecom["contact"]["secret"],  # type: ignore[index]
        kf_secret=wecom["kf"]["secret"],  # type: ignore[index]
        archive_secret=wecom["archive"]["secret"],  # type: ignore[index]
        archive_feed=wecom["archive"]["feed_url"],  # type: ignore[index]
        webhooks={hook["name"]: hook["key"] for hook in wecom["webhook"]},  # type: ignore[attr-defined]
    )


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    clock, chance = TurnedClock(START), SeededChance(1)
    async with Simulator(clock=clock, chance=chance) as simulator, Outgoing(clock) as outgoing:
        await simulator.serve()
        acts = simulator.acts
        for staff, name in (("linmo", "林墨"), ("suhe", "苏禾")):
            acts.hire(staff, name)
        for member, name in ((ALICE, "阿璃"), (BOB, "阿博")):
            acts.meet(name, member=member)
        simulator.world.chats[CHAT] = AppChat(CHAT, "运营群", "linmo", ["linmo", "suhe"], "qunxing")
        acts.create_group("linmo", "新手答疑群", group=GROUP)
        acts.add_friend(ALICE, "linmo", state="poster")
        acts.join(GROUP, ALICE)
        acts.speak_kf(ALICE, KF_ACCOUNT, "在吗")
        gateway = WeComGateway(_settings(simulator.settings()), outgoing, clock, chance, MemoryShared())
        await clock.turn(timedelta(seconds=5))
        yield Bench(gateway, simulator, clock)


@pytest.mark.parametrize("channel", EVERY)
async def test_what_is_sent_arrives_once(bench: Bench, channel: Channel) -> None:
    await bench.gateway.send(bench.parcel(channel))

    assert bench.sent() == 1


@pytest.mark.parametrize("channel", EVERY)
async def test_a_choice_can_be_sent_everywhere(bench: Bench, channel: Channel) -> None:
    await bench.gateway.send(bench.parcel(channel, choice=CHOICE))

    assert bench.sent() == 1


ENDINGS = {
    "the platform is busy": (Fault(where="api", what="refuse", code=-1), Busy, 0),
    "too often": (Fault(where="api", what="refuse", code=45009), Busy, 0),
    "forbidden words": (Fault(where="api", what="refuse", code=85002), Refused, 0),
    "permission withdrawn": (Fault(where="api", what="refuse", code=48002), Blocked, 0),
    "cut before it is done": (Fault(where="api", what="cut"), Unanswered, 0),
    "a server error": (Fault(where="api", what="error"), Unanswered, 0),
    "done, but the answer lost": (Fault(where="api", what="lose"), Unanswered, 1),
    "done, but the answer garbled": (Fault(where="api", what="garble"), Unanswered, 1),
}
PATHS = {
    Channel.APP: "message/send",
    Channel.WELCOME: "*/send_welcome_msg",
    Channel.GROUP_SEND: "*/add_msg_template",
    Channel.KF: "kf/send_msg",
    Channel.WEBHOOK: "webhook/send",
    Channel.APPCHAT: "appchat/send",
    Channel.MOMENT: "externalcontact/add_moment_task",
}


@pytest.mark.parametrize("channel", EVERY)
@pytest.mark.parametrize("ending", ENDINGS)
async def test_every_channel_tells_its_ending_truly(bench: Bench, channel: Channel, ending: str) -> None:
    fault, fate, done = ENDINGS[ending]
    parcel = bench.parcel(channel)
    plain = {**fault.__dict__, "match": PATHS[channel]}
    bench.simulator.faults.add(Fault(**plain))

    with pytest.raises(SendError) as caught:
        await bench.gateway.send(parcel)

    assert type(caught.value) is fate
    assert bench.sent() == done


@pytest.mark.parametrize("channel", [Channel.APP, Channel.WELCOME])
async def test_where_a_repeat_is_safe_the_platform_drops_it(bench: Bench, channel: Channel) -> None:
    parcel = bench.parcel(channel)
    bench.simulator.faults.add(Fault(where="api", what="lose", match=PATHS[channel]))
    with pytest.raises(Unanswered):
        await bench.gateway.send(parcel)

    await bench.gateway.send(parcel)

    assert bench.gateway.capabilities(channel).safe_to_repeat
    assert bench.sent() == 1


async def test_a_task_lost_on_the_way_back_is_found_and_not_made_twice(bench: Bench) -> None:
    parcel = bench.parcel(Channel.GROUP_SEND)
    bench.simulator.faults.add(Fault(where="api", what="lose", match=PATHS[Channel.GROUP_SEND]))
    with pytest.raises(Unanswered):
        await bench.gateway.send(parcel)
    await bench.clock.turn(timedelta(seconds=30))

    found = await bench.gateway.find_task(parcel, bench.clock.now() - timedelta(minutes=1))

    assert found in bench.simulator.world.tasks


async def test_a_task_is_created_then_confirmed_and_then_each_recipient_has_a_result(bench: Bench) -> None:
    sent = await bench.gateway.send(bench.parcel(Channel.GROUP_SEND))
    with pytest.raises(Busy):
        await bench.gateway.task(sent.number, "linmo", to_groups=False)
    await bench.clock.turn(timedelta(seconds=60))
    before = await bench.gateway.task(sent.number, "linmo", to_groups=False)

    mass_send.confirm(bench.simulator.world, bench.simulator.world.tasks[sent.number], "linmo")
    after = await bench.gateway.task(sent.number, "linmo", to_groups=False)

    assert (before.confirmed, before.results) == (False, ())
    assert after.confirmed
    assert [(who, outcome) for who, outcome, _ in after.results] == [(ALICE, str(Outcome.DELIVERED))]


async def test_a_task_can_be_reminded_of_three_times_and_cancelled_once(bench: Bench) -> None:
    sent = await bench.gateway.send(bench.parcel(Channel.GROUP_SEND))
    await bench.clock.turn(timedelta(seconds=60))

    for _ in range(3):
        await bench.gateway.remind(sent.number)
    with pytest.raises(Refused):
        await bench.gateway.remind(sent.number)
    await bench.gateway.cancel(sent.number)
    with pytest.raises(Refused):
        await bench.gateway.cancel(sent.number)


async def test_people_groups_and_tags_are_told_as_they_are(bench: Bench) -> None:
    made = await bench.gateway.add_tag("潜力", group="群星")
    await bench.gateway.mark(ALICE, "linmo", add=(made.id,))

    assert await bench.gateway.staff() == ("linmo", "suhe")
    assert await bench.gateway.members_of("linmo") == (ALICE,)
    assert await bench.gateway.groups() == (GROUP,)
    assert await bench.gateway.tags() == (made,)
    alice, group = await bench.gateway.member(ALICE), await bench.gateway.group(GROUP)
    assert (alice.name, alice.friends[0].source) == ("阿璃", "poster")
    assert alice.friends[0].tags == ((made.id, "潜力"),)
    assert (group.name, group.owner, {seat.member for seat in group.seats}) == (
        "新手答疑群",
        "linmo",
        {"linmo", ALICE},
    )
    assert group.version


async def test_kf_is_heard_to_its_end_even_past_empty_pages(bench: Bench) -> None:
    bench.simulator.world.kf_empty_pages = 1
    bench.simulator.world.kf_failures = [10]
    await bench.gateway.send(bench.parcel(Channel.KF))
    bench.simulator.acts.enter_kf(BOB, KF_ACCOUNT)

    token = bench.simulator.world.code("ENC", 600, account=KF_ACCOUNT).code

    heard: list[Update] = []
    page = await bench.gateway.hear_kf(KF_ACCOUNT, cursor="", token=token)
    while page.more:
        page = await bench.gateway.hear_kf(KF_ACCOUNT, cursor=page.cursor, token=token)
        heard += page.updates

    assert [type(update) for update in heard] == [MessageHeard, KfFailed, KfEntered]


async def test_kf_is_heard_without_the_doorbell_s_token_too(bench: Bench) -> None:
    page = await bench.gateway.hear_kf(KF_ACCOUNT, cursor="", token="stale")

    assert len(page.updates) == 1


async def test_the_archive_is_heard_from_where_we_were(bench: Bench) -> None:
    bench.simulator.acts.speak(GROUP, ALICE, "签到")
    bench.simulator.acts.speak(GROUP, "linmo", "早")

    page = await bench.gateway.hear_archive(0)

    words = [(one.text, one.from_staff) for one in page.updates if isinstance(one, MessageHeard)]
    assert words == [("签到", False), ("早", True)]
    assert (await bench.gateway.hear_archive(page.seq)).updates == ()


async def test_a_token_ended_early_costs_one_fetch_and_loses_nothing(bench: Bench) -> None:
    await bench.gateway.staff()
    bench.simulator.credentials.revoke()

    assert await bench.gateway.staff() == ("linmo", "suhe")
