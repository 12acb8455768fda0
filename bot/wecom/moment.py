"""Moments (客户朋友圈): a task a member of staff must confirm, and who liked or commented afterwards.

developer.work.weixin.qq.com paths 95094 and 93333. Making a task takes a while: first there is a job, then a moment.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from bot.wecom import limit
from bot.wecom.client import WeComClient
from bot.wecom.person import person
from bot.wecom.words import Body
from sop.errors import Busy, Refused, Unanswered
from sop.moment import MomentReported

DONE = 3
PUBLISHED = 1
ASK_AGAIN_S = 30.0


@dataclass(eq=False)
class Moments:
    client: WeComClient

    async def create(self, body: Body) -> str:
        """The job that makes the task; nobody sees anything before staff confirm."""
        contact = self.client.credentials.contact()
        answer = await self.client.post(
            "externalcontact/add_moment_task", contact, body, demands=limit.of_moments()
        )
        job = answer.get("jobid")
        if not job:
            raise Unanswered("企业微信没有给出朋友圈任务编号")
        return str(job)

    async def report(self, job: str, moment: str, sender: str) -> MomentReported:
        """What became of a moment: does it exist, did ``sender`` publish it, who liked and who commented."""
        moment = moment or await self._made(job)
        published = await self._published(moment, sender)
        liked, commented = await self._reactions(moment, sender) if published else ((), ())
        return MomentReported(
            at=self.client.clock.now(),
            job=job,
            moment=moment,
            sender=sender,
            published=published,
            liked=liked,
            commented=commented,
        )

    async def _made(self, job: str) -> str:
        answer = await self._get("get_moment_task_result", jobid=job)
        if int(answer.get("status") or 0) != DONE:
            raise Busy("朋友圈任务还在创建中", retry_after=ASK_AGAIN_S)
        result = answer.get("result") or {}
        number = result.get("moment_id")
        if not number:
            code = int(result.get("errcode") or 0)
            raise Refused(f"朋友圈任务没有建成：{str(result.get('errmsg') or '')[:100]}", code=code)
        return str(number)

    async def _published(self, moment: str, sender: str) -> bool:
        async for row in self._tasks(moment):
            if person(str(row.get("userid") or "")) == person(sender):
                return int(row.get("publish_status") or 0) == PUBLISHED
        return False

    async def _tasks(self, moment: str) -> AsyncIterator[dict[str, Any]]:
        cursor = ""
        while True:
            body = {"moment_id": moment, "limit": 1000, **({"cursor": cursor} if cursor else {})}
            answer = await self._post("get_moment_task", body)
            for row in answer.get("task_list") or ():
                yield row
            cursor = str(answer.get("next_cursor") or "")
            if not cursor:
                return

    async def _reactions(self, moment: str, sender: str) -> tuple[tuple[tuple[str, int], ...], ...]:
        answer = await self._post("get_moment_comments", {"moment_id": moment, "userid": sender})
        return _members(answer.get("like_list")), _members(answer.get("comment_list"))

    async def _post(self, path: str, body: Body) -> dict[str, Any]:
        return await self.client.post(f"externalcontact/{path}", self.client.credentials.contact(), body)

    async def _get(self, path: str, **query: str) -> dict[str, Any]:
        return await self.client.get(f"externalcontact/{path}", self.client.credentials.contact(), **query)


def _members(rows: Any) -> tuple[tuple[str, int], ...]:
    """Who of the members it was, and when; staff react too, and are left out."""
    return tuple(
        (str(row["external_userid"]), int(row.get("create_time") or 0))
        for row in rows or ()
        if row.get("external_userid")
    )
