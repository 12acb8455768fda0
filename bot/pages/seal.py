"""Seals: texts that travel through a browser and come back unchanged, or not at all."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

LONGEST = 4096


@dataclass(frozen=True)
class Seal:
    """Signs for a purpose; what was signed for one counts for no other."""

    secret: bytes = field(repr=False)

    def mark(self, purpose: str, text: str) -> str:
        """A mark on ``text`` that only we can make."""
        return hmac.new(self.secret, f"{purpose}\0{text}".encode(), hashlib.sha256).hexdigest()

    def agrees(self, purpose: str, text: str, mark: str) -> bool:
        return hmac.compare_digest(self.mark(purpose, text).encode(), mark.encode())

    def close(self, purpose: str, told: dict[str, Any], until: datetime) -> str:
        """``told`` as one cookie value, good until an instant; everybody can read it, nobody can change it."""
        plain = json.dumps({**told, "until": int(until.timestamp())}, separators=(",", ":")).encode()
        packed = base64.urlsafe_b64encode(plain).decode().rstrip("=")
        return f"{packed}.{self.mark(purpose, packed)}"

    def open(self, purpose: str, sealed: str, now: datetime) -> dict[str, Any] | None:
        """What was told, None when the seal is broken, for something else or too old."""
        packed, _, mark = sealed.rpartition(".")
        if len(sealed) > LONGEST or not packed or not self.agrees(purpose, packed, mark):
            return None
        told: dict[str, Any] = json.loads(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
        return told if told["until"] > now.timestamp() else None


def later(now: datetime, seconds: int) -> datetime:
    return now + timedelta(seconds=seconds)
