"""One API call: who asks, with what, and how the platform refuses. Numbers as on developer.work.weixin.qq.com path 90313."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.simulator.limits import Limits
from bot.simulator.world import Holder, World

Answer = dict[str, Any]

REASONS: dict[int, str] = {
    -1: "system busy",
    40001: "invalid credential",
    40003: "invalid userid",
    40008: "invalid message type",
    40013: "invalid corpid",
    40014: "invalid access_token",
    40029: "invalid code",
    40033: "invalid request content, \\uXXXX is not accepted",
    40035: "invalid parameter",
    40056: "invalid agentid",
    40058: "invalid request parameter",
    40066: "invalid url",
    40068: "invalid tagid",
    40071: "tag name already exists",
    40096: "invalid external userid",
    40007: "invalid media_id",
    41001: "access_token missing",
    41047: "invalid group message id",
    41048: "no customer to send",
    41050: "welcome code expired or invalid",
    41051: "chat already started",
    41053: "customer has not agreed to the archive",
    41063: "group message is being dispatched",
    41093: "group message task cancelled",
    41094: "reminder limit exceeded",
    41072: "attachment type not allowed here",
    41080: "file too large",
    41096: "welcome message is being sent",
    42001: "access_token expired",
    43012: "callback url not configured",
    44001: "empty media data",
    44004: "empty content",
    45002: "content too long",
    45009: "api freq out of limit",
    45033: "api concurrent out of limit",
    48002: "api forbidden",
    50001: "redirect_uri unauthorized",
    50100: "invalid cursor",
    60020: "not allow to access from your ip",
    60111: "userid not found",
    60140: "invalid response_code",
    81011: "no right to operate this tag",
    81013: "user & party & tag all invalid",
    81017: "too many requested",
    86001: "invalid chatid",
    86003: "chatid not exist",
    86008: "chat not owned by this app",
    86215: "chatid exists",
    84061: "no external contact relation",
    93000: "invalid webhook key",
    95000: "invalid open_kfid",
    95001: "more than five messages without an answer",
    95002: "more than 48 hours since the customer wrote",
    95004: "open_kfid not exist",
    95007: "invalid token",
    95008: "too many menu items",
    84025: "invalid oauth state",
    41058: "group welcome template not created by this app",
    41055: "too many group welcome templates",
    41045: "contact way quota full",
    41041: "too many users in contact way",
    701008: "no interop licence",
    95013: "session has ended",
    95014: "not a servicer of this account",
    95016: "no such way between session states",
    95019: "servicer is paused",
    95018: "session state does not allow sending",
    301060: "too many pairs",
    301053: "archive is not open",
    301058: "archive page too big",
}


class Refusal(Exception):
    """The platform says no; HTTP 200 all the same."""

    def __init__(self, code: int, detail: str = "", **also: Any) -> None:
        super().__init__(f"{code} {REASONS.get(code, 'refused')}")
        self.code, self.also = code, also
        self.reason = f"{REASONS.get(code, 'refused')}{': ' if detail else ''}{detail}"


@dataclass
class Call:
    """What an API function may look at."""

    world: World
    limits: Limits
    holder: Holder
    body: Mapping[str, Any]
    query: Mapping[str, str]
    address: str = "127.0.0.1"
    after: list[Callable[[], None]] = field(default_factory=list)  # done when the answer has left
    whole: bytes = b""  # the request as it came
    content_type: str = ""

    @property
    def now(self) -> datetime:
        return self.world.now()

    def text(self, key: str, *, default: str | None = None) -> str:
        """A text parameter; without a default it must be there and not empty."""
        value = self.body.get(key, self.query.get(key))
        if isinstance(value, str) and value:
            return value
        if default is None or (value is not None and not isinstance(value, str)):
            raise Refusal(40035, key)
        return default

    def number(self, key: str, *, default: int, least: int = 0, most: int = 2**63) -> int:
        value = self.body.get(key, self.query.get(key, default))
        if isinstance(value, str) and value.isdecimal():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise Refusal(40035, key)
        return value

    def texts(self, key: str, *, most: int) -> list[str]:
        value = self.body.get(key) or []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise Refusal(40035, key)
        if len(value) > most:
            raise Refusal(81017, key)
        return value

    def part(self, key: str) -> Mapping[str, Any]:
        value = self.body.get(key) or {}
        if not isinstance(value, dict):
            raise Refusal(40035, key)
        return value


ApiFunction = Callable[[Call], Answer]


@dataclass(frozen=True)
class Api:
    """One path: the method it wants, who may call it, and what it does."""

    method: str
    does: ApiFunction
    open_to: frozenset[str] = frozenset({"app", "contact"})
    counted: bool = True  # against the base limits

    def admits(self, holder: Holder) -> bool:
        return ("app" if holder.is_app else holder.name) in self.open_to


def paged(items: list[Any], call: Call, *, default: int, most: int) -> tuple[list[Any], str]:
    """One page of ``items`` and the cursor of the next, empty at the end."""
    limit = call.number("limit", default=default, least=1, most=most)
    cursor = call.text("cursor", default="0")
    if not cursor.isdecimal():
        raise Refusal(50100, "cursor")
    start = int(cursor)
    end = start + limit
    return items[start:end], str(end) if end < len(items) else ""


def content_of(call: Call) -> tuple[str, list[dict[str, Any]]]:
    """The text and attachments of a mass send or a welcome, within the platform's sizes."""
    text = str(call.part("text").get("content") or "")
    attachments = call.body.get("attachments") or []
    if not text and not attachments:
        raise Refusal(44004, "text and attachments")
    if len(text.encode()) > 4000:
        raise Refusal(45002, "text.content")
    if not isinstance(attachments, list) or len(attachments) > 9:
        raise Refusal(40035, "attachments")
    for attachment in attachments:
        _check_attachment(attachment)
    return text, attachments


def _check_attachment(attachment: Any) -> None:
    if not isinstance(attachment, dict):
        raise Refusal(40035, "attachments")
    sort = attachment.get("msgtype")
    if sort not in ("image", "link", "miniprogram", "video", "file") or sort not in attachment:
        raise Refusal(40008, str(sort))
    if sort == "link" and not (attachment["link"].get("title") and attachment["link"].get("url")):
        raise Refusal(40035, "link needs title and url")
    if sort == "link" and len(str(attachment["link"]["url"]).encode()) > 2048:
        raise Refusal(45002, "link.url")
