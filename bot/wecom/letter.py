"""A callback as read: its elements by name, each asked for in the form it must have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.wecom.person import person
from sop.errors import Malformed
from sop.update import Facts

LONGEST_ID = 64  # of staff; every other id of the platform is shorter
ADDRESS = frozenset(
    {"ToUserName", "FromUserName", "CreateTime", "MsgType", "Event", "ChangeType", "AgentID", "MsgId"}
)  # what every letter bears outside


@dataclass(frozen=True)
class Letter:
    """Where a callback came to, its identity, when it happened, and its elements."""

    door: str
    id: str
    at: datetime
    elements: Mapping[str, Any]
    read: set[str] = field(default_factory=set)  # names of elements somebody asked for

    def text(self, name: str) -> str:
        """The text of an element, empty when it is missing."""
        value = self._element(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise Malformed(f"{name} is not a text")
        return value

    def must(self, name: str) -> str:
        """A text that has to be there, no longer than ids are."""
        value = self.maybe(name)
        if not value:
            raise Malformed(f"{name} is missing")
        return value

    def maybe(self, name: str) -> str:
        """A text that may be there, no longer than ids are; empty when it is missing."""
        return _id(name, self.text(name))

    def ids(self, *path: str) -> tuple[str, ...]:
        """The ids at the end of ``path``."""
        return tuple(_id(path[-1], item) for item in self.items(*path))

    def number(self, name: str) -> int:
        return int(self.text(name) or 0)

    def items(self, *path: str) -> list[Any]:
        """What stands at the end of ``path``, as a list: one, many and none look different after XML."""
        return many(self._element(path[0]), *path[1:])

    def _element(self, name: str) -> Any:
        self.read.add(name)
        return self.elements.get(name)

    @property
    def facts(self) -> Facts:
        """Everything inside, by its path; the address is left out."""
        return tuple(_flat({name: value for name, value in self.elements.items() if name not in ADDRESS}))

    @property
    def unread(self) -> Facts:
        """What nobody asked for: elements we do not know, or have no use for."""
        known = self.read | ADDRESS
        return tuple(_flat({name: value for name, value in self.elements.items() if name not in known}))

    @property
    def name(self) -> str:
        """The platform's name of what happened: the event with its kind of change, or the type of message."""
        parts = (self.must("MsgType"), self.text("Event"), self.text("ChangeType"))
        return "/".join(part for part in parts if part).removeprefix("event/")

    @property
    def sender(self) -> str:
        return person(self.must("FromUserName"))

    @property
    def staff(self) -> str:
        return person(self.must("UserID"))

    @property
    def app(self) -> str:
        return self.door.removeprefix("app/")


def _id(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise Malformed(f"{name} is not a text")
    if len(value) > LONGEST_ID:
        raise Malformed(f"{name} is longer than {LONGEST_ID} characters")
    return value


def many(value: Any, *path: str) -> list[Any]:
    """The items at the end of ``path`` inside ``value``."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return [item for item in (value if isinstance(value, list) else [value]) if item is not None]


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, inside in value.items():
            yield from _flat(inside, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for item in value:
            yield from _flat(item, path)
    else:
        yield path, "" if value is None else str(value)
