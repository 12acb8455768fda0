"""Steps 步骤 as operators write them: a ``[[step]]`` table becomes a :class:`~sop.template.Step`."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum

from sop.attachment import Attachment, misfit, read_attachment
from sop.audience import Ask as Asked
from sop.audience import Atom, Compare, Expression, Is, Quantity, atoms
from sop.branch import read_branch, read_decide
from sop.errors import Problem
from sop.expression import to_text
from sop.form import Form
from sop.interaction import MOST_OPTIONS, AnswerOption, Item, options_of
from sop.link import objection
from sop.message import CAPABILITIES, Channel
from sop.render import LONGEST_TEXT, Reach, check, variables
from sop.template import (
    After,
    AfterEvent,
    Ask,
    AskKind,
    AtBest,
    CheckIn,
    Confirm,
    Finish,
    GiveCoupon,
    NoConfirm,
    On,
    OnDate,
    OnDay,
    OnMiss,
    OnWeekday,
    OpenLink,
    Reward,
    Signal,
    Step,
    StepLink,
    Subject,
    Task,
    Trigger,
    Variant,
    Wait,
    When,
)

HOUR = timedelta(hours=1)
NOBODY = Is("?")  # stands in for an audience that could not be read
AUTO_BYTES = 2048  # what every channel a rule may choose can carry


class ChannelWord(StrEnum):
    """Channels as they are written; ``auto`` lets the rule choose."""

    AUTO = "auto"
    GROUP_SEND = "group_send"
    KF = "kf"
    APP = "app"
    WELCOME = "welcome"
    WEBHOOK = "webhook"
    APPCHAT = "appchat"


CHANNELS_OF = {
    Subject.MEMBER: (None, Channel.GROUP_SEND, Channel.KF, Channel.APP, Channel.WELCOME),
    Subject.GROUP: (None, Channel.GROUP_SEND, Channel.WEBHOOK, Channel.APPCHAT),
}


class TaskKind(StrEnum):
    CHECK_IN = "check_in"
    POLL = "poll"
    QUESTION = "question"
    LIGHT = "light"
    COUPON = "coupon"
    LINK = "link"


def read_step(form: Form, subject: Subject, trigger: Trigger) -> Step:
    """The step in this table; what is wrong with it is noted in the form."""
    step = Step(
        id=form.identifier("id"),
        name=form.text("name"),
        when=_when(form, subject),
        channel=_channel(form, subject, trigger),
        text=form.text("text", required=True, longest=LONGEST_TEXT),
        variants=tuple(_variant(one, subject) for one in form.inners("variant")),
        link=_link(form.inner("link")),
        task=_task(form.inner("task")),
        on_miss=form.word("on_miss", OnMiss, OnMiss.LATE) or OnMiss.LATE,
        confirm=_confirm(form.inner("on_no_confirm"), subject),
        success=form.word("success", Signal) if form.has("success") else None,
        marketing=form.flag("marketing", True),
        branches=tuple(read_branch(one) for one in form.inners("branch")),
        decide=read_decide(form),
        then=form.text("then", longest=64),
        attachments=_attachments(form),
    )
    form.asked |= {"success", "decide"}
    _wordings(form, step, subject)
    _check_attachments(form, step, subject)
    if isinstance(step.task, OpenLink) and step.link is None:
        form.wrong("task", 'kind = "link" 要有 link', example='link = { url = "https://example.com/day1" }')
    form.done()
    return step


# ---------------------------------------------------------------- when and how


WAYS = ("best", "day", "weekday", "date", "after", "wait", "after_event")


def _when(form: Form, subject: Subject) -> When:
    when = form.inner("when", required=True)
    if when is None:
        return After(delay=timedelta())
    ways = [way for way in WAYS if when.has(way)]
    if ways[:2] == ["best", "day"]:  # which day the best hour is of
        ways.remove("best" if when.values["best"] is False else "day")
    if len(ways) != 1:
        form.wrong("when", "没有写清楚什么时候" if not ways else f"{' 和 '.join(ways)} 只能写一个")
        when.strangers()
        return After(delay=timedelta())
    found = _one_way(when, ways[0])
    if isinstance(found, AfterEvent) and subject is Subject.GROUP:
        when.wrong("after_event", "群没有这样的信号，它说的是一个成员", example='when = { after = "2h" }')
    when.asked.add("best")
    when.done()
    return found


def _one_way(when: Form, way: str) -> When:
    match way:
        case "after":
            return After(delay=when.span("after", required=True), window=_window(when, 24 * HOUR))
        case "wait":
            return Wait(delay=when.span("wait", required=True), window=_window(when, 24 * HOUR))
        case "after_event":
            return _after_event(when)
        case "best":
            return _best(when)
    moment, window, workday = when.moment("time"), _window(when, 3 * HOUR), when.flag("workday")
    if way == "day":
        return OnDay(day=_day(when), time=moment, window=window, workday=workday)
    if way == "date":
        return OnDate(date=when.day("date") or date.min, time=moment, window=window, workday=workday)
    week = when.number("week", 1, least=1, most=60)
    weekday = when.weekday("weekday")
    return OnWeekday(weekday=weekday, time=moment, week=week, window=window, workday=workday)


def _day(when: Form, least: int = 0) -> int:
    return when.number("day", least, required=True, least=least, most=400)


def _after_event(when: Form) -> AfterEvent:
    within = when.span("within", 7 * 24 * HOUR)
    if not within:
        when.wrong("within", "一刻也不等，永远等不到", expected="至少 1 分钟")
    return AfterEvent(
        event=when.word("after_event", Signal) or Signal.REPLIED,
        delay=when.span("delay"),
        within=within,
        window=_window(when, 24 * HOUR),
    )


def _best(when: Form) -> AtBest:
    if not when.flag("best"):
        when.wrong("best", "写 false 就读不出什么时候", example="when = { best = true, day = 3 }")
    usual = AtBest(day=1)
    found = AtBest(
        day=_day(when, 1),
        earliest=when.moment("from") if when.has("from") else usual.earliest,
        latest=when.moment("to") if when.has("to") else usual.latest,
        window=_window(when, 3 * HOUR),
        workday=when.flag("workday"),
    )
    when.asked |= {"from", "to"}
    if not found.hours:
        when.wrong("to", "from 到 to 之间没有一个半点可以选", expected="比 from 晚，至少隔一小时")
    return found


def _window(when: Form, default: timedelta) -> timedelta:
    window = when.span("window", default)
    if not window:
        when.wrong("window", "窗口是 0，永远来不及发", expected="至少 1 分钟")
    return window


def _channel(form: Form, subject: Subject, trigger: Trigger) -> Channel | None:
    word = form.word("channel", ChannelWord, ChannelWord.AUTO)
    channel = None if word in (None, ChannelWord.AUTO) else Channel(word)
    if channel not in CHANNELS_OF[subject]:
        known = "、".join(str(one or "auto") for one in CHANNELS_OF[subject])
        who = "群" if subject is Subject.GROUP else "成员"
        form.wrong("channel", f"{channel} 到不了{who}", expected=f"{known} 之一")
    if channel is Channel.WELCOME and trigger.on is not On.FRIEND_ADDED:
        form.wrong("channel", 'welcome 只能用在 on = "friend.added" 的模板里', example='channel = "auto"')
    return channel


def _confirm(form: Form | None, subject: Subject) -> Confirm:
    if form is None:
        return Confirm()
    action = form.word("do", NoConfirm) or NoConfirm.REMIND
    found = Confirm(
        action, form.span("after", 2 * HOUR), form.text("deputy", required=action is NoConfirm.DEPUTY)
    )
    if found.action is NoConfirm.DEPUTY and subject is Subject.GROUP:
        form.wrong("do", "群里的消息只有群主能确认，换不了人", example='do = "remind"')
    form.done()
    return found


# ---------------------------------------------------------------- what is said


def _variant(form: Form, subject: Subject) -> Variant:
    arm = form.text("arm", longest=32)
    audience = read_expression(form, "for", subject, required=not arm)
    text = form.text("text", required=True, longest=LONGEST_TEXT)
    form.done()
    if audience is None and not (arm and not form.has("for")):
        audience = NOBODY  # a mistake that is told already widens nothing
    return Variant(audience, text, arm)


def read_expression(form: Form, key: str, subject: Subject, *, required: bool = False) -> Expression | None:
    """The expression under ``key``; of a group only its name, kind and score can be asked."""
    expression = form.expression(key, required=required)
    if expression is not None and subject is Subject.GROUP:
        for atom in atoms(expression):
            if not _is_of_groups(atom):
                form.wrong(
                    key,
                    f"这份模板说的是群，群没有 “{to_text(atom)}” 这样的事",
                    expected="group:…、kind:… 或 score 比大小",
                    example=f"{key} = 'group:新手答疑群'",
                )
    return expression


def _is_of_groups(atom: Atom) -> bool:
    if isinstance(atom, Compare):
        return atom.measure.of is Quantity.SCORE
    return atom.ask in (Asked.GROUP, Asked.KIND)


def _link(form: Form | None) -> StepLink | None:
    if form is None:
        return None
    link = StepLink(form.text("url", required=True, longest=2000), form.text("title"))
    if link.url and (why_not := objection(link.url)):
        form.wrong("url", why_not)
    form.done()
    return link


def _wordings(form: Form, step: Step, subject: Subject) -> None:
    """Check every text of the step for what its channel and its task allow."""
    reach = _reach(step.channel, subject)
    longest = AUTO_BYTES if step.channel is None else CAPABILITIES[step.channel].max_bytes
    places = [
        form,
        *(Form(values, form.notes, (*form.path, "variant", at)) for at, values in _variants_in(form)),
    ]
    for place, text in zip(places, step.texts, strict=False):
        if not text:
            continue
        if len(text.encode()) > longest:
            place.wrong(
                "text", f"有 {len(text.encode())} 字节，这个渠道放不下", expected=f"不超过 {longest} 字节"
            )
        problems = check(text, reach)
        for problem in problems:
            _note(place, problem)
        if not problems:
            _owned(place, step, variables(text), tasked=form.has("task"))


def _attachments(form: Form) -> tuple[Attachment, ...]:
    found = (read_attachment(one) for one in form.inners("attach"))
    return tuple(one for one in found if one is not None)


def _check_attachments(form: Form, step: Step, subject: Subject) -> None:
    """What stands beside the text goes where the text goes, and says no more than it may."""
    if step.attachments and (
        why_not := misfit(step.channel, step.attachments, with_card=bool(step.link or step.task))
    ):
        form.wrong(
            "attach",
            why_not,
            expected='channel 写 "auto"、"group_send" 或 "welcome"，附件连链接卡片最多 9 个',
        )
    for place, one in zip(form.inners("attach"), step.attachments, strict=False):
        for key, text in one.texts.items():
            problems = check(text, _reach(step.channel, subject))
            for problem in problems:
                _note(place, problem, key)
            if not problems:
                _owned(place, step, variables(text), tasked=form.has("task"), key=key)


def check_invitation(form: Form, finish: Finish) -> None:
    """What asks into a group may go out on any channel, to one person or to many."""
    text, key = finish.invite_text, "invite_text"
    if len(text.encode()) > AUTO_BYTES:
        form.wrong(key, f"有 {len(text.encode())} 字节，放不下", expected=f"不超过 {AUTO_BYTES} 字节")
    problems = check(text, Reach.MAYBE) if text else []
    for problem in problems:
        _note(form, problem, key)
    if text and not problems:
        _owned(form, finish.invitation("https://"), variables(text), tasked=False, key=key)


def _variants_in(form: Form) -> list[tuple[int, dict[str, object]]]:
    values = form.values.get("variant")
    return (
        list(enumerate(values))
        if isinstance(values, list) and all(isinstance(v, dict) for v in values)
        else []
    )


def _note(place: Form, problem: Problem, key: str = "text") -> None:
    place.wrong(
        key,
        problem.reason,
        expected=problem.expected,
        example=problem.example,
        at=(problem.line, problem.column),
    )


def _reach(channel: Channel | None, subject: Subject) -> Reach:
    if subject is Subject.GROUP or channel in (Channel.GROUP_SEND, Channel.WEBHOOK):
        return Reach.ALL
    return Reach.MAYBE if channel is None else Reach.ONE


def _owned(place: Form, step: Step, used: frozenset[str], *, tasked: bool, key: str = "text") -> None:
    """A word that only some steps can fill needs such a step."""
    asks = isinstance(step.task, Ask)
    light = isinstance(step.task, Ask) and step.task.kind is AskKind.LIGHT
    rules = (
        ({"link"}, step.link is not None, "这一步没有 link", 'link = { url = "https://example.com/day1" }'),
        ({"task"}, tasked, "这一步没有 task", 'task = { kind = "check_in" }'),
        ({"joke"}, light, "joke 只来自轻互动的题库", 'task = { kind = "light" }'),
        ({"question", "options", "menu"}, asks, "这一步没有题目", 'task = { kind = "light" }'),
        (
            {"coupon.name", "coupon.code", "coupon.ends"},
            isinstance(step.task, GiveCoupon),
            "这一步不发券",
            'task = { kind = "coupon", batch = "summer" }',
        ),
    )
    for words, there, reason, example in rules:
        if used & words and not there:
            place.wrong(key, f"用了 {'、'.join(sorted(used & words))}，但{reason}", example=example)


# ---------------------------------------------------------------- what is asked


def _task(form: Form | None) -> Task | None:
    if form is None:
        return None
    kind = form.word("kind", TaskKind)
    if kind is None:
        form.strangers()
        return None
    task = _task_of(form, kind)
    form.done()
    return task


def _task_of(form: Form, kind: TaskKind) -> Task:
    match kind:
        case TaskKind.CHECK_IN:
            return CheckIn(tuple(_reward(one) for one in form.inners("reward")))
        case TaskKind.COUPON:
            return GiveCoupon(form.text("batch", required=True, longest=64))
        case TaskKind.LINK:
            return OpenLink()
        case TaskKind.LIGHT:
            weeks = form.number("weeks_apart", 8, least=1, most=104)
            return Ask(
                kind=AskKind.LIGHT,
                closes=_closes(form),
                post_result=form.flag("post_result", True),
                weeks_apart=weeks,
            )
    asked = AskKind(kind)
    return Ask(
        kind=asked,
        question=form.text("question", required=True, longest=500),
        options=read_options(form) if asked is AskKind.POLL or form.has("options") else (),
        closes=_closes(form),
        post_result=form.flag("post_result", asked is AskKind.POLL),
    )


def _closes(form: Form) -> timedelta:
    closes = form.span("closes", 24 * HOUR)
    if not closes:
        form.wrong("closes", "一开始就结束了", expected="至少 1 分钟")
    return closes


def _reward(form: Form) -> Reward:
    reward = Reward(
        form.number("days", required=True, least=1, most=366), form.text("tag"), form.text("coupon")
    )
    if not reward.tag and not reward.coupon:
        form.wrong("days", "没有写奖励什么", expected="tag 或 coupon，至少一个")
    form.done()
    return reward


def read_options(form: Form) -> tuple[AnswerOption, ...]:
    """The options of a question: texts, or tables of text and tag."""
    pairs = [_option(form, at, value) for at, value in form.items("options")]
    if form.has("options") and not 2 <= len(pairs) <= MOST_OPTIONS:
        form.wrong("options", f"有 {len(pairs)} 个选项")
    texts = [text for text, _ in pairs]
    if len(set(texts)) < len(texts):
        form.wrong("options", "有两个选项一样")
    return options_of(pairs)


def _option(form: Form, at: int, value: object) -> tuple[str, str]:
    if isinstance(value, str) and value.strip():
        return value, ""
    if not isinstance(value, dict):
        form.wrong("options", f"第 {at + 1} 个选项不是文字")
        return "", ""
    inner = Form(value, form.notes, (*form.path, "options", at))
    pair = inner.text("text", required=True), inner.text("tag", longest=64)
    inner.done()
    return pair


def read_item(form: Form) -> Item:
    """One entry of the pool of light interactions."""
    item = Item(
        id=form.identifier("id"),
        joke=form.text("joke", required=True, longest=500),
        question=form.text("question", required=True, longest=200),
        options=read_options(form),
    )
    form.done()
    return item
