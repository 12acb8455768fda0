"""Moments (客户朋友圈): a job, then a task a member of staff confirms, then likes and comments.

developer.work.weixin.qq.com paths 95094 and 93333.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bot.simulator.calls import Answer, Api, Call, Refusal, paged
from bot.simulator.media import ATTACHMENT, known
from bot.simulator.member import staff_named
from bot.simulator.talks import deliver
from bot.simulator.world import Moment, World, moment_talk

MAKING, MADE = 2, 3
JOB_LIFE = timedelta(hours=24)
TEXT_BYTES, TEXT_CHARACTERS = 4000, 2000


def create(call: Call) -> Answer:
    if not call.limits.moment(call.now):
        raise Refusal(45009)
    text = str(call.part("text").get("content") or "")
    attachments = call.body.get("attachments") or []
    if not text and not attachments:
        raise Refusal(44004, "text and attachments")
    if len(text) > TEXT_CHARACTERS or len(text.encode()) > TEXT_BYTES:
        raise Refusal(45002, "text.content")
    _check(call, attachments)
    seen = call.part("visible_range")
    senders = (seen.get("sender_list") or {}).get("user_list") or list(call.world.staff)
    tags = (seen.get("external_contact_list") or {}).get("tag_list") or []
    if unknown := [tag for tag in tags if tag not in call.world.tags]:
        raise Refusal(40068, unknown[0])
    moment = Moment(
        job=call.world.id("jobQX"),
        id=call.world.id("momQX"),
        created=call.now,
        text=text,
        attachments=attachments,
        senders=[staff_named(call.world, str(one)) for one in senders],
        tags=tags,
    )
    call.world.moments[moment.job] = moment
    return {"jobid": moment.job}


def result(call: Call) -> Answer:
    moment = call.world.moments.get(call.text("jobid"))
    if moment is None or call.now >= moment.created + JOB_LIFE:
        raise Refusal(40035, "jobid")
    if call.now < moment.created + timedelta(seconds=call.world.rules.dispatch_s):
        return {"status": MAKING, "type": "add_moment_task"}
    made = {"errcode": 0, "errmsg": "ok", "moment_id": moment.id}
    return {"status": MADE, "type": "add_moment_task", "result": made}


def senders(call: Call) -> Answer:
    moment = _named(call)
    rows = [{"userid": one, "publish_status": int(one in moment.published)} for one in moment.senders]
    page, cursor = paged(rows, call, default=500, most=1000)
    return {"task_list": page, "next_cursor": cursor}


def reactions(call: Call) -> Answer:
    moment, staff = _named(call), staff_named(call.world, call.text("userid"))
    return {
        "comment_list": _rows(call.world, moment.comments.get(staff, [])),
        "like_list": _rows(call.world, moment.likes.get(staff, [])),
    }


def publish(world: World, staff: str, job: str) -> None:
    """The employee confirms: their members can see it now."""
    moment = world.moments[job]
    moment.published[staff] = world.now()
    world.talk(moment_talk(staff), staff, moment.text)
    deliver(world, "moment", staff, moment.text, job=job)


def react(world: World, member: str, staff: str, job: str, *, comment: bool = False) -> None:
    """Somebody likes or comments what an employee published."""
    moment = world.moments[job]
    if staff not in moment.published:
        raise ValueError(f"{staff} has not published {job}")
    where = moment.comments if comment else moment.likes
    where.setdefault(staff, []).append((member, world.now()))


def _named(call: Call) -> Moment:
    wanted = call.text("moment_id")
    found = next((moment for moment in call.world.moments.values() if moment.id == wanted), None)
    if found is None:
        raise Refusal(40035, "moment_id")
    return found


def _check(call: Call, attachments: Any) -> None:
    """Up to nine pictures, or one video, or one link."""
    if not isinstance(attachments, list) or not all(isinstance(one, dict) for one in attachments):
        raise Refusal(40035, "attachments")
    sorts = {str(one.get("msgtype")) for one in attachments}
    if not sorts <= {"image", "video", "link"}:
        raise Refusal(40008)
    if len(sorts) > 1 or len(attachments) > (9 if sorts == {"image"} else 1):
        raise Refusal(40035, "attachments")
    for one in attachments:
        sort = str(one["msgtype"])
        if sort != "link":
            known(call.world, (one.get(sort) or {}).get("media_id"), ATTACHMENT, sort)


def _rows(world: World, found: list[tuple[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"external_userid" if who in world.members else "userid": who, "create_time": int(at.timestamp())}
        for who, at in found
    ]


CALLS = {
    "externalcontact/add_moment_task": Api("POST", create),
    "externalcontact/get_moment_task_result": Api("GET", result),
    "externalcontact/get_moment_task": Api("POST", senders),
    "externalcontact/get_moment_comments": Api("POST", reactions),
}
