"""Lists that come page by page, with a cursor the platform makes up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from sop.errors import Unanswered

Answer = dict[str, Any]
ENDLESS = "企业微信的翻页位置重复，列表没有读完"


async def pages(ask: Callable[[str], Awaitable[Answer]]) -> AsyncIterator[Answer]:
    """Every page, asked for with the cursor of the one before; a cursor that comes again would never end."""
    cursor, used = "", {""}
    while True:
        answer = await ask(cursor)
        yield answer
        cursor = next_cursor(answer)
        if not cursor:
            return
        if cursor in used:
            raise Unanswered(ENDLESS)
        used.add(cursor)


def next_cursor(answer: Answer) -> str:
    """Where the next page begins, empty at the end."""
    cursor = answer.get("next_cursor") or ""
    if not isinstance(cursor, str):
        raise Unanswered("企业微信的翻页位置不可读")
    return cursor


def rows(answer: Answer, name: str) -> list[dict[str, Any]]:
    """The list ``name`` of an answer; missing is empty, anything but a list of objects cannot be trusted."""
    found = answer.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise Unanswered(f"企业微信的答复里 {name} 不可读")
    return found


def word(row: dict[str, Any], name: str) -> str:
    """A text that must be there."""
    found = row.get(name)
    if not isinstance(found, str) or not found:
        raise Unanswered(f"企业微信的答复缺少 {name}")
    return found
