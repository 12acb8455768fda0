"""What an app message looks like: to staff, and into an internal group the app made.

developer.work.weixin.qq.com paths 90236 and 90248.
"""

from __future__ import annotations

import zlib
from html import escape

from bot.gateway import Parcel
from bot.wecom.card import card_body, vote_of
from bot.wecom.words import (
    DESCRIPTION_BYTES,
    MOST_ARTICLES,
    TITLE_BYTES,
    Body,
    Handed,
    cut,
    few,
    fitting,
    news_body,
    said,
    url_of,
)
from sop.errors import Refused
from sop.message import CAPABILITIES, Article, Channel, Content, Form, Link, Markup, Media, MiniProgram

DUPLICATE_WINDOW_S = 1800  # at least this long the platform drops a repeat of the same app message
DUPLICATE_SPREAD_S = 12_600  # and at most four hours
ARTICLE_BYTES = 666 * 1024
CARD_OPTIONS = 20
NOTICE_FACTS = 10
EVERYBODY = "@all"

Shown = tuple[str, Body]


def app_body(agent_id: int, parcel: Parcel, handed: Handed) -> Body:
    """An app message to staff.

    The interval of the duplicate check differs from message to message, so that two messages that
    happen to say the same are two requests, and only a repeat of one message is dropped.
    """
    kind, shown = _app_content(parcel, handed)
    if kind == "miniprogram_notice" and EVERYBODY in parcel.recipients:
        raise Refused("小程序通知不能发给所有人", code=40058)
    interval = DUPLICATE_WINDOW_S + zlib.crc32(parcel.key.encode()) % DUPLICATE_SPREAD_S
    return {
        "touser": "|".join(parcel.recipients),
        "msgtype": kind,
        "agentid": agent_id,
        kind: shown,
        "enable_duplicate_check": 1,
        "duplicate_check_interval": interval,
    }


def appchat_body(parcel: Parcel, handed: Handed) -> Body:
    """An app message into the internal group whose number is the recipient."""
    kind, shown = _content(parcel, handed)
    if parcel.content.mentions and kind == "text":
        shown = {**shown, "mentioned_list": list(parcel.content.mentions)}
    return {"chatid": parcel.recipients[0], "msgtype": kind, kind: shown, "safe": 0}


def _app_content(parcel: Parcel, handed: Handed) -> Shown:
    content = parcel.content
    if content.card is not None:
        return "template_card", card_body(content.card, parcel.key)
    choice = content.choice
    if choice is not None and content.link is None and len(choice.options) <= CARD_OPTIONS:
        return "template_card", card_body(vote_of(choice, content.text), parcel.key)
    if content.mini is not None:
        return "miniprogram_notice", _notice(content.mini, content.text)
    return _content(parcel, handed)


def _content(parcel: Parcel, handed: Handed) -> Shown:
    """What staff and internal groups can be shown alike."""
    content, can = parcel.content, CAPABILITIES[parcel.channel]
    if content.media:
        return _file(content.media[0], handed)
    if content.news:
        return "news", news_body(content.news)
    if content.articles:
        return "mpnews", _articles(content.articles, handed)
    if content.markup is Markup.MARKDOWN:
        return "markdown", {"content": fitting(_with_anchor(content), can.markdown_bytes)}
    return _text(parcel)


def _text(parcel: Parcel) -> Shown:
    content, most = parcel.content, CAPABILITIES[parcel.channel].max_bytes
    text = fitting(said(content), most)
    if content.link is None:
        return "text", {"content": text}
    if len(text.encode()) <= DESCRIPTION_BYTES:
        return "textcard", _textcard(text, content.link)
    anchor = f'<a href="{escape(url_of(content.link))}">{escape(content.link.title)}</a>'
    return "text", {"content": fitting(f"{text}\n{anchor}", most)}


def _with_anchor(content: Content) -> str:
    text = said(content)
    return f"{text}\n[{content.link.title}]({url_of(content.link)})" if content.link else text


def _textcard(text: str, link: Link) -> Body:
    return {
        "title": cut(link.title, TITLE_BYTES),
        "description": text or cut(link.description, DESCRIPTION_BYTES) or cut(link.title, TITLE_BYTES),
        "url": url_of(link),
        "btntxt": "查看",
    }


def _file(media: Media, handed: Handed) -> Shown:
    shown: Body = {"media_id": handed[media]}
    if media.form is Form.VIDEO:
        shown["title"] = cut(media.title or media.name, TITLE_BYTES)
        if media.description:
            shown["description"] = cut(media.description, DESCRIPTION_BYTES)
    return str(media.form), shown


def _articles(articles: tuple[Article, ...], handed: Handed) -> Body:
    few(articles, MOST_ARTICLES, "图文")
    return {"articles": [_article(one, handed) for one in articles]}


def _article(article: Article, handed: Handed) -> Body:
    told = {"author": article.author, "content_source_url": article.url, "digest": article.digest}
    return {
        "title": fitting(article.title, TITLE_BYTES, "图文标题"),
        "thumb_media_id": handed[article.cover],
        "content": fitting(article.html, ARTICLE_BYTES, "图文正文"),
        **{name: value for name, value in told.items() if value},
    }


def _notice(mini: MiniProgram, text: str) -> Body:
    few(mini.facts, NOTICE_FACTS, "小程序通知的内容行", least=0)
    notice: Body = {"appid": mini.app_id, "title": mini.title}
    if mini.page:
        notice["page"] = fitting(mini.page, 1024, "小程序页面")
    if text or mini.description:
        notice["description"] = text or mini.description
    if mini.facts:
        notice["content_item"] = [{"key": key, "value": value} for key, value in mini.facts]
    return notice


assert CAPABILITIES[Channel.APP].attachments == CAPABILITIES[Channel.APPCHAT].attachments == 0
