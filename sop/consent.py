"""Consent 同意: what a member allowed us to send, and how they say so."""

from __future__ import annotations

import unicodedata
from enum import StrEnum

MARKETING = "marketing"
WORDING = "1"  # version of the text below; a changed text asks again
NOTICE = "我们会不定期发送活动和内容，回复“退订”随时停止。"

STOP_WORDS = frozenset({"退订", "我要退订", "td", "取消订阅", "不要再发了", "别再发了", "停止推送"})
START_WORDS = frozenset({"订阅", "恢复订阅", "重新订阅", "继续接收"})
WHY_WORDS = frozenset({"为什么发给我", "为什么给我发", "为啥发给我", "为什么收到这个"})


class Consent(StrEnum):
    """What a member said of marketing messages; joining with the notice in sight leaves it unasked."""

    UNASKED = "unasked"
    GRANTED = "granted"
    REFUSED = "refused"

    @property
    def allows_marketing(self) -> bool:
        return self is not Consent.REFUSED


class Wish(StrEnum):
    """What a few plain words from a member ask of us."""

    STOP = "stop"
    START = "start"
    WHY = "why"


def wish(text: str) -> Wish | None:
    """The wish behind a member's words, None when they are about something else; only the whole text counts."""
    said = unicodedata.normalize("NFKC", text).strip().strip("。.!?~,").strip().casefold()
    if said in STOP_WORDS:
        return Wish.STOP
    if said in START_WORDS:
        return Wish.START
    return Wish.WHY if said in WHY_WORDS else None
