"""Whose archived words may be used: those of members who agreed, from then on, where they agreed."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from sop.archive import Agreements, ArchiveDecided, purpose
from sop.update import MessageHeard, Update

NOW = datetime(2026, 7, 2, 11, 0, tzinfo=UTC)
MEMBERS, GROUPS = ("lin", "zhou"), ("g1", "g2")


def said(member: str, group: str, text: str = "x") -> MessageHeard:
    return MessageHeard(at=NOW, member=member, group=group, text=text, via="archive")


def decided(member: str, group: str, agreed: bool) -> ArchiveDecided:
    return ArchiveDecided(at=NOW, member=member, scope=group, agreed=agreed)


def test_silence_is_no_agreement() -> None:
    assert Agreements({}).filtered([said("lin", "g1")]) == []


def test_employees_need_not_agree() -> None:
    spoke = MessageHeard(at=NOW, member="linmo", group="g1", via="archive", from_staff=True)

    assert Agreements({}).filtered([spoke]) == [spoke]


def test_agreeing_in_one_group_says_nothing_of_another() -> None:
    here, there = said("lin", "g1"), said("lin", "g2")

    assert Agreements({("lin", "g1"): True}).filtered([here, there]) == [here]


def test_a_decision_counts_from_where_it_stands() -> None:
    before, between, after = (said("lin", "g1", text) for text in ("一", "二", "三"))
    page: list[Update] = [
        before, decided("lin", "g1", True), between, decided("lin", "g1", False), after,
    ]  # fmt: skip

    used = Agreements({}).filtered(page)

    assert [one.text for one in used if isinstance(one, MessageHeard)] == ["二"]


EVENTS = st.lists(
    st.tuples(st.sampled_from(MEMBERS), st.sampled_from(GROUPS), st.sampled_from([None, True, False]))
)


@given(EVENTS)
def test_nobody_s_words_are_used_whose_last_word_on_it_was_no(
    events: list[tuple[str, str, bool | None]],
) -> None:
    page: list[Update] = [
        said(who, where) if agreed is None else decided(who, where, agreed) for who, where, agreed in events
    ]
    used, state, wanted = Agreements({}).filtered(page), dict[tuple[str, str], bool](), list[Update]()
    for update, (who, where, agreed) in zip(page, events, strict=True):
        if agreed is not None:
            state[who, where] = agreed
        if agreed is not None or state.get((who, where)):
            wanted.append(update)

    assert used == wanted


@given(st.text(min_size=1, max_size=64))
def test_the_name_of_an_agreement_fits_where_it_is_kept(scope: str) -> None:
    assert len(purpose(scope)) <= 32
