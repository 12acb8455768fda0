"""The archive: new records wait, so we go and read them."""

from __future__ import annotations

from handlers.context import Context
from handlers.filters import Ticked
from handlers.router import Router
from sop.archive import ArchiveDecided, ArchiveRang, purpose
from sop.update import ClockTicked, Kind
from storage.errand import Errand

router = Router("archive")


@router.observe(Kind.ARCHIVE_RANG)
def read_on_ring(rang: ArchiveRang, ctx: Context) -> None:
    _read(ctx)


@router.observe(Kind.ARCHIVE_DECIDED)
def remember(decided: ArchiveDecided, ctx: Context) -> None:
    """A callback tells that a member agreed; what was decided later, or is read in the archive itself, stays."""
    about = purpose(decided.scope)
    known = ctx.tx.consent.in_force(decided.member, about)
    if known is None or known.at < decided.at:
        ctx.tx.consent.decide(decided.member, decided.agreed, channel="archive", purpose=about)


@router.observe(Kind.CLOCK_TICKED, where=Ticked("archive"))
def read_on_tick(ticked: ClockTicked, ctx: Context) -> None:
    """Only five days can be read back, so nobody waits for a bell."""
    _read(ctx)


def _read(ctx: Context) -> None:
    if ctx.settings.archive:
        ctx.tx.errands.add(Errand(what="archive", whom="all", at=ctx.now))
