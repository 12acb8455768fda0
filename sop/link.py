"""Links 追踪链接: a short address whose visits we know of, and where it may lead."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import urlsplit

TOKEN_BYTES = 16  # of chance behind a token: nobody finds one by trying
TOKEN = re.compile(r"[A-Za-z0-9_-]{16,48}")
LONGEST = 2000
PAGES = "/m/"  # our own member pages, written without a host


def is_token(text: str) -> bool:
    """Whether this could be one of our tokens at all; asked before the store is."""
    return TOKEN.fullmatch(text) is not None


def objection(url: str) -> str:
    """Why a link may not lead there, in one line; empty when it may.

    Only addresses that operators stored are ever followed: http or https with a host, no name or password inside,
    or a path of our own member pages.
    """
    if len(url) > LONGEST:
        return f"链接超过 {LONGEST} 个字符"
    if any(sign.isspace() or unicodedata.category(sign) in ("Cc", "Cf") for sign in url) or "\\" in url:
        return "链接里有空格、换行或反斜杠"
    if url.startswith(PAGES):
        return "链接里不能有 .." if ".." in url else ""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "这不是一个链接"
    if parts.scheme not in ("http", "https"):
        return "链接只能以 http:// 或 https:// 开头"
    if not host:
        return "链接里没有域名"
    return "链接里不能带用户名和密码" if "@" in parts.netloc else ""


def allowed(url: str) -> bool:
    return not objection(url)


def absolute(url: str, public_url: str) -> str:
    """The whole address: our own pages get our host."""
    return public_url.rstrip("/") + url if url.startswith(PAGES) else url


def short(token: str, public_url: str) -> str:
    """The address people see and visit."""
    return f"{public_url.rstrip('/')}/l/{token}"
