"""Messages 消息: what we say, and through which channel it can be said.

A message knows no payload of the platform. Each channel states what it can do
(:class:`Capabilities`), so that a rule can choose a channel without knowing WeCom.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Channel(StrEnum):
    """The ways a message can leave."""

    APP = "app"  # our app, to staff (应用消息)
    WELCOME = "welcome"  # to a new friend, with the welcome code (欢迎语)
    GROUP_SEND = "group_send"  # to members or customer groups, a person confirms (企业群发)
    KF = "kf"  # to a member who wrote to us in 微信客服
    WEBHOOK = "webhook"  # into an internal group (群机器人)
    AIBOT = "aibot"  # a 智能机器人, to staff or into an internal group where it was spoken to


@dataclass(frozen=True)
class Capabilities:
    """What a channel can do; every channel states it, so nobody assumes."""

    reaches: frozenset[str]  # of "staff", "member", "customer_group", "internal_group"
    confirmed_by_person: bool = False
    individual_text: bool = True
    max_bytes: int = 2048
    cards: bool = False
    lifetime_s: float | None = None  # after which a message on it is worthless
    safe_to_repeat: bool = False  # the platform drops an identical second request


CAPABILITIES: dict[Channel, Capabilities] = {
    Channel.APP: Capabilities(frozenset({"staff"}), cards=True, safe_to_repeat=True),
    Channel.WELCOME: Capabilities(
        frozenset({"member"}), max_bytes=4000, lifetime_s=20.0, safe_to_repeat=True
    ),
    Channel.GROUP_SEND: Capabilities(
        frozenset({"member", "customer_group"}),
        confirmed_by_person=True,
        individual_text=False,
        max_bytes=4000,
    ),
    Channel.KF: Capabilities(frozenset({"member"}), safe_to_repeat=False),
    Channel.WEBHOOK: Capabilities(frozenset({"internal_group"})),
    Channel.AIBOT: Capabilities(frozenset({"staff", "internal_group"}), max_bytes=20_480, cards=True),
}


@dataclass(frozen=True)
class Option:
    """One answer a reader can choose."""

    id: str
    text: str


@dataclass(frozen=True)
class Choice:
    """A question with options: a vote card for staff, a menu in 微信客服."""

    task: str
    question: str
    options: tuple[Option, ...]


@dataclass(frozen=True)
class Link:
    """A card that opens an address."""

    title: str
    url: str
    description: str = ""


@dataclass(frozen=True)
class Content:
    """What is said: a text, and at most one link card and one choice beside it."""

    text: str
    link: Link | None = None
    choice: Choice | None = None


@dataclass(frozen=True)
class Reply:
    """What a handler answers; it leaves on the channel the update came in by."""

    content: Content

    @classmethod
    def of(cls, text: str) -> Reply:
        return cls(Content(text))


@dataclass(frozen=True, kw_only=True)
class Message:
    """One thing to say to one recipient, waiting in the outbox or on its way.

    ``key`` is the business key: a second message with the same key is the same message.
    ``sender`` is the staff member in whose name it goes (group-send), the app's name (app), the
    account (kf) or the name of the webhook or 智能机器人. ``urgent`` messages (welcomes, replies) skip budget, quiet hours
    and spacing. ``ticket`` is what the platform wants back with an answer; only its edge reads it.
    """

    key: str
    channel: Channel
    content: Content
    to_member: str = ""
    to_staff: str = ""
    to_group: str = ""
    sender: str = ""
    urgent: bool = False
    marketing: bool = True
    not_before: datetime | None = None
    deadline: datetime | None = None
    template: str = ""
    template_version: int = 0
    step: str = ""
    journey: int = 0
    welcome_code: str = ""
    ticket: str = ""
    why: str = ""  # one line in Chinese: why this person gets this message
