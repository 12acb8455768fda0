"""Who an id of the platform names."""

from __future__ import annotations

_MEMBERS = ("wm", "wo")  # a WeChat user, a user of another corp's WeCom
_ROBOT = "wb"


def is_member(id: str) -> bool:
    """Whether the id names someone from outside the corp."""
    return id.startswith(_MEMBERS)


def is_robot(id: str) -> bool:
    return id.startswith(_ROBOT)


def person(id: str) -> str:
    """The id as we keep it: staff ids mean the same in any case, members' ids do not."""
    return id if is_member(id) or is_robot(id) else id.lower()
