"""Every number the platform documents has words for operators, and one action for each kind of endpoint.

The lists are a copy of our own of the platform's table (developer.work.weixin.qq.com path 90313, and 101031 for the
two of 智能机器人), so that a number forgotten or invented in the code shows here.
"""

from __future__ import annotations

import re

import pytest

from bot.wecom.errcode import MEANINGS, Action, Asked, Reach, action_of, error_of, meaning_of, words_for
from bot.wecom.remedy import REMEDIES
from sop.errors import Blocked, Busy, Estranged, Refused

AT_API: dict[Action, tuple[int, ...]] = {
    Action.AGAIN: (-1, 6000, 41063, 41096, 45033),
    Action.TOKEN: (40001, 40014, 42001),
    Action.WINDOW: (45009,),
    Action.DONE: (40071, 41051),
    Action.OTHERWISE: (50100, 81017, 95007, 301058, 301060, 846605, 846608),
    Action.STOP: (
        40013, 41001, 40056, 41045, 41055, 43012, 48002, 48006, 50001, 50003, 60020, 84074,
        93000, 93004, 93008, 95000, 95004, 95011, 95012, 95017, 301052, 301053, 701008,
    ),
    Action.NEVER: (
        40003, 60111, 40007, 40008, 40033, 40035, 40058, 44004, 45002, 40029, 40050, 86001, 86003, 86008,
        40068, 40096, 40098, 41054, 41041, 41047, 41048, 41050, 41053, 41058, 41093, 41094, 50002, 60011,
        60021, 60140, 81011, 81013, 82001, 82002, 82003, 82004, 84061, 84084, 85002, 95001, 95002, 95031,
        95008, 95013, 95016, 95018, 95014, 95019, 301061, 610004,
    ),
}  # fmt: skip
EVERY = [(code, action) for action, codes in AT_API.items() for code in codes]
AT_TOKEN = {-1: Action.AGAIN, 6000: Action.AGAIN, 45033: Action.AGAIN, 45009: Action.WINDOW}
FATES = {
    Action.AGAIN: Busy,
    Action.WINDOW: Busy,
    Action.NEVER: Refused,
    Action.OTHERWISE: Refused,
    Action.STOP: Blocked,
    Action.TOKEN: Blocked,
    Action.DONE: type(None),
}
A_PLACE = re.compile(r"管理后台|群设置|config\.toml|qunxing check|维护者|时钟")
OPERATORS_CAN_HELP = (
    40003,
    60111,
    40007,
    40098,
    41054,
    45009,
    50002,
    60011,
    60021,
    84061,
    85002,
    82004,
    81011,
)


def test_the_table_holds_the_documented_numbers_and_no_others() -> None:
    assert set(MEANINGS) == {code for code, _ in EVERY}


def test_no_number_is_listed_twice() -> None:
    assert len(EVERY) == len({code for code, _ in EVERY})


@pytest.mark.parametrize(("code", "action"), EVERY)
def test_a_documented_number_has_one_action_at_each_kind_of_endpoint(code: int, action: Action) -> None:
    assert action_of(code, Asked.API) is action
    assert action_of(code, Asked.TOKEN) is AT_TOKEN.get(code, Action.STOP)


@pytest.mark.parametrize(("code", "action"), EVERY)
def test_an_action_has_one_fate(code: int, action: Action) -> None:
    error = error_of(code)

    assert type(error) is (Estranged if code in (84061, 84084) else FATES[action])
    assert str(code) in words_for(code)


@pytest.mark.parametrize("code", [code for code, _ in EVERY])
def test_where_tokens_are_given_only_what_passes_is_asked_again_and_the_rest_stops(code: int) -> None:
    error = error_of(code, Asked.TOKEN)

    assert type(error) is (Busy if code in (-1, 6000, 45033) else Blocked)


@pytest.mark.parametrize("code", [*AT_API[Action.STOP], *AT_API[Action.TOKEN], *OPERATORS_CAN_HELP])
def test_a_fault_somebody_must_mend_tells_them_where(code: int) -> None:
    words = words_for(code)

    assert "。" in words.removesuffix("。"), "what happened, then what to do"
    assert A_PLACE.search(words) or code in OPERATORS_CAN_HELP
    assert REMEDIES[code] in words


def test_a_remedy_belongs_to_a_number() -> None:
    assert set(REMEDIES) <= set(MEANINGS)


def test_later_always_says_how_much_later() -> None:
    waits = [error_of(code) for code in (*AT_API[Action.AGAIN], *AT_API[Action.WINDOW])]

    assert all(isinstance(wait, Busy) and wait.retry_after > 0 for wait in waits)


@pytest.mark.parametrize(("asked", "fate"), [(Asked.API, Refused), (Asked.TOKEN, Blocked)])
def test_a_number_nobody_knows_is_shown_and_neither_repeated_nor_taken_for_done(
    asked: Asked, fate: type
) -> None:
    error = error_of(987_654, asked)

    assert type(error) is fate
    assert "987654" in str(error)


def test_an_address_the_platform_does_not_trust_is_named_as_the_platform_sees_it() -> None:
    said = "not allow to access from your ip, hint: [1767250000_07_demo], from ip: 203.0.113.9, more info at"

    assert "203.0.113.9" in words_for(60020, said=said)
    assert "203.0.113.9" not in words_for(40035, said=said)


def test_a_banned_address_is_told_apart_from_a_limit() -> None:
    banned, limited = error_of(45009, Asked.TOKEN), error_of(45009)

    assert isinstance(banned, Blocked)
    assert banned.retry_after == 3600
    assert isinstance(limited, Busy)


def test_only_faults_of_the_installation_reach_beyond_one_request() -> None:
    reaching = {code for code in MEANINGS if meaning_of(code).reach is not Reach.REQUEST}

    assert reaching <= {*AT_API[Action.STOP], *AT_API[Action.TOKEN]}
