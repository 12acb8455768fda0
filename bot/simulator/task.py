"""Mass sends (企业群发): the API creates a task, staff confirm it, each recipient has a result of their own.

Nothing reaches anybody before the confirmation (developer.work.weixin.qq.com paths 92135 and 93338).
"""

from __future__ import annotations

from calendar import monthrange
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bot.simulator.calls import Answer, Api, Call, Refusal, content_of, paged
from bot.simulator.media import check_attachments
from bot.simulator.member import staff_named
from bot.simulator.talks import deliver, say_in_group, show
from bot.simulator.world import Friendship, SendRow, Task, World, friend_talk

UNSENT, SENT, NOT_FRIEND, QUOTA_USED = 0, 1, 2, 3
UNCONFIRMED, CONFIRMED = 0, 2
REMINDERS, REMINDERS_H = 3, 24
CHINA = ZoneInfo("Asia/Shanghai")


def create(call: Call) -> Answer:
    text, attachments = content_of(call)
    check_attachments(call.world, attachments)
    chat_type = call.text("chat_type", default="single")
    if chat_type not in ("single", "group"):
        raise Refusal(40035, "chat_type")
    rows, failed = _group_rows(call) if chat_type == "group" else _single_rows(call)
    if not rows:
        raise Refusal(41048)
    task = Task(
        id=call.world.id("msgQX"),
        to_groups=chat_type == "group",
        created=call.now,
        text=text,
        attachments=attachments,
        rows=rows,
        by=call.holder.name,
    )
    call.world.tasks[task.id] = task
    return {"fail_list": failed, "msgid": task.id}


def listing(call: Call) -> Answer:
    start, end = (call.number("start_time", default=0), call.number("end_time", default=0))
    if not start < end or end - start > 31 * 86400:
        raise Refusal(40035, "start_time and end_time")
    to_groups = call.text("chat_type") == "group"
    found = [
        task
        for task in call.world.tasks.values()
        if task.to_groups == to_groups and start <= int(task.created.timestamp()) <= end
    ]
    page, cursor = paged([_listed(task) for task in found], call, default=50, most=100)
    return {"group_msg_list": page, "next_cursor": cursor}


def senders(call: Call) -> Answer:
    task = _dispatched(call)
    everyone: list[dict[str, Any]] = []
    for staff in task.rows:
        confirmed = task.confirmed.get(staff)
        row: dict[str, Any] = {"userid": staff, "status": CONFIRMED if confirmed else UNCONFIRMED}
        if confirmed:
            row["send_time"] = int(confirmed.timestamp())
        everyone.append(row)
    page, cursor = paged(everyone, call, default=500, most=1000)
    return {"task_list": page, "next_cursor": cursor}


def results(call: Call) -> Answer:
    task = _dispatched(call)
    staff = staff_named(call.world, call.text("userid"))
    rows = [row for row in task.rows.get(staff, []) if not task.to_groups or row.status == SENT]
    page, cursor = paged([_result(task, row) for row in rows], call, default=500, most=1000)
    return {"send_list": page, "next_cursor": cursor}


def remind(call: Call) -> Answer:
    task = _dispatched(call)
    if task.cancelled:
        raise Refusal(41093)
    day_ago = call.now - timedelta(hours=REMINDERS_H)
    if sum(1 for at in task.reminders if at > day_ago) >= REMINDERS:
        raise Refusal(41094)
    task.reminders.append(call.now)
    return {}


def cancel(call: Call) -> Answer:
    task = _dispatched(call)
    if task.cancelled:
        raise Refusal(41093)
    task.cancelled = call.now
    return {}


def dispatched(world: World, task: Task) -> bool:
    """Whether the task has reached its senders' phones."""
    return world.now() >= task.created + timedelta(seconds=world.rules.dispatch_s)


def waiting_for(world: World, staff: str) -> list[Task]:
    """Tasks this sender has still to confirm."""
    return [
        task
        for task in world.tasks.values()
        if staff in task.rows
        and staff not in task.confirmed
        and not task.cancelled
        and dispatched(world, task)
    ]


def confirm(world: World, task: Task, staff: str) -> list[SendRow]:
    """The sender taps 确认发送: what can go out goes out now, and every row gets its result."""
    now = world.now()
    task.confirmed[staff] = now
    for row in task.rows[staff]:
        row.status = _fate(world, task, row)
        if row.status == SENT:
            row.at = now
            world.delivered[row.recipient].append(now)
            _reach(world, task, row)
    return task.rows[staff]


def quota_left(world: World, recipient: str) -> int:
    """How many more mass sends this member or group can get in the running month, week or day."""
    local = world.now().astimezone(CHINA)
    start = local.replace(hour=0, minute=0, second=0, microsecond=0)
    most = 1
    if world.rules.quota == "month":
        start, most = start.replace(day=1), monthrange(local.year, local.month)[1]
    elif world.rules.quota == "week":
        start, most = start - timedelta(days=local.weekday()), 7
    return most - sum(1 for at in world.delivered[recipient] if at >= start)


def _fate(world: World, task: Task, row: SendRow) -> int:
    if task.to_groups:
        group = world.groups.get(row.recipient)
        if group is None or group.dismissed or group.owner != row.staff:
            return UNSENT
    else:
        bond = world.friendships.get((row.staff, row.recipient))
        if bond is None or bond.one_way or bond.half:
            return NOT_FRIEND
    return SENT if quota_left(world, row.recipient) > 0 else QUOTA_USED


def _reach(world: World, task: Task, row: SendRow) -> None:
    if task.to_groups:
        say_in_group(world, row.recipient, row.staff, task.text, task.attachments, task=task.id)
    else:
        talk = friend_talk(row.staff, row.recipient)
        show(world, talk, row.staff, task.text, task.attachments, task=task.id)
    deliver(world, "group_send", row.recipient, task.text, staff=row.staff, task=task.id)


def _group_rows(call: Call) -> tuple[dict[str, list[SendRow]], list[str]]:
    sender = staff_named(call.world, call.text("sender"))
    owned = [
        group.id for group in call.world.groups.values() if group.owner == sender and not group.dismissed
    ]
    wanted = list(dict.fromkeys(call.texts("chat_id_list", most=2000))) or owned
    reachable = [chat for chat in wanted if chat in owned]
    rows = {sender: [SendRow(chat, sender) for chat in reachable]} if reachable else {}
    return rows, [chat for chat in wanted if chat not in owned]


def _single_rows(call: Call) -> tuple[dict[str, list[SendRow]], list[str]]:
    world = call.world
    wanted = list(dict.fromkeys(call.texts("external_userid", most=10_000)))
    sender = call.text("sender", default="")
    tagged = call.part("tag_filter").get("group_list") or []
    if not (wanted or sender or tagged):
        raise Refusal(40035, "sender, external_userid and tag_filter are all empty")
    staff = staff_named(world, sender) if sender else ""
    failed = [member for member in wanted if member not in world.members]
    rows: dict[str, list[SendRow]] = {}
    for who, member in _pairs(world, staff, [m for m in wanted if m in world.members], bool(wanted), tagged):
        rows.setdefault(who, []).append(SendRow(member, who))
    return rows, failed


def _pairs(
    world: World, staff: str, members: list[str], named: bool, tagged: list[dict[str, Any]]
) -> list[tuple[str, str]]:
    if named and staff:
        return [(staff, member) for member in members]
    if named:
        return [(bonds[-1].staff, member) for member in members if (bonds := _whole(world.followers(member)))]
    pairs: dict[str, str] = {}
    for bond in _whole(list(world.friendships.values())):
        if (not staff or bond.staff == staff) and all(_has_any(bond, group) for group in tagged):
            pairs[bond.member] = bond.staff
    return [(who, member) for member, who in pairs.items()]


def _whole(bonds: list[Friendship]) -> list[Friendship]:
    return [bond for bond in bonds if not bond.half and not bond.one_way]


def _has_any(bond: Friendship, group: dict[str, Any]) -> bool:
    return bool(bond.tags & set(group.get("tag_list") or []))


def _dispatched(call: Call) -> Task:
    task = call.world.tasks.get(call.text("msgid"))
    if task is None:
        raise Refusal(41047)
    if not dispatched(call.world, task):
        raise Refusal(41063)
    return task


def _listed(task: Task) -> dict[str, Any]:
    return {
        "msgid": task.id,
        "create_time": str(int(task.created.timestamp())),
        "create_type": 0,
        "text": {"content": task.text},
        "attachments": task.attachments,
    }


def _result(task: Task, row: SendRow) -> dict[str, Any]:
    whom = "chat_id" if task.to_groups else "external_userid"
    result: dict[str, Any] = {whom: row.recipient, "userid": row.staff, "status": row.status}
    if row.at is not None:
        result["send_time"] = int(row.at.timestamp())
    return result


CALLS = {
    "externalcontact/add_msg_template": Api("POST", create),
    "externalcontact/get_groupmsg_list_v2": Api("POST", listing),
    "externalcontact/get_groupmsg_task": Api("POST", senders),
    "externalcontact/get_groupmsg_send_result": Api("POST", results),
    "externalcontact/remind_groupmsg_send": Api("POST", remind),
    "externalcontact/cancel_groupmsg_send": Api("POST", cancel),
}
