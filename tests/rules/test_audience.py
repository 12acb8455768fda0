"""Audience expressions are set algebra, and an empty clause never widens."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sop.audience import (
    SPANS,
    All,
    Ask,
    Audience,
    Compare,
    Expression,
    Facts,
    Is,
    Measure,
    Not,
    Quantity,
    Sign,
    Some,
    atoms,
    holds,
    matches,
)
from sop.errors import Problem, TemplateError
from sop.expression import parse, to_text

TAGS = [
    "职场新人",
    "已购",
    "暂不 打扰",
    'a"b',
    "tier:core",
    "（x）",
    ":y",
    "\\",
    "score",
    "a=b",
    "x>2",
    "active(7d)",
]
GROUPS = ["新手答疑群", "核心 共创群"]
COUPONS = ["growth", "growth=claimed", "growth=expired", "春 券=redeemed"]
MEASURES = [
    Measure(Quantity.JOINED),
    Measure(Quantity.SILENT),
    Measure(Quantity.ACTIVE, 7),
    Measure(Quantity.ACTIVE, 30),
    Measure(Quantity.ACTS, 7),
    Measure(Quantity.SCORE),
]
COMPARISONS = st.builds(
    Compare, st.sampled_from(MEASURES), st.sampled_from(list(Sign)), st.integers(0, 5).map(float)
)

PEOPLE = st.builds(
    Facts,
    tags=st.frozensets(st.sampled_from(TAGS)),
    tier=st.sampled_from(["new", "potential", "core"]),
    groups=st.frozensets(st.sampled_from(GROUPS)),
    source=st.sampled_from(["", "poster_0103"]),
    kinds=st.frozensets(st.sampled_from(["customer", "internal"])),
    coupons=st.none() | st.frozensets(st.sampled_from(COUPONS)),
    measured=st.dictionaries(st.sampled_from(MEASURES), st.integers(0, 5).map(float)),
)
ATOMS = st.one_of(
    st.builds(Is, st.sampled_from(TAGS)),
    st.builds(Is, st.sampled_from(["new", "potential", "core"]), st.just(Ask.TIER)),
    st.builds(Is, st.sampled_from(GROUPS), st.just(Ask.GROUP)),
    st.just(Is("poster_0103", Ask.SOURCE)),
    st.builds(Is, st.sampled_from(["customer", "internal"]), st.just(Ask.KIND)),
    st.builds(Is, st.sampled_from(COUPONS), st.just(Ask.COUPON)),
    COMPARISONS,
)


def joined(parts: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.one_of(parts.map(Not), several.map(All), several.map(Some))


EXPRESSIONS = st.recursive(ATOMS, joined, max_leaves=8)
COMMUNITIES = st.lists(PEOPLE, max_size=8)


def members(expression: Expression, community: list[Facts]) -> set[int]:
    return {at for at, facts in enumerate(community) if matches(expression, facts)}


def algebra(expression: Expression, community: list[Facts]) -> set[int]:
    """The same question answered with sets of people instead of one person at a time."""
    match expression:
        case Not(part):
            return {at for at in range(len(community)) if at not in possible(part, community)}
        case All(parts):
            return set.intersection(*(algebra(part, community) for part in parts))
        case Some(parts):
            return set.union(*(algebra(part, community) for part in parts))
    return members(expression, community)


def possible(expression: Expression, community: list[Facts]) -> set[int]:
    """Those of whom it may hold, whatever the unknown turns out to be."""
    match expression:
        case Not(part):
            return set(range(len(community))) - algebra(part, community)
        case All(parts):
            return set.intersection(*(possible(part, community) for part in parts))
        case Some(parts):
            return set.union(*(possible(part, community) for part in parts))
    return {at for at, facts in enumerate(community) if holds(expression, facts) is not False}


@given(EXPRESSIONS, COMMUNITIES)
def test_an_expression_picks_what_set_algebra_picks(expression: Expression, community: list[Facts]) -> None:
    assert members(expression, community) == algebra(expression, community)


@given(EXPRESSIONS, EXPRESSIONS, COMMUNITIES)
def test_de_morgan_holds(left: Expression, right: Expression, community: list[Facts]) -> None:
    assert members(Not(All((left, right))), community) == members(Some((Not(left), Not(right))), community)
    assert members(Not(Some((left, right))), community) == members(All((Not(left), Not(right))), community)


@given(EXPRESSIONS, EXPRESSIONS, COMMUNITIES)
def test_and_never_adds_and_or_never_loses_or_duplicates(
    left: Expression, right: Expression, community: list[Facts]
) -> None:
    both, either = members(All((left, right)), community), members(Some((left, right)), community)

    assert both <= members(left, community) <= either
    assert len(either) == len(members(left, community)) + len(members(right, community)) - len(both)


@given(EXPRESSIONS, COMMUNITIES)
def test_and_with_what_nobody_is_picks_nobody(expression: Expression, community: list[Facts]) -> None:
    nobody = Is("没有人有的标签")

    assert members(All((expression, nobody)), community) == set()


@pytest.mark.parametrize("text", ["", "  ", "甲 &", "& 甲", "甲 & ()", "()", "!"])
def test_an_empty_part_is_refused_and_never_means_everybody(text: str) -> None:
    with pytest.raises(TemplateError):
        parse(text)


@given(EXPRESSIONS)
def test_writing_and_reading_gives_the_same_expression(expression: Expression) -> None:
    assert parse(to_text(expression)) == expression


@given(EXPRESSIONS, COMMUNITIES)
def test_excluding_only_takes_away(expression: Expression, community: list[Facts]) -> None:
    wide = Audience(everyone=True)
    narrow = Audience(everyone=True, exclude=expression)

    left = [facts for facts in community if narrow.has(facts)]

    assert left == [facts for facts in community if wide.has(facts) and not matches(expression, facts)]


@given(EXPRESSIONS, PEOPLE)
def test_an_audience_without_include_is_nobody(expression: Expression, facts: Facts) -> None:
    assert not Audience().has(facts)
    assert not Audience(exclude=expression).has(facts)


@pytest.mark.parametrize("clause", [All, Some])
@pytest.mark.parametrize("parts", [(), (Is("a"),)])
def test_a_clause_of_fewer_than_two_parts_cannot_be_built(
    clause: type[All] | type[Some], parts: tuple[Expression, ...]
) -> None:
    with pytest.raises(ValueError):
        clause(parts)


def test_a_nameless_atom_cannot_be_built() -> None:
    with pytest.raises(ValueError):
        Is(" ")


@given(COMPARISONS, PEOPLE)
def test_what_is_not_known_is_neither_above_nor_below(comparison: Compare, facts: Facts) -> None:
    measured = {measure: value for measure, value in facts.measured.items() if measure != comparison.measure}
    unknown = replace(facts, measured=measured)

    assert not matches(comparison, unknown)
    assert not matches(Not(comparison), unknown)


@given(EXPRESSIONS, PEOPLE, st.sampled_from(MEASURES), st.integers(0, 5))
def test_learning_more_never_overturns_what_was_decided(
    expression: Expression, facts: Facts, measure: Measure, value: int
) -> None:
    more = replace(facts, measured={measure: float(value), **facts.measured})

    decided = holds(expression, facts)

    assert decided is None or holds(expression, more) is decided


@given(COMPARISONS, st.integers(0, 99_999), st.sampled_from(list(Sign)))
def test_bounds_of_every_size_come_back_as_they_were(comparison: Compare, bound: int, sign: Sign) -> None:
    spans = comparison.measure.of in SPANS
    written = replace(comparison, sign=sign, bound=bound if spans else bound / 100)

    assert parse(to_text(written)) == written


@given(st.text(alphabet='ab职&|!()（）！"“” :\\tier=<>≥7d', max_size=20))
def test_any_text_is_read_or_refused_with_a_column(text: str) -> None:
    problems = problems_of(text)

    assert all(1 <= problem.column <= len(text) + 1 and problem.expected for problem in problems)
    assert problems or list(atoms(parse(text)))


def problems_of(text: str) -> tuple[Problem, ...]:
    try:
        parse(text)
    except TemplateError as error:
        return error.problems
    return ()


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("", 1, "缺少一个标签"),
        ("()", 1, "空的"),
        ("职场新人 &", 7, "缺少一个标签"),
        ("& 职场新人", 1, "缺少一个标签"),
        ("a | | b", 5, "缺少一个标签"),
        ("a b", 3, "读不懂"),
        ("(a | b", 1, "右括号"),
        ("a)", 2, "读不懂"),
        ('"暂不 打扰', 1, "没有合上"),
        ('""', 1, "空的"),
        ('a ""', 3, "读不懂"),
        ("tier:gold", 1, "没有"),
        ("teir:core", 1, "前缀"),
        ("group:", 1, "空的"),
        ("!" * 60 + "a", 41, "太深"),
        ("a" * 3000, 2001, "太长"),
        ("score", 6, "没有和什么比"),
        ("a & score = 5", 11, "读不懂"),
        ("score >= ", 10, "读不出"),
        ("score >= 3d", 10, "读不出"),
        ("joined >= 7", 11, "读不出"),
        ("active >= 3", 8, "最近几天"),
        ("active() >= 3", 7, "最近几天"),
        ("active(0d) >= 3", 7, "最近几天"),
        ("acts(400d) < 3", 5, "最近几天"),
        ("score(7d) > 3", 6, "读不懂"),
        ("年龄 >= 30", 1, "不能比大小"),
        ('"score" > 3', 1, "不能比大小"),
        ("tier:core > 3", 1, "不能比大小"),
        ("a=b", 1, "不能比大小"),
        ("coupon:growth=used", 1, "状态"),
        ("coupon:=claimed", 1, "状态"),
    ],
)
def test_a_mistake_is_shown_where_it_is(text: str, column: int, says: str) -> None:
    with pytest.raises(TemplateError) as refused:
        parse(text)

    [problem] = refused.value.problems
    assert problem.column == column
    assert says in problem.reason
    assert problem.expected
    parse(problem.example)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("a|b&c", "a | b & c"),
        ("(a|b)&c", "(a | b) & c"),
        ("（a｜b）＆！c", "(a | b) & !c"),
        ("!!a", "!!a"),
        ("“暂不 打扰”", '"暂不 打扰"'),
        ("joined≥48h & silent＞＝36h", "joined >= 2d & silent >= 36h"),
        ("active（7d）＜3 | score<=50.50", "active(7d) < 3 | score <= 50.5"),
        ("coupon：growth＝claimed", "coupon:growth=claimed"),
        ("tier：core & group:“新手 答疑群”", 'tier:core & group:"新手 答疑群"'),
    ],
)
def test_there_is_one_normal_way_to_write(text: str, same: str) -> None:
    assert to_text(parse(text)) == same


def test_a_quoted_name_is_a_tag_even_when_it_looks_like_a_tier() -> None:
    assert matches(parse('"tier:core"'), Facts(tags=frozenset({"tier:core"})))
    assert not matches(parse('"tier:core"'), Facts(tier="core"))
