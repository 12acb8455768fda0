"""The oracle of limits: which calls the platform saw, against what it lets itself be asked.

A program of its own (``python limits_oracle.py JOURNAL LIMITS``); it imports nothing of the product. LIMITS is JSON: API →
[[most, seconds], …]; ``push`` is what one employee may be sent through ``message/send``.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict, deque
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

TOO_OFTEN = 45009
Limits = dict[str, list[list[float]]]


def broken(journal: list[dict[str, Any]], limits: Limits) -> list[str]:
    """Every call too many, in words."""
    calls = [(datetime.fromisoformat(one["at"]), one) for one in journal if one["what"] == "call"]
    wrong: list[str] = []
    for api in limits:
        told = [(at, one) for at, one in calls if one["api"] == api]
        wrong += in_a_closed_window(api, told)
        wrong += over(api, [at for at, one in told if not refused(one)], limits[api])
    for staff, times in pushes(calls).items():
        wrong += over(f"message/send to {staff}", times, limits["push"])
    return wrong


def in_a_closed_window(api: str, calls: list[tuple[datetime, dict[str, Any]]]) -> list[str]:
    """After a refusal nothing is asked for a minute; what left at the same instant is not counted."""
    wrong, closed = [], None
    for at, one in calls:
        if closed is not None and closed < at < closed + timedelta(seconds=60):
            wrong.append(f"{api} was asked at {at:%H:%M:%S}, {(at - closed).seconds} s after it refused")
        if refused(one):
            closed = at
    return wrong


def over(name: str, times: list[datetime], limits: list[list[float]]) -> list[str]:
    """Where more than so many calls fall into any window of so many seconds."""
    wrong = []
    for most, seconds in limits:
        window: deque[datetime] = deque()
        for at in times:
            window.append(at)
            while window[0] <= at - timedelta(seconds=seconds):
                window.popleft()
            if len(window) > most:
                wrong.append(
                    f"{name}: {len(window)} calls in {seconds:.0f} s at {at:%H:%M:%S}, {most:.0f} allowed"
                )
                break
    return wrong


def pushes(calls: list[tuple[datetime, dict[str, Any]]]) -> dict[str, list[datetime]]:
    to: dict[str, list[datetime]] = defaultdict(list)
    for at, one in calls:
        if one["api"] == "message/send":
            for staff in json.loads(one["request"])["touser"].split("|"):
                to[staff].append(at)
    return to


def refused(call: dict[str, Any]) -> bool:
    return bool(call["answer"].get("errcode") == TOO_OFTEN)


if __name__ == "__main__":
    lines = [json.loads(line) for line in Path(sys.argv[1]).read_text("utf-8").splitlines()]
    found = broken(lines, json.loads(sys.argv[2]))
    print(json.dumps(found, ensure_ascii=False, indent=1))
    sys.exit(1 if found else 0)
