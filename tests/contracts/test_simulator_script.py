"""The sample community and its script: the same every time, believable, and alive."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from bot import simulator
from bot.chance import SeededChance
from bot.clock import TurnedClock
from bot.simulator import lines
from bot.simulator.faults import API_FAULTS, CALLBACK_FAULTS
from bot.simulator.sample import ADVANCED, BEGINNERS, INNER, Sample, sample_world
from bot.simulator.script import Script
from bot.simulator.simulator import Simulator
from bot.simulator.task import CHINA

START = datetime(2026, 3, 5, 1, 0, tzinfo=UTC)


def sample(seed: int = 5) -> Sample:
    return sample_world(TurnedClock(START), SeededChance(1), seed=seed)


@pytest.fixture
async def played() -> AsyncIterator[Simulator]:
    """A community that has played one day and a half with nobody listening."""
    clock = TurnedClock(START)
    one = sample_world(clock, SeededChance(1))
    async with Simulator(clock=clock, chance=SeededChance(2), world=one.world) as sim:
        await sim.serve()
        sim.start(Script(sim, one).run())
        await clock.turn(timedelta(hours=36))
        yield sim


def weekly(one: Sample) -> dict[str, list[int]]:
    """Members' messages by group and week, the newest week last."""
    counts: Counter[tuple[str, int]] = Counter()
    for record in one.history():
        if not record.from_staff:
            counts[record.group, (START - record.at).days // 7] += 1
    return {name: [counts[chat, week] for week in range(7, -1, -1)] for name, chat in one.groups.items()}


def test_the_sample_has_three_groups_and_about_sixty_members() -> None:
    one = sample()

    assert list(one.groups) == [BEGINNERS, ADVANCED, INNER]
    assert len(one.world.members) == 60
    assert len({member.name for member in one.world.members.values()}) == 60
    assert set(one.cast) == set(one.world.members)


def test_history_is_the_same_for_the_same_seed_and_only_then() -> None:
    assert list(sample().history()) == list(sample().history())
    assert list(sample().history()) != list(sample(seed=6).history())


def test_history_covers_eight_weeks_in_order_and_ends_at_the_start() -> None:
    told = list(sample().history(56))

    assert told == sorted(told, key=lambda record: record.at)
    assert timedelta(days=56) <= START - told[0].at <= timedelta(days=57)
    assert timedelta(0) < START - told[-1].at < timedelta(hours=12)


def test_the_beginners_are_busy_the_advanced_fall_quiet_and_the_core_is_steady() -> None:
    weeks = weekly(sample())

    assert min(weeks[BEGINNERS]) > 200
    assert weeks[ADVANCED][-1] < 50 < min(weeks[ADVANCED][:-2])
    assert 30 < min(weeks[INNER]) <= max(weeks[INNER]) < 150


def test_evenings_are_livelier_than_nights() -> None:
    hours = Counter(record.at.astimezone(CHINA).hour for record in sample().history())

    assert sum(hours[hour] for hour in (19, 20, 21, 22)) > 5 * sum(hours[hour] for hour in (1, 2, 3, 4, 5, 6))


def test_nobody_speaks_before_they_came() -> None:
    one = sample()

    assert all(
        record.from_staff or record.at.date() >= one.came[record.member].astimezone(CHINA).date()
        for record in one.history()
    )


def test_there_are_lines_enough_and_every_slot_is_filled() -> None:
    whole = [line for topic in lines.TOPICS.values() for line in topic]
    whole += [text for question, answers in lines.QUESTIONS for text in (question, *answers)]

    assert len(set(whole)) >= 200
    assert not any("{" in lines.fill(line, SeededChance(1)) for line in whole)


async def test_a_day_of_play_talks_arrives_and_asks(played: Simulator) -> None:
    talked = [record for record in played.world.archive if record["msgtype"] == "text"]
    acts = Counter(entry["act"] for entry in played.journal.of("act"))
    account = next(iter(played.world.accounts.values()))

    assert len(talked) > 60
    assert acts["add_external_contact"] >= 1
    assert acts["add_member"] >= 1
    assert any(item["msgtype"] == "text" and item["text"]["content"] == "领券" for item in account.items)


async def test_staff_confirm_what_waits_for_them_by_day(played: Simulator) -> None:
    call = {"sender": "linmo", "external_userid": list(played.world.members)[:3], "text": {"content": "早"}}
    await _create(played, call)
    clock = played.clock
    assert isinstance(clock, TurnedClock)
    await clock.turn(timedelta(hours=14))

    assert played.world.tasks
    assert all("linmo" in task.confirmed for task in played.world.tasks.values())
    assert all(
        at.astimezone(CHINA).hour in range(8, 23)
        for t in played.world.tasks.values()
        for at in t.confirmed.values()
    )


async def _create(sim: Simulator, body: Mapping[str, object]) -> None:
    base, secret = f"{sim.api_base}/cgi-bin", sim.world.holders["contact"].secret
    query = {"corpid": sim.world.corp_id, "corpsecret": secret}
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{base}/gettoken", params=query) as reply:
            token = (await reply.json())["access_token"]
        url, data = (
            f"{base}/externalcontact/add_msg_template",
            json.dumps(dict(body), ensure_ascii=False).encode(),
        )
        async with session.post(url, params={"access_token": token}, data=data) as reply:
            assert (await reply.json())["errcode"] == 0


def test_every_kind_of_trouble_is_documented() -> None:
    page = (Path(simulator.__file__).parent / "README.md").read_text("utf-8")

    assert all(f"`{what}`" in page for what in (*CALLBACK_FAULTS, *API_FAULTS))
