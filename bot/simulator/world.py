"""The corp's world as plain state: people, friendships, groups, tags, sends, talks. It decides nothing.

``acts`` changes it as people do in their clients, the API modules as the bot asks; only the former makes callbacks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bot.chance import Chance
from bot.clock import Clock
from bot.simulator.journal import Journal


@dataclass(frozen=True)
class Holder:
    """Who holds a secret: an app, or one of the platform's own doors (contact, kf, archive)."""

    name: str
    secret: str
    agent_id: int = 0

    @property
    def is_app(self) -> bool:
        return self.name.startswith("app/")


@dataclass(frozen=True)
class Door:
    """One callback address of the bot, with the key pair set for it in the console."""

    name: str  # app/<name> | contact | kf | archive | aibot/<name>
    token: str
    aes_key: str
    agent_id: int = 0
    for_corp: bool = True  # what is sealed names the corp; for a 智能机器人 it names nobody


@dataclass
class Staff:
    id: str
    name: str
    console_welcome: bool = False  # a welcome set in the console takes the code away from apps
    licensed: bool = True  # for interop with members; without it their friends are not told


@dataclass
class Member:
    """A person outside the corp. ``archived`` is their consent to the archive."""

    id: str
    name: str
    unionid: str = ""
    openid: str = ""
    gender: int = 0
    archived: bool = True


@dataclass
class Friendship:
    """One staff member and one member. ``one_way`` after the member deleted the staff side."""

    staff: str
    member: str
    since: datetime
    state: str = ""
    add_way: int = 1
    remark: str = ""
    tags: set[str] = field(default_factory=set)
    half: bool = False
    one_way: bool = False
    chatted: bool = False
    welcomed: bool = False


@dataclass
class CorpTag:
    id: str
    name: str
    group: str
    created: datetime
    order: int = 0
    by: str = ""  # the holder that created it; empty for the console


@dataclass
class TagGroup:
    id: str
    name: str
    created: datetime
    order: int = 0


@dataclass
class Seat:
    """A place in a group. ``scene``: 1 invited directly, 2 invite link, 3 QR code."""

    id: str
    staff: bool
    joined: datetime
    scene: int = 1
    invited_by: str = ""
    state: str = ""


@dataclass
class Group:
    """A 客户群. ``seen`` holds what the detail API may still be showing: (since, state)."""

    id: str
    name: str
    owner: str
    created: datetime
    notice: str = ""
    seats: dict[str, Seat] = field(default_factory=dict)
    version: str = ""
    dismissed: bool = False
    seen: list[tuple[datetime, Group]] = field(default_factory=list)


@dataclass
class SendRow:
    """What became of one recipient. Status 0 unsent, 1 sent, 2 not a friend, 3 quota used."""

    recipient: str
    staff: str
    status: int = 0
    at: datetime | None = None


@dataclass
class Task:
    """A mass send waiting for its senders to confirm; ``rows`` by sender."""

    id: str
    to_groups: bool
    created: datetime
    text: str
    attachments: list[dict[str, Any]]
    rows: dict[str, list[SendRow]]
    by: str
    confirmed: dict[str, datetime] = field(default_factory=dict)
    cancelled: datetime | None = None
    reminders: list[datetime] = field(default_factory=list)


@dataclass
class KfSession:
    """One member with one 微信客服 account: when they last wrote and how often we answered since."""

    wrote: datetime | None = None
    answered: int = 0
    welcomed: datetime | None = None
    state: int = 0  # 0 new, 1 with the bot, 2 queued, 3 with a person, 4 ended
    staff: str = ""


@dataclass
class KfAccount:
    """``servicers`` are the employees who look after it: are they on duty?"""

    id: str
    name: str
    servicers: dict[str, bool] = field(default_factory=dict)
    items: list[dict[str, Any]] = field(default_factory=list)
    sessions: dict[str, KfSession] = field(default_factory=lambda: defaultdict(KfSession))
    msgids: set[str] = field(default_factory=set)


@dataclass
class Way:
    """A QR code that leads to staff, or into groups."""

    id: str
    to_groups: bool
    scene: int
    made: datetime
    sort: int = 2  # 1 leads to one of the staff, 2 to several
    state: str = ""
    remark: str = ""
    staff: list[str] = field(default_factory=list)
    skip_verify: bool = True
    groups: list[str] = field(default_factory=list)
    opens_rooms: bool = True
    room_name: str = ""
    room_number: int = 1
    scans: int = 0


@dataclass
class Greeting:
    """A group welcome in the library; ``by`` is the holder that put it there."""

    id: str
    content: Mapping[str, Any]
    by: str = ""


@dataclass
class Webhook:
    """The address of one internal group's push; ``posts`` is what came."""

    name: str
    key: str
    posts: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Sent:
    """An app message that can still be taken back: when it was said, by which app, and its lines."""

    at: datetime
    app: str
    lines: list[Line] = field(default_factory=list)


@dataclass
class Kept:
    """A file handed over: known in one place (the corp, moments, one webhook), and not for long."""

    number: str
    sort: str
    name: str
    whole: bytes
    place: str
    expires: datetime


@dataclass
class AppChat:
    """An internal group made by an app."""

    number: str
    name: str
    owner: str
    staff: list[str]
    app: str


@dataclass
class Moment:
    """What staff are asked to publish; likes and comments by publisher."""

    job: str
    id: str
    created: datetime
    text: str
    attachments: list[dict[str, Any]]
    senders: list[str]
    tags: list[str]
    published: dict[str, datetime] = field(default_factory=dict)
    likes: dict[str, list[tuple[str, datetime]]] = field(default_factory=dict)
    comments: dict[str, list[tuple[str, datetime]]] = field(default_factory=dict)


@dataclass
class Bot:
    """A 智能机器人: called back, or on a long connection. ``plain_ids`` when a 超级管理员 made it."""

    name: str
    display_name: str
    mode: str  # webhook | websocket
    bot_id: str
    secret: str
    plain_ids: bool = True


@dataclass
class InternalGroup:
    """A group of employees only; bots may sit in it."""

    id: str
    name: str
    staff: list[str] = field(default_factory=list)
    bots: set[str] = field(default_factory=set)


@dataclass
class OneUse:
    """A code that works once and not for long (welcome, kf welcome, login, card response)."""

    code: str
    expires: datetime
    about: dict[str, str]
    used: bool = False
    busy_for: str = ""  # the holder whose call with it is being answered


@dataclass
class Line:
    """One thing said or shown in a talk. ``kind``: text, link, card, menu, task or notice."""

    number: int
    at: datetime
    speaker: str
    text: str = ""
    kind: str = "text"
    data: dict[str, Any] = field(default_factory=dict)


@dataclass
class Rules:
    """Numbers the platform sets and an administrator may tighten."""

    group_lag_s: float = 2.0
    dispatch_s: float = 3.0
    quota: str = "month"  # month | week | day
    archive_days: int = 5
    archive_page: int = 1000  # records at once, at most
    archive_everyone: bool = False  # a platform that hands out also the words of those who did not agree
    archive_open: bool = True  # the corp has paid for it
    kf_days: int = 3
    kf_all_ways: bool = True  # ways between sessions' states that the platform draws and does not write down
    doorbell_s: float = 15.0
    room_seats: int = 200  # a group is full with so many
    unfiltered_staff: int = 1000  # with more, groups are listed by owner only
    allowed_ips: frozenset[str] | None = None
    trusted_domains: frozenset[str] | None = None
    whole_corp_sees_app: bool = True


class World:
    """Everything there is, by id."""

    def __init__(self, clock: Clock, chance: Chance, *, corp_id: str = "wwqx2026demo0001") -> None:
        self.clock, self.chance, self.corp_id = clock, chance, corp_id
        self.journal = Journal(clock)
        self.rules = Rules()
        self.holders: dict[str, Holder] = {}
        self.doors: dict[str, Door] = {}
        self.staff: dict[str, Staff] = {}
        self.members: dict[str, Member] = {}
        self.friendships: dict[tuple[str, str], Friendship] = {}
        self.tag_groups: dict[str, TagGroup] = {}
        self.tags: dict[str, CorpTag] = {}
        self.groups: dict[str, Group] = {}
        self.tasks: dict[str, Task] = {}
        self.accounts: dict[str, KfAccount] = {}
        self.webhooks: dict[str, Webhook] = {}
        self.bots: dict[str, Bot] = {}
        self.internal: dict[str, InternalGroup] = {}
        self.ways: dict[str, Way] = {}
        self.greetings: dict[str, Greeting] = {}
        self.archive: list[dict[str, Any]] = []
        self.kept: dict[str, Kept] = {}
        self.pictures: dict[str, int] = {}  # addresses for good, and how many bytes are behind them
        self.fetching: set[str] = set()  # files being fetched at this moment
        self.chats: dict[str, AppChat] = {}
        self.moments: dict[str, Moment] = {}  # by job
        self.carded: set[tuple[str, str]] = set()  # (app, task_id) of every card there was
        self.sent: dict[str, Sent] = {}  # app messages by their number
        self.talks: dict[str, list[Line]] = defaultdict(list)
        self.codes: dict[str, OneUse] = {}
        self.delivered: dict[str, list[datetime]] = defaultdict(list)  # mass sends per recipient
        self.pushed: dict[
            tuple[str, str, str], datetime
        ] = {}  # (app, staff, request), for the duplicate check
        self.watchers: list[Callable[[str, Line], None]] = []  # told of every line when it appears
        self.rung: list[str] = []  # kf accounts whose doorbell is still to be rung
        self.kf_failures: list[int] = []  # fail types of the next kf sends, told only afterwards
        self.kf_empty_pages = 0  # how many of the next sync pages come empty though more waits
        self._numbers: dict[str, int] = defaultdict(int)

    def now(self) -> datetime:
        return self.clock.now()

    def number(self, of: str) -> int:
        """The next number of its kind, from 1."""
        self._numbers[of] += 1
        return self._numbers[of]

    def id(self, prefix: str) -> str:
        return f"{prefix}{self.number(prefix):06d}"

    def code(self, kind: str, seconds: float, **about: str) -> OneUse:
        """Issue a code of use once within ``seconds``."""
        code = f"{kind}-{self.chance.token(12)}"
        one = OneUse(code, self.now() + timedelta(seconds=seconds), {"kind": kind, **about})
        self.codes[code] = one
        return one

    def talk(
        self,
        talk: str,
        speaker: str,
        text: str = "",
        *,
        kind: str = "text",
        at: datetime | None = None,
        **data: Any,
    ) -> Line:
        """Put a line at the end of a talk."""
        line = Line(self.number("line"), at or self.now(), speaker, text, kind, data)
        self.talks[talk].append(line)
        for watch in self.watchers:
            watch(talk, line)
        return line

    def friends_of(self, staff: str) -> Iterator[Friendship]:
        return (bond for (who, _), bond in self.friendships.items() if who == staff)

    def followers(self, member: str) -> list[Friendship]:
        return [bond for (_, whom), bond in self.friendships.items() if whom == member]

    def groups_with(self, person: str) -> list[Group]:
        return [group for group in self.groups.values() if not group.dismissed and person in group.seats]

    def name_of(self, person: str) -> str:
        if person in self.staff:
            return self.staff[person].name
        if person in self.members:
            return self.members[person].name
        bot = self.bots.get(person.removeprefix("aibot/"))
        return bot.display_name if bot else person

    def app_names(self) -> list[str]:
        return [name.removeprefix("app/") for name, holder in self.holders.items() if holder.is_app]


def group_talk(group: str) -> str:
    return f"group/{group}"


def friend_talk(staff: str, member: str) -> str:
    return f"friend/{staff}/{member}"


def app_talk(app: str, staff: str) -> str:
    return f"app/{app}/{staff}"


def kf_talk(account: str, member: str) -> str:
    return f"kf/{account}/{member}"


def appchat_talk(number: str) -> str:
    return f"appchat/{number}"


def moment_talk(staff: str) -> str:
    return f"moment/{staff}"


def bot_talk(bot: str, staff: str) -> str:
    return f"aibot/{bot}/{staff}"


def internal_talk(group: str) -> str:
    return f"internal/{group}"


def webhook_talk(name: str) -> str:
    return f"webhook/{name}"
