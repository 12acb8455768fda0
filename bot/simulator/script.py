"""The people at play: they talk, open links, vote, want coupons, come, leave, and staff confirm what waits for them.

Everything is drawn from the sample's seed and happens on the world's clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from bot.chance import SeededChance
from bot.simulator import lines, phone
from bot.simulator.persona import CHURNER, EAGER, HUNTER, LURKER, Persona, second_of_day
from bot.simulator.sample import BEGINNERS, SOURCES, Sample
from bot.simulator.simulator import Simulator
from bot.simulator.task import CHINA, waiting_for
from bot.simulator.visit import Form, Page
from bot.simulator.world import Line

ROUND_S = 300
WAKING = range(8, 23)
ARRIVALS = (0.9, 0.35)  # how likely a first and a second new person are on a day
NEW_PEOPLE = (EAGER, LURKER, EAGER, HUNTER, CHURNER)
NEVER_SENT = ("unsubscribe", "optout", "opt-out", "erase", "preference", "退订")


@dataclass(frozen=True)
class Patience:
    """How long a staff member lets a waiting send wait: between these minutes."""

    least: int
    most: int


STAFF_PATIENCE = {"linmo": Patience(2, 12), "suhe": Patience(20, 70), "chenyi": Patience(120, 420)}
ANY_PATIENCE = Patience(5, 30)


@dataclass(frozen=True)
class Deed:
    """Something a person means to do at an instant of the day."""

    at: datetime
    do: Callable[[], object]


class Script:
    """Plays the sample community; ``run`` goes on until it is cancelled."""

    def __init__(
        self, simulator: Simulator, sample: Sample, *, patience: Mapping[str, Patience] = STAFF_PATIENCE
    ) -> None:
        self._sim, self._sample, self._patience = simulator, sample, patience
        self._acts, self._world = simulator.acts, simulator.world
        self._chance = SeededChance(sample.seed + 2)
        self._seen_tasks: dict[tuple[str, str], datetime] = {}

    async def run(self) -> None:
        self._world.watchers.append(self._look_at)
        self._sim.start(self._confirm_sends())
        try:
            while True:
                await self._play_day(self._today())
        finally:
            self._world.watchers.remove(self._look_at)

    # the day's plan

    async def _play_day(self, day: date) -> None:
        now = self._sim.clock.now()
        deeds = sorted(self._plan(day), key=lambda deed: deed.at)
        for deed in deeds:
            if deed.at < now:
                continue
            await self._until(deed.at)
            deed.do()
        await self._until(datetime.combine(day + timedelta(days=1), time(), CHINA))

    def _plan(self, day: date) -> list[Deed]:
        deeds = [
            Deed(record.at, self._speaking(record.group, record.member, record.text))
            for name in self._sample.groups
            for record in self._sample.talk_on(name, day)
        ]
        for member, persona in list(self._sample.cast.items()):
            deeds.extend(self._own_deeds(day, member, persona))
        deeds.extend(self._arrivals(day))
        return deeds

    def _own_deeds(self, day: date, member: str, persona: Persona) -> list[Deed]:
        chance, deeds = self._chance, []
        if chance.fraction() < persona.claims:
            deeds.append(Deed(self._hour(day, persona), lambda: self._start(self._ask_kf(member, "领券"))))
        if chance.fraction() < persona.checks_in:
            text = lines.say("check_in", chance)
            deeds.append(Deed(self._hour(day, persona), lambda: self._check_in(member, text)))
        if chance.fraction() < persona.checks_in * 0.3:
            deeds.append(Deed(self._hour(day, persona), lambda: self._start(self._ask_kf(member, "打卡"))))
        if chance.fraction() < persona.leaves:
            deeds.append(Deed(self._hour(day, persona), lambda: self._go_away(member)))
        return deeds

    def _arrivals(self, day: date) -> list[Deed]:
        return [
            Deed(self._hour(day, EAGER), lambda: self._start(self._arrive()))
            for likely in ARRIVALS
            if self._chance.fraction() < likely
        ]

    def _hour(self, day: date, persona: Persona) -> datetime:
        seconds = second_of_day(persona.hours, self._chance)
        return datetime.combine(day, time(), CHINA) + timedelta(seconds=seconds)

    # deeds

    def _speaking(self, group: str, who: str, text: str) -> Callable[[], None]:
        def speak() -> None:
            if who in self._world.groups[group].seats and not self._world.groups[group].dismissed:
                self._acts.speak(group, who, text)

        return speak

    def _check_in(self, member: str, text: str) -> None:
        groups = self._world.groups_with(member)
        if groups:
            self._acts.speak(groups[0].id, member, text)

    def _go_away(self, member: str) -> None:
        """Leave a group; now and then the staff member is deleted too."""
        groups = self._world.groups_with(member)
        if groups:
            self._acts.leave(self._chance.choice(groups).id, member)
        bonds = [bond for bond in self._world.followers(member) if not bond.one_way]
        if bonds and self._chance.fraction() < 0.3:
            self._acts.drop_staff(member, bonds[0].staff)

    async def _arrive(self) -> None:
        """Somebody new scans a poster, and mostly the group's code a little later."""
        number = self._world.number("newcomer")
        name = lines.NAMES[(60 + number) % len(lines.NAMES)]
        member = self._acts.meet(name if number <= len(lines.NAMES) - 60 else f"{name}{number}").id
        persona = self._chance.choice(NEW_PEOPLE)
        self._sample.cast[member], self._sample.came[member] = persona, self._sim.clock.now()
        self._acts.add_friend(member, "linmo", state=self._chance.choice(SOURCES) or "poster_0103")
        await self._wait(60, 3600)
        self._acts.join(self._sample.groups[BEGINNERS], member)
        if persona.talk > LURKER.talk:
            await self._wait(30, 900)
            text = lines.say("greeting", self._chance)
            self._speaking(self._sample.groups[BEGINNERS], member, text)()

    async def _ask_kf(self, member: str, text: str) -> None:
        account = next(iter(self._world.accounts))
        self._acts.enter_kf(member, account)
        await self._wait(5, 40)
        self._acts.speak_kf(member, account, text)

    # what people do with what they are shown

    def _look_at(self, talk: str, line: Line) -> None:
        """Those who see a new line may act on it later."""
        kind, _, rest = talk.partition("/")
        if line.kind == "menu" and kind == "kf":
            self._start(self._choose(rest, line))
        if line.kind == "card" and kind == "app":
            self._start(self._press(rest, line))
        if line.speaker in self._world.members or not (addresses := phone.urls(line)):
            return
        if kind == "group":
            readers = [seat for seat in self._world.groups[rest].seats if seat in self._sample.cast]
        else:
            readers = [rest.rpartition("/")[2]] if kind in ("friend", "kf") else []
        for reader in readers:
            persona = self._sample.cast.get(reader)
            if persona is not None and self._chance.fraction() < persona.opens:
                self._start(self._open(reader, persona, min(addresses)))

    async def _open(self, member: str, persona: Persona, url: str) -> None:
        await self._wait(30, 3 * 3600)
        page = await self._sim.browsers.open(member, url)
        form = _answerable(page)
        if form is None or self._chance.fraction() >= persona.votes:
            return
        await self._wait(5, 60)
        answers = {name: self._chance.choice(options) for name, options in form.choices.items()}
        answers |= {name: lines.say("reading", self._chance) for name in form.blanks}
        await self._sim.browsers.submit(member, form, **answers)

    async def _choose(self, rest: str, line: Line) -> None:
        account, _, member = rest.rpartition("/")
        clicks = [one["click"] for one in line.data["menu"].get("list", []) if one.get("type") == "click"]
        if not clicks or member not in self._sample.cast:
            return
        await self._wait(5, 600)
        click = self._chance.choice(clicks)
        self._acts.speak_kf(member, account, str(click["content"]), menu=str(click["id"]))

    # staff

    async def _press(self, rest: str, line: Line) -> None:
        """A staff member answers a card: one of its options, or one of its buttons."""
        app, _, staff = rest.rpartition("/")
        card: dict[str, Any] = line.data["card"]
        buttons = [
            *card.get("button_list", []),
            *([card["submit_button"]] if "submit_button" in card else []),
        ]
        if not buttons:
            return
        patience = self._patience.get(staff, ANY_PATIENCE)
        await self._wait(patience.least * 60, patience.most * 60)
        box = card.get("checkbox")
        options = {box["question_key"]: [self._chance.choice(box["option_list"])["id"]]} if box else None
        key = self._chance.choice(buttons)["key"]
        self._acts.press_card(staff, card["task_id"], key, options=options, app=app)

    async def _confirm_sends(self) -> None:
        """Every staff member looks at the phone now and then, by day, and confirms what has waited long enough."""
        while True:
            await self._sim.clock.sleep(ROUND_S)
            if self._sim.clock.now().astimezone(CHINA).hour in WAKING:
                for staff in self._world.staff:
                    self._look_at_sends(staff)

    def _look_at_sends(self, staff: str) -> None:
        now, patience = self._sim.clock.now(), self._patience.get(staff, ANY_PATIENCE)
        for task in waiting_for(self._world, staff):
            key = (task.id, staff)
            if key not in self._seen_tasks:
                minutes = patience.least + self._chance.fraction() * (patience.most - patience.least)
                minutes /= 1 + len(task.reminders)
                self._seen_tasks[key] = max(now, task.created) + timedelta(minutes=minutes)
            if self._seen_tasks[key] <= now:
                self._acts.confirm(staff, task.id)

    # time

    def _today(self) -> date:
        return self._sim.clock.now().astimezone(CHINA).date()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._sim.start(work)

    async def _wait(self, least_s: int, most_s: int) -> None:
        await self._sim.clock.sleep(least_s + self._chance.fraction() ** 2 * (most_s - least_s))

    async def _until(self, instant: datetime) -> None:
        await self._sim.clock.sleep((instant - self._sim.clock.now()).total_seconds())


def _answerable(page: Page) -> Form | None:
    """The first form one would answer: posted, offering choices or asking for nothing, and no way out."""
    for form in page.forms if page.status == 200 else []:
        if form.method == "post" and not any(word in form.action for word in NEVER_SENT):
            return form
    return None
