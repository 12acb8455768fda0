"""Light interactions: no item twice too soon, answers heard however they are written, results told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sop.interaction import Item, Posted, heard, menu, options_of, pick, result_text, tally

NOW = datetime(2026, 7, 4, 11, 30, tzinfo=UTC)
DRINKS = options_of([("美式，越苦越清醒", "美式党"), ("拿铁", "拿铁党"), ("白开水", ""), ("不喝咖啡", "")])
POOL = [Item(f"i{n}", "段子", "题", DRINKS) for n in range(6)]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 200)), max_size=12),
    st.integers(1, 12),
    st.floats(0, 1, exclude_max=True),
)
def test_no_item_comes_back_within_its_weeks(
    history: list[tuple[int, int]], weeks: int, fraction: float
) -> None:
    posted = [Posted(f"i{n}", NOW - timedelta(days=days)) for n, days in history]

    item = pick(POOL, posted, NOW, weeks=weeks, fraction=fraction)

    recent = {one.item for one in posted if NOW - one.at < timedelta(weeks=weeks)}
    assert (item is None) == (len(recent) == len(POOL))
    assert item is None or item.id not in recent


def test_chance_reaches_every_item() -> None:
    chosen = {item.id for n in range(60) if (item := pick(POOL, [], NOW, weeks=8, fraction=n / 60))}

    assert chosen == {item.id for item in POOL}


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("A", "A"),
        (" a ", "A"),
        ("Ａ", "A"),
        ("1", "A"),
        ("１", "A"),
        ("①", "A"),
        ("a.", "A"),
        ("A 美式", "A"),
        ("B、拿铁", "B"),
        ("选B", "B"),
        ("我选 2", "B"),
        ("拿铁", "B"),
        ("拿铁！", "B"),
        ("美式", "A"),
        ("【C】", "C"),
        ("白开水。", "C"),
        ("不喝咖啡", "D"),
        ("咖啡", "D"),
        ("E", None),
        ("5", None),
        ("12", None),
        ("喝", None),
        ("Americano", None),
        ("今天天气不错", None),
        ("", None),
        ("？", None),
    ],
)
def test_an_answer_is_heard_however_it_is_written(text: str, chosen: str | None) -> None:
    option = heard(text, DRINKS)

    assert (option.id if option else None) == chosen


@given(st.text(max_size=20))
def test_any_words_are_an_option_or_nothing(text: str) -> None:
    assert heard(text, DRINKS) in (None, *DRINKS)


def test_a_part_of_two_options_is_no_answer() -> None:
    assert heard("周末", options_of([("周末上午", ""), ("周末晚上", "")])) is None


def test_the_menu_has_a_line_for_each_option() -> None:
    assert menu(DRINKS[:2]) == "A. 美式，越苦越清醒\nB. 拿铁"


def test_the_result_is_told_with_shares_and_a_winner() -> None:
    text = result_text("今天喝什么？", tally(DRINKS, {"A": 7, "B": 2, "C": 1, "Z": 99}))

    assert text.splitlines() == [
        "「今天喝什么？」结果出来啦，一共 10 位伙伴作答：",
        "A. 美式，越苦越清醒　7 票（70%）",
        "B. 拿铁　2 票（20%）",
        "C. 白开水　1 票（10%）",
        "D. 不喝咖啡　0 票（0%）",
        "「美式，越苦越清醒」遥遥领先，谢谢每一位参与的伙伴！",
    ]


def test_ties_and_silence_are_told_kindly() -> None:
    assert "并列第一" in result_text("？", tally(DRINKS, {"A": 2, "B": 2}))
    assert "平手" in result_text("？", tally(DRINKS[:2], {"A": 2, "B": 2}))
    assert "还没有人作答" in result_text("？", tally(DRINKS, {}))


@given(st.dictionaries(st.sampled_from("ABCDZ"), st.integers(0, 1000)))
def test_a_tally_counts_only_its_own_options(answers: dict[str, int]) -> None:
    counted = tally(DRINKS, answers)

    assert counted.total == sum(n for option, n in answers.items() if option in "ABCD")
    assert all(
        dict(zip("ABCD", counted.counts, strict=True))[one.id] == max(counted.counts)
        for one in counted.leaders
    )
