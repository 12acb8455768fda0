"""What the platform tells about itself: operators hear what is about to stop, and what runs again."""

from __future__ import annotations

from handlers.alarm import tell_operators
from handlers.context import Context
from handlers.router import Router
from sop.notice import PlatformTold, concern_of
from sop.update import Kind

router = Router("notice")


@router.observe(Kind.PLATFORM_TOLD)
def warn(told: PlatformTold, ctx: Context) -> None:
    """Once for each piece of news, however often it is told."""
    concern = concern_of(told, ctx.settings.zone)
    if concern is not None:
        tell_operators(
            f"notice:{concern.key}",
            concern.text,
            "企业微信的平台通知",
            ctx,
            ends=[f"notice:{end}" for end in concern.ends],
        )
