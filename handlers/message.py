"""What became of our group-send tasks: asked for again and again, until every recipient's result is in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from handlers.context import Context
from handlers.filters import Ticked
from handlers.journey import began_by_joining, lost_the_last
from handlers.router import Router
from sop.group import Group
from sop.quota import month_ends
from sop.receipt import SETTLED, Outcome, State
from sop.staff import StaffChanged
from sop.template import Confirm, NoConfirm
from sop.update import (
    ClockTicked,
    ConsentChanged,
    FriendAdded,
    FriendLost,
    GroupDismissed,
    Kind,
    MembersLeft,
    MessageSent,
    TaskReported,
)
from storage.errand import Errand
from storage.outbox import UNTRIED, Entry
from storage.policy import quota_name
from storage.position import write_position
from storage.task import Task

router = Router("message")

MOST_REMINDERS = 2  # the platform takes three in 24 hours; one is left for a person
GIVE_UP_AFTER = timedelta(days=3)

RESULTS_WITHIN = timedelta(hours=24)  # after the tap
SILENT = "员工确认后一天内平台没有回报送达：可能本月次数已用完、群已解散，或员工没有勾选对方"

REFUSALS = {
    Outcome.NOT_FRIEND: "对方已不是好友，没有送达",
    Outcome.QUOTA_USED: "对方本月接收群发的次数已用完，没有送达",
}


@router.observe(Kind.CLOCK_TICKED, where=Ticked("tasks"))
def ask_about_tasks(ticked: ClockTicked, ctx: Context) -> None:
    """Poll open tasks, since no callback reports them; remind a sender who forgot; take back what came too late."""
    for task in ctx.tx.tasks.unfinished():
        wanted = _insisting(task, ctx)
        if task.state == State.CREATED and (_too_late(task, ctx) or _handed_over(task, wanted, ctx)):
            _ask("recall", task, ctx)
            continue
        _ask("task", task, ctx)
        patience = wanted.after * (task.reminders + 1)
        if (
            task.state == State.CREATED
            and task.reminders < MOST_REMINDERS
            and ctx.now - task.created_at >= patience
        ):
            ctx.tx.errands.add(Errand(what="remind", whom=task.number, at=ctx.now))
            ctx.tx.tasks.count_reminder(task.number)


def _ask(what: str, task: Task, ctx: Context) -> None:
    data = {"sender": task.sender, "to_groups": task.to_groups}
    ctx.tx.errands.add(Errand(what=what, whom=task.number, at=ctx.now, data=data))


def _too_late(task: Task, ctx: Context) -> bool:
    """Every message of it has outlived its window; without one a task lives three days."""
    return (ctx.tx.tasks.last_deadline(task.number) or task.created_at + GIVE_UP_AFTER) < ctx.now


def _insisting(task: Task, ctx: Context) -> Confirm:
    """How the step wants its sender to be insisted on."""
    first = ctx.tx.tasks.first(task.number)
    message = first.message if first else None
    template = ctx.tx.templates.read(message.template, message.template_version) if message else None
    step = template.step(message.step) if template and message else None
    return step.confirm if step else Confirm()


def _handed_over(task: Task, wanted: Confirm, ctx: Context) -> bool:
    """After the wait the deputy gets those who are their friends too; the rest stays with the sender, who is reminded."""
    waited = ctx.now - task.created_at >= wanted.after
    if wanted.action is not NoConfirm.DEPUTY or not waited or wanted.deputy == task.sender:
        return False
    entries = ctx.tx.outbox.of_task(task.number)
    theirs = ctx.tx.members.befriended_by(wanted.deputy, [entry.message.to_member for entry in entries])
    lent = [entry for entry in entries if entry.message.to_member in theirs]
    for entry in lent:
        _pass_on(entry, wanted.deputy, "原来的员工没有确认", ctx)
    return bool(lent)


@router.observe(Kind.CONSENT_CHANGED)
def recall_after_opt_out(changed: ConsentChanged, ctx: Context) -> None:
    """Who says no is taken out of tasks nobody has confirmed yet."""
    if not changed.granted:
        _recall(ctx.tx.outbox.created_for(changed.member), "对方已退订，从群发任务里撤出", ctx)


@router.observe(Kind.FRIEND_LOST)
def recall_after_loss(lost: FriendLost, ctx: Context) -> None:
    if lost.transferred:  # who takes them over says it
        return
    theirs = ctx.tx.outbox.created_for(lost.member, sender=lost.staff)
    _recall(theirs, "对方已不再是好友，从群发任务里撤出", ctx)
    if lost_the_last(
        lost.member, lost.staff, ctx
    ):  # also what is left of plans that have nothing more to plan
        unsent = ctx.tx.outbox.recent(states=UNTRIED, member=lost.member)
        _recall(
            [entry for entry in unsent if _ends_with_leaving(entry, ctx)], "对方已不再是好友，不再发送", ctx
        )


def _ends_with_leaving(entry: Entry, ctx: Context) -> bool:
    template = ctx.tx.templates.read(entry.message.template, entry.message.template_version)
    return template is not None and template.exit.left


@router.observe(Kind.MEMBERS_LEFT)
def recall_after_leaving(left: MembersLeft, ctx: Context) -> None:
    """What joining a group set off is not said to who has left it, though it was the last step and the journey is over."""
    group = ctx.tx.groups.get(left.group)
    for member in left.members:
        unsent = ctx.tx.outbox.recent(states=(*UNTRIED, State.CREATED), member=member)
        _recall([entry for entry in unsent if _follows(entry, group, ctx)], "对方已退群，不再发送", ctx)


def _follows(entry: Entry, group: Group | None, ctx: Context) -> bool:
    """Whether a message belongs to a plan that joining this group began and leaving it ends."""
    template = ctx.tx.templates.read(entry.message.template, entry.message.template_version)
    return (
        group is not None
        and template is not None
        and _ends_with_leaving(entry, ctx)
        and began_by_joining(template, group.name)
    )


@router.observe(Kind.GROUP_DISMISSED)
def recall_after_dismissal(dismissed: GroupDismissed, ctx: Context) -> None:
    _recall(ctx.tx.outbox.created_for(dismissed.group), "群已解散，从群发任务里撤出", ctx)


@router.observe(Kind.FRIEND_ADDED)
def take_over(added: FriendAdded, ctx: Context) -> None:
    """What waits for a member in the name of somebody who is their friend no more, the new friend says."""
    friends = {friend.staff for friend in ctx.tx.members.friends(added.member)}
    if added.staff not in friends:
        return
    orphaned = [one for one in ctx.tx.staff.to_say_to(added.member) if one.message.sender not in friends]
    for entry in orphaned:
        _pass_on(entry, added.staff, "原来的员工已不是好友", ctx)
    _take_back_tasks(orphaned, ctx)


@router.observe(Kind.STAFF_CHANGED)
def hand_on(changed: StaffChanged, ctx: Context) -> None:
    """What an employee who left was to send, another friend of the member sends; where there is none, nobody does."""
    if not changed.left:
        return
    entries = ctx.tx.staff.to_send(changed.staff)
    others = ctx.tx.members.senders([entry.message.to_member for entry in entries])
    for entry in entries:
        if other := others.get(entry.message.to_member):
            _pass_on(entry, other, "原来的员工已离职", ctx)
    lost = [entry for entry in entries if entry.message.to_member not in others]
    ctx.tx.outbox.move(
        [entry.id for entry in lost], State.CANCELLED, reason="代发的员工已离职，没有其他同事可以代发"
    )
    _take_back_tasks(entries, ctx)


def _pass_on(entry: Entry, staff: str, reason: str, ctx: Context) -> None:
    """Another employee says it, and it is written down why."""
    known = ctx.tx.members.get(staff)
    ctx.tx.staff.pass_on(entry, staff)
    ctx.tx.trail.messages([entry.id], f"{reason}，换由「{known.called if known else staff}」来发")


def _recall(entries: Sequence[Entry], reason: str, ctx: Context) -> None:
    """Take the whole task back; it is made anew for everybody else."""
    ctx.tx.outbox.move([entry.id for entry in entries], State.CANCELLED, reason=reason)
    _take_back_tasks(entries, ctx)


def _take_back_tasks(entries: Sequence[Entry], ctx: Context) -> None:
    for number in sorted({entry.number for entry in entries}):
        task = ctx.tx.tasks.get(number)
        if task is not None:
            _ask("recall", task, ctx)


@router.observe(Kind.TASK_REPORTED)
def settle(told: TaskReported, ctx: Context) -> None:
    """Created becomes confirmed when the sender tapped, and sent only for those the platform names."""
    task = ctx.tx.tasks.get(told.task)
    if task is None or not (told.confirmed or told.cancelled):
        return
    if told.confirmed:
        reason = f"「{told.sender}」已确认，等平台回报结果"
        ctx.tx.tasks.move(told.task, State.CREATED, State.CONFIRMED, reason, ctx.now)
    recipients = [recipient for recipient, _, _ in told.results]
    entries = {entry.recipient: entry for entry in ctx.tx.tasks.to(told.task, recipients)}
    ctx.tx.guards.watch(entry.message.template for entry in entries.values())
    for recipient, outcome, at in told.results:
        if recipient in entries:
            _result(entries[recipient], Outcome(outcome), at, ctx)
    if told.cancelled:
        _take_back(task, ctx)
    else:
        _close_when_done(task, ctx)


def _take_back(task: Task, ctx: Context) -> None:
    """Who got nothing from a task we took back: in their window they are asked for anew, after it they are not."""
    tasks, number, now = ctx.tx.tasks, task.number, ctx.now
    tasks.close(number, State.CANCELLED)
    tasks.move(number, State.CONFIRMED, State.REFUSED, "员工确认后任务被撤回，没有送达", now)
    tasks.move(number, State.CREATED, State.WAITING, "原来的群发任务撤回了，重新建一个", now, alive_at=now)
    late = f"「{task.sender}」没有在发送窗口内确认，任务已撤回"
    tasks.move(number, State.CREATED, State.CANCELLED, late, now)


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
            write_position(ctx.tx.connection, quota_name(entry.recipient), month_ends(ctx.now).isoformat())


def _close_when_done(task: Task, ctx: Context) -> None:
    states = ctx.tx.tasks.states(task.number)
    if states <= set(SETTLED):
        ctx.tx.tasks.close(task.number, State.SENT, ctx.now)
    elif State.CONFIRMED in states and task.confirmed_at is None:
        ctx.tx.tasks.close(task.number, State.CONFIRMED, ctx.now)
    elif task.confirmed_at is not None and ctx.now - task.confirmed_at >= RESULTS_WITHIN:
        _give_up(task, ctx)


def _give_up(task: Task, ctx: Context) -> None:
    """The platform lists no group that got nothing, and no recipient the sender unticked: who is still silent got nothing."""
    ctx.tx.tasks.move(task.number, State.CONFIRMED, State.REFUSED, SILENT, ctx.now)
    ctx.tx.tasks.close(task.number, State.SENT, ctx.now)
