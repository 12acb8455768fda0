"""Routing with 10, 200 and 1,000 handlers: what finding the right one costs, beside trying them one after another.

python -m bench.dispatch [UPDATES]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

from handlers.context import Context
from handlers.filters import Keyword, Via
from handlers.router import Router, Switchboard
from sop.message import Reply
from sop.update import Kind, MessageHeard

SIZES = (10, 200, 1_000)
NOW = datetime(2026, 7, 2, tzinfo=UTC)
NOBODY = cast(Context, None)  # these filters ask nothing of the context


def routers(size: int) -> list[Router]:
    """``size`` handlers, each for a word of its own."""
    router = Router("bench")
    for number in range(size):
        router.reply_to(Kind.MESSAGE, Keyword(f"口令{number}") & Via("kf"))(_handler(number))
    return [router]


def _handler(number: int) -> Callable[[MessageHeard, Any], Reply | None]:
    def handler(heard: MessageHeard, ctx: Any) -> Reply | None:
        return None

    handler.__name__ = f"handler_{number}"
    return handler


def indexed(size: int, count: int) -> float:
    """Updates a second through the index."""
    switchboard = Switchboard(routers(size))
    said = [_said(number % size) for number in range(count)]
    started = time.perf_counter()
    for heard in said:
        route = switchboard.answering(heard, NOBODY)
        assert route is not None
        route.handler(heard, NOBODY)
    return count / (time.perf_counter() - started)


def tried(size: int, count: int) -> float:
    """Updates a second by trying one handler after another, as a list of rules would."""
    routes = routers(size)[0].answers
    said = [_said(number % size) for number in range(count)]
    started = time.perf_counter()
    for heard in said:
        route = next(route for route in routes if route.where.agrees(heard, NOBODY))
        route.handler(heard, NOBODY)
    return count / (time.perf_counter() - started)


def _said(number: int) -> MessageHeard:
    return MessageHeard(at=NOW, member="wm", text=f"口令{number}", via="kf")


def main(count: int) -> None:
    rates = {size: max(indexed(size, count) for _ in range(3)) for size in SIZES}
    print("dispatch  finding the one handler that answers")
    for size, rate in rates.items():
        peer = tried(size, max(50, count // (size * 2)))
        print(f"  {size:5,} handlers  {rate:10,.0f} updates/s   {rate / peer:6.1f} times trying one by one")
    print(f"  1,000 handlers take {rates[10] / rates[1_000]:.2f} times what 10 take")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
