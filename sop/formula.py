"""The numbers of the engagement score, as versioned data: a changed number is another version, compared before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sop.errors import Misconfigured


@dataclass(frozen=True, kw_only=True)
class Formula:
    """Every number the score is made of; a changed number is another version."""

    version: str = "1"
    weights: tuple[tuple[str, float], ...] = (
        ("breadth", 0.45),
        ("momentum", 0.20),
        ("newcomers", 0.15),
        ("depth", 0.10),
        ("rhythm", 0.05),
        ("reciprocity", 0.05),
    )
    window: int = 28  # days
    fade: float = 7.0  # days in which what somebody did is worth half
    rhythm_fade: float = 14.0
    full_breadth: float = 50.0  # people, all of them here yesterday
    newcomer_room: float = 3.0  # newcomers add at most this, or as much as the regulars
    judged_after: int = 0  # days a newcomer must have been here before we ask whether they stay
    stayed_after: int = 1  # days between their first and last visit that count as staying
    calm: float = 0.1  # keeps the momentum of a silent group steady
    full_depth: float = 3.0  # doublings of active days per member
    flood_from: int = 30  # messages of one member on one day
    flood_turn: float = 10.0
    flood_different: float = 0.3
    flood_alone: int = 200
    flood_share: float = 3.0
    flood_others: int = 20
    one_person_from: int = 100
    one_person_share: float = 0.5
    least_members: int = 3
    least_messages: int = 10
    least_observed: int = 24


STANDARD = Formula()
CANDIDATE = Formula(
    version="2",
    weights=(
        ("breadth", 0.55),
        ("momentum", 0.15),
        ("newcomers", 0.20),
        ("depth", 0.05),
        ("rhythm", 0.025),
        ("reciprocity", 0.025),
    ),
    newcomer_room=5.0,
    judged_after=7,
    stayed_after=7,
)  # foretells better on rooms it was not chosen on, and is harder to game; to be watched beside the standard one first
FORMULAS: dict[str, Formula] = {formula.version: formula for formula in (STANDARD, CANDIDATE)}


def reweighed(formula: Formula, told: Mapping[str, float]) -> Formula:
    """A formula with other weights for some parts, all scaled to add up to one; for comparing, never kept."""
    if not told:
        return formula
    weights = {**dict(formula.weights), **told}
    unknown = sorted(told.keys() - dict(formula.weights).keys())
    if unknown or min(weights.values()) < 0 or not 0 < sum(weights.values()) < float("inf"):
        raise Misconfigured(
            f"The weights {dict(told)} cannot be used.",
            remedy=f"Name some of {', '.join(dict(formula.weights))}, each with a number of 0 or more, like breadth=0.6.",
        )
    total = sum(weights.values())
    scaled = tuple((part, weight / total) for part, weight in weights.items())
    return replace(formula, version=f"{formula.version}*", weights=scaled)
