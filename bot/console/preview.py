"""What a template would say to one member or group, and when, without saying it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sop.attachment import Attachment
from sop.branch import onward
from sop.experiment import arm_of
from sop.expression import to_text
from sop.group import Group
from sop.journey import EXIT_WORDS, channel_for, due, next_slot
from sop.member import Member
from sop.message import CAPABILITIES, FORM_WORDS, Channel, Form
from sop.rehearsal import stand_ins
from sop.render import Rendered, compose, fill, words
from sop.template import AfterEvent, AtBest, OpenLink, Signal, Step, Subject, Template, Variant
from sop.timing import lasting, local_day


@dataclass(frozen=True, kw_only=True)
class StepPreview:
    """One step as this recipient would get it; ``variant`` is the expression whose text was taken."""

    nth: int
    name: str
    at: datetime
    channel: Channel | None
    variant: str
    rendered: Rendered
    card: str
    note: str = ""  # on when it comes
    attachments: tuple[str, ...] = ()
    ways: tuple[str, ...] = ()  # where it leads, when not everybody goes on to the next


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A whole template for one recipient, as if it began at ``anchor``."""

    template: Template
    recipient: str
    begins: bool
    anchor: datetime
    steps: tuple[StepPreview, ...]

    @property
    def parts(self) -> bool:
        """Whether the ways of members part, so that nobody gets all that is listed."""
        return any(step.branches for step in self.template.steps)


def fits(template: Template, to: Member | Group) -> bool:
    """Whether such a recipient can walk this template at all."""
    return isinstance(to, Member) == (template.subject is Subject.MEMBER)


def preview(
    template: Template, to: Member | Group, now: datetime, zone: str, *, own_zone: str = ""
) -> Preview:
    """Every step with its instant, its channel, its wording; ``own_zone`` is the recipient's, if they have one."""
    anchor = next_slot(template.trigger, now, zone) or now
    steps: list[StepPreview] = []
    for at in range(len(template.steps)):  # a wait is shown as if the step above it had just been said
        steps.append(_step(template, at, to, anchor, own_zone or zone, steps[-1].at if steps else anchor))
    steps += _invitation(template, to, steps[-1].at if steps else anchor)
    return Preview(
        template=template,
        recipient=to.called,
        begins=template.audience.has(to.facts()),
        anchor=anchor,
        steps=tuple(steps),
    )


def _invitation(template: Template, to: Member | Group, at: datetime) -> list[StepPreview]:
    """What the end says, to whom is not in that group yet."""
    invite, staff = template.finish.invite, isinstance(to, Member) and to.staff
    if not invite or invite in to.facts().groups:
        return []
    step = template.sayings[-1]
    said = words(member=None, group=None, day=0, **stand_ins(template, step))
    return [
        StepPreview(
            nth=len(template.sayings),
            name="走完以后" + ("，或更早达成目标的时候" if template.finish.on_goal else ""),
            at=at,
            channel=channel_for(step, subject=template.subject, staff=staff),
            variant="",
            rendered=compose(step, to.facts(), said, personal=True, arm=""),
            card=step.called,
        )
    ]


def _step(
    template: Template, index: int, to: Member | Group, anchor: datetime, zone: str, since: datetime
) -> StepPreview:
    step, done = (
        template.steps[index],
        dict.fromkeys(Signal, since),
    )  # and whatever it waits for is done at once
    at = due(template, index, anchor, zone, since=since, heard=done).at
    kind = to.kind if isinstance(to, Group) else ""
    staff = isinstance(to, Member) and to.staff
    channel = channel_for(step, subject=template.subject, group_kind=kind, staff=staff)
    personal = isinstance(to, Member) and (channel is None or CAPABILITIES[channel].individual_text)
    day = (local_day(at, zone) - local_day(anchor, zone)).days
    said = words(
        member=to if isinstance(to, Member) and personal else None,
        group=to if isinstance(to, Group) else None,
        day=day,
        **stand_ins(template, step),
    )
    arm = arm_of(template, to.id)
    longest = CAPABILITIES[channel].max_bytes if channel else CAPABILITIES[Channel.APP].max_bytes
    return StepPreview(
        nth=index + 1,
        name=step.name or step.id,
        at=at,
        channel=channel,
        variant=_variant(step, to, arm),
        rendered=compose(step, to.facts(), said, personal=isinstance(to, Member), arm=arm, longest=longest),
        card=_card(template, step),
        note=_note(step),
        ways=onward(template, index),
        attachments=tuple(_attached(one, said) for one in step.attachments),
    )


def _variant(step: Step, to: Member | Group, arm: str) -> str:
    personal = isinstance(to, Member)
    fitting = (one for one in step.variants if one.fits(to.facts(), arm, personal=personal))
    return next((_called(one) for one in fitting), "")


def _called(variant: Variant) -> str:
    audience = to_text(variant.audience) if variant.audience else ""
    return "，".join(filter(None, (variant.arm and f"对比组「{variant.arm}」", audience)))


def _attached(one: Attachment, said: Mapping[str, object]) -> str:
    done = fill(one, said)
    word = FORM_WORDS[Form(str(one.kind))]
    return f"{word}「{one.called}」带不上：{done}" if isinstance(done, str) else f"{word}「{done.called}」"


def _note(step: Step) -> str:
    """What the moment shown takes for granted."""
    match step.when:
        case AtBest():
            return "挑这一天里对方最愿意看的钟点；还没学到什么时是这一刻"
        case AfterEvent(event=event, within=within):
            return f"等对方「{EXIT_WORDS[event]}」才发，最多等 {lasting(within)}；这里当作上一步之后马上就有"
    return ""


def _card(template: Template, step: Step) -> str:
    if step.link is not None:
        return step.link.title or template.name
    return "" if step.task is None or isinstance(step.task, OpenLink) else step.name or template.name
