"""What a message to members looks like: a welcome, a mass send, a moment, an answer in 微信客服.

Sizes are the platform's (developer.work.weixin.qq.com paths 92135, 92137, 94677, 95094).
"""

from __future__ import annotations

import hashlib

from bot.gateway import Parcel
from bot.wecom.words import (
    DESCRIPTION_BYTES,
    TITLE_BYTES,
    URL_BYTES,
    Body,
    Handed,
    cut,
    fitting,
    in_words,
    said,
    url_of,
)
from sop.errors import Refused
from sop.message import CAPABILITIES, Content, Form, Link, Media, MiniProgram

MENU_ITEMS = 10
CLICK_BYTES = 128  # of an entry's number and of its words
HEAD_BYTES = 1024  # of what stands above a menu
MINI_TITLE_BYTES = 64
MOMENT_CHARACTERS, MOMENT_TITLE_BYTES = 2000, 64
ADDRESS = "https://"  # an image's permanent address, where it has one instead of a number


def mass_body(parcel: Parcel, handed: Handed) -> Body:
    """The text and attachments that welcomes and mass sends share."""
    body: Body = {}
    text = fitting(said(parcel.content), CAPABILITIES[parcel.channel].max_bytes)
    if text:
        body["text"] = {"content": text}
    if attachments := _attachments(parcel.content, handed):
        body["attachments"] = attachments
    return body


def _attachments(content: Content, handed: Handed) -> list[Body]:
    links = [*([content.link] if content.link else []), *content.news]
    attachments = [_file(media, handed) for media in content.media]
    attachments += [{"msgtype": "link", "link": _link(link)} for link in links]
    if content.mini is not None:
        attachments.append({"msgtype": "miniprogram", "miniprogram": _mini(content.mini, handed)})
    return attachments


def _file(media: Media, handed: Handed) -> Body:
    number = handed[media]
    field = "pic_url" if media.form is Form.IMAGE and number.startswith(("http://", ADDRESS)) else "media_id"
    return {"msgtype": str(media.form), str(media.form): {field: number}}


def _link(link: Link) -> Body:
    card = {"title": cut(link.title, TITLE_BYTES), "url": url_of(link)}
    if link.description:
        card["desc"] = cut(link.description, DESCRIPTION_BYTES)
    if link.picture:
        card["picurl"] = fitting(link.picture, URL_BYTES, "图片地址")
    return card


def _mini(mini: MiniProgram, handed: Handed) -> Body:
    if mini.cover is None:
        raise Refused("小程序卡片要有一张封面图", code=40058)
    return {
        "title": fitting(mini.title, MINI_TITLE_BYTES, "小程序标题"),
        "pic_media_id": handed[mini.cover],
        "appid": mini.app_id,
        "page": mini.page,
    }


def moment_body(parcel: Parcel, handed: Handed, tags: tuple[str, ...]) -> Body:
    """A moment for one member of staff to publish; ``tags`` are the platform's ids of those who see it.

    Up to nine pictures, or one video, or one link: never two sorts together.
    """
    content = parcel.content
    text = said(content)
    if len(text) > MOMENT_CHARACTERS:
        raise Refused(f"朋友圈正文不能超过 {MOMENT_CHARACTERS} 字", code=45002)
    fitting(text, CAPABILITIES[parcel.channel].max_bytes)
    if len({*(media.form for media in content.media), *([Form.LINK] if content.link else [])}) > 1:
        raise Refused("朋友圈的图片、视频和链接只能选一种", code=40058)
    if sum(media.form is Form.VIDEO for media in content.media) > 1:
        raise Refused("朋友圈只能带一个视频", code=40058)
    seen: Body = {"sender_list": {"user_list": [parcel.sender]}}
    if tags:
        seen["external_contact_list"] = {"tag_list": list(tags)}
    body: Body = {"visible_range": seen}
    if text:
        body["text"] = {"content": text}
    attachments = [_moment_file(media, handed) for media in content.media]
    if content.link is not None:
        attachments.append({"msgtype": "link", "link": _moment_link(content.link)})
    return {**body, "attachments": attachments} if attachments else body


def _moment_file(media: Media, handed: Handed) -> Body:
    return {"msgtype": str(media.form), str(media.form): {"media_id": handed[media]}}


def _moment_link(link: Link) -> Body:
    return {"title": cut(link.title, MOMENT_TITLE_BYTES), "url": url_of(link)}


def group_send_body(parcel: Parcel, handed: Handed) -> Body:
    """A task for one member of staff to confirm; its recipients are members or groups, each by name.

    Never by tag: the platform would choose the recipients itself, those who opted out among them.
    """
    to_groups = parcel.audience == "group"
    body: Body = {"chat_type": "group" if to_groups else "single"}
    if parcel.sender:
        body["sender"] = parcel.sender
    body["chat_id_list" if to_groups else "external_userid"] = list(parcel.recipients)
    return {**body, **mass_body(parcel, handed)}


def kf_body(parcel: Parcel, handed: Handed) -> Body:
    """A message in 微信客服: a file, a menu to choose from, or a text. The key makes its number there."""
    body: Body = {"msgid": hashlib.sha256(parcel.key.encode()).hexdigest()[:32]}
    if parcel.welcome_code:
        body["code"] = parcel.welcome_code
    else:
        body |= {"touser": parcel.recipients[0], "open_kfid": parcel.sender}
    kind, shown = _kf_content(parcel, handed)
    if parcel.welcome_code and kind not in ("text", "msgmenu"):
        raise Refused("客服欢迎语只能是文字或菜单", code=40008)
    return {**body, "msgtype": kind, kind: shown}


def _kf_content(parcel: Parcel, handed: Handed) -> tuple[str, Body]:
    content, most = parcel.content, CAPABILITIES[parcel.channel].max_bytes
    if content.media:
        media = content.media[0]
        return str(media.form), {"media_id": handed[media]}
    if content.mini is not None:
        return "miniprogram", _kf_mini(content.mini, handed)
    choice, items = content.choice, _menu(content)
    if choice is None or not _fits(items):
        return "text", {"content": fitting(in_words(content), most)}
    head = fitting(
        "\n".join(part for part in (content.text, choice.question) if part), HEAD_BYTES, "菜单开头"
    )
    return "msgmenu", {"head_content": head, "list": items}


def _kf_mini(mini: MiniProgram, handed: Handed) -> Body:
    card = _mini(mini, handed)
    return {
        "appid": mini.app_id,
        "title": card["title"],
        "thumb_media_id": card["pic_media_id"],
        "pagepath": mini.page,
    }


def _menu(content: Content) -> list[Body]:
    items: list[Body] = []
    if (choice := content.choice) is not None:
        for option in choice.options:
            click = {"id": menu_id(choice.task, option.id), "content": option.text}
            items.append({"type": "click", "click": click})
    if content.link is not None:
        items.append({"type": "view", "view": {"url": url_of(content.link), "content": content.link.title}})
    return items


def _fits(items: list[Body]) -> bool:
    """Few enough entries, and each click short enough; else the options are said in words."""
    clicks = [item["click"] for item in items if item["type"] == "click"]
    return len(items) <= MENU_ITEMS and all(
        len(click[part].encode()) <= CLICK_BYTES for click in clicks for part in ("id", "content")
    )


def menu_id(run: str, option: str) -> str:
    """What a click on a menu tells: the run and the option, parted by the last colon."""
    return f"{run}:{option}"
