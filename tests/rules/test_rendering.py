"""Operators' text is data: it fills in words, within bounds, and reaches nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sop.audience import Facts
from sop.expression import parse
from sop.group import Group
from sop.member import Member
from sop.render import (
    FILTERS,
    LONGEST_TEXT,
    PERSONAL,
    SAMPLE,
    WORDS,
    Reach,
    check,
    compose,
    render,
    variables,
    words,
)
from sop.template import After, Step, Variant

LIN = Member(id="wm_lin", name="林晓", tier="potential", tags=frozenset({"职场新人", "爱提问"}))
GREETING = '{{ member.name | default: "朋友" }}，晚上好'


def test_a_name_is_filled_in() -> None:
    assert render(GREETING, words(member=LIN)).text == "林晓，晚上好"


def test_a_missing_name_takes_the_default() -> None:
    assert render(GREETING, words()).text == "朋友，晚上好"
    assert render(GREETING, words(member=Member(id="wm"))).text == "朋友，晚上好"


def test_a_missing_word_without_default_is_never_sent_with_a_hole() -> None:
    assert render("你好 {{ member.name }}", words()).text == ""
    assert render("你好 {{ member.name }}", words()).problem == "缺少 member.name 的值"


def test_if_and_for_read_tags_and_tiers() -> None:
    text = "{% if member.tier == '潜力用户' %}{% for tag in member.tags %}#{{ tag }} {% endfor %}{% endif %}"

    assert render(text, words(member=LIN)).text == "#爱提问 #职场新人"


def test_every_word_can_be_said() -> None:
    text = "".join(f"{{{{ {word} }}}}" for word in WORDS)

    assert check(text) == []
    assert variables(text) == set(WORDS)


def test_a_group_is_called_by_its_name() -> None:
    assert (
        render("{{ group.name }}的朋友们", words(group=Group(id="wr", name="新手答疑群"))).text
        == "新手答疑群的朋友们"
    )


# ---------------------------------------------------------------- wordings and fallbacks


def step(text: str, *variants: tuple[str, str]) -> Step:
    said = tuple(Variant(parse(audience), wording) for audience, wording in variants)
    return Step(id="s", when=After(delay=timedelta()), text=text, variants=said)


def test_the_first_variant_that_fits_is_said() -> None:
    both = step("大家好", ("职场新人", "新人好"), ("爱提问", "好问题"))

    assert compose(both, LIN.facts(), words(member=LIN)).text == "新人好"
    assert compose(both, Facts(tags=frozenset({"爱提问"})), words()).text == "好问题"
    assert compose(both, Facts(), words()).text == "大家好"


def test_who_switched_personalisation_off_gets_what_everybody_gets() -> None:
    assert (
        compose(step("大家好", ("职场新人", "新人好")), LIN.facts(), words(), personal=False).text == "大家好"
    )


def test_a_variant_that_cannot_be_said_falls_back_and_says_so() -> None:
    said = compose(step("大家好", ("职场新人", "{{ coupon.code }}")), LIN.facts(), words(member=LIN))

    assert said.text == "大家好"
    assert said.problem == "变体没有发出，改用通用文字：缺少 coupon.code 的值"


def test_a_text_too_long_for_its_channel_falls_back() -> None:
    said = compose(step("短", ("职场新人", "长" * 200)), LIN.facts(), words(), longest=100)

    assert said.text == "短"
    assert "600 字节" in said.problem


def test_when_even_the_fallback_cannot_be_said_nothing_is() -> None:
    assert compose(step("{{ link }}"), Facts(), words()).text == ""


# ---------------------------------------------------------------- who reads it


@pytest.mark.parametrize("word", sorted(PERSONAL))
def test_one_text_for_all_may_not_be_personal(word: str) -> None:
    [problem] = check(f"晚上好\n{{{{ {word} }}}}", Reach.ALL)

    assert word in problem.reason
    assert problem.line == 2


def test_a_text_that_may_go_to_all_needs_a_default() -> None:
    assert check(GREETING, Reach.MAYBE) == []
    assert check("{{ member.name }}，晚上好", Reach.MAYBE)
    assert check("{{ coupon.code }}", Reach.MAYBE)


# ---------------------------------------------------------------- hostile text

REFUSED = [
    "{{ now }}",
    "{{ today }}",
    "{{ member }}",
    "{{ member.__class__ }}",
    "{{ member['__init__'] }}",
    "{{ member[link] }}",
    "{{ member.name.__class__ }}",
    "{{ forloop }}",
    "{{ (1..3) }}",
    "{% for x in (1..99999999) %}a{% endfor %}",
    "{% if (1..999999999) contains 0.5 %}a{% endif %}",
    "{{ (1..99999999) | join }}",
    "{% include 'x' %}",
    "{% render 'x' %}",
    "{% assign x = link %}",
    "{% capture x %}{% endcapture %}",
    "{% cycle 'a', 'b' %}",
    "{% increment x %}",
    "{% decrement x %}",
    "{% tablerow x in options %}{% endtablerow %}",
    "{% raw %}{{ member }}{% endraw %}",
    "{% liquid echo link %}",
    "{% comment %}x{% endcomment %}",
    "{% unless link %}x{% endunless %}",
    "{% case day %}{% endcase %}",
    "{% break %}",
    "{{ link | date: '%Y' }}",
    "{{ link | split: '' }}",
    "{{ link | times: 9 }}",
    "{{ link | replace: '', 'x' }}",
    "{{ 'a' | replace: 'a', '" + "b" * 5000 + "' }}",
    "{{ '" + "a" * 5000 + "' | append: 'b' }}",
    "{{ " + "9" * 60 + " | round }}",
    "{{ " + "9" * 6000 + " }}",
    "{{ link",
    "{% if link %}",
    "{% endif %}",
    "x" * (LONGEST_TEXT + 1),
    "{% for a in options %}" * 13 + "{% endfor %}" * 13,
]


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:40])
def test_what_is_not_in_the_language_is_refused(text: str) -> None:
    [problem, *_] = check(text)

    assert problem.reason
    assert problem.expected
    assert render(text, SAMPLE).text == ""


PIECES = st.sampled_from(
    [
        *(f"{{{{ {word} }}}}" for word in WORDS),
        *(
            f"{{{{ {word} | {name} }}}}"
            for word in ("member.tags", "link", "day", "options")
            for name in FILTERS
        ),
        "{{ link | append: link | append: link }}",
        "{{ menu | replace: 'A', menu | replace: '拿', menu }}",
        "{{ options | join: menu }}",
        "{% for a in options %}",
        "{% for b in member.tags %}",
        "{{ a }}",
        "{{ forloop.index }}",
        "{{ forloop.parentloop.parentloop.it }}",
        "{{ forloop.it }}",
        "{% endfor %}",
        "{% if day > 1 %}",
        "{% elsif link contains 'a' %}",
        "{% else %}",
        "{% endif %}",
        "{{ member.__class__.__mro__ }}",
        "{{ now }}",
        "{{",
        "%}",
        "'",
        "晚上好",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=25))
def test_no_text_reaches_an_attribute_or_outgrows_its_bounds(pieces: list[str]) -> None:
    text = "".join(pieces)

    said = render(text, SAMPLE)

    assert len(said.text.encode()) <= LONGEST_TEXT
    assert bool(said.text) != bool(said.problem)
    for secret in ("<class", "object at 0x", "__", "iterator", "datetime"):
        assert secret not in said.text or secret in "".join(piece for piece in pieces if "{" not in piece)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="{}%|'\" .:()[]abcdefilmnoprstu0123456789", max_size=60))
def test_any_text_is_rendered_or_explained(text: str) -> None:
    said = render(text, SAMPLE)

    assert said.text or said.problem
    assert all(problem.line >= 1 and problem.column >= 1 for problem in check(text))
