"""What a webhook posts into an internal group (developer.work.weixin.qq.com path 99110)."""

from __future__ import annotations

import base64
import hashlib

from bot.gateway import Parcel
from bot.wecom.card import NOTICES, card_body
from bot.wecom.words import Body, Handed, fitting, in_words, news_body
from sop.errors import Refused
from sop.message import CAPABILITIES, Content, Form, Markup

EVERYBODY = "@all"
IMAGE_BYTES = 2 * 1024 * 1024  # of the picture itself, before base64


def webhook_body(parcel: Parcel, handed: Handed, pictures: dict[str, bytes]) -> Body:
    """``pictures`` are the bytes of images by digest: here they travel inside the request."""
    kind, shown = _content(parcel, handed, pictures)
    return {"msgtype": kind, kind: shown}


def _content(parcel: Parcel, handed: Handed, pictures: dict[str, bytes]) -> tuple[str, Body]:
    content, can = parcel.content, CAPABILITIES[parcel.channel]
    if content.card is not None:
        if not isinstance(content.card, NOTICES):
            raise Refused("群机器人只能发通知类卡片，投票和按钮请改用应用消息或智能机器人", code=40008)
        return "template_card", card_body(content.card, parcel.key)
    if content.media:
        media = content.media[0]
        if media.form is Form.IMAGE:
            return "image", _picture(pictures[media.digest])
        return str(media.form), {"media_id": handed[media]}
    if content.news:
        return "news", news_body(content.news)
    if content.markup is not Markup.PLAIN:
        return str(content.markup), {"content": fitting(_marked(content), can.markdown_bytes)}
    words: Body = {"content": fitting(in_words(content), can.max_bytes)}
    return "text", {**words, "mentioned_list": list(content.mentions)} if content.mentions else words


def _marked(content: Content) -> str:
    """Markdown with its link, and who is called; the wide kind cannot call anybody."""
    if content.mentions and content.markup is Markup.WIDE:
        raise Refused("带表格的 Markdown 不能 @ 人，请改用普通 Markdown", code=40058)
    if EVERYBODY in content.mentions:
        raise Refused("Markdown 里不能 @ 所有人，请改用文字", code=40058)
    calls = " ".join(f"<@{one}>" for one in content.mentions)
    return "\n".join(part for part in (in_words(content), calls) if part)


def _picture(whole: bytes) -> Body:
    if len(whole) > IMAGE_BYTES:
        raise Refused("群机器人的图片不能超过 2 MB", code=45002)
    return {
        "base64": base64.b64encode(whole).decode(),
        "md5": hashlib.md5(whole, usedforsecurity=False).hexdigest(),
    }
