"""Who answers: the most specific; and however it is found, it is the one a patient reader would have found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.context import Context
from handlers.filters import (
    Anything,
    Both,
    Filter,
    InConversation,
    InTier,
    Keyword,
    Pattern,
    Prefix,
    That,
    Ticked,
    Via,
    folded,
)
from handlers.router import Route, Router, Switchboard, conditions
from sop.errors import Misconfigured
from sop.message import Reply
from sop.update import ClockTicked, Kind, MessageHeard, Update
from storage.conversation import Conversation

NOW = datetime(2026, 3, 5, 11, 0, tzinfo=UTC)


@dataclass
class Known:
    """As much of a context as filters ask for."""

    conversation: Conversation | None = None
    member: Any = None


STRANGER = cast(Context, Known())


def talking_about(topic: str) -> Context:
    return cast(Context, Known(Conversation("lin", topic, {}, NOW + timedelta(hours=1))))


def said(text: str, via: str = "kf") -> MessageHeard:
    return MessageHeard(at=NOW, member="lin", text=text, via=via)  # type: ignore[arg-type]


def answering(*filters: Filter | None, kind: Kind = Kind.MESSAGE) -> Router:
    """A router with one handler a filter, named by its place."""
    router = Router("test")
    for place, where in enumerate(filters):

        def handler(update: Update, ctx: Context) -> Reply | None:
            return None

        handler.__name__ = str(place)
        router.reply_to(kind, where)(handler)
    return router


def who(board: Switchboard, update: Update, ctx: Context = STRANGER) -> str:
    route = board.answering(update, ctx)
    return route.handler.__name__ if route else "nobody"


# ---------------------------------------------------------------- order


def test_the_more_specific_answers_whatever_the_order_of_handlers() -> None:
    board = Switchboard(
        [
            answering(
                Pattern("券"), Prefix("领"), Prefix("领券"), Keyword("领券"), Keyword("领券") & Via("app"),
                InConversation("poll"),
            )
        ]
    )  # fmt: skip

    assert who(board, said("领券"), talking_about("poll")) == "5"
    assert who(board, said("领券", via="app")) == "4"
    assert who(board, said("领券")) == "3"
    assert who(board, said("领券码")) == "2"
    assert who(board, said("领一张券")) == "1"
    assert who(board, said("我要券")) == "0"
    assert who(board, said("你好")) == "nobody"


def test_among_filters_without_words_the_first_router_answers() -> None:
    board = Switchboard([answering(Via("kf")), answering(Via("app")), answering(Anything())])

    assert [who(board, said("?", via=via)) for via in ("kf", "app", "archive")] == ["0", "0", "0"]
    assert len({id(board.answering(said("?", via=via), STRANGER)) for via in ("kf", "app", "archive")}) == 3


@pytest.mark.parametrize("text", ["领券", " 领券 ", "领券！", "领券~~", "ＶＩＰ", "vip", "Vip。\n"])
def test_width_case_blanks_and_signs_around_make_no_difference(text: str) -> None:
    assert who(Switchboard([answering(Keyword("领券", "VIP"))]), said(text)) == "0"


def test_a_prefix_that_ends_with_a_blank_wants_the_blank() -> None:
    board = Switchboard([answering(Prefix("领券 "))])

    assert [who(board, said(text)) for text in ("领券 春茶", "领券　春茶", "领券规则", "领券")] == [
        "0", "0", "nobody", "nobody",
    ]  # fmt: skip


def test_a_dialogue_with_another_topic_leaves_the_word_to_others() -> None:
    board = Switchboard([answering(InConversation("poll"), Keyword("1"))])

    assert who(board, said("1"), talking_about("story")) == "1"


def test_all_observers_hear_and_none_answers() -> None:
    router, heard = Router("test"), []
    router.observe(Kind.MESSAGE)(lambda update, ctx: heard.append("all"))
    router.observe(where=Via("kf"))(lambda update, ctx: heard.append("kf"))
    router.observe(Kind.CLOCK_TICKED)(lambda update, ctx: heard.append("clock"))
    board = Switchboard([router])

    for route in board.observers(said("你好"), STRANGER):
        route.handler(said("你好"), STRANGER)

    assert heard == ["all", "kf"]
    assert who(board, said("你好")) == "nobody"


def test_a_tick_reaches_only_its_own_handlers() -> None:
    router = Router("test")
    router.observe(Kind.CLOCK_TICKED, where=Ticked("day"))(lambda update, ctx: None)
    board = Switchboard([router])

    def count(name: str) -> int:
        return len(list(board.observers(ClockTicked(at=NOW, name=name, slot=NOW), STRANGER)))

    assert (count("day"), count("due")) == (1, 0)


# ---------------------------------------------------------------- conflicts


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Keyword("领券"), Keyword("领券")),
        (Keyword("领券"), Keyword("ok", " 领券")),
        (Prefix("领"), Prefix("领", "要")),
        (Keyword("领券") & Via("kf"), Via("kf") & Keyword("领券")),
        (Keyword("a") | Prefix("b"), Keyword("a")),
        (InConversation("poll"), InConversation("poll")),
        (Via("kf"), Via("kf")),
        (Anything(), Pattern("券")),
        (Via("kf"), Via("kf") & InTier("new")),
        (None, None),
    ],
    ids=repr,
)
def test_two_that_can_never_both_be_heard_are_refused_at_the_start(
    first: Filter | None, second: Filter | None
) -> None:
    with pytest.raises(Misconfigured, match=r"test\.0 and test\.1 both answer"):
        Switchboard([answering(first, second)])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Keyword("领券"), Prefix("领券")),
        (Keyword("领券"), Keyword("领券") & InTier("new")),
        (Keyword("领券") & Via("kf"), Keyword("领券") & Via("app")),
        (Via("kf") & InTier("new"), Via("kf")),
        (Keyword("领券"), ~Keyword("领券")),
        (InConversation("poll"), InConversation("story")),
    ],
    ids=repr,
)
def test_two_that_can_both_be_heard_are_welcome(first: Filter, second: Filter) -> None:
    Switchboard([answering(first, second)])


# ---------------------------------------------------------------- filters


def test_filters_compose_and_say_what_they_ask() -> None:
    where = (Keyword("领券") | Prefix("要")) & ~Via("app")

    assert repr(where) == "((Keyword('领券') | Prefix('要')) & ~Via('app'))"
    assert [where.agrees(said(text, via), STRANGER) for text, via in [("领券", "kf"), ("领券", "app"), ("x", "kf")]] == [
        True, False, False,
    ]  # fmt: skip


def test_a_question_of_ones_own_has_a_name() -> None:
    long = That("longer than 3", lambda update, ctx: len(getattr(update, "text", "")) > 3)

    assert repr(long) == "That('longer than 3')"
    assert who(Switchboard([answering(long)]), said("四个字呀")) == "0"


# ---------------------------------------------------------------- the index is only an index

WORDS = st.text("领券ab 1", max_size=4)
WORDY = st.one_of(
    st.lists(WORDS, min_size=1, max_size=3).map(lambda words: Keyword(*words)),
    st.lists(WORDS, min_size=1, max_size=2).map(lambda words: Prefix(*words)),
)
PLAIN = st.sampled_from([Via("kf"), Via("app"), InConversation("poll"), Pattern("券"), Anything()])
FILTERS = st.recursive(
    WORDY | PLAIN,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda two: two[0] & two[1]),
        st.tuples(inner, inner).map(lambda two: two[0] | two[1]),
        inner.map(lambda one: ~one),
    ),
    max_leaves=4,
)


def rank(route: Route, text: str) -> tuple[int, int, int] | None:
    """How specific a route is for a text by the rule as it is told, without any index."""
    words, asks = route.where.words, -len(conditions(route.where))
    if _needs_dialogue(route.where):
        return 0, 0, asks
    if words is None:
        return 3, 0, 0
    if text in words.exact:
        return 1, 0, asks
    longest = max((len(prefix) for prefix in words.prefixes if text.startswith(prefix)), default=-1)
    return (2, -longest, asks) if longest >= 0 else None


def _needs_dialogue(where: Filter) -> bool:
    if isinstance(where, Both):
        return _needs_dialogue(where.left) or _needs_dialogue(where.right)
    return isinstance(where, InConversation)


def naive(routes: Sequence[Route], update: MessageHeard, ctx: Context) -> list[str]:
    """Everybody who agrees, the most specific first."""
    ranked = [(rank(route, folded(update.text)), place, route) for place, route in enumerate(routes)]
    agreeing = [entry for entry in ranked if entry[2].where.agrees(update, ctx)]
    known = sorted((entry[0], entry[1], entry[2].name) for entry in agreeing if entry[0] is not None)
    return [name for _, _, name in known]


@given(st.lists(FILTERS, max_size=8), WORDS, st.sampled_from(["kf", "app"]), st.booleans())
def test_the_index_finds_whom_a_patient_reader_finds(
    filters: list[Filter], text: str, via: str, in_dialogue: bool
) -> None:
    router, ctx, update = Router("test"), talking_about("poll") if in_dialogue else STRANGER, said(text, via)
    for where in filters:
        kept = [route.where for route in router.answers]
        try:
            Switchboard([answering(*kept, where)])
        except Misconfigured:
            continue
        router = answering(*kept, where)

    expected = naive(router.answers, update, ctx)

    assert who(Switchboard([router]), update, ctx) == (
        expected[0].removeprefix("test.") if expected else "nobody"
    )
