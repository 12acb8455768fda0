"""The sample community: about sixty members, three staff, three groups, and eight weeks that lie behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from bot.chance import Chance, SeededChance
from bot.clock import Clock
from bot.simulator import lines, tag
from bot.simulator.corp import add_bot, open_corp
from bot.simulator.group import changed
from bot.simulator.persona import CHURNER, CORE, EAGER, HELPER, HUNTER, LURKER, OWL, REGULAR, Persona
from bot.simulator.talking import Circle, Record, Rhythm, day_of_talk
from bot.simulator.task import CHINA
from bot.simulator.world import (
    Friendship,
    Group,
    InternalGroup,
    Member,
    Seat,
    Staff,
    World,
    group_talk,
)

MEMBERS = 60
SEED = 20260301
TEAM = "CHAT-demo-team"
BEGINNERS, ADVANCED, INNER = "新手答疑群", "进阶交流群", "核心共创群"
STAFF = {"linmo": "林墨", "suhe": "苏禾", "chenyi": "陈一"}
OWNERS = {BEGINNERS: "linmo", ADVANCED: "suhe", INNER: "chenyi"}
RHYTHMS = {
    BEGINNERS: Rhythm(9.0, 5.0, weekend=1.35),
    ADVANCED: Rhythm(4.5, 4.5, weekend=1.1, falling_since=16, falls_to=0.16),
    INNER: Rhythm(2.4, 4.0, weekend=0.9),
}
# in every ten people: what sort they are and which groups they sit in
SEATS: tuple[tuple[Persona, tuple[str, ...]], ...] = (
    (REGULAR, (BEGINNERS,)),
    (LURKER, (BEGINNERS,)),
    (HELPER, (BEGINNERS, ADVANCED)),
    (EAGER, (BEGINNERS,)),
    (CORE, (ADVANCED, INNER)),
    (OWL, (ADVANCED,)),
    (HUNTER, (BEGINNERS,)),
    (REGULAR, (BEGINNERS, ADVANCED)),
    (CHURNER, (ADVANCED,)),
    (LURKER, (BEGINNERS,)),
)
CORP_TAGS = {"人群": ("职场新人", "创业人群", "宝妈", "学生"), "兴趣": ("咖啡", "茶", "读书", "副业")}
SOURCES = ("poster_0103", "xiaohongshu", "offline_hangzhou", "")


@dataclass
class Sample:
    """A living world, who in it is what sort of person, and when each came."""

    world: World
    start: datetime
    cast: dict[str, Persona] = field(default_factory=dict)
    came: dict[str, datetime] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)  # name → chat id
    seed: int = SEED

    def history(self, days: int = 56) -> Iterator[Record]:
        """What was said in the groups in the ``days`` before the world's start, day by day and in order."""
        today = self.start.astimezone(CHINA).date()
        for back in range(days, -1, -1):
            day = today - timedelta(days=back)
            said = [record for name in self.groups for record in self.talk_on(name, day)]
            yield from sorted(
                (record for record in said if record.at < self.start), key=lambda record: record.at
            )

    def talk_on(self, group: str, day: date) -> list[Record]:
        """What is said in the group of this name on one local day; the same whenever it is asked."""
        chance = SeededChance(self.seed * 1_000_003 + day.toordinal() * 10 + list(self.groups).index(group))
        start = self.start.astimezone(CHINA).date()
        return day_of_talk(self._circle(group, day), RHYTHMS[group], day, start, chance)

    def _circle(self, name: str, day: date) -> Circle:
        chat = self.groups[name]
        seats = self.world.groups[chat].seats
        members = {who: self.cast[who] for who in seats if who in self.cast and self._was_there(who, day)}
        readiness = {who: self._readiness(who, persona, day) for who, persona in members.items()}
        return Circle(chat, OWNERS[name], members, readiness)

    def _was_there(self, member: str, day: date) -> bool:
        return self.came[member].astimezone(CHINA).date() <= day

    def _readiness(self, member: str, persona: Persona, day: date) -> float:
        if not persona.fades:
            return persona.talk
        stayed = (day - self.came[member].astimezone(CHINA).date()).days
        return persona.talk * max(0.02, 1.0 - stayed / 40)


def sample_world(clock: Clock, chance: Chance, *, seed: int = SEED, members: int = MEMBERS) -> Sample:
    """The sample community at the clock's present instant; the secrets come from ``chance``, the people from ``seed``."""
    world, dice = open_corp(clock, chance), SeededChance(seed)
    world.internal[TEAM] = InternalGroup(TEAM, "社群运营组", list(STAFF), {add_bot(world, "webhook").name})
    sample = Sample(world, clock.now(), seed=seed)
    for staff, name in STAFF.items():
        world.staff[staff] = Staff(staff, name)
    for group, names in CORP_TAGS.items():
        for name in names:
            tag.create(world, name, group)
    _found_groups(sample)
    for index in range(members):
        _move_in(sample, index, dice)
    for one in world.groups.values():
        changed(world, one)
    _show_the_last_day(sample)
    return sample


def _found_groups(sample: Sample) -> None:
    founded = sample.start - timedelta(days=120)
    for number, (name, owner) in enumerate(OWNERS.items(), 1):
        chat = f"wrQXdemo{number:024d}"
        group = Group(chat, name, owner, founded, notice="群规：友善、真实、周五可以晒自己的小生意。")
        group.seats = {staff: Seat(staff, True, founded) for staff in dict.fromkeys((owner, "linmo"))}
        sample.world.groups[chat] = group
        sample.groups[name] = chat


def _move_in(sample: Sample, index: int, dice: Chance) -> None:
    world = sample.world
    persona, groups = SEATS[index % len(SEATS)]
    days = 2 + dice.fraction() * 20 if persona is EAGER else 15 + dice.fraction() * 95
    came = sample.start - timedelta(days=days)
    number = world.number("member")
    who = f"wmQX{number:028d}"
    agreed = dice.fraction() >= 0.04
    world.members[who] = Member(
        who,
        lines.NAMES[index % len(lines.NAMES)],
        f"oQXunion{number:06d}",
        f"oQXopen{number:06d}",
        1 + index % 2,
        agreed,
    )
    sample.cast[who], sample.came[who] = persona, came
    staff = OWNERS[groups[-1]]
    bond = Friendship(staff, who, came, dice.choice(SOURCES), chatted=True, welcomed=True)
    bond.tags = {
        dice.choice([one.id for one in world.tags.values() if one.group == home]) for home in world.tag_groups
    }
    world.friendships[staff, who] = bond
    for name in groups:
        world.groups[sample.groups[name]].seats[who] = Seat(who, False, came, 3, state=bond.state)


def _show_the_last_day(sample: Sample) -> None:
    """Put yesterday's and today's talk on the phones; the archive itself begins with the world."""
    since = sample.start - timedelta(days=1)
    for record in sample.history(days=1):
        if record.at >= since:
            sample.world.talk(group_talk(record.group), record.member, record.text, at=record.at)
