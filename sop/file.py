"""Template files: TOML as operators write it becomes a :class:`~sop.template.Template`, or is refused whole.

Every mistake is found at once, with its line, what was expected and an example. A file that is edited keeps its
comments, order and spacing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import time
from typing import Any

import tomlkit
from tomlkit.exceptions import ParseError, TOMLKitError

from sop.audience import Audience
from sop.branch import check_ways, out_of_order
from sop.errors import Problem, TemplateError
from sop.form import Form, Notes
from sop.guard import read_guard
from sop.place import Path, Place, places
from sop.plain import to_plain
from sop.render import LONGEST_TEXT
from sop.step import check_invitation, read_expression, read_item, read_step
from sop.template import (
    Arm,
    Ask,
    AskKind,
    Exit,
    Finish,
    Goal,
    Reentry,
    Signal,
    Step,
    Subject,
    Template,
    Trigger,
)
from sop.timing import QuietHours
from sop.trigger import read_trigger

LARGEST = 256 * 1024  # bytes of one file
ARRAYS = ("arm", "step", "item", "variant", "attach", "branch", "reward")


def read(text: str, *, source: str = "") -> Template:
    """The template in this text; a :class:`TemplateError` with every mistake when it is not one."""
    text = text.removeprefix("\ufeff")
    values, places_of = _parsed(text, source)
    return read_tables(values, places_of, source=source)


def read_tables(values: Mapping[str, Any], places_of: Mapping[Path, Place], *, source: str = "") -> Template:
    """The template in these nested tables, of which each key stands at its place; refused like a text otherwise."""
    notes = Notes(places_of)
    template = _template(Form(values, notes))
    if notes.problems:
        raise TemplateError(sorted(notes.problems, key=lambda one: (one.line, one.column)), source=source)
    return template


# ---------------------------------------------------------------- syntax


def _parsed(text: str, source: str) -> tuple[dict[str, Any], Mapping[Path, Place]]:
    if len(text.encode()) > LARGEST:
        raise TemplateError([Problem(1, 1, "", "文件太大", f"不超过 {LARGEST // 1024} KiB")], source=source)
    try:
        values = tomlkit.parse(text).unwrap()
    except (TOMLKitError, ValueError, RecursionError) as error:
        raise TemplateError(_syntax(text, error), source=source) from error
    return values, places(text)[0]


def _syntax(text: str, error: Exception) -> list[Problem]:
    twice = places(text)[1]
    if twice:
        return [
            Problem(
                place.line,
                place.column,
                str(path[-1]),
                "同一个键或表写了两次",
                "每个键只写一次",
                "删掉其中一个",
            )
            for path, place in twice
        ]
    line, column = (error.line, error.col + 1) if isinstance(error, ParseError) else (1, 1)
    shown = text.splitlines()[line - 1] if 0 < line <= len(text.splitlines()) else ""
    reason, expected, example = _guess(shown, error)
    return [Problem(line, column, "", reason, expected, example)]


def _guess(line: str, error: Exception) -> tuple[str, str, str]:
    """What an operator most likely meant by a line that is not TOML."""
    key = line.partition("=")[0].strip() or "name"
    if any(sign in line for sign in "“”‘’"):
        return "用了中文引号", "英文引号", 'name = "7天成长计划"'
    if "＝" in line or "：" in line.partition('"')[0]:
        return "用了中文的等号或冒号", "英文等号 =", 'name = "7天成长计划"'
    if re.search(r"=\s*$", line):
        return f"{key} 后面没有值", "等号后面写一个值", f'{key} = "…"'
    if re.search(r"=\s*\d{1,2}:\d{1,2}", line):
        return "时间写法不对", "两位数的时、分、秒", "time = 09:30:00"
    if re.search(r"=\s*\d{4}-", line):
        return "日期写法不对", "四位年、两位月、两位日", "date = 2026-10-01"
    if re.match(r"\s*[^\s\[\]#\"'=A-Za-z0-9_.-]", line):
        return "键名只能用英文", "键名和说明里的一样", 'name = "7天成长计划"'
    if re.search(r"=\s*[^\s\"'\[{0-9+-]", line) and not re.search(r"=\s*(true|false)\b", line):
        return f"{key} 的文字没有加引号", "英文引号里的文字", f'{key} = "…"'
    if line.count('"') % 2 or line.count("'") % 2:
        return "引号没有合上", "成对的引号；多行文字用三个引号", 'text = """\n第一行\n第二行\n"""'
    return f"读不懂这一行（{type(error).__name__}）", "键 = 值，或 [表名]", 'name = "7天成长计划"'


# ---------------------------------------------------------------- the template


def _template(form: Form) -> Template:
    subject = form.word("subject", Subject, Subject.MEMBER) or Subject.MEMBER
    trigger = read_trigger(form, subject)
    rules = form.inner("rules") or Form({}, form.notes, (*form.path, "rules"))
    template = Template(
        id=form.identifier("id"),
        name=form.text("name", required=True, longest=64),
        version=form.number("version", 1, least=1),
        description=form.text("description", longest=1000),
        subject=subject,
        trigger=trigger,
        audience=_audience(form, subject),
        exit=_exit(form.inner("exit"), subject),
        finish=_finish(form.inner("finish"), form, subject),
        guard=read_guard(form.inner("guard")),
        goal=_goal(form.inner("goal")),
        quiet=_quiet(rules.inner("quiet_hours")),
        weekly_cap=rules.number("weekly_cap", most=50) if rules.has("weekly_cap") else None,
        priority=rules.number("priority", least=-9, most=9),
        reentry=_reentry(rules),
        hold_out=rules.share("hold_out", most=0.5),
        arms=_arms(form),
        approval_above=rules.number("approval_above", 1, least=1) if rules.has("approval_above") else None,
        steps=_steps(form, subject, trigger),
        items=tuple(read_item(one) for one in form.inners("item")),
    )
    rules.asked |= {"weekly_cap", "approval_above"}
    rules.done()
    form.done()
    _pool(form, template)
    _known_arms(form, template)
    return template


def _audience(form: Form, subject: Subject) -> Audience:
    inner = form.inner("audience", required=True)
    if inner is None:
        return Audience()
    audience = Audience(
        include=read_expression(inner, "include", subject),
        exclude=read_expression(inner, "exclude", subject),
        everyone=inner.flag("everyone"),
    )
    if audience.everyone and inner.has("include"):
        inner.wrong("include", "everyone = true 已经是所有人，include 不起作用", expected="只留一个")
    if not audience.everyone and not inner.has("include"):
        form.wrong(
            "audience",
            "没有写给谁，那就谁也收不到",
            expected="include = '标签表达式'，或明写 everyone = true",
        )
    inner.done()
    return audience


def _exit(form: Form | None, subject: Subject) -> Exit:
    if form is None:
        return Exit()
    rule = Exit(
        promoted=form.flag("promoted"),
        left=form.flag("left", True),
        tags=read_expression(form, "tags", subject),
        on=form.words("on", Signal),
    )
    form.done()
    return rule


def _finish(form: Form | None, template: Form, subject: Subject) -> Finish:
    if form is None:
        return Finish()
    finish = Finish(
        form.texts("tags_add", longest=64),
        form.text("chain", longest=64),
        form.text("invite", longest=64),
        form.text("invite_text", longest=LONGEST_TEXT),
        form.flag("on_goal"),
    )
    if finish.on_goal and not template.has("goal"):
        form.wrong(
            "on_goal", "没有写目标，也就没有达成的时候", expected='先写 [goal]，例如 signal = "order.paid"'
        )
    if (finish.invite or finish.invite_text) and subject is Subject.GROUP:
        form.wrong("invite" if finish.invite else "invite_text", "群不能进群", expected="只用在成员的模板里")
    if finish.invite_text and not finish.invite:
        form.wrong("invite_text", "没有写邀请进哪个群", expected="invite 和 invite_text 一起写")
    check_invitation(form, finish)
    if finish.tags and subject is Subject.GROUP:
        form.wrong("tags_add", "群没有标签", expected="只用在成员的模板里")
    if finish.chain and finish.chain == template.values.get("id"):
        form.wrong("chain", "接着走的就是它自己，会绕圈", expected="另一份模板的 id")
    if not (finish.tags or finish.chain or finish.invite or finish.invite_text):
        form.wrong("tags_add", "没有写走完以后做什么", expected="tags_add、chain 或 invite，至少一个")
    form.done()
    return finish


def _goal(form: Form | None) -> Goal | None:
    if form is None:
        return None
    signal = form.word("signal", Signal) if form.has("signal") else None
    goal = Goal(signal, form.text("tag", longest=64), form.number("within_days", 7, least=1, most=365))
    form.asked.add("signal")
    if not form.has("signal") and not goal.tag:
        form.wrong("signal", "没有写目标是什么", expected="signal 或 tag，至少一个")
    form.done()
    return goal


def _quiet(form: Form | None) -> QuietHours | None:
    if form is None:
        return None
    quiet = QuietHours(form.moment("from"), form.moment("to"))
    if quiet.start == quiet.end and quiet.start != time():
        form.wrong("to", "from 和 to 一样，读不出是全天还是从不")
    form.done()
    return quiet


def _reentry(form: Form) -> Reentry:
    word = form.text("again")
    if word in ("", "never"):
        return Reentry()
    if word == "always":
        return Reentry(again=True)
    span = form.span("again")
    if span and span.days * 86400 != span.total_seconds():
        form.wrong("again", f"“{word}” 不是整天数")
    return Reentry(again=bool(span), days=span.days)


def _arms(form: Form) -> tuple[Arm, ...]:
    forms = form.inners("arm")
    arms: list[Arm] = []
    for one in forms:
        arm = Arm(one.text("name", required=True, longest=32), one.share("share", most=1.0))
        if arm.name in [other.name for other in arms]:
            one.wrong("name", f"“{arm.name}” 用过了", expected="每组一个名字")
        if not arm.share and one.has("share"):
            one.wrong("share", "这一组一个人也没有", expected="大于 0 的小数", example="share = 0.5")
        if sum(other.share for other in arms) + arm.share > 1 + 1e-9:
            one.wrong("share", "几组加起来超过了 1", expected="所有 share 加起来不超过 1")
        arms.append(arm)
        one.done()
    return tuple(arms)


def _steps(form: Form, subject: Subject, trigger: Trigger) -> tuple[Step, ...]:
    forms = form.inners("step", required=True)
    if form.has("step") and not forms and form.values["step"] == []:
        form.wrong("step", "一个步骤也没有")
    steps = tuple(read_step(one, subject, trigger) for one in forms)
    ids = [step.id for step in steps]
    for at, step_id in enumerate(ids):
        if step_id and step_id in ids[:at]:
            forms[at].wrong("id", f"编号 “{step_id}” 用过了", expected="模板内不重复")
    check_ways(steps, forms, subject)
    for at in out_of_order(steps):
        forms[at].wrong("when", "比上一步还早", expected="步骤按时间先后写")
    return steps


def _known_arms(form: Form, template: Template) -> None:
    names = [arm.name for arm in template.arms]
    for place, step in enumerate(template.steps):
        for at, variant in enumerate(step.variants):
            if variant.arm and variant.arm not in names:
                Form({}, form.notes, ("step", place, "variant", at)).wrong(
                    "arm",
                    f"没有叫 “{variant.arm}” 的组",
                    expected="、".join(names) or "先用 [[arm]] 写出这一组",
                )


def _pool(form: Form, template: Template) -> None:
    light = any(isinstance(step.task, Ask) and step.task.kind is AskKind.LIGHT for step in template.steps)
    if light and not template.items:
        form.wrong("item", "有轻互动步骤，但题库是空的")
    ids = [item.id for item in template.items]
    for at, item_id in enumerate(ids):
        if item_id and item_id in ids[:at]:
            Form({}, form.notes, ("item", at)).wrong(
                "id", f"编号 “{item_id}” 用过了", expected="题库内不重复"
            )


# ---------------------------------------------------------------- writing


def write(template: Template) -> str:
    """The template as a fresh file; reading it gives an equal template."""
    document = tomlkit.document()
    for key, value in to_plain(template).items():
        document.add(key, _laid_out(key, value))
    return tomlkit.dumps(document)


def _laid_out(key: str, value: Any) -> Any:
    """Top tables as tables, steps and items as arrays of tables, what is small on one line, long text over lines."""
    if isinstance(value, Mapping):
        table = tomlkit.table()
        for inner, one in value.items():
            table.add(inner, _inside(inner, one))
        return table
    if key in ARRAYS:
        array = tomlkit.aot()
        for one in value:
            array.append(_laid_out("", one))
        return array
    return _flat(value)


def _inside(key: str, value: Any) -> Any:
    if (key in ARRAYS and isinstance(value, list)) or (key == "task" and "reward" in value):
        return _laid_out(key, value)
    return _flat(value)


def _flat(value: Any) -> Any:
    if isinstance(value, Mapping):
        inline = tomlkit.inline_table()
        for key, one in value.items():
            inline.append(key, _flat(one))
        return inline
    if isinstance(value, list):
        array = tomlkit.array()
        for one in value:
            array.append(_flat(one))
        return array
    if isinstance(value, str) and "\n" in value:
        return _lines(value)
    return tomlkit.item(value)


def _lines(value: str) -> Any:
    """A text over lines; a line break right after the opening quotes is not part of it."""
    written = tomlkit.string(value, multiline=True).as_string()
    return tomlkit.value(written if written.startswith('"""\n') else '"""\n' + written[3:])


def edit(text: str, changes: Mapping[Path, Any]) -> str:
    """The same file with some values changed, everything else as it was; a value of None takes its key away.

    A path names tables by key and array entries by index: ``("step", 0, "text")``.
    """
    document = tomlkit.parse(text.removeprefix("\ufeff"))
    for path, value in changes.items():
        holder: Any = document
        for part in path[:-1]:
            if isinstance(part, str) and part not in holder:
                holder[part] = tomlkit.table()
            holder = holder[part]
        if value is None:
            holder.pop(path[-1])
        elif not _is_there(holder, path[-1], value):
            holder[path[-1]] = _flat(value)
    return tomlkit.dumps(document)


def _is_there(holder: Any, key: str | int, value: Any) -> bool:
    """What is written already stays as it was written, with its quotes."""
    if isinstance(key, str) and key not in holder:
        return False
    there = holder[key]
    return bool(there == value) and isinstance(there, bool) == isinstance(value, bool)
