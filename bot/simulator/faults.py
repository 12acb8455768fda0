"""Trouble on request: lost, doubled, late and shuffled callbacks; refused, slow and lost answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from bot.chance import Chance

CALLBACK_FAULTS = {
    "drop": "never send it",
    "duplicate": "send it once more after it was acknowledged",
    "reorder": "send it after the next callback of the same door",
    "delay": "send it `seconds` of the world's time later",
}
API_FAULTS = {
    "refuse": "answer `code` and do nothing",
    "error": "answer HTTP 500 and do nothing",
    "cut": "reset the connection before doing anything",
    "lose": "do it, then reset the connection instead of answering",
    "garble": "do it, then answer something that is no JSON",
    "slow": "do it, and answer `seconds` of real time later",
}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One kind of trouble for the next ``times`` matching callbacks or calls.

    ``match`` is a pattern over door names (``app/*``, ``contact``) or API paths (``externalcontact/*``).
    """

    where: str  # "callback" or "api"
    what: str
    match: str = "*"
    times: int = 1
    chance: float = 1.0
    code: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        known = {"callback": CALLBACK_FAULTS, "api": API_FAULTS}.get(self.where)
        if known is None:
            raise ValueError(f"where must be 'callback' or 'api', not {self.where!r}")
        if self.what not in known:
            raise ValueError(f"what must be one of {', '.join(known)}, not {self.what!r}")

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Fault:
        unknown = set(plain) - set(cls.__dataclass_fields__)
        if unknown:
            raise ValueError(f"unknown key {min(unknown)!r}; known are {', '.join(cls.__dataclass_fields__)}")
        return cls(**plain)


class Faults:
    """The trouble still to be made."""

    def __init__(self, chance: Chance, faults: Iterable[Fault] = ()) -> None:
        self._chance = chance
        self._waiting = list(faults)

    def add(self, *faults: Fault) -> None:
        self._waiting.extend(faults)

    def clear(self) -> None:
        self._waiting.clear()

    def take(self, where: str, name: str) -> Fault | None:
        """The trouble for this one callback or call, if any; the first that matches is used up by one."""
        for index, fault in enumerate(self._waiting):
            if fault.where != where or not fnmatchcase(name, fault.match):
                continue
            if fault.chance < 1.0 and self._chance.fraction() >= fault.chance:
                continue
            self._use_up(index, fault)
            return fault
        return None

    def plain(self) -> list[dict[str, Any]]:
        return [asdict(fault) for fault in self._waiting]

    def _use_up(self, index: int, fault: Fault) -> None:
        if fault.times <= 1:
            del self._waiting[index]
        else:
            self._waiting[index] = replace(fault, times=fault.times - 1)
