"""Filters: tiny questions about an update, composable with ``&``, ``|`` and ``~``, without side effects.

A filter that asks for words can be looked up instead of tried; :attr:`Filter.words` says by which.
"""

from __future__ import annotations

import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sop.update import MessageHeard, Update

if TYPE_CHECKING:
    from handlers.context import Context


SIGNS = " \t\r\n.,!?~。、…"  # what people put around a word without meaning anything by it


def folded(text: str) -> str:
    """A text as routing compares it: width, case, and blanks or signs around it make no difference."""
    return unicodedata.normalize("NFKC", text).strip(SIGNS).casefold()


@dataclass(frozen=True)
class Words:
    """How a filter can be found from a message's text: whole words, beginnings, or only by trying."""

    exact: frozenset[str] = frozenset()
    prefixes: frozenset[str] = frozenset()


class Filter(ABC):
    """A question about an update; True when it agrees."""

    @abstractmethod
    def agrees(self, update: Update, ctx: Context) -> bool: ...

    @property
    def words(self) -> Words | None:
        """The words without which this filter never agrees; None when words do not decide."""
        return None

    def __and__(self, other: Filter) -> Filter:
        return Both(self, other)

    def __or__(self, other: Filter) -> Filter:
        return Either(self, other)

    def __invert__(self) -> Filter:
        return Not(self)


@dataclass(frozen=True)
class Anything(Filter):
    """Agrees always."""

    def agrees(self, update: Update, ctx: Context) -> bool:
        return True


@dataclass(frozen=True)
class Both(Filter):
    left: Filter
    right: Filter

    def agrees(self, update: Update, ctx: Context) -> bool:
        return self.left.agrees(update, ctx) and self.right.agrees(update, ctx)

    @property
    def words(self) -> Words | None:
        return self.left.words or self.right.words

    def __repr__(self) -> str:
        return f"({self.left!r} & {self.right!r})"


@dataclass(frozen=True)
class Either(Filter):
    left: Filter
    right: Filter

    def agrees(self, update: Update, ctx: Context) -> bool:
        return self.left.agrees(update, ctx) or self.right.agrees(update, ctx)

    @property
    def words(self) -> Words | None:
        left, right = self.left.words, self.right.words
        if left is None or right is None:
            return None
        return Words(left.exact | right.exact, left.prefixes | right.prefixes)

    def __repr__(self) -> str:
        return f"({self.left!r} | {self.right!r})"


@dataclass(frozen=True)
class Not(Filter):
    inner: Filter

    def agrees(self, update: Update, ctx: Context) -> bool:
        return not self.inner.agrees(update, ctx)

    def __repr__(self) -> str:
        return f"~{self.inner!r}"


class Keyword(Filter):
    """The whole text is one of these words."""

    def __init__(self, *words: str) -> None:
        self._exact = frozenset(folded(word) for word in words)

    def agrees(self, update: Update, ctx: Context) -> bool:
        return isinstance(update, MessageHeard) and folded(update.text) in self._exact

    @property
    def words(self) -> Words | None:
        return Words(exact=self._exact)

    def __repr__(self) -> str:
        return f"Keyword({', '.join(map(repr, sorted(self._exact)))})"


class Prefix(Filter):
    """The text begins with one of these words; a blank at the word's end is asked for too."""

    def __init__(self, *words: str) -> None:
        self._prefixes = frozenset(unicodedata.normalize("NFKC", word).casefold() for word in words)

    def agrees(self, update: Update, ctx: Context) -> bool:
        return isinstance(update, MessageHeard) and folded(update.text).startswith(tuple(self._prefixes))

    @property
    def words(self) -> Words | None:
        return Words(prefixes=self._prefixes)

    def __repr__(self) -> str:
        return f"Prefix({', '.join(map(repr, sorted(self._prefixes)))})"


class Pattern(Filter):
    """The folded text, without blanks and signs around it, matches a regular expression somewhere."""

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern)

    def agrees(self, update: Update, ctx: Context) -> bool:
        return isinstance(update, MessageHeard) and bool(self._pattern.search(folded(update.text)))

    def __repr__(self) -> str:
        return f"Pattern({self._pattern.pattern!r})"


class Via(Filter):
    """We heard it through one of these: app, kf, archive, aibot."""

    def __init__(self, *ways: str) -> None:
        self._ways = frozenset(ways)

    def agrees(self, update: Update, ctx: Context) -> bool:
        return isinstance(update, MessageHeard) and update.via in self._ways

    def __repr__(self) -> str:
        return f"Via({', '.join(map(repr, sorted(self._ways)))})"


FROM_STAFF = Via("app", "aibot")  # said to us by an employee, wherever that was


class InConversation(Filter):
    """The member is in the middle of a dialogue about this topic."""

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def agrees(self, update: Update, ctx: Context) -> bool:
        return ctx.conversation is not None and ctx.conversation.topic == self._topic

    def __repr__(self) -> str:
        return f"InConversation({self._topic!r})"


class InTier(Filter):
    """The member is in one of these tiers."""

    def __init__(self, *tiers: str) -> None:
        self._tiers = frozenset(str(tier) for tier in tiers)

    def agrees(self, update: Update, ctx: Context) -> bool:
        return ctx.member is not None and str(ctx.member.tier) in self._tiers

    def __repr__(self) -> str:
        return f"InTier({', '.join(map(repr, sorted(self._tiers)))})"


class Ticked(Filter):
    """The clock reached a slot of this timetable entry."""

    def __init__(self, name: str) -> None:
        self._name = name

    def agrees(self, update: Update, ctx: Context) -> bool:
        return getattr(update, "name", None) == self._name

    def __repr__(self) -> str:
        return f"Ticked({self._name!r})"


class Waited(Filter):
    """A wait of this sort has ended."""

    def __init__(self, what: str) -> None:
        self._what = what

    def agrees(self, update: Update, ctx: Context) -> bool:
        return getattr(update, "what", None) == self._what

    def __repr__(self) -> str:
        return f"Waited({self._what!r})"


class That(Filter):
    """Any question that fits on one line; ``name`` is what its repr says."""

    def __init__(self, name: str, question: Callable[[Update, Context], bool]) -> None:
        self._name, self._question = name, question

    def agrees(self, update: Update, ctx: Context) -> bool:
        return self._question(update, ctx)

    def __repr__(self) -> str:
        return f"That({self._name!r})"
