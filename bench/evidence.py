"""How well the score foretells the next 28 days, through the product's own import and scoring.

    python -m bench.evidence LOG POINTS [FORMULA]

LOG is a chat log as ``qunxing activity import`` reads it. POINTS is a CSV of ``group,as_of_date``, baselines under any names,
and what really happened: ``next_wau``, ``next_decline`` (0 or 1) and ``next_newcomer_return`` (may be empty).
For every baseline and the score it prints the rank correlation with the next weekly actives, the AUC of the decline and the rank
correlation with the newcomers' return, each with the middle 90 % of 200 draws of whole rooms.
"""

from __future__ import annotations

import asyncio
import csv
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from bot.clock import SystemClock, stopwatch
from bot.engagement import score_points
from bot.history import import_history
from sop.formula import FORMULAS
from storage import schema
from storage.engine import database

TOLD = ("next_wau", "next_decline", "next_newcomer_return")
DRAWS = 200

Point = dict[str, str]


def ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1, equal values sharing the mean of theirs."""
    order = sorted(range(len(values)), key=lambda index: values[index])
    ranked = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for place in range(start, end + 1):
            ranked[order[place]] = (start + end) / 2 + 1
        start = end + 1
    return ranked


def spearman(left: Sequence[float], right: Sequence[float]) -> float:
    a, b = ranks(left), ranks(right)
    mean = (len(a) + 1) / 2
    both = sum((x - mean) * (y - mean) for x, y in zip(a, b, strict=True))
    spread = (sum((x - mean) ** 2 for x in a) * sum((y - mean) ** 2 for y in b)) ** 0.5
    return both / spread if spread else 0.0


def auc(risk: Sequence[float], happened: Sequence[bool]) -> float:
    yes = sum(happened)
    if not 0 < yes < len(happened):
        return 0.5
    total = sum(rank for rank, true in zip(ranks(risk), happened, strict=True) if true)
    return (total - yes * (yes + 1) / 2) / (yes * (len(happened) - yes))


def judge(column: str, points: Sequence[Point]) -> tuple[float, float, float]:
    values = [float(point[column]) for point in points]
    fresh = [point for point in points if point["next_newcomer_return"]]
    return (
        spearman(values, [float(point["next_wau"]) for point in points]),
        auc([-value for value in values], [float(point["next_decline"]) > 0 for point in points]),
        spearman([float(p[column]) for p in fresh], [float(p["next_newcomer_return"]) for p in fresh]),
    )


def drawn(points: Sequence[Point], dice: random.Random) -> list[Point]:
    """As many rooms as there are, drawn with repetition, each with all its points."""
    rooms: dict[str, list[Point]] = defaultdict(list)
    for point in points:
        rooms[point["group"]].append(point)
    names = sorted(rooms)
    return [point for name in dice.choices(names, k=len(names)) for point in rooms[name]]


def show(name: str, points: Sequence[Point], draws: Sequence[Sequence[Point]]) -> None:
    cells = []
    spreads = list(zip(*(judge(name, draw) for draw in draws), strict=True))
    for value, spread in zip(judge(name, points), spreads, strict=True):
        ordered = sorted(spread)
        cells.append(f"{value:.3f} [{ordered[len(ordered) // 20]:.3f}, {ordered[-len(ordered) // 20]:.3f}]")
    print(f"{name:22}", *cells, sep="  ")


async def measure(log: Path, points: Path, version: str) -> None:
    now = SystemClock().now()
    with tempfile.TemporaryDirectory() as folder:
        async with database(f"sqlite:///{folder}/evidence.sqlite") as db:
            await schema.ensure(db)
            with stopwatch() as importing:
                result = await import_history(db, log, now=now)
            with stopwatch() as scoring:
                scored = await score_points(
                    db, points, now=now, zone="UTC", coverage="archive", formula=FORMULAS[version]
                )
    print(f"{result.new} rows in {importing[0]:.1f} s, {len(scored)} points in {scoring[0]:.1f} s")
    with points.open(encoding="utf-8-sig", newline="") as file:
        told = list(csv.DictReader(file))
    for point, found in zip(told, scored, strict=True):
        point["score"] = repr(found.score.value)
    dice = random.Random(1)
    draws = [drawn(told, dice) for _ in range(DRAWS)]
    print(f"{'':22}", *(f"{name:20}" for name in TOLD), sep="  ")
    for column in told[0]:
        if column not in ("group", "as_of_date", *TOLD):
            show(column, told, draws)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4) or (len(sys.argv) == 4 and sys.argv[3] not in FORMULAS):
        sys.exit(__doc__)
    asyncio.run(measure(Path(sys.argv[1]), Path(sys.argv[2]), (*sys.argv[3:], "1")[0]))
