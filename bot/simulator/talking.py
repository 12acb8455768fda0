"""How a day of group talk goes: conversations that somebody opens and others join, each group with a rhythm of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from bot.chance import Chance
from bot.simulator import lines
from bot.simulator.persona import DAY_HOURS, NIGHT_HOURS, OWL, Persona, happens, second_of_day, weighted
from bot.simulator.task import CHINA

WEEKEND = 5


@dataclass(frozen=True)
class Rhythm:
    """How lively a group is: conversations a day, lines in each, and how it changed of late."""

    conversations: float
    length: float
    weekend: float = 1.2
    falling_since: int = 0  # days before the world's start when it began to fall quiet
    falls_to: float = 1.0  # of the former liveliness

    def on(self, day: date, start: date) -> float:
        """Conversations to expect on this day."""
        rate = self.conversations * (self.weekend if day.weekday() >= WEEKEND else 1.0)
        into_fall = self.falling_since - (start - day).days
        if self.falling_since and into_fall > 0:
            left = max(self.falls_to, 1.0 - (1.0 - self.falls_to) * into_fall / 7)
            rate *= left
        return rate


@dataclass(frozen=True)
class Record:
    """One message of the past or of the plan."""

    group: str
    member: str
    at: datetime
    text: str
    from_staff: bool = False


@dataclass(frozen=True)
class Circle:
    """Those who may talk in a group on a day, with how readily each does."""

    group: str
    staff: str
    members: Mapping[str, Persona]
    readiness: Mapping[str, float]


def day_of_talk(circle: Circle, rhythm: Rhythm, day: date, start: date, chance: Chance) -> list[Record]:
    """Everything said in one group on one local day, in order."""
    if not circle.readiness:
        return []
    said: list[Record] = []
    for _ in range(happens(rhythm.on(day, start), chance)):
        said.extend(_conversation(circle, rhythm, day, chance))
    if chance.fraction() < 0.7:
        said.append(_staff_line(circle, day, chance))
    return sorted(said, key=lambda record: record.at)


def _conversation(circle: Circle, rhythm: Rhythm, day: date, chance: Chance) -> Iterator[Record]:
    opener = weighted(circle.readiness, chance)
    persona = circle.members[opener]
    hours = NIGHT_HOURS if persona is OWL else DAY_HOURS
    at = datetime.combine(day, time(), CHINA) + timedelta(seconds=second_of_day(hours, chance))
    question, answers = lines.ask(chance) if chance.fraction() < persona.asks else ("", ())
    yield Record(circle.group, opener, at, question or _word(persona, at, chance))
    for turn in range(happens(rhythm.length, chance)):
        at += timedelta(seconds=10 + int(chance.fraction() ** 2 * 600))
        yield _turn(circle, opener, answers, turn, at, chance)


def _turn(
    circle: Circle, opener: str, answers: Sequence[str], turn: int, at: datetime, chance: Chance
) -> Record:
    speaker = _another(circle, opener, answers, chance)
    if speaker == opener:
        return Record(
            circle.group, opener, at, lines.thank(chance) if answers else lines.say("small", chance)
        )
    if turn < len(answers):
        if chance.fraction() < 0.12:
            return Record(circle.group, circle.staff, at, answers[turn], from_staff=True)
        return Record(circle.group, speaker, at, answers[turn])
    return Record(circle.group, speaker, at, _word(circle.members[speaker], at, chance))


def _word(persona: Persona, at: datetime, chance: Chance) -> str:
    return lines.say(weighted(persona.topics, chance), chance, hour=at.hour)


def _another(circle: Circle, opener: str, answers: Sequence[str], chance: Chance) -> str:
    if chance.fraction() < 0.25:
        return opener
    if answers:
        helpful = {
            who: ready * (0.2 + circle.members[who].answers) for who, ready in circle.readiness.items()
        }
        return weighted(helpful, chance)
    return weighted(circle.readiness, chance)


def _staff_line(circle: Circle, day: date, chance: Chance) -> Record:
    at = datetime.combine(day, time(9), CHINA) + timedelta(seconds=int(chance.fraction() * 10 * 3600))
    return Record(circle.group, circle.staff, at, lines.say("staff", chance), from_staff=True)
