"""The oracle: reads what the platform saw and what the database holds, and says where the two break a promise.

A program of its own (``python oracle.py FOLDER DATABASE``); it imports nothing of the product.
"""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from collections import Counter
from pathlib import Path

DONE = 1


def lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def broken(folder: Path, database: Path) -> list[str]:
    """Every broken promise, in words; empty when all hold."""
    acked, journal = lines(folder / "acked.jsonl"), lines(folder / "journal.jsonl")
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
        return [
            *acked_means_stored_and_handled(acked, db),
            *one_callback_one_effect(acked, db),
            *coupons_are_never_oversold(db),
            *members_hear_of_one_code(journal, db),
            *nothing_is_said_twice(journal, db),
        ]


def acked_means_stored_and_handled(acked: list[dict[str, str]], db: sqlite3.Connection) -> list[str]:
    rows = Counter((door, bytes(body)) for door, body in db.execute("SELECT door, body FROM inbox"))
    done = {
        (door, bytes(body))
        for door, body in db.execute("SELECT door, body FROM inbox WHERE state = ?", (DONE,))
    }
    wrong = [f"{n} rows for one callback: {body[-160:]!r}" for (_, body), n in rows.items() if n > 1]
    for one in acked:
        knock = (one["door"], one["body"].encode())
        if knock not in done:
            wrong.append(f"acked but {'not handled' if knock in rows else 'lost'}: {one['body'][-160:]}")
    return wrong


def one_callback_one_effect(acked: list[dict[str, str]], db: sqlite3.Connection) -> list[str]:
    wanted = {
        found[1]
        for one in acked
        if "<ChangeType>add_external_contact<" in one["body"]
        and (found := re.search(r"<ExternalUserID>([^<]+)<", one["body"]))
    }
    logged = Counter(
        member for (member,) in db.execute("SELECT member FROM activity WHERE kind = 'befriended'")
    )
    wrong = [f"{member} was befriended {n} times" for member, n in logged.items() if n > 1]
    return wrong + [f"{member} was befriended, and nobody knows" for member in sorted(wanted - set(logged))]


def coupons_are_never_oversold(db: sqlite3.Connection) -> list[str]:
    held = Counter(member for (member,) in db.execute("SELECT member FROM coupon WHERE member IS NOT NULL"))
    wrong = [f"{member} holds {n} coupons" for member, n in held.items() if n > 1]
    (stock,) = db.execute("SELECT COUNT(*) FROM coupon").fetchone()
    return wrong + ([f"{sum(held.values())} claimed of {stock}"] if sum(held.values()) > stock else [])


def members_hear_of_one_code(journal: list[dict[str, str]], db: sqlite3.Connection) -> list[str]:
    holders = dict(db.execute("SELECT code, member FROM coupon WHERE member IS NOT NULL"))
    told = [(one["to"], code) for one in journal for code in re.findall(r"ST\d{5}", one.get("text", ""))]
    return [
        f"{member} was told {code}, which belongs to {holders.get(code)}"
        for member, code in told
        if holders.get(code) != member
    ]


def nothing_is_said_twice(journal: list[dict[str, str]], db: sqlite3.Connection) -> list[str]:
    """Each accepted send is a message of the ledger that says *sent* or *unknown*; no message was accepted twice."""
    accepted = Counter(one["msgid"] for one in journal if one["what"] == "reply")
    wrong = [f"reply {msgid} was accepted {n} times" for msgid, n in accepted.items() if n > 1]
    known = "SELECT COUNT(*) FROM outbox WHERE channel = 'kf' AND state IN ('sent', 'unknown')"
    (settled,) = db.execute(known).fetchone()
    if len(accepted) > settled:
        wrong.append(f"{len(accepted)} replies were accepted, the ledger admits {settled}")
    return wrong


if __name__ == "__main__":
    found = broken(Path(sys.argv[1]), Path(sys.argv[2]))
    print(json.dumps(found, ensure_ascii=False, indent=1))
    sys.exit(1 if found else 0)
