"""What a message says, as JSON and back: what is left at its default is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from sop.card import CARDS, Card
from sop.message import Content

SORT = "sort"  # tells which card it is
SORTS = {sort: name for name, sort in CARDS.items()}


@lru_cache(maxsize=256)  # one text often goes to thousands
def content_to_plain(content: Content) -> Mapping[str, Any]:
    """JSON-ready, and not to be changed."""
    plain = _plain(content)
    return {"text": content.text, **plain}


def content_from_plain(plain: Mapping[str, Any]) -> Content:
    """The content that ``content_to_plain`` described; unknown keys are ignored, so old and new code overlap."""
    if len(plain) == 1 and "text" in plain:  # most say nothing else
        return Content(plain["text"])
    content = _revived(Content, plain)
    assert isinstance(content, Content)
    return content


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        kept = {
            field.name: _plain(inner)
            for field in fields(value)
            if (inner := getattr(value, field.name)) != _default(field)
        }
        return {SORT: SORTS[type(value)], **kept} if isinstance(value, Card) else kept
    if isinstance(value, tuple):
        return [_plain(inner) for inner in value]
    return value.value if isinstance(value, Enum) else value


def _default(field: Field[Any]) -> Any:
    return ... if field.default is MISSING else field.default


def _revived(kind: Any, plain: Any) -> Any:
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (one for one in get_args(kind) if one is not NoneType)
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        kinds = [inner[0]] * len(plain) if inner[-1] is ... else inner
        return tuple(_revived(one, value) for one, value in zip(kinds, plain, strict=True))
    if kind is Card:
        kind = CARDS[plain[SORT]]
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints(kind)
        told = {name: value for name, value in plain.items() if name in hints and value is not None}
        revived: Any = kind(**{name: _revived(hints[name], value) for name, value in told.items()})
        return revived
    return kind(plain) if isinstance(kind, type) and issubclass(kind, Enum) else plain


@lru_cache(maxsize=64)
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
