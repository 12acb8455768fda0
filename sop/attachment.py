"""Attachments 附件 of steps: what stands beside the text of a group-send or a welcome.

Files are named as operators know them and looked up when a message is written: a new file under an old name is sent from
then on. What can't be had is left out and told; the words go out all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from sop.form import Form
from sop.link import objection
from sop.message import CAPABILITIES, Channel, Content, Link, Media, MiniProgram
from sop.message import Form as Shape

DESCRIPTION_BYTES = 512
LONGEST_URL, LONGEST_NAME = 2000, 200


class AttachmentKind(StrEnum):
    """What can be attached."""

    IMAGE = "image"
    VIDEO = "video"
    FILE = "file"
    LINK = "link"
    MINI_PROGRAM = "mini_program"


TITLE_BYTES = {AttachmentKind.LINK: 128, AttachmentKind.MINI_PROGRAM: 64}  # what the platform takes


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """One attachment; only the fields of its kind are set. ``file`` names a file we keep: itself, or a cover."""

    kind: AttachmentKind
    file: str = ""
    title: str = ""
    url: str = ""
    description: str = ""
    picture: str = ""
    app_id: str = ""
    page: str = ""

    @property
    def called(self) -> str:
        """What people know it by."""
        return self.title or self.file

    @property
    def shape(self) -> Shape:
        """Of which form its file must be; a cover is an image."""
        return Shape.IMAGE if self.kind is AttachmentKind.MINI_PROGRAM else Shape(str(self.kind))

    @property
    def texts(self) -> Mapping[str, str]:
        """What is filled in for whoever reads it, by key."""
        return {key: text for key in ("title", "description") if (text := getattr(self, key))}


# ---------------------------------------------------------------- reading


def read_attachment(form: Form) -> Attachment | None:
    """The attachment in this table; what is wrong with it is noted in the form."""
    kind = form.word("kind", AttachmentKind)
    if kind is None:
        form.strangers()
        return None
    match kind:
        case AttachmentKind.LINK:
            found = _link(form, kind)
        case AttachmentKind.MINI_PROGRAM:
            found = Attachment(
                kind=kind,
                file=form.text("file", required=True, longest=LONGEST_NAME),
                title=form.text("title", required=True),
                app_id=form.text("app_id", required=True, longest=64),
                page=form.text("page", required=True, longest=1000),
            )
        case _:
            found = Attachment(kind=kind, file=form.text("file", required=True, longest=LONGEST_NAME))
    form.done()
    return found


def _link(form: Form, kind: AttachmentKind) -> Attachment:
    found = Attachment(
        kind=kind,
        url=form.text("url", required=True, longest=LONGEST_URL),
        title=form.text("title", required=True),
        description=form.text("description", longest=500),
        picture=form.text("picture", longest=LONGEST_URL),
    )
    for key, url in (("url", found.url), ("picture", found.picture)):
        if url and (why_not := objection(url)):
            form.wrong(key, why_not)
    return found


def misfit(channel: Channel | None, attachments: Sequence[Attachment], *, with_card: bool) -> str:
    """Why a channel can't carry these beside a text, and beside the card of a link; empty when it can."""
    able = CAPABILITIES[channel or Channel.GROUP_SEND]
    if not able.attachments:
        return "这个渠道一条消息只能是一种内容，带不了附件"
    if sum(one.kind is AttachmentKind.MINI_PROGRAM for one in attachments) > 1:
        return "一步只能带一个小程序"
    files = {one.file: Media(one.shape, "", one.file) for one in attachments}
    content = Content("…", link=Link("…", "…") if with_card else None)
    return able.objection(attached(content, attachments, files))


# ---------------------------------------------------------------- saying


def attached(content: Content, attachments: Iterable[Attachment], files: Mapping[str, Media]) -> Content:
    """The content with these beside it; every file they need is among ``files``."""
    for one in attachments:
        match one.kind:
            case AttachmentKind.LINK:
                link = Link(one.title, one.url, one.description, one.picture)
                content = replace(content, news=(*content.news, link))
            case AttachmentKind.MINI_PROGRAM:
                mini = MiniProgram(one.app_id, one.page, one.title, files[one.file])
                content = replace(content, mini=mini)
            case _:
                content = replace(content, media=(*content.media, files[one.file]))
    return content


def lacking(one: Attachment, files: Mapping[str, Media]) -> str:
    """What is wrong with the file it needs; empty when it is there, or needs none."""
    if not one.file:
        return ""
    media = files.get(one.file)
    if media is None:
        return "素材库里没有这个文件，用 qunxing media add 放进来"
    return "" if media.form is one.shape else "素材库里的这个文件是另一种格式"
