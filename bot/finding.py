"""What a check found: one line for an administrator, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing looked at: good, bad, or (``None``) not to be seen from here; what was found, and the next step."""

    what: str
    good: bool | None
    said: str
    remedy: str = ""
    code: int = 0  # the platform's number, where it refused
