"""Reading JSON the platform hands out item by item: one that makes no sense stops no other, and none is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from bot.gateway import Unread
from bot.wecom.callback import LARGEST_BODY
from sop.errors import Malformed
from sop.update import Update

log = structlog.get_logger()

LONGEST_ID = 64  # members, staff, groups and accounts; message ids are longer
LONGEST_NUMBER = 128
SHOWN = 4096  # bytes of what was too large to keep whole

Item = Mapping[str, Any]

_WRONG = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, OSError, RecursionError)


def legible(read: Callable[[Item], Update | None], item: Any, door: str) -> Update | Unread | None:
    """What ``read`` makes of an item, or the item as it came with the reason why it cannot be read."""
    try:
        body = json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        if len(body) > LARGEST_BODY:
            raise Malformed(f"item is larger than {LARGEST_BODY} bytes")
        return read(item)
    except Malformed as error:
        return unread(item, door, str(error))
    except _WRONG as error:
        return unread(item, door, f"item cannot be read ({type(error).__name__}: {error})")


def unread(item: Any, door: str, reason: str) -> Unread:
    """An item as it came, or the beginning of one too large, with what is wrong with it."""
    body = json.dumps(item, ensure_ascii=False, separators=(",", ":"), default=repr)
    log.warning("item cannot be read", door=door, reason=reason[:300])
    whole = body.encode("utf-8", "replace")
    return Unread(door, whole if len(whole) <= LARGEST_BODY else whole[:SHOWN], reason[:300])


def sorted_out(read: Iterable[Update | Unread | None]) -> tuple[tuple[Update, ...], tuple[Unread, ...]]:
    """What was understood, and what was not."""
    each = list(read)
    updates = tuple(one for one in each if one is not None and not isinstance(one, Unread))
    return updates, tuple(one for one in each if isinstance(one, Unread))


def reread(read: Callable[[Item], Update | None], body: bytes) -> Update:
    """What a kept item means after all; ``Malformed`` when it still means nothing."""
    try:
        update = read(json.loads(body))
    except Malformed:
        raise
    except _WRONG as error:
        raise Malformed(f"item cannot be read ({type(error).__name__}: {error})"[:300]) from error
    if update is None:
        raise Malformed("item tells nothing we keep")
    return update


def must(item: Item, name: str, *, most: int = LONGEST_ID) -> str:
    """A text that has to be there, and no longer than ids are."""
    value = item[name]
    if not isinstance(value, str) or not value:
        raise Malformed(f"{name} is no text")
    return _bounded(name, value, most)


def maybe(item: Item, name: str) -> str:
    """A text that may be there, and no longer than ids are; empty when it is not."""
    return _bounded(name, text(item, name), LONGEST_ID)


def _bounded(name: str, value: str, most: int) -> str:
    if len(value) > most:
        raise Malformed(f"{name} is longer than {most} characters")
    return value


def text(item: Item, *names: str) -> str:
    """The first of these fields that says something."""
    return next((str(item[name]) for name in names if item.get(name)), "")


def instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
