"""Updates as JSON-ready values, for the inbox and for those who write them down."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any

from sop import archive, kf, moment, notice, staff  # noqa: F401  their updates are known once they are loaded
from sop.update import Friendship, Kind, Seat, Ticket, Update

UPDATES: dict[Kind, type[Update]] = {cls.kind: cls for cls in Update.__subclasses__()}

FIELDS = {
    cls: tuple(field.name for field in fields(cls)) for cls in (*UPDATES.values(), Seat, Friendship, Ticket)
}
AS_IT_IS = frozenset((str, int, float, bool, type(None)))


def to_plain(update: Update) -> dict[str, Any]:
    """The update as JSON-ready values; ``from_plain`` gives it back."""
    plain: dict[str, Any] = {"kind": str(update.kind)}
    for name in FIELDS[type(update)]:
        value = getattr(update, name)
        plain[name] = value if type(value) in AS_IT_IS else _flat(value)
    return plain


def from_plain(plain: dict[str, Any]) -> Update:
    """The update that ``to_plain`` described; unknown keys are ignored, so old and new code overlap."""
    cls = UPDATES[Kind(plain["kind"])]
    known = FIELDS[cls]
    return cls(**{name: _revived(name, value) for name, value in plain.items() if name in known})


def _flat(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (Seat, Friendship, Ticket)):
        return {name: _flat(getattr(value, name)) for name in FIELDS[type(value)]}
    return [_flat(item) for item in value] if isinstance(value, tuple) else value


def _revived(name: str, value: Any) -> Any:
    if name in ("at", "slot", "due"):
        return datetime.fromisoformat(value)
    if name == "ticket":
        return None if value is None else _ticket(value)
    if name == "care":
        return kf.Care(value)
    if name == "seats":
        return tuple(Seat(**seat) for seat in value)
    if name == "friends":
        return tuple(Friendship(**{**friend, "tags": _frozen(friend["tags"])}) for friend in value)
    return _frozen(value)


def _ticket(plain: dict[str, Any]) -> Ticket:
    ends = (plain["asked_until"], plain["valid_until"])
    asked, valid = (None if end is None else datetime.fromisoformat(end) for end in ends)
    return Ticket(plain["code"], asked, valid)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
