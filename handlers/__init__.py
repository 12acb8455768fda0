"""How we react. The routers in order: the table of contents of what the bot does.

The log comes first, so that every fact is recorded before anybody reacts to it; the fallback comes last.
"""

from __future__ import annotations

from collections.abc import Sequence

from handlers import (
    activity,
    archive,
    audience,
    consent,
    coupon,
    day,
    engagement,
    fallback,
    finish,
    goal,
    group,
    guard,
    guest,
    hour,
    interaction,
    journey,
    kf,
    member,
    message,
    moment,
    notice,
    operator,
    staff,
    statistic,
    tag,
    template,
    tier,
    version,
    why,
)
from handlers.router import Router

ROUTERS: Sequence[Router] = (
    member.router,  # friends come and go
    group.router,  # groups, and who sits in them
    activity.router,  # every update is logged
    guest.router,  # visitors who are not members yet
    tag.router,  # tags go to the platform
    tier.router,  # who moves up, and why
    audience.router,  # who belongs to what the clock starts
    template.router,  # what starts journeys
    journey.router,  # what goes on, and what ends
    finish.router,  # what follows when all is said
    goal.router,  # who reaches what it was for
    version.router,  # who walks which version
    interaction.router,  # polls, light interactions, check-ins
    coupon.router,  # codes
    consent.router,  # 退订, 订阅
    why.router,  # 为什么发给我
    message.router,  # what became of what we said
    guard.router,  # what stops a template that does harm
    moment.router,  # what staff publish, and who likes it
    engagement.router,  # scores and alarms
    hour.router,  # when people read
    operator.router,  # what operators do by hand
    staff.router,  # what staff ask the app
    kf.router,  # 微信客服
    archive.router,  # what was said in groups
    notice.router,  # what the platform says of itself
    day.router,  # housekeeping
    statistic.router,  # what the platform counts
    fallback.router,  # what nobody else answered
)
