"""Time zones 时区: whose clock somebody lives by, named as the IANA database names them (Asia/Shanghai)."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

LONGEST = 48
EXAMPLE = "Asia/Shanghai"


def is_zone(name: str) -> bool:
    """Whether clocks can go by this name; abbreviations like CST, which mean several zones, are none."""
    if not name or len(name) > LONGEST or not ("/" in name or name == "UTC"):
        return False
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def nearest(name: str) -> str:
    """The real name that looks most like this one; an example when none does."""
    known, wanted = _known(), name.strip().replace(" ", "_").casefold()
    if found := get_close_matches(wanted, known, n=1, cutoff=0.6):
        return known[found[0]]
    places = {zone.rpartition("/")[2].casefold(): zone for zone in known.values()}
    if found := get_close_matches(wanted.rpartition("/")[2], places, n=1, cutoff=0.7):
        return places[found[0]]
    return EXAMPLE


@cache
def _known() -> dict[str, str]:
    """Names in small letters, and as they are written; in their order, so that the same mistake gets the same answer."""
    return {name.casefold(): name for name in sorted(available_timezones()) if is_zone(name)}
