"""What a message says, as JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from sop.message import Choice, Content, Link, Option


@lru_cache(maxsize=256)
def content_to_plain(content: Content) -> Mapping[str, Any]:
    """JSON-ready, and not to be changed."""
    return {name: value for name, value in asdict(content).items() if value is not None}


def content_from_plain(plain: dict[str, Any]) -> Content:
    link = Link(**plain["link"]) if plain.get("link") else None
    choice = plain.get("choice")
    return Content(
        plain["text"],
        link,
        Choice(choice["task"], choice["question"], tuple(Option(**one) for one in choice["options"]))
        if choice
        else None,
    )
