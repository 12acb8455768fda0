"""What became of our group-send tasks: asked for again and again, until every recipient's result is in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from handlers.context import Context
from handlers.filters import Ticked
from handlers.router import Router
from sop.receipt import Outcome, State
from sop.update import ClockTicked, Kind, MessageSent, TaskReported
from storage.errand import Errand
from storage.outbox import Entry, Task
from storage.policy import quota_name
from storage.position import write_position

router = Router("message")

REMIND_AFTER = timedelta(hours=2)
MOST_REMINDERS = 2  # the platform takes three in 24 hours; one is left for a person
GIVE_UP_AFTER = timedelta(days=3)

REFUSALS = {
    Outcome.NOT_FRIEND: "对方已不是好友，没有送达",
    Outcome.QUOTA_USED: "对方本月接收群发的次数已用完，没有送达",
}


@router.observe(Kind.CLOCK_TICKED, where=Ticked("tasks"))
def ask_about_tasks(ticked: ClockTicked, ctx: Context) -> None:
    """Poll open tasks, since no callback reports them; remind a sender who forgot, at most twice."""
    for task in ctx.tx.outbox.open_tasks():
        ctx.tx.errands.add(
            Errand(
                what="task",
                whom=task.number,
                at=ctx.now,
                data={"sender": task.sender, "to_groups": task.to_groups},
            )
        )
        waited = ctx.now - task.created_at
        if task.state == State.CREATED and task.reminders < MOST_REMINDERS:
            if waited >= REMIND_AFTER * (task.reminders + 1):
                ctx.tx.errands.add(Errand(what="remind", whom=task.number, at=ctx.now))
                ctx.tx.outbox.count_reminder(task.number)
        elif waited >= GIVE_UP_AFTER:
            _give_up(task, ctx)


@router.observe(Kind.TASK_REPORTED)
def settle(told: TaskReported, ctx: Context) -> None:
    """Created becomes confirmed when the sender tapped, and sent only for those the platform names."""
    task = ctx.tx.outbox.task(told.task)
    if task is None or not told.confirmed:
        return
    entries = {entry.recipient: entry for entry in ctx.tx.outbox.of_task(told.task)}
    ctx.tx.outbox.move(
        [entry.id for entry in entries.values() if entry.state is State.CREATED],
        State.CONFIRMED,
        reason=f"{told.sender} 已确认，等平台回报结果",
    )
    for recipient, outcome, at in told.results:
        if recipient in entries:
            _result(entries[recipient], Outcome(outcome), at, ctx)
    _close_when_done(task, ctx)


def _result(entry: Entry, outcome: Outcome, at: int, ctx: Context) -> None:
    if outcome is Outcome.DELIVERED:
        sent_at = datetime.fromtimestamp(at, UTC) if at else ctx.now
        if ctx.tx.outbox.move([entry.id], State.SENT, at=sent_at):
            message = entry.message
            ctx.tx.note(
                MessageSent(at=sent_at, message=entry.id, member=message.to_member, group=message.to_group)
            )
    elif outcome in REFUSALS:
        ctx.tx.outbox.move([entry.id], State.REFUSED, reason=REFUSALS[outcome])
        if outcome is Outcome.QUOTA_USED:
            write_position(ctx.tx.connection, quota_name(entry.recipient), _month_ends(ctx.now).isoformat())


def _close_when_done(task: Task, ctx: Context) -> None:
    states = {entry.state for entry in ctx.tx.outbox.of_task(task.number)}
    if states <= {State.SENT, State.REFUSED, State.CANCELLED}:
        ctx.tx.outbox.close_task(task.number, State.SENT, ctx.now)
    elif State.CONFIRMED in states:
        ctx.tx.outbox.close_task(task.number, State.CONFIRMED, ctx.now)


def _give_up(task: Task, ctx: Context) -> None:
    """A task nobody confirmed for days is cancelled, so that it cannot go out when nobody expects it."""
    ctx.tx.errands.add(Errand(what="cancel", whom=task.number, at=ctx.now))
    waiting = [entry.id for entry in ctx.tx.outbox.of_task(task.number) if entry.state is State.CREATED]
    ctx.tx.outbox.move(waiting, State.CANCELLED, reason=f"{task.sender} 三天没有确认，任务已取消")
    ctx.tx.outbox.close_task(task.number, State.CANCELLED)


def _month_ends(now: datetime) -> datetime:
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)
