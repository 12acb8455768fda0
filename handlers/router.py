"""Routers: who observes an update, and who answers it.

Observers all run and none answers. Of the handlers that could answer, the first whose filter agrees does,
and the others hear nothing. *First* goes by how much a filter asks: a dialogue we are in the middle of, a whole word, the longest
beginning, anything else; of equals the one with more conditions; then by the order of routers. Handlers are found through an index, so a thousand cost what ten do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from handlers.filters import Anything, Both, Either, Filter, InConversation, Not, folded
from sop.errors import Misconfigured
from sop.message import Reply
from sop.update import Kind, MessageHeard, Update

if TYPE_CHECKING:
    from handlers.context import Context

Answer = Callable[[Any, "Context"], Reply | None]
Observation = Callable[[Any, "Context"], None]


@dataclass(frozen=True)
class Route:
    """One handler and what it asks for."""

    handler: Callable[[Any, Context], Any]
    kinds: frozenset[Kind]
    where: Filter
    router: str

    @property
    def name(self) -> str:
        return f"{self.router}.{self.handler.__name__}"


@dataclass
class Router:
    """The reactions to one noun."""

    name: str
    answers: list[Route] = field(default_factory=list)
    observers: list[Route] = field(default_factory=list)

    def reply_to(self, kind: Kind, where: Filter | None = None) -> Callable[[Answer], Answer]:
        """The decorated handler answers updates of ``kind`` when ``where`` agrees and nobody more specific does."""

        def register(handler: Answer) -> Answer:
            self.answers.append(Route(handler, frozenset({kind}), where or Anything(), self.name))
            return handler

        return register

    def observe(self, *kinds: Kind, where: Filter | None = None) -> Callable[[Observation], Observation]:
        """The decorated handler hears every update of ``kinds`` (all kinds when none is named)."""

        def register(handler: Observation) -> Observation:
            self.observers.append(Route(handler, frozenset(kinds or Kind), where or Anything(), self.name))
            return handler

        return register


class _Answers:
    """The answering routes of one kind, by what their filters ask for."""

    def __init__(self) -> None:
        self.dialogues: list[Route] = []
        self.exact: dict[str, list[Route]] = {}
        self.prefixes: dict[str, list[Route]] = {}
        self.lengths: tuple[int, ...] = ()
        self.others: list[Route] = []

    def add(self, route: Route) -> None:
        words = route.where.words
        if _is_dialogue(route.where):
            _place(self.dialogues, route, "this dialogue")
        elif words is None:
            _append(self.others, route)
        else:
            for word in words.exact:
                _place(self.exact.setdefault(word, []), route, repr(word))
            for prefix in words.prefixes:
                _place(self.prefixes.setdefault(prefix, []), route, repr(prefix))
            self.lengths = tuple(sorted({len(prefix) for prefix in self.prefixes}, reverse=True))

    def candidates(self, update: Update) -> Iterator[Route]:
        yield from self.dialogues
        if isinstance(update, MessageHeard) and (self.exact or self.prefixes):
            text = folded(update.text)
            yield from self.exact.get(text, ())
            for length in self.lengths:
                yield from self.prefixes.get(text[:length], ())
        yield from self.others


def _is_dialogue(where: Filter) -> bool:
    if isinstance(where, Both):
        return _is_dialogue(where.left) or _is_dialogue(where.right)
    return isinstance(where, InConversation)


def conditions(where: Filter) -> frozenset[str]:
    """What a filter asks for beside words."""
    match where:
        case Anything():
            return frozenset()
        case Both():
            return conditions(where.left) | conditions(where.right)
        case Either() if not conditions(where.left) and not conditions(where.right):
            return frozenset()
        case Either() | Not():
            return frozenset({repr(where)})
    return frozenset() if where.words is not None else frozenset({repr(where)})


def _place(routes: list[Route], new: Route, asked: str) -> None:
    """Who asks for more comes first; two that ask for the same can never both be heard."""
    asks = conditions(new.where)
    for route in routes:
        if conditions(route.where) == asks:
            _conflict(route, new, asked)
    routes.append(new)
    routes.sort(key=lambda route: -len(conditions(route.where)))


def _append(routes: list[Route], new: Route) -> None:
    """Routers decide the order; one who asks for all that another asks for, and more, is never heard behind it."""
    asks = conditions(new.where)
    for route in routes:
        if conditions(route.where) <= asks:
            _conflict(route, new, repr(route.where))
    routes.append(new)


def _conflict(route: Route, new: Route, asked: str) -> None:
    raise Misconfigured(
        f"{route.name} and {new.name} both answer {asked}.",
        remedy="Give one of them another word or a filter.",
    )


class Switchboard:
    """All routers, indexed once when the process starts."""

    def __init__(self, routers: Sequence[Router]) -> None:
        self._answers: dict[Kind, _Answers] = {kind: _Answers() for kind in Kind}
        self._observers: dict[Kind, list[Route]] = {kind: [] for kind in Kind}
        for router in routers:
            for route in router.answers:
                for kind in route.kinds:
                    self._answers[kind].add(route)
            for route in router.observers:
                for kind in route.kinds:
                    self._observers[kind].append(route)

    def observers(self, update: Update, ctx: Context) -> Iterable[Route]:
        return (route for route in self._observers[update.kind] if route.where.agrees(update, ctx))

    def answering(self, update: Update, ctx: Context) -> Route | None:
        """The one route that answers, None when nobody does."""
        for route in self._answers[update.kind].candidates(update):
            if route.where.agrees(update, ctx):
                return route
        return None
