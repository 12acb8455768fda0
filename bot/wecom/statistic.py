"""Statistics of yesterday and before (developer.work.weixin.qq.com paths 92132 and 92133).

Group numbers come per owner or per day, never per group; days are those of UTC+8, the last 180 of them, 30 at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

from bot.wecom.client import WeComClient
from bot.wecom.paging import rows, word
from bot.wecom.person import person
from sop.errors import Unanswered
from sop.statistic import Level, Statistic

ZONE = timezone(timedelta(hours=8))
OWNERS_AT_ONCE = 100
ROWS_AT_ONCE = 1000
LONGEST_SPAN = timedelta(days=30)


@dataclass(eq=False)
class Statistics:
    """Questions about days that are over."""

    client: WeComClient

    async def of_owners(self, day: date, owners: Sequence[str]) -> tuple[Statistic, ...]:
        """One row for each owner who has groups."""
        found: list[Statistic] = []
        for some in _split(owners):
            body = {**_day(day), "owner_filter": {"userid_list": list(some)}, "order_by": 1, "order_asc": 0}
            found += [_of_owner(day, row) async for row in self._paged(body)]
        return tuple(found)

    async def of_days(self, first: date, last: date, owners: Sequence[str]) -> tuple[Statistic, ...]:
        """One row for each day, of all these owners' groups together."""
        if last - first >= LONGEST_SPAN:
            raise ValueError("at most thirty days at once")
        days: dict[date, dict[str, float]] = {}
        for some in _split(owners):
            span = {"day_begin_time": _midnight(first), "day_end_time": _midnight(last)}
            answer = await self._post(
                "groupchat/statistic_group_by_day", {**span, "owner_filter": {"userid_list": list(some)}}
            )
            for row in rows(answer, "items"):
                _add(days.setdefault(_date(row.get("stat_time")), {}), _figures(row.get("data")))
        return tuple(Statistic(day, Level.DAY, "", figures) for day, figures in sorted(days.items()))

    async def of_staff(self, day: date, staff: str) -> tuple[Statistic, ...]:
        """What one employee's conversations with members came to; asked one by one, as the platform adds them up."""
        body = {"userid": [staff], "start_time": _midnight(day), "end_time": _midnight(day)}
        answer = await self._post("get_user_behavior_data", body)
        return tuple(
            Statistic(_date(row.get("stat_time")), Level.STAFF, staff, _figures(row, besides={"stat_time"}))
            for row in rows(answer, "behavior_data")
        )

    async def _paged(self, body: dict[str, Any]) -> Any:
        offset = 0
        while True:
            answer = await self._post(
                "groupchat/statistic", {**body, "offset": offset, "limit": ROWS_AT_ONCE}
            )
            for row in rows(answer, "items"):
                yield row
            onward = answer.get("next_offset") or 0
            if onward in (0, offset) or onward >= (answer.get("total") or 0):
                return
            if not isinstance(onward, int) or onward < offset:
                raise Unanswered("企业微信的翻页位置不可读")
            offset = onward

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        contact = self.client.credentials.contact()
        return await self.client.post(f"externalcontact/{path}", contact, body)


def _of_owner(day: date, row: dict[str, Any]) -> Statistic:
    return Statistic(day, Level.OWNER, person(word(row, "owner")), _figures(row.get("data")))


def _split(owners: Sequence[str]) -> Iterator[Sequence[str]]:
    return (owners[start : start + OWNERS_AT_ONCE] for start in range(0, len(owners), OWNERS_AT_ONCE))


def _midnight(day: date) -> int:
    return int(datetime.combine(day, time(), ZONE).timestamp())


def _day(day: date) -> dict[str, int]:
    return {"day_begin_time": _midnight(day), "day_end_time": _midnight(day)}


def _date(seconds: object) -> date:
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        raise Unanswered("企业微信的统计没有可读的日期")
    try:
        return datetime.fromtimestamp(seconds, ZONE).date()
    except (OverflowError, OSError, ValueError) as error:
        raise Unanswered("企业微信的统计没有可读的日期") from error


def _figures(told: object, besides: frozenset[str] | set[str] = frozenset()) -> dict[str, float]:
    """The numbers of a row; what is missing stays missing, for nothing told is not zero."""
    if not isinstance(told, Mapping):
        raise Unanswered("企业微信的统计缺少 data")
    return {
        str(name): value
        for name, value in told.items()
        if name not in besides and isinstance(value, int | float) and not isinstance(value, bool)
    }


def _add(sums: dict[str, float], more: Mapping[str, float]) -> None:
    for name, value in more.items():
        sums[name] = sums.get(name, 0) + value
