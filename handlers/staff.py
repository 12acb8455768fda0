"""Staff: who is present, and what the app says when they open it or speak to it."""

from __future__ import annotations

import hashlib

from handlers.context import Context
from handlers.filters import FROM_STAFF, Keyword
from handlers.router import Router
from sop.message import Reply
from sop.receipt import State
from sop.staff import StaffChanged
from sop.timing import local_day
from sop.update import AnswerGiven, AppOpened, CardClicked, Kind, MessageHeard
from storage.errand import Errand

router = Router("staff")

PRESSED = "已提交"
HELP = "你好，我是群星。发送「待办」看等你确认的群发，发送「活跃度」看各群近况。"


@router.observe(Kind.STAFF_CHANGED)
def know(changed: StaffChanged, ctx: Context) -> None:
    ctx.tx.members.meet(changed.staff, staff=True)
    ctx.tx.members.describe(changed.staff, staff=True)


@router.reply_to(Kind.MESSAGE, Keyword("待办", "todo") & FROM_STAFF)
def todo(heard: MessageHeard, ctx: Context) -> Reply:
    """What waits for this person's tap in WeCom."""
    if heard.alias:
        return Reply.of("这个机器人不知道你是哪位同事，请到应用里发送「待办」。")
    tasks = [
        task
        for task in ctx.tx.outbox.open_tasks()
        if task.sender == heard.member and task.state == State.CREATED
    ]
    if not tasks:
        return Reply.of("没有等你确认的群发，辛苦啦。")
    lines = []
    for task in tasks:
        entries = ctx.tx.outbox.of_task(task.number)
        text = entries[0].message.content.text.splitlines()[0][:24] if entries else ""
        lines.append(f"·「{text}」发给 {len(entries)} {'个群' if task.to_groups else '位成员'}")
    return Reply.of(f"有 {len(tasks)} 条群发等你在企业微信里点确认：\n" + "\n".join(lines))


@router.reply_to(Kind.MESSAGE, Keyword("活跃度", "score") & FROM_STAFF)
def scores(heard: MessageHeard, ctx: Context) -> Reply:
    """Each group's newest score in one line."""
    lines = []
    today = local_day(ctx.now, ctx.settings.zone)
    for group in ctx.tx.groups.all():
        known = [score.value for score in ctx.tx.engagement.trend(group.id, today) if score.value is not None]
        said = f"{known[-1]:.0f} 分" if known else "还没有评分"
        lines.append(f"· {group.called}：{said}")
    return Reply.of("\n".join(lines) or "还没有群。")


@router.reply_to(Kind.APP_OPENED)
def opened(app: AppOpened, ctx: Context) -> Reply | None:
    return Reply.of(HELP) if app.key == "HELP" or app.via == "aibot" else None


@router.observe(Kind.CARD_CLICKED)
def count_the_answer(card: CardClicked, ctx: Context) -> None:
    """A vote on one of our questions is an answer to it."""
    run = ctx.tx.interactions.get(card.task)
    if run is None or run.closed:
        return
    for chosen in (option for _, options in card.options for option in options):
        if chosen in {option.id for option in run.options}:
            ctx.tx.note(
                AnswerGiven(at=card.at, member=card.staff, run=run.id, option=chosen, group=run.group)
            )


@router.observe(Kind.CARD_CLICKED)
def close_the_card(card: CardClicked, ctx: Context) -> None:
    """Who pressed sees that it was heard; the code for that works once, for 72 hours."""
    if card.response_code and card.app and not card.menu:
        data = {"code": card.response_code, "staff": card.staff, "app": card.app, "button": PRESSED}
        mark = hashlib.sha256(card.response_code.encode()).hexdigest()
        ctx.tx.errands.add(Errand(what="card", whom=mark, at=ctx.now, data=data))


@router.reply_to(Kind.CARD_CLICKED)
def clicked(card: CardClicked, ctx: Context) -> Reply | None:
    return Reply.of("收到，已记下你的选择。")
