"""Staff: who is present, and what the app says when they open it or speak to it."""

from __future__ import annotations

import hashlib

from handlers.alarm import tell_operators
from handlers.context import Context
from handlers.filters import FROM_STAFF, Keyword
from handlers.router import Router
from sop.message import Reply
from sop.receipt import State
from sop.staff import StaffChanged, StaffRenamed, TransferFailed
from sop.timing import local_day
from sop.update import AnswerGiven, AppOpened, CardClicked, Kind, MessageHeard
from storage.errand import Errand

router = Router("staff")

WHY_NOT = {
    "refused": "对方拒绝了转接，仍留在原来的同事那里。可以请原来的同事先和对方说明，再到「客户联系 → 在职继承/离职继承」重试。",
    "limit": "接手的同事客户数已到上限。请到「客户联系 → 在职继承/离职继承」换一位同事接手。",
    "unknown": "企业微信没有说明原因。请到「客户联系 → 在职继承/离职继承」查看后重试。",
}
PRESSED = "已提交"
HELP = "你好，我是群星。发送「待办」看等你确认的群发，发送「活跃度」看各群近况。"


# ---------------------------------------------------------------- who is there


@router.observe(Kind.STAFF_CHANGED)
def know(changed: StaffChanged, ctx: Context) -> None:
    ctx.tx.members.meet(changed.staff, staff=True)
    ctx.tx.members.describe(changed.staff, staff=True)


@router.observe(Kind.STAFF_CHANGED)
def say_what_is_left(changed: StaffChanged, ctx: Context) -> None:
    """Members and groups of who left the corp need somebody to take them over, and only a person can arrange that."""
    if not changed.left:
        return
    behind = ctx.tx.staff.left_behind(changed.staff)
    known = ctx.tx.members.get(changed.staff)
    lines = [f"{known.called if known else changed.staff}（{changed.staff}）已离开企业。"]
    if behind.members:
        lines.append(
            f"{behind.members} 位成员没有别的同事可以联系，其中 {behind.travelling} 位正在走 SOP，"
            "轮到的消息暂时没人代发，会列在控制台「错过的步骤」里。"
        )
    if behind.groups:
        lines.append(f"{len(behind.groups)} 个群要换群主，换之前群发不出去：{'、'.join(behind.groups[:5])}。")
    if behind.members or behind.groups:
        lines.append("请到企业微信管理后台「客户联系 → 离职继承」分给接手的同事，分好后会自动接着走。")
    if changed.staff in (operator.lower() for operator in ctx.settings.operators):
        lines.append("配置 community.operators 里还有这位同事，请换人，否则提醒没人收到。")
    key = f"left:{changed.staff}:{local_day(changed.at, ctx.settings.zone)}"
    tell_operators(key, "".join(lines), "员工变动", ctx)


@router.observe(Kind.STAFF_RENAMED)
def rename(renamed: StaffRenamed, ctx: Context) -> None:
    """Everything that was theirs stays theirs; only the configuration file is not ours to write."""
    ctx.tx.staff.rename(renamed.staff, renamed.now)
    for entry in ctx.tx.staff.to_send(renamed.staff):
        ctx.tx.staff.pass_on(entry, renamed.now)
    ctx.tx.members.meet(renamed.now, staff=True)
    if renamed.staff in (operator.lower() for operator in ctx.settings.operators):
        text = f"{renamed.staff} 的企业微信账号改成了 {renamed.now}，请把配置 community.operators 里的也改过来，否则提醒发不到。"
        tell_operators(f"renamed:{renamed.staff}:{renamed.now}", text, "员工变动", ctx)


@router.observe(Kind.TRANSFER_FAILED)
def say_who_stays(failed: TransferFailed, ctx: Context) -> None:
    """A member who is handed over to nobody stays where they are, and operators decide."""
    member, staff = ctx.tx.members.get(failed.member), ctx.tx.members.get(failed.staff)
    text = (
        f"成员「{member.called if member else failed.member}」没能转给{staff.called if staff else failed.staff}："
        f"{WHY_NOT[failed.reason]}"
    )
    key = f"transfer:{failed.member}:{failed.staff}:{local_day(failed.at, ctx.settings.zone)}"
    tell_operators(key, text, "客户继承没有成功", ctx)


# ---------------------------------------------------------------- what staff ask, and press


@router.reply_to(Kind.MESSAGE, Keyword("待办", "todo") & FROM_STAFF)
def todo(heard: MessageHeard, ctx: Context) -> Reply:
    """What waits for this person's tap in WeCom."""
    if heard.alias:
        return Reply.of("这个机器人不知道你是哪位同事，请到应用里发送「待办」。")
    tasks = [
        task
        for task in ctx.tx.tasks.unfinished()
        if task.sender == heard.member and task.state == State.CREATED
    ]
    if not tasks:
        return Reply.of("没有等你确认的群发，辛苦啦。")
    lines = []
    for task in tasks:
        first = ctx.tx.tasks.first(task.number)
        text = first.message.content.text.splitlines()[0][:24] if first else ""
        lines.append(
            f"·「{text}」发给 {ctx.tx.tasks.size(task.number)} {'个群' if task.to_groups else '位成员'}"
        )
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
