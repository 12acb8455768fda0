"""Every number the platform documents has words for operators, one action and one fate."""

from __future__ import annotations

import pytest

from bot.wecom.errcode import MEANINGS, Action, action_of, error_of, words_for
from sop.errors import Blocked, Busy, Refused

NUMBERS: dict[Action, tuple[int, ...]] = {
    Action.AGAIN: (-1, 6000, 41063, 41096, 45033),
    Action.TOKEN: (40014, 42001),
    Action.WINDOW: (45009,),
    Action.DONE: (40071, 41051),
    Action.OTHERWISE: (50100, 81017, 95007, 301058, 301060, 846605, 846608),
    Action.STOP: (
        40001, 40013, 41001, 40056, 41045, 41055, 43012, 48002, 48006, 50001, 50003, 60020, 84074,
        93000, 93004, 93008, 95000, 95004, 95011, 95012, 95017, 301052, 301053, 701008,
    ),
    Action.NEVER: (
        40003, 60111, 40007, 40008, 40033, 40035, 40058, 44004, 45002, 40029, 40050, 86001, 86003, 86008,
        40068, 40096, 40098, 41054, 41041, 41047, 41048, 41050, 41053, 41058, 41093, 41094, 50002, 60011,
        60021, 60140, 81011, 81013, 82001, 82002, 82003, 82004, 84061, 84084, 85002, 95001, 95002, 95031,
        95008, 95013, 95016, 95018, 95014, 95019, 301061, 610004,
    ),
}  # fmt: skip
FATES = {
    Action.AGAIN: Busy,
    Action.WINDOW: Busy,
    Action.NEVER: Refused,
    Action.OTHERWISE: Refused,
    Action.STOP: Blocked,
    Action.TOKEN: Blocked,
}


@pytest.mark.parametrize(
    ("code", "action"), [(code, action) for action, codes in NUMBERS.items() for code in codes]
)
def test_a_documented_number_has_its_action(code: int, action: Action) -> None:
    assert action_of(code) is action
    assert str(code) in words_for(code)


def test_the_table_holds_the_documented_numbers_and_no_others() -> None:
    assert set(MEANINGS) == {code for codes in NUMBERS.values() for code in codes}


@pytest.mark.parametrize(("action", "fate"), FATES.items())
def test_an_action_has_one_fate(action: Action, fate: type) -> None:
    errors = [error_of(code) for code in NUMBERS[action]]

    assert {type(error) for error in errors} == {fate}


def test_what_is_as_good_as_done_is_no_error() -> None:
    assert [error_of(code) for code in NUMBERS[Action.DONE]] == [None, None]


def test_later_always_says_how_much_later() -> None:
    waits = [error_of(code) for code in (*NUMBERS[Action.AGAIN], *NUMBERS[Action.WINDOW])]

    assert all(isinstance(wait, Busy) and wait.retry_after > 0 for wait in waits)


def test_a_number_nobody_knows_is_refused_and_shown() -> None:
    error = error_of(987_654)

    assert isinstance(error, Refused)
    assert "987654" in error.reason
