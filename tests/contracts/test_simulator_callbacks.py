"""The simulated platform's side of a callback: sealing, deadlines, re-sends, order and trouble on request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from aiohttp import web

from bot.chance import SeededChance
from bot.simulator.corp import aes_key
from bot.simulator.faults import Fault
from tests.contracts.simulated import STAFF, Stage, hang_up, never, on_stage


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with on_stage() as one:
        yield one


async def test_every_door_proves_its_own_keys(stage: Stage) -> None:
    proved = await stage.sim.connect(stage.bot_url)

    assert proved == {"app/qunxing": True, "contact": True, "kf": True}


async def test_a_door_that_takes_longer_than_its_deadline_is_not_proved(stage: Stage) -> None:
    stage.sim.callbacks.verify_s = 0.0

    proved = await stage.sim.connect(stage.bot_url)

    assert not any(proved.values())


async def test_a_bot_that_is_not_there_proves_nothing(stage: Stage) -> None:
    proved = await stage.sim.connect("http://127.0.0.1:1")

    assert not any(proved.values())


async def test_only_an_app_s_callback_names_an_agent(stage: Stage) -> None:
    stage.acts.tell(STAFF, "你好")
    stage.friend()
    await stage.sim.quiet()

    envelopes = {one.door: "<AgentID>" in one.body for one in stage.receiver.heard}
    assert envelopes == {"app/qunxing": True, "contact": False}


async def test_a_lost_connection_is_tried_three_times_more_with_fresh_sealing(stage: Stage) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return hang_up(request)

    stage.receiver.answers = answer
    stage.friend()
    await stage.sim.quiet()

    heard = stage.receiver.heard
    assert len(heard) == 4
    assert len({one.plain for one in heard}) == 1
    assert len({one.sealed for one in heard}) == len({one.query["nonce"] for one in heard}) == 4


async def test_an_answer_that_is_late_is_as_good_as_none(stage: Stage) -> None:
    stage.sim.callbacks.answer_s = 0.05
    stage.receiver.answers = never
    stage.friend()
    await stage.sim.quiet()

    assert [one["outcome"] for one in stage.sim.journal.of("callback")] == ["timeout"] * 4


@pytest.mark.parametrize("status", [400, 403, 500, 503])
async def test_an_error_status_is_an_answer_and_ends_it(stage: Stage, status: int) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status)

    stage.receiver.answers = answer
    stage.friend()
    await stage.sim.quiet()

    assert len(stage.receiver.heard) == 1
    assert stage.sim.journal.of("callback")[0]["status"] == status


async def test_a_refused_connection_is_tried_again(stage: Stage) -> None:
    stage.sim.callbacks.bot_url = "http://127.0.0.1:1"
    stage.friend()
    await stage.sim.quiet()

    assert [one["outcome"] for one in stage.sim.journal.of("callback")] == ["refused"] * 4


async def test_what_one_person_does_arrives_in_order(stage: Stage) -> None:
    for number in range(20):
        stage.acts.tell(STAFF, str(number))
    await stage.sim.quiet()

    assert [one.field("Content") for one in stage.receiver.heard] == [str(number) for number in range(20)]


async def test_the_clock_stands_still_while_a_callback_is_on_its_way(stage: Stage) -> None:
    seen = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append(stage.clock.now())
        return web.Response()

    stage.receiver.answers = answer
    before = stage.clock.now()
    stage.friend()
    await stage.clock.turn(timedelta(hours=1))

    assert seen == [before]


async def test_a_dropped_callback_never_comes(stage: Stage) -> None:
    stage.sim.faults.add(Fault(where="callback", what="drop"))
    stage.friend("甲")
    stage.friend("乙")
    await stage.sim.quiet()

    assert len(stage.receiver.heard) == 1
    assert len(stage.sim.journal.of("callback", outcome="dropped")) == 1


async def test_a_doubled_callback_comes_twice_in_the_same_words(stage: Stage) -> None:
    stage.sim.faults.add(Fault(where="callback", what="duplicate", match="contact"))
    stage.friend()
    await stage.sim.quiet()

    first, second = stage.receiver.heard
    assert first.plain == second.plain
    assert first.sealed != second.sealed


async def test_a_shuffled_callback_comes_after_the_next(stage: Stage) -> None:
    stage.sim.faults.add(Fault(where="callback", what="reorder"))
    stage.acts.tell(STAFF, "第一")
    stage.acts.tell(STAFF, "第二")
    await stage.sim.quiet()

    assert [one.field("Content") for one in stage.receiver.heard] == ["第二", "第一"]


async def test_a_shuffled_callback_with_nothing_after_it_comes_all_the_same(stage: Stage) -> None:
    stage.sim.faults.add(Fault(where="callback", what="reorder"))
    stage.acts.tell(STAFF, "第一")
    await stage.clock.turn(timedelta(seconds=3))

    assert [one.field("Content") for one in stage.receiver.heard] == ["第一"]


async def test_a_delayed_callback_comes_when_its_time_has_passed(stage: Stage) -> None:
    stage.sim.faults.add(Fault(where="callback", what="delay", seconds=60))
    stage.friend()
    await stage.clock.turn(timedelta(seconds=59))
    early = len(stage.receiver.heard)
    await stage.clock.turn(timedelta(seconds=2))

    assert (early, len(stage.receiver.heard)) == (0, 1)


async def test_words_that_look_like_markup_arrive_as_they_were_said(stage: Stage) -> None:
    stage.acts.tell(STAFF, "a]]></Content><b>&amp;")
    await stage.sim.quiet()

    assert "a]]]]><![CDATA[></Content><b>&amp;" in stage.receiver.heard[0].plain


def test_keys_made_for_a_door_set_the_spare_bits() -> None:
    keys = [aes_key(SeededChance(seed)) for seed in range(50)]

    assert all(len(key) == 43 and key.isalnum() and key[-1] not in "AEIMQUYcgkosw048" for key in keys)


@pytest.mark.parametrize(
    "plain", [{"where": "moon", "what": "drop"}, {"where": "api", "what": "drop"}, {"wher": "api"}]
)
def test_trouble_that_does_not_exist_is_refused(plain: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"must be one of|where must be|unknown key"):
        Fault.from_plain(plain)
