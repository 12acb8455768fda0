"""Links: who opened one is heard of again, and that is all a click tells."""

from __future__ import annotations

from handlers.context import Context
from handlers.router import Router
from sop.update import Kind, LinkVisited

router = Router("link")


@router.observe(Kind.LINK_VISITED)
def touch(visited: LinkVisited, ctx: Context) -> None:
    """A visitor we know was here; a stranger stays one."""
    if visited.member:
        ctx.tx.members.touch(visited.member, visited.at)
