"""Messages 消息: what we say, and through which channel it can be said.

A message knows no payload of the platform. Each channel states what it can do
(:class:`Capabilities`), so that a rule can choose a channel without knowing WeCom.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sop.card import Card


class Channel(StrEnum):
    """The ways a message can leave."""

    APP = "app"  # our app, to staff (应用消息)
    APPCHAT = "appchat"  # our app, into an internal group it made (应用群聊)
    WELCOME = "welcome"  # to a new friend, with the welcome code (欢迎语)
    GROUP_SEND = "group_send"  # to members or customer groups, a person confirms (企业群发)
    KF = "kf"  # to a member who wrote to us in 微信客服
    WEBHOOK = "webhook"  # into an internal group (群机器人)
    AIBOT = "aibot"  # a 智能机器人, to staff or into an internal group where it was spoken to
    MOMENT = "moment"  # into the moments of a member of staff, a person confirms (客户朋友圈)


class Form(StrEnum):
    """What a piece of content is."""

    TEXT = "text"
    MARKDOWN = "markdown"
    WIDE_MARKDOWN = "markdown_v2"
    LINK = "link"
    CHOICE = "choice"
    IMAGE = "image"
    VOICE = "voice"
    VIDEO = "video"
    FILE = "file"
    NEWS = "news"
    ARTICLES = "articles"
    MINI_PROGRAM = "mini_program"
    CARD = "card"
    MENTIONS = "mentions"


FORM_WORDS: dict[Form, str] = {
    Form.TEXT: "文字",
    Form.MARKDOWN: "Markdown",
    Form.WIDE_MARKDOWN: "带表格的 Markdown",
    Form.LINK: "链接卡片",
    Form.CHOICE: "选项",
    Form.IMAGE: "图片",
    Form.VOICE: "语音",
    Form.VIDEO: "视频",
    Form.FILE: "文件",
    Form.NEWS: "图文",
    Form.ARTICLES: "图文正文",
    Form.MINI_PROGRAM: "小程序",
    Form.CARD: "模板卡片",
    Form.MENTIONS: "@提醒",
}
WORDS = frozenset({Form.TEXT, Form.MARKDOWN, Form.WIDE_MARKDOWN, Form.LINK, Form.CHOICE, Form.MENTIONS})
IN_WORDS = frozenset({Form.LINK, Form.CHOICE})  # said in words where a channel can't show them
ATTACHABLE = frozenset({Form.IMAGE, Form.LINK, Form.NEWS, Form.MINI_PROGRAM, Form.VIDEO, Form.FILE})
PLAIN = frozenset({Form.TEXT, Form.IMAGE, Form.VOICE, Form.VIDEO, Form.FILE})


@dataclass(frozen=True)
class Capabilities:
    """What a channel can do; every channel states it, so nobody assumes."""

    reaches: frozenset[str]  # of "staff", "member", "customer_group", "internal_group"
    shows: frozenset[Form] = PLAIN
    attachments: int = 0  # beside a text; without, a message is one thing only
    confirmed_by_person: bool = False
    individual_text: bool = True
    max_bytes: int = 2048
    markdown_bytes: int = 2048
    cards: bool = False
    lifetime_s: float | None = None  # after which a message on it is worthless
    safe_to_repeat: bool = False  # the platform drops an identical second request

    def objection(self, content: Content) -> str:
        """Why this channel cannot carry ``content``, as operators read it; empty when it can.

        Links and choices are said in words where they cannot be shown. Lengths are checked where the message leaves.
        """
        if not content.forms - {Form.MENTIONS}:
            return "消息内容为空"
        strange = content.forms - self.shows - IN_WORDS
        if strange:
            return f"这个通道发不了{'、'.join(FORM_WORDS[form] for form in Form if form in strange)}"
        if self.attachments:
            most, count = self.attachments, content.attached
            return f"附件最多 {most} 个，这里有 {count} 个" if count > most else ""
        return "" if content.is_one_thing else "这个通道一条消息只能是一种内容，请分成几条发"


CAPABILITIES: dict[Channel, Capabilities] = {
    Channel.APP: Capabilities(
        frozenset({"staff"}),
        shows=frozenset(Form) - {Form.WIDE_MARKDOWN, Form.MENTIONS},
        cards=True,
        safe_to_repeat=True,
    ),
    Channel.APPCHAT: Capabilities(
        frozenset({"internal_group"}),
        shows=PLAIN | {Form.MARKDOWN, Form.LINK, Form.NEWS, Form.ARTICLES, Form.MENTIONS},
    ),
    Channel.WELCOME: Capabilities(
        frozenset({"member"}),
        shows=ATTACHABLE | {Form.TEXT},
        attachments=9,
        max_bytes=4000,
        lifetime_s=20.0,
        safe_to_repeat=True,
    ),
    Channel.GROUP_SEND: Capabilities(
        frozenset({"member", "customer_group"}),
        shows=ATTACHABLE | {Form.TEXT},
        attachments=9,
        confirmed_by_person=True,
        individual_text=False,
        max_bytes=4000,
    ),
    Channel.KF: Capabilities(
        frozenset({"member"}), shows=PLAIN | {Form.CHOICE, Form.MINI_PROGRAM}, safe_to_repeat=False
    ),
    Channel.WEBHOOK: Capabilities(
        frozenset({"internal_group"}),
        shows=(PLAIN - {Form.VIDEO})
        | {Form.MARKDOWN, Form.WIDE_MARKDOWN, Form.NEWS, Form.CARD, Form.MENTIONS},
        cards=True,
        markdown_bytes=4096,
    ),
    Channel.AIBOT: Capabilities(
        frozenset({"staff", "internal_group"}),
        shows=PLAIN | {Form.MARKDOWN, Form.WIDE_MARKDOWN, Form.CHOICE, Form.CARD},
        max_bytes=20_480,
        markdown_bytes=20_480,
        cards=True,
    ),
    Channel.MOMENT: Capabilities(
        frozenset({"member"}),
        shows=frozenset({Form.TEXT, Form.IMAGE, Form.VIDEO, Form.LINK}),
        attachments=9,
        confirmed_by_person=True,
        max_bytes=4000,
    ),
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
    """A card that opens an address; ``picture`` is the address of its picture."""

    title: str
    url: str
    description: str = ""
    picture: str = ""


@dataclass(frozen=True)
class Media:
    """A file we keep, known by the hash of its bytes; ``name`` is what people see."""

    form: Form
    digest: str
    name: str
    title: str = ""
    description: str = ""


@dataclass(frozen=True)
class MiniProgram:
    """A page of a mini program; ``cover`` is its picture, ``facts`` are lines of a notice to staff."""

    app_id: str
    page: str
    title: str
    cover: Media | None = None
    description: str = ""
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Article:
    """A page of text that the platform itself keeps for staff to read; ``html`` is its body."""

    title: str
    cover: Media
    html: str
    digest: str = ""
    author: str = ""
    url: str = ""


class Markup(StrEnum):
    """How a text is meant."""

    PLAIN = ""
    MARKDOWN = "markdown"
    WIDE = "markdown_v2"  # tables and pictures, no colours and no mentions


@dataclass(frozen=True)
class Content:
    """What is said: a text, and what stands beside it or instead of it."""

    text: str = ""
    link: Link | None = None
    choice: Choice | None = None
    markup: Markup = Markup.PLAIN
    media: tuple[Media, ...] = ()
    mini: MiniProgram | None = None
    news: tuple[Link, ...] = ()
    articles: tuple[Article, ...] = ()
    card: Card | None = None
    mentions: tuple[str, ...] = ()  # staff to be called; "@all" calls everybody
    seen_by: tuple[str, ...] = ()  # of a moment: the tags of those who see it; none means everybody

    @property
    def forms(self) -> frozenset[Form]:
        """Everything this content needs a channel to show."""
        words = {
            Markup.PLAIN: Form.TEXT,
            Markup.MARKDOWN: Form.MARKDOWN,
            Markup.WIDE: Form.WIDE_MARKDOWN,
        }[self.markup]
        parts: dict[Form, object] = {
            words: self.text,
            Form.LINK: self.link,
            Form.CHOICE: self.choice,
            Form.MINI_PROGRAM: self.mini,
            Form.NEWS: self.news,
            Form.ARTICLES: self.articles,
            Form.CARD: self.card,
            Form.MENTIONS: self.mentions,
        }
        return frozenset(form for form, part in parts.items() if part) | {one.form for one in self.media}

    @property
    def attached(self) -> int:
        """How many attachments this makes where a message is a text with attachments."""
        return len(self.media) + len(self.news) + sum(part is not None for part in (self.link, self.mini))

    @property
    def is_one_thing(self) -> bool:
        """Words only, or one thing only; a mini program takes a line of text along."""
        solid = [*self.media, *filter(None, (self.mini, self.card, self.news, self.articles))]
        words = self.forms & WORDS - ({Form.TEXT} if self.mini else set())
        return not solid or (len(solid) == 1 and not words)


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
