"""Tags that changed are written to the platform too, on every friendship; tags edited there are asked for again."""

from __future__ import annotations

from handlers.context import Context
from handlers.router import Router
from sop.update import Kind, TagChanged, TagEdited
from storage.errand import Errand

router = Router("tag")

THEIRS = "在企业微信里打的标签"  # came from the platform: nothing to write back


@router.observe(Kind.TAG_CHANGED)
def mark(changed: TagChanged, ctx: Context) -> None:
    """Our own marks make no callback, so there is no echo to break."""
    if changed.reason.endswith(THEIRS):
        return
    for friend in ctx.tx.members.friends(changed.member):
        ctx.tx.errands.add(
            Errand(
                what="mark",
                whom=f"{changed.member}:{friend.staff}:{changed.tag}"[:160],
                data={
                    "member": changed.member,
                    "staff": friend.staff,
                    "tag": changed.tag,
                    "added": changed.added,
                },
                at=ctx.now,
            )
        )


@router.observe(Kind.TAG_EDITED)
def edited(told: TagEdited, ctx: Context) -> None:
    """A deleted corporate tag loses its number; what members are stays what it was."""
    if told.change == "delete" and told.what == "tag":
        ctx.tx.tags.forget_platform_id(told.tag)
    else:
        ctx.tx.errands.add(Errand(what="tags", whom="all", at=ctx.now))
