"""``qunxing sync`` and ``qunxing way`` against a simulated corp, as an operator runs them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.chance import SeededChance
from bot.clock import SystemClock
from bot.simulator.corp import as_toml
from bot.simulator.faults import Fault
from bot.simulator.simulator import Simulator
from tests.contracts.test_commands import Run, run

__all__ = ["run"]  # the fixture


@contextmanager
def corp(folder: Path) -> Iterator[Simulator]:
    """A corp that lives in a thread of its own, with 林墨 and two friends, and a configuration that leads to it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    sim = Simulator(clock=SystemClock(), chance=SeededChance(7))

    async def opens() -> None:
        await sim.__aenter__()
        await sim.serve()
        sim.acts.hire("linmo", "林墨")
        for name in ("小林", "小夏"):
            sim.acts.add_friend(sim.acts.meet(name).id, "linmo")

    async def closes() -> None:
        await sim.__aexit__(None, None, None)

    asyncio.run_coroutine_threadsafe(opens(), loop).result(10)
    database = json.dumps(f"sqlite:///{folder / 'q.sqlite'}")
    (folder / "config.toml").write_text(
        f"{as_toml(sim.settings())}\n[storage]\ndatabase = {database}\n", "utf-8"
    )
    try:
        yield sim
    finally:
        asyncio.run_coroutine_threadsafe(closes(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Simulator]:
    with corp(tmp_path) as one:
        yield one


def test_the_directory_is_read_and_what_is_new_waits_for_the_bot(run: Run, sim: Simulator) -> None:
    said = run("sync")

    assert (said.code, said.err.strip()) == (0, "")
    assert "2 条变化" in said.out


def test_a_second_look_finds_nothing_new_unless_it_is_told_to_look_again(run: Run, sim: Simulator) -> None:
    run("sync")

    again, full = run("sync"), run("sync", "--full")

    assert "2 条变化" in again.out
    assert "4 条变化" in full.out


def test_a_corp_that_refuses_us_is_said_with_the_next_step(run: Run, sim: Simulator) -> None:
    sim.faults.add(Fault(where="api", what="refuse", code=60020, times=99))

    said = run("sync")

    assert said.code == 1
    assert "企业可信IP" in said.err
    assert "再运行 qunxing sync" in said.err


def test_without_a_secret_the_key_to_fill_in_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("", "utf-8")

    said = run("sync")

    assert said.code == 1
    assert "[wecom.contact] secret" in said.err


def test_a_way_is_made_listed_and_dropped(run: Run, sim: Simulator) -> None:
    made = run("way", "add", "一月海报", "--staff", "linmo", "--tag", "海报", "--state", "poster")
    listed = run("way", "list")
    dropped = run("way", "drop", "poster")

    assert (made.code, listed.code, dropped.code) == (0, 0, 0)
    assert "https://" in made.out
    assert "一月海报" in listed.out
    assert sim.world.ways == {}


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (("way", "add", "海报"), 2, "--staff or --group"),
        (("way", "add", "很" * 31, "--staff", "linmo"), 2, "最多 30 个字"),
        (("way", "add", "海报", "--staff", "ghost"), 1, "员工不存在"),
        (("way", "drop", "nowhere"), 1, "nowhere"),
    ],
)
def test_a_way_that_cannot_be_is_refused_with_the_reason(
    run: Run, sim: Simulator, words: tuple[str, ...], code: int, reason: str
) -> None:
    said = run(*words)

    assert said.code == code
    assert reason in said.err


def test_a_state_is_used_once(run: Run, sim: Simulator) -> None:
    wanted = ("way", "add", "海报", "--staff", "linmo", "--state", "poster")

    first, second = run(*wanted), run(*wanted)

    assert (first.code, second.code) == (0, 1)
    assert "已经用过了" in second.err
