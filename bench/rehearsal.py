"""A draft rehearsed for fourteen days with a large community: the time it takes and the memory it needs.

python -m bench.rehearsal [MEMBERS]
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import uvloop

from bench.community import populate
from bot.clock import SystemClock
from bot.rehearsal import rehearse
from handlers.context import Settings
from sop.file import read
from storage import schema
from storage.engine import SqliteDatabase

LIBRARY = Path(__file__).resolve().parents[1] / "sop" / "library"


async def main(count: int) -> None:
    now = SystemClock().now()
    template = read((LIBRARY / "seven_day_growth.toml").read_text("utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        async with SqliteDatabase(f"sqlite:///{Path(folder) / 'rehearsal.sqlite'}") as db:
            await schema.ensure(db)
            await populate(db, count, now)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            started = time.perf_counter()
            start = now - timedelta(minutes=1)
            summary = await rehearse(db, template, Settings(), now=now, start=start, days=14)
            took = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"rehearsal {count} members, {len(template.steps)} steps, 14 days, one process")
    print(f"  took     {took:.1f} s, {sum(summary.outcomes.values()) / took:,.0f} steps/s")
    print(f"  came to  {', '.join(f'{name} {number:,}' for name, number in summary.outcomes.items())}")
    print(f"  memory   {after:.0f} MB at most, {after - before:.0f} MB more than before it began")


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
