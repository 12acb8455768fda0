"""Members and groups, as rules see them."""

from __future__ import annotations

import pytest

from sop.audience import matches
from sop.expression import parse
from sop.group import Group, GroupKind
from sop.link import absolute, is_token, short
from sop.member import Member, is_promotion

LIN = Member(
    id="wmAbCdEf123456", name="林晓", tier="potential", tags=frozenset({"职场新人"}), source="poster_0103"
)


@pytest.mark.parametrize(
    ("before", "after", "promoted"),
    [
        ("new", "potential", True),
        ("new", "core", True),
        ("potential", "potential", False),
        ("core", "potential", False),
        ("", "potential", True),
    ],
)
def test_a_promotion_goes_up(before: str, after: str, promoted: bool) -> None:
    assert is_promotion(before, after) is promoted


def test_a_member_answers_what_an_audience_asks() -> None:
    facts = LIN.facts(["新手答疑群"])

    assert matches(parse("职场新人 & tier:potential & group:新手答疑群 & source:poster_0103"), facts)
    assert not matches(parse("kind:customer"), facts)


def test_a_group_answers_by_name_and_kind() -> None:
    facts = Group(id="wr1", name="新手答疑群", kind=GroupKind.CUSTOMER).facts()

    assert matches(parse("group:新手答疑群 & kind:customer"), facts)
    assert not matches(parse("职场新人"), facts)


def test_who_has_no_name_is_called_by_the_end_of_their_id() -> None:
    assert LIN.called == "林晓"
    assert Member(id="wmAbCdEf123456").called == "成员 123456"
    assert Group(id="wrAbCdEf123456").called == "群 123456"


def test_links_get_our_host_and_tokens_are_checked_before_the_store() -> None:
    assert absolute("/m/check-in", "https://bot.example.com/") == "https://bot.example.com/m/check-in"
    assert absolute("https://example.com/a", "https://bot.example.com") == "https://example.com/a"
    assert (
        short("abcdefghijklmnop", "https://bot.example.com/") == "https://bot.example.com/l/abcdefghijklmnop"
    )
    assert is_token("abcdefghijklmnop")
    assert not is_token("abc")
    assert not is_token("../../etc/passwd-or-so")
