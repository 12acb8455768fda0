"""Callbacks decrypted and stored on disk before their 200, beside a handler that reads the body and says 200.

    python -m bench.intake [REQUESTS A ROUND]

The ratio is the bare handler's CPU per request over ours, the median of rounds side by side; each server is a process of
its own, and the load comes from a third.
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from urllib.request import urlopen

import uvloop

from bench.community import populate
from bench.load import Measured, as_fast_as_possible, at_a_rate, sealed_requests
from bot.clock import SystemClock
from storage import schema
from storage.engine import database

JOURNEYS = 100_000
RATE = 300.0  # callbacks a second beside the planning tick
CONNECTIONS = (32, 128)
ROUNDS = 9


@contextmanager
def server(kind: str, url: str = "") -> Iterator[int]:
    """A server process; yields its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.serving", kind, url], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def asked(port: int, path: str) -> float:
    with urlopen(f"http://127.0.0.1:{port}{path}") as answer:
        return float(answer.read() or 0)


async def cpu_per_request(port: int, requests: Sequence[bytes], connections: int) -> tuple[float, Measured]:
    before = await asyncio.to_thread(asked, port, "/usage")
    measured = await as_fast_as_possible(port, requests, connections)
    after = await asyncio.to_thread(asked, port, "/usage")
    return (after - before) / len(requests), measured


async def intake(folder: Path, count: int) -> None:
    with server("bare") as bare, server("doors", f"sqlite:///{folder / 'doors.sqlite'}") as doors:
        warm = sealed_requests(4000)
        for port in (bare, doors):
            await as_fast_as_possible(port, warm, 32)
        for number, connections in enumerate(CONNECTIONS):
            floors, costs, rates, slowest = [], [], [], []
            for round_ in range(ROUNDS):
                requests = sealed_requests(count, start=4000 + count * (number * ROUNDS + round_))
                floors.append((await cpu_per_request(bare, requests, connections))[0])
                ours, measured = await cpu_per_request(doors, requests, connections)
                costs.append(ours)
                rates.append(count / measured.took)
                slowest.append(measured.at(0.99))
            floor, ours = min(floors), min(costs)  # what others do on this machine only ever adds
            ratio = median(
                one / other for one, other in zip(floors, costs, strict=True)
            )  # side by side in time
            print(
                f"intake    {connections:4} connections  bare {floor * 1e6:5.0f} µs  ours {ours * 1e6:5.0f} µs of CPU a request"
                f"  ratio {ratio:.2f}  {max(rates):7,.0f}/s  p99 {min(slowest) * 1000:.1f} ms",
                flush=True,
            )


async def beside_planning(folder: Path, count: int) -> None:
    url = f"sqlite:///{folder / 'planning.sqlite'}"
    async with database(url) as db:
        await schema.ensure(db)
        await populate(db, JOURNEYS, SystemClock().now())
    requests = sealed_requests(int(RATE * 8) + 600, start=10_000_000)
    with server("planning", url) as port:
        await asyncio.to_thread(asked, port, "/warm")
        quiet = await at_a_rate(port, requests[:600], RATE, 64)
        await asyncio.to_thread(asked, port, "/plan")
        beside = await at_a_rate(port, requests[600:], RATE, 64)
        planned = await asyncio.to_thread(asked, port, "/planned")
    print(
        f"intake    {RATE:.0f}/s beside a planning tick of {JOURNEYS:,} journeys: p50 {beside.at(0.5) * 1000:.1f} ms"
        f"  p99 {beside.at(0.99) * 1000:.1f} ms  worst {beside.at(1) * 1000:.1f} ms"
        f"  (without it p99 {quiet.at(0.99) * 1000:.1f} ms; {planned:,.0f} planned meanwhile)"
    )


async def main(count: int) -> None:
    gc.disable()  # the load generator's own pauses are nobody's latency
    with tempfile.TemporaryDirectory() as folder:
        await intake(Path(folder), count)
        await beside_planning(Path(folder), count)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000))
