"""Files are kept once by their bytes, with their numbers on the platform; contents survive being written down."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sop.card import (
    Action,
    Beside,
    Button,
    Buttons,
    Colour,
    Fact,
    Jump,
    Menu,
    Notice,
    Opening,
    Picker,
    Picture,
    PictureNotice,
    Questionnaire,
    Quote,
    Source,
    Style,
    Vote,
)
from sop.message import Article, Choice, Content, Form, Link, Markup, Media, MiniProgram, Option
from storage.content import content_from_plain, content_to_plain
from storage.engine import Database
from storage.media import Handed, MediaStore

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PNG = b"\x89PNG\r\n\x1a\n\x00\xff"


async def test_the_same_bytes_are_one_file_under_their_first_name(db: Database) -> None:
    first = await db.write(lambda c: MediaStore(c, NOW).keep(Form.IMAGE, "海报.png", PNG))
    second = await db.write(lambda c: MediaStore(c, NOW).keep(Form.IMAGE, "又一张.png", PNG))

    kept = await db.read(lambda c: MediaStore(c, NOW).get(first.digest))
    assert (first.digest, kept) == (second.digest, first)
    assert await db.read(lambda c: MediaStore(c, NOW).body(first.digest)) == PNG
    assert await db.read(lambda c: MediaStore(c, NOW).size(first.digest)) == len(PNG)


async def test_of_files_of_one_name_the_one_given_last_is_meant(db: Database) -> None:
    later = NOW + timedelta(hours=1)
    old = await db.write(lambda c: MediaStore(c, NOW).keep(Form.IMAGE, "海报.png", PNG))
    new = await db.write(lambda c: MediaStore(c, later).keep(Form.IMAGE, "海报.png", PNG + b"!"))
    meant = await db.read(lambda c: MediaStore(c, NOW).named(["海报.png", "没有.png"]))

    await db.write(lambda c: MediaStore(c, later + timedelta(hours=1)).keep(Form.IMAGE, "海报.png", PNG))

    assert meant == {"海报.png": new}
    assert await db.read(lambda c: MediaStore(c, NOW).named(["海报.png"])) == {"海报.png": old}
    assert [(one.name, one.size) for one in await db.read(lambda c: MediaStore(c, NOW).all())] == [
        ("海报.png", len(PNG) + 1),
        ("海报.png", len(PNG)),
    ]


async def test_a_file_we_do_not_have_is_nothing(db: Database) -> None:
    assert await db.read(lambda c: MediaStore(c, NOW).get("0" * 64)) is None
    assert await db.read(lambda c: MediaStore(c, NOW).size("0" * 64)) == 0


@pytest.mark.parametrize("until", [NOW + timedelta(days=3), None])
async def test_a_number_is_remembered_for_its_place_and_forgotten(
    db: Database, until: datetime | None
) -> None:
    old, new = Handed("M1", NOW, until), Handed("M2", NOW + timedelta(days=2), until)
    for handed in (old, new):
        await db.write(lambda c, handed=handed: MediaStore(c, NOW).remember("d", "corp", handed))  # type: ignore[misc]

    assert await db.read(lambda c: MediaStore(c, NOW).number("d", "corp")) == new
    assert await db.read(lambda c: MediaStore(c, NOW).number("d", "moment")) is None
    await db.write(lambda c: MediaStore(c, NOW).forget("d", "corp"))
    assert await db.read(lambda c: MediaStore(c, NOW).number("d", "corp")) is None


# ---------------------------------------------------------------- contents

IMAGE = Media(Form.IMAGE, "d" * 64, "海报.png", "标题", "说明")
WEB = Opening(url="https://qx.example.org")
TEA = (Action("tea", "冷泡茶"), Action("latte", "燕麦拿铁"))
COMMON: dict[str, Any] = {
    "title": "标题",
    "text": "正文",
    "task": "t",
    "source": Source("群星", "i", Colour.GREEN),
    "menu": Menu("更多", TEA),
}
DETAIL: dict[str, Any] = {
    "quote": Quote("引用", "标题", WEB),
    "note": "小字",
    "facts": (Fact("a", "b", staff="linmo"),),
    "opens": WEB,
}
CONTENTS = {
    "words": Content("早"),
    "nothing but defaults": Content(),
    "everything at once": Content(
        "早",
        link=Link("活动", "https://a", "说明", "https://p"),
        choice=Choice("t", "喝什么？", (Option("A", "茶"),)),
        markup=Markup.WIDE,
        media=(IMAGE, Media(Form.FILE, "e" * 64, "周报.pdf")),
        mini=MiniProgram("wx", "p", "领券", cover=IMAGE, facts=(("门店", "西湖"), ("券", "2 张"))),
        news=(Link("a", "b"), Link("c", "d")),
        articles=(Article("月报", IMAGE, "<p>", author="林墨"),),
        mentions=("linmo", "@all"),
        seen_by=("咖啡",),
    ),
    "a notice": Content(
        card=Notice(**COMMON, **DETAIL, emphasis=("48", "次"), jumps=(Jump("去", WEB, "问"),))
    ),
    "a picture notice": Content(
        card=PictureNotice(
            **COMMON,
            **DETAIL,
            picture=Picture("u", 2.0),
            beside=Beside("u", "a", "b", WEB),
            passages=(("a", "b"),),
        )
    ),
    "buttons": Content(
        card=Buttons(**COMMON, **DETAIL, buttons=(Button("k", "t", Style.WARNING),), picker=Picker("k", TEA))
    ),
    "a vote": Content(card=Vote(**COMMON, key="q", options=TEA, many=True, checked=("tea",))),
    "a questionnaire": Content(card=Questionnaire(pickers=(Picker("a", TEA, "题", "tea", closed=True),))),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_a_content_survives_being_written_down(name: str) -> None:
    written = json.loads(json.dumps(content_to_plain(CONTENTS[name]), ensure_ascii=False))

    assert content_from_plain(written) == CONTENTS[name]


def test_a_content_written_before_and_after_this_program_can_be_read() -> None:
    older = {"text": "早", "link": None, "choice": None}
    newer = {"text": "早", "sparkle": True, "link": {"title": "a", "url": "b", "colour": "red"}}

    assert content_from_plain(older) == Content("早")
    assert content_from_plain(newer) == Content("早", link=Link("a", "b"))
