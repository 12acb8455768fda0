"""Light interactions, polls and check-ins: answered by a word or on a page, counted once, told back when they close."""

from __future__ import annotations

from datetime import timedelta

from handlers.context import Context
from handlers.filters import InConversation, Keyword, That, Via, Waited, folded
from handlers.router import Router
from sop.consent import wish
from sop.coupon import Already, Issued
from sop.interaction import AnswerOption, checked_text, heard, result_text, tally
from sop.message import Channel, Choice, Content, Message, Option, Reply
from sop.template import CheckIn, Reward
from sop.timing import local_day
from sop.update import AnswerGiven, CheckedIn, Kind, MessageHeard, Update, WaitEnded
from storage.alarm import raise_alarm
from storage.conversation import Conversation
from storage.interaction import CLOSE, Run

router = Router("interaction")

SHORT = 12  # characters; a longer line in a group is talk, not an answer
LONGEST_WORDS = 500
QUESTION = "question"  # the topic of a dialogue in which we await an answer in words
PATIENCE = timedelta(minutes=30)
COMMANDS = frozenset({"领券", "优惠券", "签到", "打卡", "今日任务", "任务", "答题"})
NO_COMMAND = That(
    "says no command",
    lambda update, ctx: (
        isinstance(update, MessageHeard) and wish(update.text) is None and folded(update.text) not in COMMANDS
    ),
)
RESULT_WINDOW = timedelta(hours=15)  # a result told later than this is no news


# ---------------------------------------------------------------- hearing an answer


def _chosen(update: Update, ctx: Context) -> tuple[Run, AnswerOption] | None:
    """The newest open question this text answers."""
    if not isinstance(update, MessageHeard) or ctx.member is None or update.from_staff or not update.text:
        return None
    groups = (
        [update.group] if update.group else [group.id for group in ctx.tx.groups.of_member(update.member)]
    )
    for run in ctx.tx.interactions.open_for(groups, update.at):
        option = _by_menu(update, run) or heard(update.text, run.options)
        if option is not None:
            return run, option
    return None


def _by_menu(update: MessageHeard, run: Run) -> AnswerOption | None:
    """A tap on one of our menus names the run and the option."""
    task, _, chosen = update.menu.rpartition(":")
    return next((option for option in run.options if task == run.id and option.id == chosen), None)


ANSWERS = That("answers an open question", lambda update, ctx: _chosen(update, ctx) is not None)


@router.reply_to(Kind.MESSAGE, Via("kf") & ANSWERS)
def answer_by_word(said: MessageHeard, ctx: Context) -> Reply | None:
    """A letter, a number or the words of an option, said to us alone."""
    chosen = _chosen(said, ctx)
    if chosen is None:
        return None
    run, option = chosen
    ctx.tx.note(AnswerGiven(at=said.at, member=said.member, run=run.id, option=option.id, group=run.group))
    return Reply.of(f"收到，你选了「{option.text}」，结果出来第一时间告诉大家～")


# ---------------------------------------------------------------- asking again, in a dialogue


@router.reply_to(Kind.MESSAGE, Keyword("今日任务", "任务", "答题") & Via("kf"))
def ask(said: MessageHeard, ctx: Context) -> Reply:
    """What still waits for this member's answer: options to tap, or a question whose answer is the next thing said."""
    run = _unanswered(said.member, ctx)
    if run is None:
        return Reply.of("现在没有等你回答的题目，有新的会告诉你～")
    if run.options:
        shown = tuple(Option(option.id, option.text) for option in run.options)
        return Reply(Content(run.question, choice=Choice(run.id, run.question, shown)))
    until = min(run.closes, ctx.now + PATIENCE)
    ctx.tx.conversations.open(Conversation(said.member, QUESTION, {"run": run.id}, until))
    return Reply.of(f"{run.question}\n直接回复我一句就好；先不答就说「算了」。")


def _unanswered(member: str, ctx: Context) -> Run | None:
    groups = [group.id for group in ctx.tx.groups.of_member(member)]
    runs = ctx.tx.interactions.open_for(groups)
    return next((run for run in runs if ctx.tx.interactions.answer_of(run.id, member) is None), None)


@router.reply_to(Kind.MESSAGE, InConversation(QUESTION) & Via("kf") & NO_COMMAND)
def answer_in_dialogue(said: MessageHeard, ctx: Context) -> Reply:
    """The words after our question are its answer; a command is still a command."""
    asked = ctx.conversation
    ctx.tx.conversations.close(said.member)
    run = ctx.tx.interactions.get(str(asked.data["run"])) if asked else None
    if run is None or folded(said.text) == "算了":
        return Reply.of("好的，想答的时候再说「今日任务」。")
    ctx.tx.note(AnswerGiven(at=said.at, member=said.member, run=run.id, option=said.text, group=run.group))
    return Reply.of("收到，谢谢你认真写下来。")


@router.observe(Kind.MESSAGE, where=Via("archive"))
def answer_in_group(said: MessageHeard, ctx: Context) -> None:
    """The same said in the group counts too, though nobody can answer there."""
    if len(said.text) > SHORT:
        return
    chosen = _chosen(said, ctx)
    if chosen is not None:
        run, option = chosen
        ctx.tx.note(
            AnswerGiven(at=said.at, member=said.member, run=run.id, option=option.id, group=run.group)
        )


@router.reply_to(Kind.ANSWER_GIVEN)
def answer(given: AnswerGiven, ctx: Context) -> Reply | None:
    """Record one answer; changing it while the question is open moves the tag along."""
    run = ctx.tx.interactions.get(given.run)
    if run is None:
        return Reply.of("这道题不在了。")
    if not run.open_at(given.at):
        return Reply.of("这道题已经结束啦，下次早点来～")
    option = next((option for option in run.options if option.id == given.option), None)
    if run.options and option is None:
        return Reply.of("没有这个选项。")
    said = option.id if option else given.option.strip()[:LONGEST_WORDS]
    if not said:
        return Reply.of("写一句再提交吧。")
    before = ctx.tx.interactions.answer(run.id, given.member, said)
    _move_tag(run, given.member, before, option, ctx)
    return Reply.of(f"收到，你选了「{option.text}」。" if option else "收到，谢谢你认真写下来。")


def _move_tag(run: Run, member: str, before: str | None, option: AnswerOption | None, ctx: Context) -> None:
    old = next((one for one in run.options if one.id == before), None)
    if old is not None and old.tag and old != option:
        ctx.tx.tags.remove(member, old.tag, reason=f"改了「{run.question}」的答案")
    if option is not None and option.tag:
        ctx.tx.tags.add(member, option.tag, reason=f"在「{run.question}」里选了「{option.text}」")


# ---------------------------------------------------------------- telling the result


@router.observe(Kind.WAIT_ENDED, where=Waited(CLOSE))
def close(ended: WaitEnded, ctx: Context) -> None:
    """The question closes; where it was asked in a group the result is posted back."""
    run = ctx.tx.interactions.get(ended.whom)
    if run is None or not ctx.tx.interactions.close(run.id) or not (run.group and run.post_result):
        return
    group = ctx.tx.groups.get(run.group)
    if group is None or not group.alive:
        return
    counted = tally(run.options, ctx.tx.interactions.counts(run.id))
    internal = group.kind == "internal"
    ctx.tx.outbox.add(
        Message(
            key=f"result:{run.id}",
            channel=Channel.WEBHOOK if internal else Channel.GROUP_SEND,
            content=Content(result_text(run.question, counted)),
            to_group=group.id,
            sender=ctx.settings.webhook if internal else group.owner,
            marketing=False,
            deadline=ctx.now + RESULT_WINDOW,
            template=run.template,
            step=f"{run.step}.result"[:64],
            why=f"「{run.question}」的结果",
        )
    )


# ---------------------------------------------------------------- check-ins


@router.reply_to(Kind.MESSAGE, Keyword("签到", "打卡") & Via("kf"))
def check_in_by_word(said: MessageHeard, ctx: Context) -> Reply:
    """Answered with what the check-in noted here is about to bring."""
    ctx.tx.note(CheckedIn(at=said.at, member=said.member))
    today = local_day(said.at, ctx.settings.zone)
    if today in ctx.tx.interactions.days(said.member, today):
        return Reply.of(checked_text(ctx.tx.interactions.streak(said.member, today)))
    streak = ctx.tx.interactions.streak(said.member, today) + 1
    return Reply.of(checked_text(streak, *_prizes(said.member, streak, ctx)))


@router.observe(Kind.MESSAGE, where=Via("archive") & Keyword("签到", "打卡"))
def check_in_in_group(said: MessageHeard, ctx: Context) -> None:
    ctx.tx.note(CheckedIn(at=said.at, member=said.member, group=said.group))


@router.reply_to(Kind.CHECKED_IN)
def check_in(checked: CheckedIn, ctx: Context) -> Reply:
    """Once a local day; a streak that reaches a stage earns its reward."""
    today = local_day(checked.at, ctx.settings.zone)
    is_first = ctx.tx.interactions.check_in(checked.member, today, group=checked.group)
    streak = ctx.tx.interactions.streak(checked.member, today)
    if not is_first:
        return Reply.of(checked_text(streak))
    prizes = _prizes(checked.member, streak, ctx)
    for reward in _rewards(streak, ctx):
        _give(checked.member, reward, ctx)
    return Reply.of(checked_text(streak, *prizes))


def _rewards(streak: int, ctx: Context) -> list[Reward]:
    """What published templates promise for a streak of exactly this many days."""
    tasks = [step.task for template in ctx.tx.templates.running() for step in template.steps]
    rewards = {reward for task in tasks if isinstance(task, CheckIn) for reward in task.rewards}
    return sorted((reward for reward in rewards if reward.days == streak), key=repr)


def _prizes(member: str, streak: int, ctx: Context) -> tuple[list[str], list[str]]:
    """The names of the tags and of the coupons this streak earns; what cannot be given is not promised."""
    rewards = _rewards(streak, ctx)
    batches = [ctx.tx.coupons.batch(reward.coupon) for reward in rewards if reward.coupon]
    given = [batch.name for batch in batches if batch and ctx.tx.coupons.would_issue(batch, member)]
    return [reward.tag for reward in rewards if reward.tag], given


def _give(member: str, reward: Reward, ctx: Context) -> None:
    if reward.tag:
        ctx.tx.tags.add(member, reward.tag, reason=f"连续打卡 {reward.days} 天")
    if not reward.coupon:
        return
    batch = ctx.tx.coupons.batch(reward.coupon)
    answer = ctx.tx.coupons.issue(batch.id, member) if batch else None
    if not isinstance(answer, Issued | Already):
        _owe(reward, batch.name if batch else reward.coupon, ctx)


def _owe(reward: Reward, name: str, ctx: Context) -> None:
    """Somebody earned what is not there: operators should know on the same day."""
    today = local_day(ctx.now, ctx.settings.zone).isoformat()
    text = f"有人连续打卡 {reward.days} 天，奖励券「{name}」却发不出去：没有这一批、不在有效期，或已经领完。补上后请手动发给 TA。"
    raise_alarm(ctx.tx.connection, f"reward:{reward.coupon}:{today}", text, ctx.now)
