"""Group-send tasks (企业群发): what became of them, and what can still be done about them.

The platform never tells by itself; it is asked (developer.work.weixin.qq.com path 93338).
"""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.gateway import Parcel
from bot.wecom import payload
from bot.wecom.client import WeComClient
from bot.wecom.person import person
from sop.receipt import Outcome
from sop.update import TaskReported

CONFIRMED = 2
OUTCOMES = {1: Outcome.DELIVERED, 2: Outcome.NOT_FRIEND, 3: Outcome.QUOTA_USED}
SLACK_S = 60  # clocks differ
FRESH_S = 20  # so long a list of tasks may be shared
Content = tuple[str, tuple[tuple[str, ...], ...]]


@dataclass(eq=False)
class _Listing:
    """The tasks of one kind that were made since ``start``, as listed ``at`` (both in seconds)."""

    start: int = sys.maxsize
    at: int = 0
    tasks: list[tuple[int, Content, str]] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(eq=False)
class Tasks:
    """Group-send tasks as the platform sees them."""

    client: WeComClient
    _listings: dict[str, _Listing] = field(default_factory=lambda: defaultdict(_Listing))

    async def report(self, task: str, sender: str) -> TaskReported:
        """Whether ``sender`` has confirmed, and then each recipient's outcome."""
        confirmed = await self._confirmed(task, sender)
        results = await self._results(task, sender) if confirmed else ()
        return TaskReported(
            at=self.client.clock.now(),
            task=task,
            sender=sender,
            confirmed=confirmed,
            results=results,
        )

    async def find(self, parcel: Parcel, since: datetime) -> str | None:
        """The one task equal to ``parcel`` created since then; None when none or more than one could be."""
        found = [number async for number in self._alike(parcel, since) if await self._is_for(number, parcel)]
        return found[0] if len(found) == 1 else None

    async def remind(self, task: str) -> None:
        await self._post("remind_groupmsg_send", {"msgid": task})

    async def cancel(self, task: str) -> None:
        await self._post("cancel_groupmsg_send", {"msgid": task})

    # ------------------------------------------------------------ asking

    async def _confirmed(self, task: str, sender: str) -> bool:
        async for row in self._pages("get_groupmsg_task", {"msgid": task, "limit": 1000}, "task_list"):
            if person(str(row["userid"])) == person(sender):
                return int(row.get("status", 0)) == CONFIRMED
        return False

    async def _results(self, task: str, sender: str) -> tuple[tuple[str, str, int], ...]:
        rows = [row async for row in self._rows(task, sender)]
        return tuple(_result(row) for row in rows)

    def _rows(self, task: str, sender: str) -> AsyncIterator[dict[str, Any]]:
        body = {"msgid": task, "userid": sender, "limit": 1000}
        return self._pages("get_groupmsg_send_result", body, "send_list")

    async def _alike(self, parcel: Parcel, since: datetime) -> AsyncIterator[str]:
        wanted = _content(payload.mass_body(parcel, _Anything()))
        start = int(since.timestamp()) - SLACK_S
        for made_at, content, number in await self._made(
            "group" if parcel.audience == "group" else "single", start
        ):
            if content == wanted and made_at >= start:
                yield number

    async def _made(self, chat_type: str, start: int) -> list[tuple[int, Content, str]]:
        """The tasks made since then; whoever looks in the same moments shares one list, however many look."""
        listing, now = self._listings[chat_type], int(self.client.clock.now().timestamp())
        async with listing.lock:
            if not listing.start <= start or now - listing.at > FRESH_S:
                body = {
                    "chat_type": chat_type,
                    "start_time": start,
                    "end_time": now + SLACK_S,
                    "filter_type": 0,
                    "limit": 100,
                }
                pages = self._pages("get_groupmsg_list_v2", body, "group_msg_list")
                listing.tasks = [
                    (int(task.get("create_time") or 0), _content(task), str(task["msgid"]))
                    async for task in pages
                ]
                listing.start, listing.at = start, now
            return listing.tasks

    async def _is_for(self, task: str, parcel: Parcel) -> bool:
        """Whether its sender is ours and nobody outside ``parcel`` gets it; groups show only once sent."""
        page = self._pages("get_groupmsg_task", {"msgid": task, "limit": 1000}, "task_list")
        senders = {person(str(row["userid"])) async for row in page}
        if parcel.sender and person(parcel.sender) not in senders:
            return False
        recipients = (
            {_recipient(row) async for row in self._rows(task, parcel.sender)} if parcel.sender else set()
        )
        if parcel.audience == "group":
            return recipients <= set(parcel.recipients)
        return recipients == set(parcel.recipients) or not parcel.sender

    async def _pages(self, path: str, body: dict[str, Any], field: str) -> AsyncIterator[dict[str, Any]]:
        cursor = ""
        while True:
            answer = await self._post(path, {**body, "cursor": cursor} if cursor else body)
            for row in answer.get(field) or ():
                yield row
            cursor = str(answer.get("next_cursor") or "")
            if not cursor:
                return

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        contact = self.client.credentials.contact()
        return await self.client.post(f"externalcontact/{path}", contact, body)


def _result(row: dict[str, Any]) -> tuple[str, str, int]:
    outcome = OUTCOMES.get(int(row.get("status", 0)), Outcome.UNSENT)
    return _recipient(row), str(outcome), int(row.get("send_time") or 0)


def _recipient(row: dict[str, Any]) -> str:
    return str(row.get("external_userid") or row.get("chat_id") or "")


class _Anything(dict[Any, str]):
    """Stands for files' numbers where only what a task says is compared."""

    def __missing__(self, file: Any) -> str:
        return "any"


def _content(body: dict[str, Any]) -> Content:
    """What a task says, for comparing: its text, and of attachments what the platform does not rename."""
    text = str((body.get("text") or {}).get("content") or "")
    return text.strip(), tuple(_attachment(one) for one in body.get("attachments") or ())


def _attachment(attachment: dict[str, Any]) -> tuple[str, ...]:
    sort = str(attachment.get("msgtype"))
    shown = attachment.get(sort) or {}
    return sort, *(str(shown.get(field) or "") for field in ("title", "url", "appid", "page"))
