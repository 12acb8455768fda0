"""微信客服: the doorbell rings, somebody comes in or asks for a person, and what did not arrive after all."""

from __future__ import annotations

from datetime import timedelta

from handlers.alarm import call_off, tell_operators
from handlers.context import Context
from handlers.filters import Keyword, That, Ticked, Via, Waited
from handlers.router import Router
from sop.kf import (
    BACK_WORDS,
    PERSON_WORDS,
    TOKEN_LIFE,
    WITH_PEOPLE,
    Care,
    KfAccountsChanged,
    KfBarred,
    KfEntered,
    KfFailed,
    KfMoved,
    KfRang,
    KfServicerChanged,
    KfSessionChanged,
    KfSessionTold,
    KfStaffSpoke,
    Session,
)
from sop.message import Reply
from sop.receipt import State
from sop.update import ClockTicked, Kind, MemberDescribed, MessageHeard, Update, WaitEnded
from storage.due import Due
from storage.errand import Errand
from storage.position import positions_below

router = Router("kf")

GREETING = (
    "你好呀，我是群星小助手～\n"
    "回复「领券」领优惠券，「签到」打卡，「今日任务」答题，「为什么发给我」看推送缘由，「退订」随时停，「人工」找同事。"
)
QUEUED = "已经帮你叫同事了，请稍等一下～想找回我，说「小助手」就行。"
NOBODY = "现在转不到同事那里。请直接把问题留在这里，同事看到会回你；也可以过一会儿再说「人工」。"
BACK = "我回来啦！接下来直接对我说就行，比如「签到」「领券」；还想找同事就说「人工」。"
LEFT = "{staff} 停止了微信客服接待，手上还有 {count} 位成员的会话没有结束。请在企业微信的微信客服里转给别的同事。"
BARRED = "{staff} 在微信客服里拒收了 {member} 的消息，TA 再写话也没人看到。请和 {staff} 确认；需要继续服务的话，换一位同事接待。"
FAILURES = {
    1: "客服账号已删除",
    2: "应用已关闭",
    4: "距离对方上次来信超过 48 小时",
    5: "会话已结束",
    6: "对方回复前已连发 5 条",
    8: "企业未认证",
    10: "对方拒收",
    11: "没有成员登录",
    12: "消息类型被禁",
    13: "含敏感内容",
}  # developer.work.weixin.qq.com path 94670
LOOK_AGAIN = timedelta(seconds=30)  # a failure may be told before we have written down that we sent
SURE_FOR = timedelta(minutes=10)  # of what we know of a session in people's hands
FAILED = "kf.failed"


# ---------------------------------------------------------------- hearing


@router.observe(Kind.KF_RANG)
def answer_the_bell(rang: KfRang, ctx: Context) -> None:
    """The bell says nothing but that somebody is there: ask who, and what they said."""
    data = {"token": rang.token, "until": (rang.at + TOKEN_LIFE).isoformat()}
    ctx.tx.errands.add(Errand(what="kf", whom=rang.account, data=data, at=ctx.now))


@router.observe(Kind.CLOCK_TICKED, where=Ticked("kf"))
def listen_without_a_bell(ticked: ClockTicked, ctx: Context) -> None:
    """A ring may be lost, and what was said is kept three days only: so we look now and then anyway."""
    known = positions_below(ctx.tx.connection, "kf:")
    if ctx.settings.kf_account:
        known.add(ctx.settings.kf_account)
    for account in sorted(known):
        ctx.tx.errands.remind(Errand(what="kf", whom=account, at=ctx.now))
    if known and ticked.slot.minute < 10:  # once an hour
        ctx.tx.errands.remind(Errand(what="kf_accounts", whom="all", at=ctx.now))


@router.observe(Kind.KF_ACCOUNTS_CHANGED)
def know_accounts(changed: KfAccountsChanged, ctx: Context) -> None:
    for account in changed.added:
        ctx.tx.errands.remind(Errand(what="kf", whom=account, at=ctx.now))
    for account in changed.removed:
        ctx.tx.kf.forget(account)


@router.observe(Kind.MESSAGE, where=Via("kf"))
def hear(heard: MessageHeard, ctx: Context) -> None:
    """Whoever writes may be answered again; what people's hands did long ago is asked for anew."""
    before = ctx.tx.kf.session(heard.member, heard.account)
    ctx.tx.kf.hear(heard.member, heard.account, heard.at)
    if before is None:
        ctx.tx.members.meet(heard.member, seen_at=heard.at)
        _introduce(heard.member, ctx)
    elif before.care in WITH_PEOPLE and _is_old(before, ctx):
        ask_who_attends(heard.member, heard.account, ctx)


def _is_old(known: Session, ctx: Context) -> bool:
    return known.moved_at is None or ctx.now - known.moved_at >= SURE_FOR


def ask_who_attends(member: str, account: str, ctx: Context) -> None:
    data = {"member": member, "account": account}
    ctx.tx.errands.remind(Errand(what="kf_session", whom=f"{account}:{member}", data=data, at=ctx.now))


# ---------------------------------------------------------------- coming in


@router.observe(Kind.KF_ENTERED)
def know(entered: KfEntered, ctx: Context) -> None:
    source = (entered.param or entered.scene)[:64]
    ctx.tx.members.meet(entered.member, source=source, seen_at=entered.at)
    _introduce(entered.member, ctx)


def _introduce(member: str, ctx: Context) -> None:
    """Ask who somebody is of whom we have no name yet."""
    known = ctx.tx.members.get(member)
    if known is not None and not known.name and not known.staff:
        ctx.tx.errands.remind(Errand(what="kf_member", whom=member, at=ctx.now))


@router.observe(Kind.MEMBER_DESCRIBED)
def join_the_two(told: MemberDescribed, ctx: Context) -> None:
    """A WeChat person may be known here and as a friend by two ids; who is nobody's friend is the other one."""
    ids = ctx.tx.members.of_union(told.unionid) if told.unionid else []
    if len(ids) < 2:
        return
    friends = [id for id in ids if ctx.tx.members.friends(id)]
    if len(friends) == 1:
        for visitor in sorted(ctx.tx.kf.has_written(ids) - set(friends)):
            ctx.tx.kf.join(visitor, friends[0])


@router.reply_to(Kind.KF_ENTERED)
def greet(entered: KfEntered, ctx: Context) -> Reply | None:
    """Only who has not been greeted lately brings a code."""
    return Reply.of(GREETING) if entered.welcome_code else None


# ---------------------------------------------------------------- to a person, and back


@router.reply_to(Kind.MESSAGE, Keyword(*PERSON_WORDS) & Via("kf"))
def want_a_person(said: MessageHeard, ctx: Context) -> None:
    """Into the queue; what we say about it follows when the platform has moved the session."""
    _move(said, Care.QUEUED, ctx)


def _with_people(update: Update, ctx: Context) -> bool:
    if not isinstance(update, MessageHeard):
        return False
    session = ctx.tx.kf.session(update.member, update.account)
    return session is not None and session.care in WITH_PEOPLE


@router.reply_to(
    Kind.MESSAGE, Keyword(*BACK_WORDS) & Via("kf") & That("speaks with a colleague", _with_people)
)
def want_us_back(said: MessageHeard, ctx: Context) -> None:
    _move(said, Care.ENDED, ctx)


def _move(said: MessageHeard, care: Care, ctx: Context) -> None:
    data = {"member": said.member, "account": said.account, "care": str(care)}
    ctx.tx.errands.add(Errand(what="move_kf", whom=f"{said.account}:{said.member}", data=data, at=ctx.now))


@router.observe(Kind.KF_MOVED, Kind.KF_SESSION_TOLD)
def remember_who_attends(told: KfMoved | KfSessionTold, ctx: Context) -> None:
    ctx.tx.kf.move(told.member, told.account, told.care, told.at, staff=told.staff)


@router.reply_to(Kind.KF_MOVED)
def say_who_attends(moved: KfMoved, ctx: Context) -> Reply | None:
    """The platform's code carries it, where the session itself takes nothing from us any more."""
    if moved.refused:
        return Reply.of(NOBODY) if moved.care not in WITH_PEOPLE else None
    if not moved.code:
        return None
    return Reply.of(BACK if moved.care is Care.ENDED else QUEUED)


@router.observe(Kind.KF_SESSION_CHANGED)
def follow(changed: KfSessionChanged, ctx: Context) -> None:
    care = Care.ENDED if changed.change == "ended" else Care.PERSON
    staff = "" if care is Care.ENDED else changed.after
    ctx.tx.kf.move(changed.member, changed.account, care, changed.at, staff=staff)


@router.reply_to(Kind.KF_SESSION_CHANGED)
def say_we_are_back(changed: KfSessionChanged, ctx: Context) -> Reply | None:
    return Reply.of(BACK) if changed.change == "ended" and changed.code else None


@router.observe(Kind.KF_STAFF_SPOKE)
def a_person_attends(spoke: KfStaffSpoke, ctx: Context) -> None:
    ctx.tx.members.meet(spoke.staff, staff=True)
    ctx.tx.kf.move(spoke.member, spoke.account, Care.PERSON, spoke.at, staff=spoke.staff)


@router.observe(Kind.KF_SERVICER_CHANGED)
def see_to_who_is_left(changed: KfServicerChanged, ctx: Context) -> None:
    """Who stops attending may leave members in the middle of a conversation, which only a person can hand on."""
    key = f"kf:off:{changed.account}:{changed.staff}:"
    if changed.on_duty:
        call_off(key, ctx)
        return
    left = ctx.tx.kf.attended_by(changed.staff, changed.account)
    for member in left:
        ask_who_attends(member, changed.account, ctx)
    if left:
        text = LEFT.format(staff=_called(changed.staff, ctx, staff=True), count=len(left))
        tell_operators(f"{key}{changed.at.isoformat()}", text, "微信客服接待变动", ctx)


@router.observe(Kind.KF_BARRED)
def tell_who_is_not_heard(barred: KfBarred, ctx: Context) -> None:
    """A member whose messages an employee no longer takes writes in vain, until somebody else attends."""
    key = f"kf:barred:{barred.account}:{barred.member}:{barred.staff}:"
    if not barred.barred:
        call_off(key, ctx)
        return
    ask_who_attends(barred.member, barred.account, ctx)
    staff, member = _called(barred.staff, ctx, staff=True), _called(barred.member, ctx)
    text = BARRED.format(staff=staff, member=member)
    tell_operators(f"{key}{barred.at.isoformat()}", text, "微信客服接待变动", ctx)


def _called(one: str, ctx: Context, *, staff: bool = False) -> str:
    known = ctx.tx.members.get(one)
    if known is None or (staff and not known.name):
        return one
    return known.called


# ---------------------------------------------------------------- accepted is not delivered


@router.observe(Kind.KF_FAILED)
def note_failure(failed: KfFailed, ctx: Context) -> None:
    """Correct the ledger; what is not in it yet is looked for once more, a little later."""
    if not _refuse(failed.message, failed.reason, ctx):
        data = {"reason": str(failed.reason)}
        wait = Due(what=FAILED, whom=failed.message, occurrence=failed.id, at=ctx.now + LOOK_AGAIN, data=data)
        ctx.tx.due.add(wait)
    ask_who_attends(failed.member, failed.account, ctx)


@router.observe(Kind.WAIT_ENDED, where=Waited(FAILED))
def note_failure_late(ended: WaitEnded, ctx: Context) -> None:
    """What is not ours by now was sent by somebody else."""
    _refuse(ended.whom, int(dict(ended.data).get("reason", "0")), ctx)


def _refuse(number: str, reason: int, ctx: Context) -> bool:
    entry = ctx.tx.outbox.by_number(number)
    if entry is None:
        return False
    said = FAILURES.get(reason, "平台没有说明原因")
    ctx.tx.outbox.move([entry.id], State.REFUSED, reason=f"微信客服没有送达：{said}")
    return True
