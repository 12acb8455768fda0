"""A template as the nested tables of its file: what :func:`sop.file.write` lays out and :func:`sop.file.read` takes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import timedelta
from typing import Any

from sop.attachment import Attachment
from sop.expression import to_text
from sop.guard import USUAL, Guard, Measure
from sop.interaction import AnswerOption, Item
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
    OnDate,
    OnDay,
    OnMiss,
    OnWeekday,
    OpenLink,
    Step,
    Subject,
    Task,
    Template,
    Trigger,
    Wait,
)

ELSE = "else"
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Table = dict[str, Any]


def to_plain(template: Template) -> Table:
    """The tables of a template's file, in their order, what is left at its default left out."""
    return _kept(
        {
            "id": template.id,
            "name": template.name,
            "version": template.version,
            "description": template.description,
            "subject": str(template.subject) if template.subject is not Subject.MEMBER else "",
            "trigger": _trigger(template.trigger),
            "audience": _audience(template),
            "rules": _rules(template),
            "exit": _exit(template),
            "finish": _finish(template.finish),
            "guard": _guard(template.guard),
            "goal": _goal(template),
            "arm": [{"name": arm.name, "share": arm.share} for arm in template.arms],
            "step": [_step(step) for step in template.steps],
            "item": [_item(item) for item in template.items],
        }
    )


def span_text(span: timedelta) -> str:
    """A length of time as it is written: 1d12h."""
    seconds = int(span.total_seconds())
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts) or "0s"


def _kept(table: Mapping[str, Any]) -> Table:
    """Without what says nothing; a number, a date or a false that is given stays."""
    return {key: value for key, value in table.items() if value not in (None, "", {}, [], ())}


def _trigger(trigger: Trigger) -> Table:
    plain: Table = {"on": str(trigger.on), "tag": trigger.tag, "tier": trigger.tier, "group": trigger.group}
    plain["template"] = trigger.template
    match str(trigger.on):
        case "silence":
            plain["days"] = trigger.days
        case "weekly":
            plain |= {"weekday": WEEKDAYS[trigger.weekday], "time": trigger.time}
        case "monthly":
            plain |= {"day": trigger.day, "time": trigger.time}
        case "holiday":
            plain |= {"holiday": trigger.holiday or "any", "time": trigger.time}
        case "date_field":
            plain |= {"field": trigger.field, "time": trigger.time}
        case "date":
            plain |= {"date": trigger.date, "time": trigger.time}
    plain["days_before"] = trigger.days_before or None
    return _kept(plain)


def _audience(template: Template) -> Table:
    audience = template.audience
    return _kept(
        {
            "everyone": audience.everyone or None,
            "include": to_text(audience.include) if audience.include else "",
            "exclude": to_text(audience.exclude) if audience.exclude else "",
        }
    )


def _rules(template: Template) -> Table:
    quiet, again = template.quiet, template.reentry
    return _kept(
        {
            "quiet_hours": {"from": quiet.start, "to": quiet.end} if quiet else None,
            "weekly_cap": template.weekly_cap,
            "priority": template.priority or None,
            "again": "" if not again.again else f"{again.days}d" if again.days else "always",
            "hold_out": template.hold_out or None,
            "approval_above": template.approval_above,
        }
    )


def _exit(template: Template) -> Table:
    rule = template.exit
    return _kept(
        {
            "promoted": rule.promoted or None,
            "left": None if rule.left else False,
            "tags": to_text(rule.tags) if rule.tags else "",
            "on": sorted(str(signal) for signal in rule.on),
        }
    )


def _guard(guard: Guard) -> Table:
    plain: Table = {"off": guard.off or None}
    plain |= {str(one): getattr(guard, one) for one in Measure if getattr(guard, one) != getattr(USUAL, one)}
    plain["window"] = span_text(guard.window) if guard.window != USUAL.window else ""
    plain["minimum"] = guard.minimum if guard.minimum != USUAL.minimum else None
    return _kept(plain)


def _finish(finish: Finish) -> dict[str, Any]:
    return _kept(
        {
            "tags_add": list(finish.tags),
            "chain": finish.chain,
            "invite": finish.invite,
            "invite_text": finish.invite_text,
            "on_goal": finish.on_goal or None,
        }
    )


def _goal(template: Template) -> Table | None:
    goal = template.goal
    if goal is None:
        return None
    return _kept({"signal": str(goal.signal or ""), "tag": goal.tag, "within_days": goal.within_days})


def _step(step: Step) -> Table:
    return _kept(
        {
            "id": step.id,
            "name": step.name,
            "when": _when(step),
            "channel": str(step.channel or ""),
            "on_miss": str(step.on_miss) if step.on_miss is not OnMiss.LATE else "",
            "on_no_confirm": _confirm(step.confirm),
            "success": str(step.success or ""),
            "marketing": None if step.marketing else False,
            "then": step.then,
            "decide": span_text(step.decide) if step.branches else "",
            "link": _kept({"url": step.link.url, "title": step.link.title}) if step.link else None,
            "text": step.text,
            "task": _task(step.task) if step.task else None,
            "variant": [
                _kept(
                    {
                        "arm": variant.arm,
                        "for": to_text(variant.audience) if variant.audience else "",
                        "text": variant.text,
                    }
                )
                for variant in step.variants
            ],
            "attach": [_attachment(one) for one in step.attachments],
            "branch": [{"on": str(one.on or ELSE), "to": one.to} for one in step.branches],
        }
    )


def _attachment(one: Attachment) -> Table:
    return _kept({field.name: getattr(one, field.name) for field in fields(one)} | {"kind": str(one.kind)})


def _when(step: Step) -> Table:
    return _kept(_moment(step) | {"window": span_text(step.when.window)})


def _moment(step: Step) -> Table:
    match step.when:
        case OnDay(day=day, time=moment, workday=workday):
            return {"day": day, "time": moment, "workday": workday or None}
        case OnWeekday(weekday=weekday, time=moment, week=week, workday=workday):
            found: Table = {"weekday": WEEKDAYS[weekday], "week": week, "time": moment}
            return found | {"workday": workday or None}
        case OnDate(date=day_of_year, time=moment, workday=workday):
            return {"date": day_of_year, "time": moment, "workday": workday or None}
        case AtBest(day=day, earliest=earliest, latest=latest, workday=workday):
            limits = {"from": earliest, "to": latest}
            return {"best": True, "day": day, **limits, "workday": workday or None}
        case After(delay=delay):
            return {"after": span_text(delay)}
        case Wait(delay=delay):
            return {"wait": span_text(delay)}
        case AfterEvent(event=event, delay=delay, within=within):
            return {"after_event": str(event), "delay": span_text(delay), "within": span_text(within)}


def _confirm(confirm: Confirm) -> Table | None:
    if confirm == Confirm():
        return None
    return _kept({"do": str(confirm.action), "after": span_text(confirm.after), "deputy": confirm.deputy})


def _task(task: Task) -> Table:
    match task:
        case CheckIn(rewards=rewards):
            kept = [_kept({"days": one.days, "tag": one.tag, "coupon": one.coupon}) for one in rewards]
            return _kept({"kind": "check_in", "reward": kept})
        case GiveCoupon(batch=batch):
            return {"kind": "coupon", "batch": batch}
        case OpenLink():
            return {"kind": "link"}
        case Ask(kind=AskKind.LIGHT):
            weeks = {"weeks_apart": task.weeks_apart}
            return {
                "kind": "light",
                "closes": span_text(task.closes),
                "post_result": task.post_result,
                **weeks,
            }
    return _kept(
        {
            "kind": str(task.kind),
            "question": task.question,
            "options": _options(task.options),
            "closes": span_text(task.closes),
            "post_result": task.post_result,
        }
    )


def _item(item: Item) -> Table:
    return {"id": item.id, "joke": item.joke, "question": item.question, "options": _options(item.options)}


def _options(options: Sequence[AnswerOption]) -> list[Any]:
    return [{"text": option.text, "tag": option.tag} if option.tag else option.text for option in options]
