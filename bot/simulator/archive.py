"""The archive's feed, already decrypted: records after a number, five days back at most."""

from __future__ import annotations

from bisect import bisect_right
from datetime import timedelta

from bot.simulator.calls import Answer, Api, Call, Refusal

MOST = 1000


def feed(call: Call) -> Answer:
    seq, limit = (call.number("seq", default=0), call.number("limit", default=MOST, least=1))
    if limit > MOST:
        raise Refusal(301058)
    records = call.world.archive
    oldest = int((call.now - timedelta(days=call.world.rules.archive_days)).timestamp() * 1000)
    start = max(
        bisect_right(records, seq, key=lambda record: record["seq"]),
        bisect_right(records, oldest - 1, key=lambda record: record["msgtime"]),
    )
    return {"chatdata": records[start : start + limit], "more": int(start + limit < len(records))}


CALLS = {"archive/feed": Api("GET", feed, frozenset({"archive"}))}
