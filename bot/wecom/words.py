"""Words and their sizes: what a channel cannot show is said, and what is too long is refused before it leaves.

The platform counts UTF-8 bytes, and cuts silently what is longer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sop.errors import Refused
from sop.message import Content, Link, Media

Body = dict[str, Any]
Handed = Mapping[Media, str]  # each file's number or address on the platform

TITLE_BYTES, DESCRIPTION_BYTES, URL_BYTES = 128, 512, 2048
MOST_ARTICLES = 8


def said(content: Content) -> str:
    """The text, and the options of a choice as lines."""
    if content.choice is None:
        return content.text
    options = [f"{option.id}. {option.text}" for option in content.choice.options]
    return "\n".join(part for part in (content.text, content.choice.question, *options) if part)


def in_words(content: Content) -> str:
    """Everything, the link's address too."""
    parts = [said(content)]
    if content.link is not None:
        parts += [content.link.title, url_of(content.link)]
    return "\n".join(part for part in parts if part)


def fitting(text: str, most: int, what: str = "正文") -> str:
    if len(text.encode()) > most:
        raise Refused(f"{what}超过 {most} 字节，请缩短文案", code=45002)
    return text


def url_of(link: Link) -> str:
    return fitting(link.url, URL_BYTES, "链接")


def cut(text: str, most: int) -> str:
    """As much as fits, with an ellipsis where something is missing."""
    whole = text.encode()
    if len(whole) <= most:
        return text
    return whole[: most - 3].decode("utf-8", "ignore") + "…"


def few(items: tuple[Any, ...], most: int, what: str, least: int = 1) -> None:
    """Refuse too many or too few of something."""
    if not least <= len(items) <= most:
        raise Refused(f"{what}应为 {least} 到 {most} 个，这里有 {len(items)} 个", code=40058)


def news_body(links: tuple[Link, ...]) -> Body:
    """One to eight articles that open addresses; titles and descriptions are cut as the platform cuts them."""
    few(links, MOST_ARTICLES, "图文")
    articles = []
    for link in links:
        article = {"title": cut(link.title, TITLE_BYTES), "url": url_of(link)}
        if link.description:
            article["description"] = cut(link.description, DESCRIPTION_BYTES)
        if link.picture:
            article["picurl"] = fitting(link.picture, URL_BYTES, "图片地址")
        articles.append(article)
    return {"articles": articles}
