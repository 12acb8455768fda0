"""The one source of chance: tokens that must not be guessed, and choices that tests can fix."""

from __future__ import annotations

import random
import secrets
from collections.abc import Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Chance(Protocol):
    """What may be left to chance."""

    def token(self, size: int = 16) -> str: ...

    def choice(self, items: Sequence[T]) -> T: ...

    def fraction(self) -> float: ...

    def bytes(self, size: int) -> bytes: ...


class SystemChance:
    """Chance nobody can foresee."""

    def __init__(self) -> None:
        self._random = random.SystemRandom()

    def token(self, size: int = 16) -> str:
        """A URL-safe text holding ``size`` random bytes."""
        return secrets.token_urlsafe(size)

    def choice(self, items: Sequence[T]) -> T:
        return self._random.choice(items)

    def fraction(self) -> float:
        return self._random.random()

    def bytes(self, size: int) -> bytes:
        return secrets.token_bytes(size)


class SeededChance:
    """The same chance every time, for tests and the demo's sample community."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def token(self, size: int = 16) -> str:
        return self._random.randbytes(size).hex()

    def choice(self, items: Sequence[T]) -> T:
        return self._random.choice(items)

    def fraction(self) -> float:
        return self._random.random()

    def bytes(self, size: int) -> bytes:
        return self._random.randbytes(size)
