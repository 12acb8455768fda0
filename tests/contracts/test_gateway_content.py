"""Whatever a channel says it can show arrives at the platform, files and all, and people can open it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.chance import SeededChance
from bot.clock import TurnedClock
from bot.gateway import Parcel
from bot.outgoing import Outgoing
from bot.simulator.corp import KF_ACCOUNT
from bot.simulator.simulator import Simulator
from bot.simulator.world import AppChat
from bot.wecom.gateway import WeComGateway
from sop.card import Button, Buttons, Notice, Opening
from sop.errors import Busy, Refused
from sop.message import (
    CAPABILITIES,
    Article,
    Channel,
    Choice,
    Content,
    Form,
    Link,
    Markup,
    Media,
    MiniProgram,
    Option,
)
from storage.engine import Database
from storage.media import MediaStore
from storage.shared_memory import MemoryShared
from tests.contracts.test_gateway import _settings as settings_of

START = datetime(2026, 1, 5, 2, tzinfo=UTC)
ALICE, CHAT = "wmQXalice", "opsroom"
PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 2000
BODIES = {
    Form.IMAGE: PNG,
    Form.VOICE: b"#!AMR\n" + b"\x3c" + b"v" * 31,
    Form.VIDEO: b"\x00\x00\x00\x18ftypmp42" + b"m" * 20,
    Form.FILE: b"--boundary\r\n\r\n--" + b"f" * 20,
}
LINK = Link("活动", "https://qx.example.org/l/a")
NOTICE = Notice(title="待办", opens=Opening(url="https://qx.example.org"))
BUTTONS = Buttons(task="send:1", title="确认？", buttons=(Button("yes", "好"),))


@dataclass
class Desk:
    gateway: WeComGateway
    simulator: Simulator
    clock: TurnedClock
    files: dict[Form, Media]

    def content(self, form: Form) -> Content:
        image = self.files[Form.IMAGE]
        made = {
            Form.TEXT: Content("早"),
            Form.MARKDOWN: Content("**早**", markup=Markup.MARKDOWN),
            Form.WIDE_MARKDOWN: Content("|早|", markup=Markup.WIDE),
            Form.LINK: Content("早", link=LINK),
            Form.CHOICE: Content(
                "早", choice=Choice("run:1", "喝什么？", (Option("A", "茶"), Option("B", "水")))
            ),
            Form.NEWS: Content(news=(LINK, LINK)),
            Form.ARTICLES: Content(articles=(Article("月报", image, "<p>好</p>"),)),
            Form.MINI_PROGRAM: Content(mini=MiniProgram("wx1", "a", "领券", cover=image)),
            Form.CARD: Content(card=NOTICE),
            Form.MENTIONS: Content("早", mentions=("linmo",)),
        }
        return made.get(form) or Content(media=(self.files[form],))

    async def send(self, channel: Channel, content: Content, key: str = "k1", **told: Any) -> None:
        app = dict.fromkeys((Channel.APP, Channel.APPCHAT), "qunxing")
        sender = {**app, Channel.KF: KF_ACCOUNT, Channel.WEBHOOK: "ops"}.get(channel, "linmo")
        to = {Channel.APP: ("suhe",), Channel.APPCHAT: (CHAT,), Channel.WEBHOOK: (), Channel.MOMENT: ()}
        welcome = channel is Channel.WELCOME
        code = self.simulator.acts.add_friend(self.simulator.acts.meet("新").id, "linmo") if welcome else ""
        await self.gateway.send(
            Parcel(
                channel=channel,
                content=content,
                recipients=to.get(channel, (ALICE,)),
                audience="staff" if channel is Channel.APP else "member",
                sender=sender,
                key=key,
                welcome_code=code,
                **told,
            )
        )

    def arrived(self) -> int:
        summary = self.simulator.summary()
        kinds = ("app_messages", "appchat_messages", "welcomes", "kf_messages", "webhook_posts")
        return sum(summary[kind] for kind in (*kinds, "tasks_created", "moments_created"))


@pytest.fixture
async def desk(sqlite: Database) -> AsyncIterator[Desk]:
    clock, chance = TurnedClock(START), SeededChance(1)
    files = {
        form: await sqlite.write(lambda c, f=form, b=body: MediaStore(c, START).keep(f, f'周报 "1".{f}', b))  # type: ignore[misc]
        for form, body in BODIES.items()
    }
    async with Simulator(clock=clock, chance=chance) as simulator, Outgoing(clock) as outgoing:
        await simulator.serve()
        simulator.acts.hire("linmo", "林墨")
        simulator.acts.hire("suhe", "苏禾")
        simulator.acts.meet("阿璃", member=ALICE)
        simulator.acts.add_friend(ALICE, "linmo")
        simulator.acts.speak_kf(ALICE, KF_ACCOUNT, "在吗")
        simulator.world.chats[CHAT] = AppChat(CHAT, "运营群", "linmo", ["linmo", "suhe"], "qunxing")
        gateway = WeComGateway(
            settings_of(simulator.settings()), outgoing, clock, chance, MemoryShared(), sqlite
        )
        yield Desk(gateway, simulator, clock, files)


EVERYTHING = [
    (channel, form)
    for channel in Channel
    for form in Form
    if form in CAPABILITIES[channel].shows and channel is not Channel.AIBOT
]


@pytest.mark.parametrize(("channel", "form"), EVERYTHING, ids=lambda one: str(one))
async def test_what_a_channel_can_show_arrives(desk: Desk, channel: Channel, form: Form) -> None:
    await desk.send(channel, desk.content(form))

    assert desk.arrived() == 1


NOT_SHOWN = [
    (channel, form)
    for channel in Channel
    for form in set(Form) - CAPABILITIES[channel].shows - {Form.LINK, Form.CHOICE}
    if channel is not Channel.AIBOT
]


@pytest.mark.parametrize(("channel", "form"), sorted(NOT_SHOWN), ids=lambda one: str(one))
async def test_what_a_channel_cannot_show_never_leaves(desk: Desk, channel: Channel, form: Form) -> None:
    with pytest.raises(Refused):
        await desk.send(channel, desk.content(form))

    assert desk.simulator.journal.of("call") == []


@pytest.mark.parametrize("form", BODIES)
async def test_a_file_is_kept_by_the_platform_to_the_last_byte(desk: Desk, form: Form) -> None:
    await desk.send(Channel.APP, desk.content(form))

    (kept,) = desk.simulator.world.kept.values()
    assert (kept.whole, kept.name) == (BODIES[form], f"周报 '1'.{form}")
    assert await desk.gateway.file(kept.number) == BODIES[form]


async def test_a_file_is_renewed_before_the_platform_forgets_it(desk: Desk) -> None:
    for number in range(6):
        await desk.send(Channel.APP, desk.content(Form.FILE), key=f"k{number}")
        await desk.clock.turn(timedelta(days=1))

    assert (desk.arrived(), len(desk.simulator.world.kept)) == (6, 2)


async def test_a_file_the_platform_lost_is_handed_over_again(desk: Desk) -> None:
    await desk.send(Channel.APP, desk.content(Form.FILE))
    desk.simulator.world.kept.clear()
    await desk.clock.turn(timedelta(hours=1))
    with pytest.raises(Busy):
        await desk.send(Channel.APP, desk.content(Form.FILE), key="k2")

    await desk.send(Channel.APP, desk.content(Form.FILE), key="k2")

    assert desk.arrived() == 2


async def test_a_card_can_be_changed_once_after_a_press(desk: Desk) -> None:
    await desk.send(Channel.APP, Content(card=BUTTONS))
    (card,) = [line for line in desk.simulator.world.talks["app/qunxing/suhe"] if line.kind == "card"]
    code = desk.simulator.acts.press_card("suhe", card.data["card"]["task_id"], "yes")

    await desk.gateway.update_card(code, staff=("suhe",), button="已确认")

    assert card.data["replaced"] == "已确认"
    with pytest.raises(Refused):
        await desk.gateway.update_card(code, staff=("suhe",), button="再来")


async def test_a_message_can_be_taken_back_for_a_day(desk: Desk) -> None:
    await desk.send(Channel.APP, Content("早"))
    (number,) = desk.simulator.world.sent

    await desk.gateway.unsay(number)

    assert desk.simulator.world.talks["app/qunxing/suhe"][-1].data["recalled"]
    await desk.clock.turn(timedelta(days=1))
    with pytest.raises(Refused):
        await desk.gateway.unsay(number)


async def test_a_group_is_made_changed_and_described(desk: Desk) -> None:
    await desk.gateway.create_chat("运营群", owner="linmo", staff=("linmo", "suhe"), number="room2")
    desk.simulator.acts.hire("amo", "阿莫")
    await desk.gateway.change_chat("room2", name="新名字", add=("amo",), remove=("suhe",))

    chat = await desk.gateway.chat("room2")

    assert (chat.name, chat.owner, chat.staff) == ("新名字", "linmo", ("linmo", "amo"))


async def test_making_the_same_group_twice_makes_one(desk: Desk) -> None:
    for _ in range(2):
        await desk.gateway.create_chat("运营群", owner="linmo", staff=("linmo", "suhe"), number="room2")

    assert len(desk.simulator.world.chats) == 2


async def test_a_moment_is_published_liked_and_commented(desk: Desk) -> None:
    await desk.send(Channel.MOMENT, Content("上新"))
    (job,) = desk.simulator.world.moments
    with pytest.raises(Busy):
        await desk.gateway.moment(job, "", "linmo")
    await desk.clock.turn(timedelta(seconds=5))
    waiting = await desk.gateway.moment(job, "", "linmo")
    desk.simulator.acts.publish("linmo", job)
    desk.simulator.acts.react(ALICE, "linmo", job)
    desk.simulator.acts.react(ALICE, "linmo", job, comment=True)

    told = await desk.gateway.moment(job, waiting.moment, "linmo")

    at = int(desk.clock.now().timestamp())
    assert (waiting.published, told.published) == (False, True)
    assert (told.liked, told.commented) == (((ALICE, at),), ((ALICE, at),))
