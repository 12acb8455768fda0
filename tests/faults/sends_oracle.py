"""The oracle of sends: what the platform took, against what the ledger says of it.

A program of its own (``python sends_oracle.py JOURNAL DATABASE``); it imports nothing of the product. Every message's text
is its key, so that what arrived can be told apart.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections import Counter
from pathlib import Path
from typing import Any

DELIVERED = ("app", "appchat", "welcome", "kf", "webhook")  # channels whose deliveries the platform notes
CALLS = {"group_send": "externalcontact/add_msg_template", "moment": "externalcontact/add_moment_task"}
ADMITTED = ("sent", "unknown", "created", "confirmed")  # states that admit that it may have arrived


def broken(journal: list[dict[str, Any]], rows: list[dict[str, Any]]) -> list[str]:
    """Every broken promise, in words."""
    wrong: list[str] = []
    took = arrivals(journal)
    ledger = {row["key"]: row for row in rows}
    for (channel, key), times in took.items():
        if times > 1:
            wrong.append(f"{channel} {key} arrived {times} times")
        if key not in ledger:
            wrong.append(f"{channel} {key} arrived, and the ledger does not know it")
        elif ledger[key]["state"] not in ADMITTED:
            wrong.append(f"{channel} {key} arrived, and the ledger says {ledger[key]['state']}")
    for row in rows:
        if row["state"] in ("waiting", "sending"):
            wrong.append(f"{row['channel']} {row['key']} is still {row['state']}: {row['reason']}")
        if row["state"] in ("sent", "created", "confirmed") and (row["channel"], row["key"]) not in took:
            wrong.append(f"{row['channel']} {row['key']} is {row['state']}, and never arrived")
        if row["state"] == "unknown" and not row["reason"]:
            wrong.append(f"{row['channel']} {row['key']} is unknown without a word")
    return wrong


def arrivals(journal: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    """How often each text reached somebody, or became a task."""
    took: Counter[tuple[str, str]] = Counter()
    for one in journal:
        if one["what"] == "delivery" and one["channel"] in DELIVERED:
            took[one["channel"], one["text"]] += 1
        for channel, api in CALLS.items():
            if one["what"] == "call" and one["api"] == api and one["answer"].get("errcode") == 0:
                took[channel, json.loads(one["request"])["text"]["content"]] += 1
    return took


def read(journal: Path, database: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    lines = [json.loads(line) for line in journal.read_text("utf-8").splitlines()]
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
        db.row_factory = sqlite3.Row
        rows = db.execute("SELECT key, channel, state, reason FROM outbox").fetchall()
    return lines, [dict(row) for row in rows]


if __name__ == "__main__":
    found = broken(*read(Path(sys.argv[1]), Path(sys.argv[2])))
    print(json.dumps(found, ensure_ascii=False, indent=1))
    sys.exit(1 if found else 0)
