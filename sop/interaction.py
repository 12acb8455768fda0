"""Light interactions 轻互动: a joke with a mini survey, a poll, a question; answers by letter, number or words."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

MOST_OPTIONS = 10


@dataclass(frozen=True)
class AnswerOption:
    """One answer that can be given; who gives it gets ``tag``. The id is a letter: A, B, C …"""

    id: str
    text: str
    tag: str = ""


@dataclass(frozen=True)
class Item:
    """One entry of a pool: something to smile at, and something to answer."""

    id: str
    joke: str
    question: str
    options: tuple[AnswerOption, ...]


@dataclass(frozen=True)
class Posted:
    """History: this item was posted to this group at this instant."""

    item: str
    at: datetime


def options_of(texts: Sequence[tuple[str, str]]) -> tuple[AnswerOption, ...]:
    """Options from (text, tag) pairs, lettered in order."""
    return tuple(AnswerOption(chr(ord("A") + at), text, tag) for at, (text, tag) in enumerate(texts))


def pick(
    pool: Sequence[Item], history: Sequence[Posted], now: datetime, *, weeks: int, fraction: float
) -> Item | None:
    """An item this group has not had within ``weeks``, chosen by ``fraction`` of chance (0 ≤ fraction < 1).

    None when the pool is used up: better silence than the same joke twice.
    """
    recent = {posted.item for posted in history if posted.at > now - timedelta(weeks=weeks)}
    fresh = [item for item in pool if item.id not in recent]
    return fresh[min(int(fraction * len(fresh)), len(fresh) - 1)] if fresh else None


# ---------------------------------------------------------------- hearing an answer


def heard(text: str, options: Sequence[AnswerOption]) -> AnswerOption | None:
    """The option a text chooses: its letter, its number, its words, or a word only it contains; None otherwise."""
    said = _plain(text)
    if not said:
        return None
    exact = _named(said, options) or _named(said.removeprefix("选").removeprefix("我选").strip(), options)
    return exact or _by_start(said, options) or _by_part(said, options)


def _named(said: str, options: Sequence[AnswerOption]) -> AnswerOption | None:
    for number, option in enumerate(options, start=1):
        if said in (option.id.casefold(), str(number), _plain(option.text)):
            return option
    return None


def _by_start(said: str, options: Sequence[AnswerOption]) -> AnswerOption | None:
    """``A 冰美式`` and ``a.`` name an option by its letter or number, when a sign or space follows it."""
    head, rest = said[:1], said[1:]
    return _named(head, options) if rest and not rest[0].isalnum() else None


def _by_part(said: str, options: Sequence[AnswerOption]) -> AnswerOption | None:
    """A part of exactly one option's words, two characters or more."""
    if len(said) < 2:
        return None
    found = [option for option in options if said in _plain(option.text)]
    return found[0] if len(found) == 1 else None


def _plain(text: str) -> str:
    """Full-width and half-width, upper and lower case, and signs at either end make no difference."""
    folded = unicodedata.normalize("NFKC", text).casefold().strip()
    return folded.strip(" .,!?~。、！？…()[]【】「」\"'“”")


# ---------------------------------------------------------------- telling the result


@dataclass(frozen=True)
class Tally:
    """How often each option was chosen, in the order of the options."""

    options: tuple[AnswerOption, ...]
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.counts)

    @property
    def leaders(self) -> tuple[AnswerOption, ...]:
        """The options with the most answers; none when nobody answered."""
        most = max(self.counts, default=0)
        return tuple(
            option for option, n in zip(self.options, self.counts, strict=True) if n == most and most > 0
        )


def tally(options: Sequence[AnswerOption], answers: Mapping[str, int]) -> Tally:
    """Counts per option id; ids that are not among the options do not count."""
    return Tally(tuple(options), tuple(answers.get(option.id, 0) for option in options))


def menu(options: Sequence[AnswerOption]) -> str:
    """The options as lines to read: A. 冰美式."""
    return "\n".join(f"{option.id}. {option.text}" for option in options)


def result_text(question: str, counted: Tally) -> str:
    """What is posted back when an interaction closes."""
    if counted.total == 0:
        return f"「{question}」这次还没有人作答，题目先留着，想到了随时告诉我们～"
    lines = [
        f"{option.id}. {option.text}　{n} 票（{round(100 * n / counted.total)}%）"
        for option, n in zip(counted.options, counted.counts, strict=True)
    ]
    head = f"「{question}」结果出来啦，一共 {counted.total} 位伙伴作答："
    return "\n".join([head, *lines, _verdict(counted)])


def _verdict(counted: Tally) -> str:
    leaders = counted.leaders
    if len(leaders) == len(counted.options):
        return "几个选项打成平手，看来大家各有各的道理。"
    if len(leaders) > 1:
        return f"{'、'.join(f'「{option.text}」' for option in leaders)}并列第一，难分高下。"
    share = max(counted.counts) / counted.total
    return f"「{leaders[0].text}」{'遥遥领先' if share >= 0.6 else '票数最多'}，谢谢每一位参与的伙伴！"


# ---------------------------------------------------------------- check-ins


def checked_text(streak: int, tags: Sequence[str] = (), coupons: Sequence[str] = ()) -> str:
    """What a member reads after a check-in, with what the streak has just earned."""
    text = f"打卡成功，已经连续 {streak} 天啦" if streak > 1 else "打卡成功，第一天，明天见"
    if tags:
        text += f"，点亮{'、'.join(f'「{tag}」' for tag in tags)}"
    if coupons:
        text += f"，{'、'.join(f'「{name}」' for name in coupons)}已经放进「我的券」"
    return f"{text}，继续保持～" if streak > 1 and not coupons else f"{text}～"
