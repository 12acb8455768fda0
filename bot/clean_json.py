"""JSON from outside, with a sign of its own where one stands that no database takes: NUL, or half a character.

A client that cuts a text in the middle of an emoji sends half of one, as an escape that is good JSON. It must not stop
whatever comes with it.
"""

from __future__ import annotations

import json
import re
from typing import Any

INSTEAD = "\ufffd"
_UNTAKEN = re.compile("[\0\ud800-\udfff]")


def read_json(whole: bytes | str) -> Any:
    """What is in a JSON text; ``ValueError`` and ``RecursionError`` when it is none."""
    text = whole.decode("utf-8-sig", "replace") if isinstance(whole, bytes) else whole
    value = json.loads(text)
    return _clean(value) if "\\u" in text else value  # without escapes neither sign can be in it


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _UNTAKEN.sub(INSTEAD, value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(name): _clean(item) for name, item in value.items()}
    return value
