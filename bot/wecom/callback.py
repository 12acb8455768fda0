"""The door WeCom knocks at: is it WeCom, is it for us, is it fresh?

Whatever is wrong, the refusal is the same. Pure functions over a query and a body; nothing is parsed before
the signature is known to be good, and no XML parser is involved at all: the sealed text is found by its tags.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bot.cipher import Cipher
from sop.errors import Forged, Malformed

LARGEST_BODY = 256 * 1024
FRESH_S = 24 * 3600.0
SLOT_S = 10.0

_OPENS, _CLOSES = b"<Encrypt>", b"</Encrypt>"
_NUMBER = re.compile(r"[0-9]{1,12}")


@dataclass(eq=False)
class Freshness:
    """Refuses messages signed more than a day ago, unless so many are that our clock must be wrong.

    When more than a fifth of at least ``enough`` callbacks within ``window_s`` look stale, they are taken
    (the inbox knows repeats), and ``suspects_clock`` is the alarm to raise.
    """

    limit_s: float = FRESH_S
    window_s: float = 600.0
    enough: int = 100
    share: float = 0.2
    _slots: deque[_Slot] = field(default_factory=deque, repr=False)
    _total: int = 0
    _stale: int = 0

    def admits(self, timestamp: int, now: datetime) -> bool:
        """Whether a signed message of ``timestamp`` (unix seconds) is to be taken; every call is counted."""
        instant = now.timestamp()
        stale = abs(instant - timestamp) > self.limit_s
        if not self._slots or not 0 <= instant - self._slots[-1].start < SLOT_S:
            self._begin_slot(instant)
        self._count(self._slots[-1], stale)
        return not stale or self.suspects_clock

    @property
    def suspects_clock(self) -> bool:
        """True while too many good signatures look stale; tell the operator to check the machine's clock."""
        return self._total >= self.enough and self._stale > self.share * self._total

    def _count(self, slot: _Slot, stale: bool) -> None:
        slot.total += 1
        self._total += 1
        if stale:
            slot.stale += 1
            self._stale += 1

    def _begin_slot(self, instant: float) -> None:
        while self._slots and not -SLOT_S <= instant - self._slots[0].start <= self.window_s:
            gone = self._slots.popleft()
            self._total -= gone.total
            self._stale -= gone.stale
        self._slots.append(_Slot(instant - instant % SLOT_S))


@dataclass(eq=False)
class _Slot:
    """Ten seconds of callbacks, counted."""

    start: float
    total: int = 0
    stale: int = 0


def verify(cipher: Cipher, query: Mapping[str, str]) -> bytes:
    """What to answer, byte for byte, when WeCom verifies the address; it has no freshness limit."""
    sealed = _given(query, "echostr").replace(" ", "+")  # a proxy may have decoded + once too often
    _checked(cipher, query, sealed)
    return cipher.open(sealed)


def open_post(
    cipher: Cipher, query: Mapping[str, str], body: bytes, *, freshness: Freshness, now: datetime
) -> bytes:
    """The decrypted body of a callback; ``Malformed`` when not from WeCom, not for us or not of today."""
    if len(body) > LARGEST_BODY:
        raise Malformed("body is too large")
    return opened(cipher, query, _sealed(body), freshness=freshness, now=now)


def opened(
    cipher: Cipher, query: Mapping[str, str], sealed: str | bytes, *, freshness: Freshness, now: datetime
) -> bytes:
    """What is inside a sealed text that came with this query."""
    timestamp = _checked(cipher, query, sealed)
    message = cipher.open(sealed)
    if not _NUMBER.fullmatch(timestamp) or not freshness.admits(int(timestamp), now):
        raise Forged("signed too long ago")
    return message


def _sealed(body: bytes) -> bytes:
    start, end = body.find(_OPENS), body.find(_CLOSES)
    if not 0 <= start < end:
        raise Malformed("body holds nothing sealed")
    inner = body[start + len(_OPENS) : end].strip()
    if inner.startswith(b"<![CDATA[") and inner.endswith(b"]]>"):
        inner = inner[9:-3].strip()
    return inner


def _checked(cipher: Cipher, query: Mapping[str, str], sealed: str | bytes) -> str:
    """The timestamp, which the signature covers with all the rest."""
    timestamp = _given(query, "timestamp")
    if not cipher.verified(_given(query, "msg_signature"), timestamp, _given(query, "nonce"), sealed):
        raise Forged("signature does not match")
    return timestamp


def _given(query: Mapping[str, str], name: str) -> str:
    value = query.get(name, "")
    if not value:
        raise Malformed(f"query lacks {name}")
    return value


# ---------------------------------------------------------------- lanes

_LANES = tuple(
    re.compile(rb"<%s>\s*(?:<!\[CDATA\[)?([^<>\]\s\x00]{1,128})" % name)
    for name in (b"ChatId", b"ExternalUserID", b"FromUserName", b"OpenKfId")
)


def lane_of(door: str, body: bytes) -> str:
    """Whose events wait behind this one: a group's, a member's, a staff member's, an account's or the door's.

    A cheap look at the decrypted body, not a parse: a wrong guess costs order, never truth.
    """
    scanned = _without_talk(body)
    for pattern in _LANES if b"<Event>" in scanned else _LANES[2:3]:
        found = pattern.search(scanned)
        if found is not None and found[1] != b"sys":
            name = found[1].decode("utf-8", "replace")
            return name.lower() if pattern is _LANES[2] else name
    return door


def _without_talk(body: bytes) -> bytes:
    """The body without what a person typed, which could look like anything."""
    before, opened, rest = body.partition(b"<Content>")
    return before + rest.rpartition(b"</Content>")[2] if opened else body
