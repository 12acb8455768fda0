"""Attachments of steps: what may be written, what comes back, and what each channel can carry."""

from __future__ import annotations

import pytest

from sop.attachment import Attachment, AttachmentKind, attached, lacking
from sop.errors import TemplateError
from sop.file import read, write
from sop.message import CAPABILITIES, Channel, Content, Form, Media, MiniProgram
from sop.render import fill
from sop.sheet import from_sheets
from sop.version import changes
from tests.rules.test_rehearsal import PLAIN
from tests.rules.test_sheet import laid_out

POSTER = '[[step.attach]]\nkind = "image"\nfile = "海报.png"\n'
CARD = """
[[step.attach]]
kind = "link"
url = "https://example.com/class"
title = "第 {{ day }} 天的手冲课"
description = "周六见"
picture = "https://example.com/class.png"
"""
MINI = """
[[step.attach]]
kind = "mini_program"
app_id = "wx1"
page = "pages/class"
title = "手冲课"
file = "封面.png"
"""
LINKED = 'link = { url = "https://example.com/1" }\n'


def plan(more: str) -> str:
    return PLAIN + more


def refused(text: str) -> str:
    with pytest.raises(TemplateError) as caught:
        read(text)
    return str(caught.value)


def test_attachments_come_back_from_a_file_and_from_a_workbook_as_they_were_written() -> None:
    template = read(plan(POSTER + CARD + MINI))

    assert [str(one.kind) for one in template.steps[0].attachments] == ["image", "link", "mini_program"]
    assert read(write(template)) == template
    assert from_sheets(laid_out(template)) == template
    assert changes(read(PLAIN), template) == ["「first」的附件加上了"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (plan(POSTER * 10), "附件最多 9 个，这里有 10 个"),
        (plan(LINKED + POSTER * 9), "附件最多 9 个，这里有 10 个"),
        (plan('channel = "kf"\n' + POSTER), "这个渠道一条消息只能是一种内容，带不了附件"),
        (plan('channel = "app"\n' + MINI), "带不了附件"),
        (plan(MINI * 2), "一步只能带一个小程序"),
        (plan(POSTER.replace('file = "海报.png"', "")), "step[1].attach[1].file"),
        (plan(POSTER.replace('"image"', '"imgae"')), "没有 “imgae” 这个值；应为 image"),
        (plan(POSTER + 'url = "https://example.com"\n'), "没有 url 这个键"),
        (plan(CARD.replace("https://example.com/class", "javascript:alert(1)", 1)), "attach[1].url"),
        (plan(CARD.replace("{{ day }}", "{{ member.name }}") + ""), "member.name"),
        (plan(CARD.replace("{{ day }}", "{{ task }}")), "这一步没有 task"),
        (plan(CARD.replace("{{ day }}", "{{ dya }}")), "dya"),
    ],
)
def test_what_cannot_be_attached_is_refused_with_its_place(text: str, told: str) -> None:
    problem = refused(text)

    assert told in problem
    assert "应为" in problem


@pytest.mark.parametrize(
    "channel", [one for one in Channel if one not in (Channel.GROUP_SEND, Channel.WELCOME)]
)
def test_only_the_channels_of_members_that_carry_attachments_take_them(channel: Channel) -> None:
    able = CAPABILITIES[channel]

    text = plan(f'channel = "{channel}"\n{POSTER}')

    assert able.attachments == 0 or channel is Channel.MOMENT
    assert refused(text)


def test_each_stands_beside_the_text_in_its_own_form() -> None:
    files = {name: Media(Form.IMAGE, name, name) for name in ("海报.png", "封面.png")}
    [step] = read(plan(POSTER + CARD + MINI)).steps

    content = attached(Content("来"), step.attachments, files)

    assert content.media == (files["海报.png"],)
    assert [one.url for one in content.news] == ["https://example.com/class"]
    assert content.mini == MiniProgram("wx1", "pages/class", "手冲课", files["封面.png"])


def test_words_are_filled_in_and_what_cannot_be_is_told() -> None:
    [step] = read(plan(CARD)).steps
    long = Attachment(kind=AttachmentKind.MINI_PROGRAM, title="长" * 22, app_id="a", page="p", file="f")

    filled = fill(step.attachments[0], {"day": 3})

    assert isinstance(filled, Attachment)
    assert (filled.title, filled.description) == ("第 3 天的手冲课", "周六见")
    assert fill(long, {}) == "写出来有 66 字节，超过 64 字节"


def test_a_file_must_be_there_and_of_its_kind() -> None:
    [poster] = read(plan(POSTER)).steps[0].attachments
    paper = {"海报.png": Media(Form.FILE, "d", "海报.png")}

    assert lacking(poster, {}) == "素材库里没有这个文件，用 qunxing media add 放进来"
    assert lacking(poster, paper) == "素材库里的这个文件是另一种格式"
    assert lacking(poster, {"海报.png": Media(Form.IMAGE, "d", "海报.png")}) == ""
    assert lacking(Attachment(kind=AttachmentKind.LINK, url="u", title="t"), {}) == ""
