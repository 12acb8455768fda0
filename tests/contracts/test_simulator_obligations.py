"""What the simulated platform owes the real one: twelve obligations, and the tests that prove each.

A stand-in that is kinder than WeCom lets mistakes through, one that is harsher invents them; so each line of the table
names tests that exist, and no obligation is without one.
"""

from __future__ import annotations

import ast
import base64
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers import algorithms, modes

from tests.contracts.simulated import STAFF, Heard, Stage, on_stage

TESTS = Path(__file__).resolve().parents[1]
OBLIGATIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "1. callbacks: verified within 1 s, answered within 5 s, sent again three times in the same words, and trouble on request": {
        "contracts/test_simulator_callbacks.py": (
            "test_every_door_proves_its_own_keys",
            "test_a_door_that_takes_longer_than_its_deadline_is_not_proved",
            "test_a_lost_connection_is_tried_three_times_more_with_fresh_sealing",
            "test_an_answer_that_is_late_is_as_good_as_none",
            "test_an_error_status_is_an_answer_and_ends_it",
            "test_a_refused_connection_is_tried_again",
            "test_a_dropped_callback_never_comes",
            "test_a_doubled_callback_comes_twice_in_the_same_words",
            "test_a_shuffled_callback_comes_after_the_next",
            "test_a_delayed_callback_comes_when_its_time_has_passed",
        ),
    },
    "2. sealing: padding up to 32, the corp or nobody as receiver, keys with spare bits": {
        "contracts/test_simulator_callbacks.py": ("test_keys_made_for_a_door_set_the_spare_bits",),
        "contracts/test_simulator_obligations.py": ("test_every_length_of_a_callback_is_padded_to_blocks_of_thirty_two",),
        "contracts/test_simulator_aibot.py": ("test_in_a_group_only_what_names_the_bot_is_told",),
    },
    "3. tokens: one a secret for two hours, ended early, addresses banned and not trusted": {
        "contracts/test_simulator_calls.py": (
            "test_a_token_stays_the_same_while_it_is_fresh",
            "test_a_token_ends_after_two_hours",
            "test_a_token_can_be_ended_before_its_time",
            "test_a_call_without_a_known_token_is_refused",
            "test_many_wrong_secrets_ban_the_address_for_an_hour",
        ),
        "contracts/test_simulator_conformance.py": (
            "test_every_endpoint_is_shut_to_an_address_that_is_not_trusted",
            "test_every_endpoint_refuses_a_token_that_has_ended",
            "test_another_secret_s_token_opens_nothing",
        ),
    },
    "4. limits on the world's clock; what is dropped is dropped without a word": {
        "contracts/test_simulator_calls.py": (
            "test_a_minute_s_allowance_overrun_blocks_for_a_minute",
            "test_the_thirty_first_push_in_a_minute_is_dropped_without_a_word",
            "test_the_twenty_first_post_in_a_minute_is_refused",
        ),
        "contracts/test_simulator_conformance.py": ("test_every_endpoint_but_the_exempt_has_a_limit_of_its_own",),
        "contracts/test_simulator_obligations.py": (
            "test_a_limit_overrun_is_lifted_when_its_window_is_over",
            "test_the_thousand_and_first_push_in_an_hour_is_dropped_too",
        ),
    },
    "5. welcomes: 20 s, once, and a friendship that becomes whole": {
        "contracts/test_simulator_sends.py": (
            "test_a_welcome_code_works_once",
            "test_a_welcome_code_is_dead_after_twenty_seconds",
            "test_no_welcome_once_they_are_talking",
            "test_a_second_app_is_told_that_the_first_is_at_it",
            "test_a_welcome_set_in_the_console_takes_the_code_away",
            "test_half_a_friendship_brings_the_code_and_the_whole_brings_none_after_it",
        ),
    },
    "6. mass sends: nothing before a tap, quotas, reminders, cancelling": {
        "contracts/test_simulator_sends.py": (
            "test_nothing_goes_out_before_somebody_confirms",
            "test_a_new_task_cannot_be_asked_about_for_some_seconds",
            "test_who_is_no_friend_any_more_gets_nothing",
            "test_nobody_gets_more_in_a_day_than_the_administrator_allows",
            "test_a_group_s_row_appears_only_once_it_is_sent",
            "test_a_fourth_reminder_in_a_day_is_refused",
            "test_a_cancelled_task_cannot_be_confirmed",
        ),
    },
    "7. what the API changes makes no callback; what people change does": {
        "contracts/test_simulator_people.py": (
            "test_what_the_api_changes_is_not_called_back",
            "test_what_staff_change_in_the_client_is_called_back",
        ),
        "contracts/test_simulator_registry.py": ("test_a_remark_is_seen_on_its_friendship_and_makes_no_callback",),
        "contracts/test_simulator_listening.py": ("test_our_own_move_brings_a_code_and_no_event",),
    },
    "8. customer groups: a chain of versions, details that lag, statistics of past days": {
        "contracts/test_simulator_people.py": (
            "test_versions_of_a_group_form_a_chain",
            "test_the_detail_of_a_group_is_two_seconds_behind",
            "test_a_word_in_a_group_makes_no_callback",
        ),
        "contracts/test_simulator_registry.py": (
            "test_yesterday_is_told_per_owner_and_per_day",
            "test_days_that_are_not_over_too_old_or_too_many_are_refused",
        ),
    },
    "9. kf: a doorbell, pages that may be empty, 48 hours and five messages, states, late failures": {
        "contracts/test_simulator_talks.py": (
            "test_the_doorbell_says_only_that_something_waits",
            "test_a_doorbell_s_token_is_good_for_ten_minutes",
            "test_pages_go_on_from_their_cursor_and_may_be_empty",
            "test_five_answers_then_silence_until_they_write_again",
            "test_after_two_days_there_is_no_answering",
            "test_an_accepted_message_may_still_fail",
        ),
        "contracts/test_simulator_listening.py": ("test_a_session_goes_the_written_ways_only",),
    },
    "10. the bot: only what names it, streams of six minutes, one connection, no customer group": {
        "contracts/test_simulator_aibot.py": (
            "test_in_a_group_only_what_names_the_bot_is_told",
            "test_a_customer_group_takes_no_bot",
            "test_a_click_is_told_once",
            "test_a_stream_is_fetched_for_six_minutes_at_most",
            "test_too_late_is_too_late",
            "test_without_a_subscription_nothing_is_taken",
        ),
        "contracts/test_aibot.py": (
            "test_the_newest_connection_takes_over_and_the_older_one_knows",
            "test_a_response_arrives_once_and_a_second_use_never_leaves",
            "test_after_an_hour_a_response_is_refused",
            "test_where_nobody_spoke_to_it_a_push_is_refused",
        ),
    },
    "11. the archive: a feed, sealed records, five days, consent": {
        "contracts/test_simulator_talks.py": (
            "test_the_archive_keeps_five_days_of_those_who_agreed",
            "test_the_archive_goes_on_after_a_number",
        ),
        "contracts/test_simulator_listening.py": (
            "test_each_member_of_a_group_says_whether_they_agreed",
            "test_sealed_records_open_with_the_key_of_their_version_only",
            "test_sealed_records_too_are_gone_after_five_days",
        ),
    },
    "12. errors: status 200, a number, and a hint to quote": {
        "contracts/test_simulator_conformance.py": (
            "test_no_endpoint_answers_without_a_token_and_each_says_so_with_a_hint",
            "test_an_example_is_taken_or_refused_as_its_page_says",
            "test_twenty_at_once_get_twenty_answers_and_hints_of_their_own",
        ),
    },
}  # fmt: skip


@cache
def found_in(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text("utf-8"))
    return frozenset(
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


@pytest.mark.parametrize("obligation", OBLIGATIONS)
def test_an_obligation_is_proved_by_tests_that_exist(obligation: str) -> None:
    named = OBLIGATIONS[obligation]

    missing = [
        f"{file}::{test}" for file, tests in named.items() for test in tests if test not in found_in(file)
    ]

    assert missing == []
    assert sum(map(len, named.values())) >= 3


def test_there_are_twelve() -> None:
    assert [one.split(".")[0] for one in OBLIGATIONS] == [str(number) for number in range(1, 13)]


# ---------------------------------------------------------------- what no other file proves


async def test_every_length_of_a_callback_is_padded_to_blocks_of_thirty_two() -> None:
    async with on_stage() as stage:
        for number in range(32):
            stage.acts.tell(STAFF, "啊" * 3 + "a" * number)
            await stage.sim.quiet()

        lengths = {len(base64.b64decode(one.sealed)) % 32 for one in stage.receiver.heard}
        pads = {_pad(stage, one) for one in stage.receiver.heard}

    assert lengths == {0}
    assert pads == set(range(1, 33))


def _pad(stage: Stage, heard: Heard) -> int:
    """The last byte of what was sealed, opened by hand."""
    key = base64.b64decode(stage.sim.world.doors[heard.door].aes_key + "=")
    decryptor = BlockCipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
    return (decryptor.update(base64.b64decode(heard.sealed)) + decryptor.finalize())[-1]


TEXT: dict[str, Any] = {"touser": STAFF, "msgtype": "text", "agentid": 1000002, "text": {"content": "你好"}}
WINDOWS = [("call_minute", 60), ("call_hour", 3600)]


@pytest.mark.parametrize(("allowance", "seconds"), WINDOWS)
async def test_a_limit_overrun_is_lifted_when_its_window_is_over(allowance: str, seconds: int) -> None:
    async with on_stage() as stage:
        setattr(stage.sim.limits.allowance, allowance, 2)
        codes = [await stage.code("externalcontact/get_follow_user_list") for _ in range(3)]
        await stage.later(seconds=seconds - 1)
        before = await stage.code("externalcontact/get_follow_user_list")
        await stage.later(seconds=2)
        after = await stage.code("externalcontact/get_follow_user_list")

    assert (codes, before, after) == ([0, 0, 45009], 45009, 0)


async def test_the_thousand_and_first_push_in_an_hour_is_dropped_too() -> None:
    async with on_stage() as stage:
        stage.sim.limits.allowance.push_hour = 40
        codes = set()
        for minute in range(3):
            codes |= {
                await stage.code(
                    "message/send", {**TEXT, "text": {"content": f"{minute}-{n}"}}, by="app/qunxing"
                )
                for n in range(20)
            }
            await stage.later(minutes=1)

        shown = len(stage.sim.journal.of("delivery", channel="app"))

    assert (codes, shown) == ({0}, 40)
