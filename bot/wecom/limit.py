"""How often the platform lets itself be asked (developer.work.weixin.qq.com path 90454).

The limits of one address are twice as wide as those of one corp and so never the narrower ones.
The first demand of each list names what an error 45009 blocks. Limits without a published number are the
platform's to tell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from bot.wecom.person import person
from sop import quota
from storage.shared import Demand, Limit

EVERYBODY = "@all"
MINUTE_S, HOUR_S, DAY_S, MONTH_S = 60.0, 3600.0, 86_400.0, 30 * 86_400.0


def _limit(of: quota.Quota) -> Limit:
    return Limit(of.most, of.within.total_seconds())


CORP = (Limit(10_000, MINUTE_S), Limit(150_000, HOUR_S))  # of one API by one corp
RECEIVER = (Limit(24, MINUTE_S), Limit(900, HOUR_S))  # of 30 and 1000 app messages one employee is shown
EVERYONE = (
    Limit(6, MINUTE_S),
    Limit(100, HOUR_S),
)  # the rest of them, kept for what goes to all; excess is dropped
PUSHES_PER_ACCOUNT = 200  # person-times a day of one app, for each account the corp may have
ARCHIVE = (Limit(4000, MINUTE_S),)  # pulls of the archive
WEBHOOK = (_limit(quota.WEBHOOK),)
APPCHAT = (Limit(20_000, MINUTE_S), Limit(150_000, HOUR_S))  # person-times; larger corps have more an hour
READER = (
    _limit(quota.READER_MINUTE),
    _limit(quota.READER_DAY),
)  # of one member in our groups; excess is dropped
APPCHAT_CHANGES = {"appchat/create": Limit(1000, DAY_S), "appchat/update": Limit(1000, HOUR_S)}
MOMENTS = (Limit(10, MINUTE_S), Limit(100_000, MONTH_S))
PICTURES = (Limit(1000, DAY_S), Limit(3000, MONTH_S))  # images that stay for good
UNTOKENED = (
    Limit(10, MINUTE_S),
)  # kf/sync_msg without the doorbell's token: "heavily limited", no number given


CONVERSATION = (Limit(30, MINUTE_S), Limit(1000, HOUR_S))  # what one 智能机器人 says in one conversation


def of_corp(path: str) -> list[Demand]:
    return [Demand(f"api:{path}:{limit.seconds:.0f}", limit) for limit in CORP]


def of_receivers(app: str, staff: Sequence[str], accounts: int = 0) -> list[Demand]:
    """App messages have limits of their own instead of the corp's.

    Only with the number of ``accounts`` known is the app's day counted here; else the platform tells when it is used up.
    """
    whole = Demand(f"push:{app}", CORP[0], len(staff))
    day = (
        [Demand(f"push:{app}:day", Limit(accounts * PUSHES_PER_ACCOUNT, DAY_S), len(staff))]
        if accounts
        else []
    )
    return [whole, *day, *(demand for one in staff for demand in _of_receiver(app, one))]


def spent_on(app: str, staff: str, window: float, count: int) -> list[Demand]:
    """What ``count`` app messages of the last ``window`` seconds have taken already."""
    return [
        Demand(one.key, one.limit, count) for one in _of_receiver(app, staff) if one.limit.seconds == window
    ]


def _of_receiver(app: str, one: str) -> list[Demand]:
    """One employee is one, however their id is written."""
    name, limits = (EVERYBODY, EVERYONE) if one == EVERYBODY else (person(one), RECEIVER)
    return [Demand(f"push:{app}:{name}:{limit.seconds:.0f}", limit) for limit in limits]


def of_webhook(mark: str) -> list[Demand]:
    return [Demand(f"webhook:{mark}", limit) for limit in WEBHOOK]


def mark_of(key: str) -> str:
    """A name for a webhook that tells nothing of its key."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def of_appchat(app: str, people: int) -> list[Demand]:
    """A message into an internal group counts once for each who reads it.

    Somebody may sit in all our groups, so all of them share what one reader is shown.
    """
    each = [Demand(f"appchat:{app}:reader:{limit.seconds:.0f}", limit) for limit in READER]
    return [*(Demand(f"appchat:{app}:{limit.seconds:.0f}", limit, people) for limit in APPCHAT), *each]


def of_appchat_change(path: str) -> list[Demand]:
    return [Demand(f"api:{path}", APPCHAT_CHANGES[path])]


def of_moments() -> list[Demand]:
    return [Demand(f"moment:{limit.seconds:.0f}", limit) for limit in MOMENTS]


def of_pictures() -> list[Demand]:
    return [Demand(f"picture:{limit.seconds:.0f}", limit) for limit in PICTURES]


def of_archive() -> list[Demand]:
    return [Demand("archive", limit) for limit in ARCHIVE]


def of_untokened(account: str) -> list[Demand]:
    return [Demand(f"sync:{account}", limit) for limit in UNTOKENED]


def of_conversation(bot: str, chat: str) -> list[Demand]:
    return [Demand(f"aibot:{bot}:{chat}:{limit.seconds:.0f}", limit) for limit in CONVERSATION]
