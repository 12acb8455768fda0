"""What members say to us and what they hear: coupons, answers, check-ins, opting out, why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

import pytest

from handlers import ROUTERS
from handlers.context import Context, Settings
from handlers.reaction import react
from handlers.router import Switchboard
from sop.archive import ArchiveRang
from sop.coupon import Batch
from sop.interaction import options_of
from sop.kf import KfEntered, KfFailed, KfRang
from sop.message import Channel, Content, Message
from sop.receipt import State
from sop.update import AnswerGiven, ClockTicked, CouponRedeemed, LinkVisited, MessageHeard, Update, WaitEnded
from storage.coupon import REMIND
from storage.engine import Database
from storage.errand import ErrandStore
from storage.interaction import CLOSE, Run
from storage.outbox import Entry
from storage.tx import Tx
from tests.contracts.world import NOW, after

T = TypeVar("T")
BOARD = Switchboard(ROUTERS)
SETTINGS = Settings(main_app="bot", kf_account="kf-1", webhook="小组", archive=True)
CHECKINS = """id = "monthly"
name = "打卡"
[trigger]
on = "friend.added"
[audience]
everyone = true
[[step]]
id = "open"
when = { day = 1, time = 19:30:00 }
text = "打卡 {{ task }}"
task = { kind = "check_in", reward = [ { days = 2, tag = "打卡2天", coupon = "welcome" } ] }
"""


@dataclass
class Talk:
    """A small community, handled one update after the other."""

    db: Database
    now: datetime = NOW
    settings: Settings = SETTINGS
    _count: list[int] = field(default_factory=list)

    async def hears(self, update: Update) -> str:
        """Handle one update; what is answered, as words."""
        self._count.append(1)
        named = update if update.id else replace(update, id=f"u{len(self._count)}")

        def handle(tx: Tx) -> str:
            reply = react(named, tx, BOARD, self._context_of).reply
            return reply.content.text if reply else ""

        return await self.write(handle)

    def _context_of(self, update: Update, tx: Tx) -> Context:
        return Context(tx, tx.now, self.settings, lambda: f"token{len(self._count):011}", lambda: 0.0, update)

    async def says(self, text: str, *, member: str = "lin", menu: str = "") -> str:
        """A member writes to 微信客服."""
        return await self.hears(
            MessageHeard(at=self.now, member=member, text=text, via="kf", account="kf-1", menu=menu)
        )

    async def speaks(self, text: str, *, member: str = "lin", group: str = "g") -> str:
        """A member speaks in a group, and the archive hears it."""
        return await self.hears(
            MessageHeard(at=self.now, member=member, text=text, via="archive", group=group)
        )

    async def write(self, work: Callable[[Tx], T]) -> T:
        return await self.db.write(lambda c: work(Tx(c, self.now)))

    async def read(self, question: Callable[[Tx], T]) -> T:
        return await self.db.read(lambda c: question(Tx(c, self.now)))

    async def outbox(self) -> list[Entry]:
        return (await self.read(lambda tx: tx.outbox.recent()))[::-1]

    async def tags(self, member: str = "lin") -> list[str]:
        return [carried.tag for carried in await self.read(lambda tx: tx.tags.of(member))]


@pytest.fixture
async def talk(sqlite: Database) -> Talk:
    """小林 and 阿宁 in a group of 苏禾's, with a question open and two coupons in stock."""
    told = Talk(sqlite)
    drinks = options_of((("冰美式", "美式党"), ("燕麦拿铁", "拿铁党")))

    def furnish(tx: Tx) -> None:
        tx.groups.meet("g", name="新手答疑群")
        tx.groups.describe("g", owner="su")
        for member, name in (("lin", "小林"), ("ning", "阿宁")):
            tx.members.meet(member, name=name, seen_at=NOW)
            tx.members.befriend(member, "su", since=NOW)
            tx.groups.seat("g", member, joined_at=NOW)
        tx.interactions.open(
            Run(
                id="r1", item="coffee", kind="light", group="g", question="第一杯喝什么？", options=drinks,
                template="weekly_light", step="play", opened=NOW, closes=after(hours=24), post_result=True,
            )
        )  # fmt: skip
        tx.coupons.open(Batch(id="welcome", name="新人咖啡券", ends=after(days=30), valid_days=10))
        tx.coupons.stock("welcome", ["QX-01", "QX-02"])

    await told.write(furnish)
    return told


# ---------------------------------------------------------------- coupons


async def test_a_word_brings_a_code_and_the_same_word_the_same_code(talk: Talk) -> None:
    first, second = await talk.says("领券"), await talk.says("优惠券")

    assert "到手啦！券码：QX-01" in first
    assert "还是这张：QX-01" in second
    assert await talk.tags() == ["领过券"]


async def test_a_word_takes_one_code_even_where_two_are_allowed(talk: Talk) -> None:
    await talk.write(lambda tx: tx.coupons.open(Batch(id="welcome", name="双人券", per_member=2)))

    await talk.says("领券")

    assert len(await talk.read(lambda tx: tx.coupons.held_by("lin"))) == 1


async def test_a_batch_can_be_named(talk: Talk) -> None:
    def stock(tx: Tx) -> None:
        tx.coupons.open(Batch(id="tea", name="春茶券"))
        tx.coupons.stock("tea", ["T-1"])

    await talk.write(stock)

    assert "T-1" in await talk.says("领券 春茶券")
    assert "没有可以领的券" in await talk.says("领券 不存在")


@pytest.mark.parametrize(
    ("batch", "answer"),
    [
        (Batch(id="b", name="空券"), "领完了"),
        (Batch(id="b", name="明天的券", starts=after(days=1)), "开抢"),
        (Batch(id="b", name="昨天的券", ends=after(days=-1)), "结束"),
    ],
)
async def test_what_cannot_be_had_is_said_kindly(talk: Talk, batch: Batch, answer: str) -> None:
    await talk.write(lambda tx: tx.coupons.open(batch))

    assert answer in await talk.says(f"领券 {batch.name}")


async def test_an_unused_coupon_is_remembered_before_it_ends(talk: Talk) -> None:
    await talk.says("领券")
    talk.now = after(days=8)

    await talk.hears(WaitEnded(at=talk.now, what=REMIND, whom="QX-01", occurrence="1", due=talk.now))

    (reminder,) = await talk.outbox()
    assert (reminder.message.channel, reminder.message.sender) == (Channel.GROUP_SEND, "su")
    assert "这两天就要到期" in reminder.message.content.text
    assert "QX-01" not in reminder.message.content.text
    assert reminder.message.deadline == after(days=10)


async def test_a_used_coupon_is_not_remembered(talk: Talk) -> None:
    await talk.says("领券")
    used = await talk.hears(CouponRedeemed(at=NOW, code="QX-01", order="o1"))

    await talk.hears(WaitEnded(at=NOW, what=REMIND, whom="QX-01", occurrence="1", due=NOW))

    assert used == "已核销"
    assert await talk.outbox() == []


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize("words", ["B", "b.", "2", "燕麦拿铁", "拿铁", "选B"])
async def test_a_letter_a_number_or_the_words_are_an_answer(talk: Talk, words: str) -> None:
    assert "你选了「燕麦拿铁」" in await talk.says(words)

    assert await talk.read(lambda tx: tx.interactions.counts("r1")) == {"B": 1}
    assert await talk.tags() == ["拿铁党"]


async def test_a_tap_on_a_menu_is_an_answer(talk: Talk) -> None:
    await talk.says("随便什么字", menu="r1:A")

    assert await talk.read(lambda tx: tx.interactions.counts("r1")) == {"A": 1}


async def test_an_answer_spoken_in_the_group_counts_and_is_not_answered(talk: Talk) -> None:
    assert await talk.speaks("A") == ""
    await talk.speaks("我觉得 A 和 B 其实都还可以啦大家说呢", member="ning")

    assert await talk.read(lambda tx: tx.interactions.counts("r1")) == {"A": 1}


async def test_the_last_answer_is_the_one_that_counts(talk: Talk) -> None:
    for words in ("A", "B"):
        await talk.says(words)
    await talk.hears(AnswerGiven(at=NOW, member="lin", run="r1", option="A", group="g"))

    assert await talk.read(lambda tx: tx.interactions.counts("r1")) == {"A": 1}
    assert await talk.tags() == ["美式党"]


async def test_after_the_end_a_letter_is_no_answer(talk: Talk) -> None:
    talk.now = after(hours=25)

    await talk.says("A")
    late = await talk.hears(AnswerGiven(at=talk.now, member="lin", run="r1", option="A"))

    assert "结束" in late
    assert await talk.read(lambda tx: tx.interactions.counts("r1")) == {}


async def test_closing_posts_the_result_once_in_the_owners_name(talk: Talk) -> None:
    await talk.says("A")
    await talk.says("A", member="ning")

    for _ in range(2):
        await talk.hears(WaitEnded(at=NOW, what=CLOSE, whom="r1", occurrence="1", due=NOW))

    (result,) = await talk.outbox()
    assert (result.message.to_group, result.message.sender) == ("g", "su")
    assert "A. 冰美式　2 票（100%）" in result.message.content.text
    assert "遥遥领先" in result.message.content.text


# ---------------------------------------------------------------- check-ins


async def test_a_check_in_streaks_and_earns_what_was_promised(talk: Talk) -> None:
    def promise(tx: Tx) -> None:
        saved = tx.templates.save("monthly", "打卡", CHECKINS, by="test")
        tx.templates.publish("monthly", saved.version, zone="Asia/Shanghai")

    await talk.write(promise)
    first = await talk.says("签到")
    talk.now = after(days=1)
    second, again = await talk.says("打卡"), await talk.says("打卡")

    assert "第一天" in first
    assert "连续 2 天" in second
    assert "点亮「打卡2天」" in second
    assert "「新人咖啡券」已经放进「我的券」" in second
    assert "点亮" not in again
    assert "打卡2天" in await talk.tags()
    assert len(await talk.read(lambda tx: tx.coupons.held_by("lin"))) == 1


async def test_a_check_in_spoken_in_the_group_counts_there(talk: Talk) -> None:
    assert await talk.speaks("打卡") == ""

    assert await talk.read(lambda tx: len(tx.interactions.days("lin", NOW.date()))) == 1


# ---------------------------------------------------------------- opting out, and why


async def pushed(talk: Talk, key: str, text: str, *, sent: bool = True, **whom: str) -> None:
    def push(tx: Tx) -> None:
        tx.outbox.add(
            Message(
                key=key, channel=Channel.GROUP_SEND, content=Content(text), sender="su",
                why="「7天成长计划」的「第一天」", **(whom or {"to_member": "lin"}),  # type: ignore[arg-type]
            )
        )  # fmt: skip
        if sent:
            entry = tx.outbox.by_key(key)
            assert entry is not None
            tx.outbox.claim(10, channels=[Channel.GROUP_SEND], fence=1)
            tx.outbox.settle([entry.id], State.SENT, fence=1)

    await talk.write(push)


@pytest.mark.parametrize("word", ["退订", "TD", "td", "取消订阅"])
async def test_one_word_stops_everything_that_waits(talk: Talk, word: str) -> None:
    await pushed(talk, "p1", "明天见", sent=False)

    assert "订阅" in await talk.says(word)

    assert await talk.read(lambda tx: tx.consent.refused(["lin"])) == {"lin"}
    (entry,) = await talk.outbox()
    assert (entry.state, entry.reason) == (State.CANCELLED, "对方已退订，取消发送")


async def test_one_word_brings_it_back(talk: Talk) -> None:
    await talk.says("退订")

    assert "欢迎回来" in await talk.says("订阅")
    assert not await talk.read(lambda tx: tx.consent.refused(["lin"]))


async def test_why_names_the_message_and_its_reason(talk: Talk) -> None:
    nothing = await talk.says("为什么发给我")
    await pushed(talk, "p1", "晚上好，今天是第一天。\n更多")

    why = await talk.says("为什么发给我")

    assert "没有给你推送过" in nothing
    assert "「晚上好，今天是第一天。……」来自「7天成长计划」的「第一天」" in why
    assert "退订" in why


async def test_why_knows_what_came_to_the_group_too(talk: Talk) -> None:
    await pushed(talk, "p1", "周末一问", to_group="g")

    assert "发在「新手答疑群」的「周末一问" in await talk.says("为什么")


# ---------------------------------------------------------------- 微信客服 and the archive


async def test_the_bell_sends_us_to_ask(talk: Talk) -> None:
    await talk.hears(KfRang(at=NOW, account="kf-1", token="t"))
    await talk.hears(ArchiveRang(at=NOW))
    await talk.hears(ClockTicked(at=NOW, name="archive", slot=NOW))

    errands = await talk.db.read(lambda c: ErrandStore(c).waiting(NOW, 10))
    assert sorted((errand.what, errand.whom) for errand in errands) == [("archive", "all"), ("kf", "kf-1")]


async def test_without_an_archive_nobody_goes_there(sqlite: Database) -> None:
    deaf = Talk(sqlite, settings=replace(SETTINGS, archive=False))

    await deaf.hears(ClockTicked(at=NOW, name="archive", slot=NOW))

    assert await sqlite.read(lambda c: ErrandStore(c).waiting(NOW, 10)) == []


async def test_who_comes_in_is_told_what_can_be_said(talk: Talk) -> None:
    greeting = await talk.hears(KfEntered(at=NOW, member="zhou", account="kf-1", welcome_code="w"))
    silence = await talk.hears(KfEntered(at=NOW, member="zhou", account="kf-1"))

    assert all(word in greeting for word in ("领券", "签到", "为什么发给我", "退订"))
    assert silence == ""


async def test_a_message_that_failed_after_all_says_why(talk: Talk) -> None:
    await pushed(talk, "p1", "你好")
    await talk.write(
        lambda tx: tx.connection.exec_driver_sql("update outbox set number = 'm1', channel = 'kf'")
    )

    await talk.hears(KfFailed(at=NOW, member="lin", account="kf-1", message="m1", reason=10))

    (entry,) = await talk.outbox()
    assert entry.state is State.REFUSED
    assert "对方拒收" in entry.reason


async def test_who_opens_a_link_has_been_heard_of(talk: Talk) -> None:
    later = NOW + timedelta(days=3)

    await talk.hears(LinkVisited(at=later, token="t", member="lin"))

    member = await talk.read(lambda tx: tx.members.get("lin"))
    assert member is not None
    assert member.last_active == later
