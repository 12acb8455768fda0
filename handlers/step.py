"""How a due step becomes a message: channel, sender, wording, link and task, for one member or one group.

Nothing here writes: what a message needs besides itself (a new link, an interaction that opens) is handed over with it,
so that words are found on a consistent view and outside any write transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from handlers.context import Context
from sop.attachment import Attachment, attached, lacking
from sop.audience import Facts
from sop.coupon import Batch
from sop.group import Group
from sop.interaction import menu, pick
from sop.journey import DueStep, Journey, day_of
from sop.link import absolute, short
from sop.member import Member
from sop.message import CAPABILITIES, Channel, Content, Link, Media, Message
from sop.render import Rendered, compose, fill, words
from sop.sender import Senders, Unsaid, not_before, sender_for, way_for
from sop.template import Ask, AskKind, CheckIn, GiveCoupon, Step, Template
from sop.timing import local_day
from storage.interaction import Run
from storage.link import Tracked


@dataclass(frozen=True)
class Recipient:
    """Whom a step speaks to, and in whose name."""

    journey: Journey
    member: Member | None = None
    group: Group | None = None
    friend: str = ""  # the staff member whose friend the member is
    welcome_code: str = ""  # of a friendship that has just begun
    greeter: str = ""  # with whom it has begun; half a friend can be welcomed already
    account: str = ""  # the 客服 account the member last wrote to

    @property
    def called(self) -> str:
        return self.member.called if self.member else self.group.called if self.group else self.journey.whom

    @property
    def facts(self) -> Facts:
        return self.member.facts() if self.member else self.group.facts() if self.group else Facts()


@dataclass
class Scribe:
    """Writes the messages of one chunk; what many share (a link, a run) is made once, and kept here until it is stored."""

    ctx: Context
    links: list[Tracked] = field(default_factory=list)  # that are new
    runs: list[Run] = field(default_factory=list)  # that open
    _links: dict[tuple[str, str], str] = field(default_factory=dict)
    _runs: dict[str, Run | None] = field(default_factory=dict)
    _texts: dict[tuple[object, ...], Rendered] = field(default_factory=dict)
    _media: dict[tuple[str, ...], Mapping[str, Media]] = field(default_factory=dict)

    def write(self, template: Template, due: DueStep, to: Recipient) -> Message | Unsaid:
        """The message a due step says to one recipient, or why it says nothing."""
        step = due.step
        channel = way_for(
            step,
            subject=to.journey.subject,
            group_kind=to.group.kind if to.group else "",
            staff=to.member is not None and to.member.staff,
            welcome_code=to.welcome_code,
        )
        if isinstance(channel, Unsaid):
            return channel
        sender = sender_for(channel, self._senders(to), to.called)
        if isinstance(sender, Unsaid):
            return sender
        said = self._words(template, step, to, sender, channel)
        if isinstance(said, Unsaid):
            return said
        rendered = self._compose(step, to, said, channel)
        if not rendered.text:
            return Unsaid(f"文案无法生成：{rendered.problem}")
        content = Content(rendered.text, link=_card(template, step, said))
        content, lacks = self._attach(template, due.step, to, sender, content, said, channel)
        return self._message(template, due, to, channel, sender, content, lacks)

    def _attach(
        self,
        template: Template,
        step: Step,
        to: Recipient,
        sender: str,
        content: Content,
        said: Mapping[str, object],
        channel: Channel,
    ) -> tuple[Content, list[str]]:
        """The content with what stands beside it, and what had to be left out, each with its reason."""
        if not step.attachments:
            return content, []
        if not CAPABILITIES[channel].attachments:
            return content, ["附件（这个渠道带不了）"]
        files, shared = self._files(step), not CAPABILITIES[channel].individual_text
        whole, lacks = list[Attachment](), list[str]()
        for at, one in enumerate(step.attachments):
            done = fill(one, said)
            if isinstance(done, str) or (wrong := lacking(one, files)):
                lacks.append(f"附件「{one.called}」（{done if isinstance(done, str) else wrong}）")
                continue
            if done.url:
                owner = f"{template.id}.v{template.version}.{step.id}.{at}.{sender if shared else to.journey.whom}"
                done = replace(done, url=self._tracked(done.url, owner, done.title, template, step))
            whole.append(done)
        return attached(content, whole, files), lacks

    def _files(self, step: Step) -> Mapping[str, Media]:
        """The files this step names, looked up once for the chunk."""
        names = tuple(sorted({one.file for one in step.attachments if one.file}))
        if names not in self._media:
            self._media[names] = self.ctx.tx.media.named(names) if names else {}
        return self._media[names]

    def _compose(self, step: Step, to: Recipient, said: Mapping[str, object], channel: Channel) -> Rendered:
        """The same wording with the same words is rendered once, however many read it."""
        personal = to.member is not None
        key = (id(step), channel, step.wording(to.facts, personal=personal, arm=to.journey.arm), repr(said))
        if key not in self._texts:
            longest = CAPABILITIES[channel].max_bytes
            self._texts[key] = compose(
                step, to.facts, said, personal=personal, arm=to.journey.arm, longest=longest
            )
        return self._texts[key]

    def _senders(self, to: Recipient) -> Senders:
        settings = self.ctx.settings
        return Senders(
            app=settings.main_app,
            kf=to.account or settings.kf_account,
            webhook=settings.webhook,
            greeter=to.greeter,
            staff=to.group.owner if to.group else to.friend,
        )

    # ------------------------------------------------------------ words

    def _words(
        self, template: Template, step: Step, to: Recipient, sender: str, channel: Channel
    ) -> dict[str, Any] | Unsaid:
        shared = not CAPABILITIES[channel].individual_text
        task = self._task(template, step, to)
        if isinstance(task, Unsaid):
            return task
        link = ""
        if step.link is not None:
            owner = f"{template.id}.v{template.version}.{step.id}.{sender if shared else to.journey.whom}"
            link = self._tracked(step.link.url, owner, step.link.title, template, step)
        return words(
            member=None if shared else to.member,
            group=to.group,
            day=day_of(to.journey.anchor, self.ctx.now, to.journey.zone or self.ctx.settings.zone),
            link=link,
            **task,
        )

    def _tracked(self, url: str, owner: str, title: str, template: Template, step: Step) -> str:
        public = self.ctx.settings.public_url
        if (owner, url) not in self._links:
            target = absolute(url, public)
            link = self.ctx.tx.links.find(owner, target)
            if link is None:
                link = Tracked(self.ctx.token(), target, title, template.id, step.id, owner)
                self.links.append(link)
            self._links[owner, url] = short(link.token, public)
        return self._links[owner, url]

    def _task(self, template: Template, step: Step, to: Recipient) -> dict[str, Any] | Unsaid:
        """The words a step's task brings along; its page is reached through a tracked link too."""
        whom = to.journey.whom if to.group else "members"
        owner = f"{template.id}.v{template.version}.{step.id}.task.{whom}"
        match step.task:
            case CheckIn():
                return {"task": self._tracked("/m/checkin", owner, "打卡", template, step)}
            case GiveCoupon(batch):
                return self._coupon(batch, owner, template, step)
            case Ask() as ask:
                run = self._run(template, step, ask, to)
                if run is None:
                    return Unsaid("题库里没有这个群近期没做过的题目")
                page = self._tracked(f"/m/poll/{run.id}", f"{owner}.{run.id}", "作答", template, step)
                return {
                    "task": page,
                    "joke": run.joke,
                    "question": run.question,
                    "options": [option.text for option in run.options],
                    "menu": menu(run.options),
                }
            case _:
                return {}

    def _coupon(self, batch_id: str, owner: str, template: Template, step: Step) -> dict[str, Any] | Unsaid:
        batch = self._batches.get(batch_id)
        if batch is None:
            return Unsaid(f"没有券批次「{batch_id}」，先把券码导入进来")
        page = self._tracked(f"/m/coupon/{batch_id}", owner, batch.name, template, step)
        return {"task": page, "coupon": {"name": batch.name}}

    @cached_property
    def _batches(self) -> Mapping[str, Batch]:
        return {batch.id: batch for batch in self.ctx.tx.coupons.batches()}

    def _run(self, template: Template, step: Step, ask: Ask, to: Recipient) -> Run | None:
        """The posting of this step's question: one for a group and occasion, one for all members of a step and day."""
        group = to.journey.whom if to.group else ""
        day = local_day(self.ctx.now, self.ctx.settings.zone).isoformat()
        run_id = ".".join(part for part in (template.id, step.id, group or "all", day) if part)
        if run_id not in self._runs:
            self._runs[run_id] = self.ctx.tx.interactions.get(run_id) or self._open(
                run_id, template, step, ask, group
            )
        return self._runs[run_id]

    def _open(self, run_id: str, template: Template, step: Step, ask: Ask, group: str) -> Run | None:
        item_id, joke, question, options = step.id, "", ask.question, ask.options
        if ask.kind is AskKind.LIGHT:
            history = self.ctx.tx.interactions.history(group)
            item = pick(
                template.items, history, self.ctx.now, weeks=ask.weeks_apart, fraction=self.ctx.fraction()
            )
            if item is None:
                return None
            item_id, joke, question, options = item.id, item.joke, item.question, item.options
        run = Run(
            id=run_id,
            item=item_id,
            kind=str(ask.kind),
            group=group,
            joke=joke,
            question=question,
            options=tuple(options),
            template=template.id,
            step=step.id,
            opened=self.ctx.now,
            closes=self.ctx.now + ask.closes,
            post_result=ask.post_result,
        )
        self.runs.append(run)
        return run

    # ------------------------------------------------------------ the message

    def _message(
        self,
        template: Template,
        due: DueStep,
        to: Recipient,
        channel: Channel,
        sender: str,
        content: Content,
        lacks: Sequence[str],
    ) -> Message:
        journey, step = to.journey, due.step
        welcome = channel is Channel.WELCOME
        return Message(
            key=f"step:{journey.id}:{step.id}",
            channel=channel,
            content=content,
            to_member=journey.whom if to.member and not to.member.staff else "",
            to_staff=journey.whom if to.member and to.member.staff else "",
            to_group=journey.whom if to.group else "",
            sender=sender,
            urgent=welcome,
            marketing=step.marketing and not welcome,
            not_before=not_before(channel, self.ctx.now),
            deadline=due.deadline,
            template=template.id,
            template_version=template.version,
            step=step.id,
            journey=journey.id,
            welcome_code=to.welcome_code if welcome else "",
            why=f"「{template.name}」的「{step.name or step.id}」" + "".join(f"，少了{one}" for one in lacks),
        )


def _card(template: Template, step: Step, said: Mapping[str, object]) -> Link | None:
    if step.link is not None and said.get("link"):
        return Link(step.link.title or template.name, str(said["link"]))
    return Link(step.name or template.name, str(said["task"])) if said.get("task") else None
