"""Passwords: hashed slowly, off the event loop, a few at a time."""

from __future__ import annotations

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST, LONGEST = 8, 200


class Passwords:
    """Argon2id with 19 MiB, two passes and one lane: about 26 ms each."""

    def __init__(self, at_once: int = 2) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._turns = asyncio.Semaphore(at_once)
        self._nobody = ""

    async def hash(self, password: str) -> str:
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def is_right(self, hashed: str | None, password: str) -> bool:
        """Whether a password belongs to a hash; for nobody it takes as long to say no."""
        if hashed is None:
            self._nobody = self._nobody or await self.hash("nobody has this password")
        async with self._turns:
            return (
                await asyncio.to_thread(self._verify, hashed or self._nobody, password) and hashed is not None
            )

    def _verify(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False


def objection(password: str) -> str:
    """Why a new password is refused, in one line; empty when it will do."""
    if len(password) < SHORTEST:
        return f"密码至少 {SHORTEST} 个字符。"
    if len(password) > LONGEST:
        return f"密码最多 {LONGEST} 个字符。"
    return "" if len(set(password)) >= 4 else "密码太简单，换一个吧。"
