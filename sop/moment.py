"""Moments 朋友圈: what an employee posts for their members to see, and how members react."""

from __future__ import annotations

from dataclasses import dataclass

from sop.update import Kind, Update


@dataclass(frozen=True, kw_only=True)
class MomentReported(Update):
    """The platform's account of a moment: whether its sender published it, which members liked it and who commented.

    ``liked`` and ``commented`` are members and unix seconds.
    """

    kind = Kind.MOMENT_REPORTED
    job: str
    moment: str
    sender: str
    published: bool
    liked: tuple[tuple[str, int], ...] = ()
    commented: tuple[tuple[str, int], ...] = ()
