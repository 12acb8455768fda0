"""Triggers 触发 as operators write them: the ``[trigger]`` table becomes a :class:`~sop.template.Trigger`."""

from __future__ import annotations

from enum import StrEnum

from sop.field import LONGEST_NAME
from sop.form import Form
from sop.template import On, Subject, Trigger

GROUP_TRIGGERS = (On.WEEKLY, On.MONTHLY, On.DATE, On.HOLIDAY)


class TierWord(StrEnum):
    NEW = "new"
    POTENTIAL = "potential"
    CORE = "core"


class HolidayWord(StrEnum):
    """Holidays as they are written."""

    ANY = "any"
    NEW_YEAR = "元旦"
    SPRING_FESTIVAL = "春节"
    QINGMING = "清明节"
    LABOUR_DAY = "劳动节"
    DRAGON_BOAT = "端午节"
    MID_AUTUMN = "中秋节"
    NATIONAL_DAY = "国庆节"


def read_trigger(form: Form, subject: Subject) -> Trigger:
    """The trigger of the template in this table; what is wrong with it is noted in the form."""
    inner = form.inner("trigger", required=True)
    on = inner.word("on", On) if inner else None
    if inner is None or on is None:
        if inner is not None:
            inner.strangers()
        return Trigger(on=On.FRIEND_ADDED)
    if subject is Subject.GROUP and on not in GROUP_TRIGGERS:
        inner.wrong(
            "on",
            f"{on} 说的是一个成员，不是一个群",
            expected="weekly、monthly、date、holiday 之一",
            example='on = "weekly"',
        )
    trigger = _trigger_on(inner, on)
    inner.done()
    return trigger


def _trigger_on(form: Form, on: On) -> Trigger:
    match on:
        case On.TAG_ADDED | On.TAG_REMOVED:
            return Trigger(on=on, tag=form.text("tag", required=True, longest=64))
        case On.TIER_CHANGED:
            form.asked.add("tier")
            return Trigger(on=on, tier=str(form.word("tier", TierWord) or "") if form.has("tier") else "")
        case On.GROUP_JOINED:
            return Trigger(on=on, group=form.text("group"))
        case On.LINK_VISITED:
            return Trigger(on=on, template=form.text("template"))
        case On.SILENCE:
            return Trigger(on=on, days=form.number("days", 1, required=True, least=1, most=365))
        case On.DATE:
            return Trigger(on=on, date=form.day("date"), time=form.moment("time"))
        case On.WEEKLY:
            return Trigger(on=on, weekday=form.weekday("weekday"), time=form.moment("time"))
        case On.MONTHLY:
            day = form.number("day", 1, required=True, least=1, most=31)
            return Trigger(on=on, day=day, time=form.moment("time"))
        case On.HOLIDAY:
            name = form.word("holiday", HolidayWord)
            return Trigger(
                on=on,
                holiday="" if name in (None, HolidayWord.ANY) else str(name),
                days_before=form.number("days_before", most=30),
                time=form.moment("time"),
            )
        case On.DATE_FIELD:
            return Trigger(
                on=on,
                field=form.text("field", required=True, longest=LONGEST_NAME),
                days_before=form.number("days_before", most=60),
                time=form.moment("time"),
            )
    return Trigger(on=on)
