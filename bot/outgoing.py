"""The one HTTP client for everything that leaves.

It knows three endings: an answer, *not sent* (``Busy``: nobody was there to take the request), and *unknown*
(``Unanswered``: the request left, and nothing trustworthy came back).
It repeats nothing and follows no redirect.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from time import monotonic
from types import TracebackType
from typing import Any, Self

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    ClientWSTimeout,
    DummyCookieJar,
    InvalidURL,
    NonHttpUrlClientError,
    TCPConnector,
    WSMsgType,
)
from aiohttp import ConnectionTimeoutError as ConnectTimeout
from yarl import URL

from bot.clean_json import read_json
from bot.clock import Clock
from sop.errors import Blocked, Busy, Unanswered

LARGEST_ANSWER = 24 * 1024 * 1024
RETRY_AFTER_S = 5.0
GOODBYE_S = 2.0  # how long the other side may take to say goodbye
FORBIDDEN = str.maketrans({'"': "'", "\r": " ", "\n": " ", "\\": "/"})

# WeCom refuses JSON with \u escapes (40033)
_plain = partial(json.dumps, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class Seen:
    """What a plain question found: whatever the status, when the other side thinks it is, and how long it took."""

    status: int
    body: bytes
    at: datetime | None
    seconds: float


@dataclass(frozen=True)
class File:
    """A file to hand over as the one part of a form; ``name`` is shown to people."""

    part: str
    name: str
    kind: str  # its content type
    whole: bytes = field(repr=False)

    def form(self) -> tuple[bytes, str]:
        """The form's body and its content type; names go out as they are, which WeCom wants and browsers do too."""
        boundary = f"qunxing{hashlib.sha256(self.whole).hexdigest()[:32]}"
        name = self.name.translate(FORBIDDEN)
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{self.part}"; filename="{name}"; '
            f"filelength={len(self.whole)}\r\nContent-Type: {self.kind}\r\n\r\n"
        )
        return b"".join((head.encode(), self.whole, f"\r\n--{boundary}--\r\n".encode())), (
            f"multipart/form-data; boundary={boundary}"
        )


@dataclass(eq=False)
class Outgoing:
    """Open it as an async context manager; a request in flight holds the clock."""

    clock: Clock
    timeout_s: float = 10.0
    connect_s: float = 3.0
    connections: int = 128
    slow_s: float = 25.0  # for files
    _session: ClientSession | None = field(default=None, init=False, repr=False)

    async def __aenter__(self) -> Self:
        self._session = ClientSession(
            connector=TCPConnector(limit=self.connections, keepalive_timeout=10.0),
            cookie_jar=DummyCookieJar(),
            json_serialize=_plain,
            timeout=ClientTimeout(total=self.timeout_s, connect=self.connect_s),
            headers={"User-Agent": "qunxing"},
        )
        # else a question whose kept connection broke would be asked a second time, and we would not know
        self._session._retry_connection = False
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def json(
        self,
        method: str,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        file: File | None = None,
    ) -> dict[str, Any]:
        """The JSON object ``url`` answers with. Query values may be secrets and appear in no error."""
        sent = _sent_file(file, self.slow_s) if file is not None else {"json": body}
        with self.clock.hold():
            whole, _, place = await self._bytes(method, url, query, sent)
            return _object(whole, place)

    async def file(self, url: str, *, query: Mapping[str, str] | None = None) -> bytes | dict[str, Any]:
        """The bytes behind ``url``, or the JSON object it answers instead of them."""
        with self.clock.hold():
            whole, kind, place = await self._bytes("GET", url, query, {"timeout": ClientTimeout(self.slow_s)})
            return _object(whole, place) if "json" in kind or kind.startswith("text/") else whole

    async def look(self, url: str, *, query: Mapping[str, str] | None = None) -> Seen:
        """What answers at an address, for checking who lives there; errors as with ``json``, but no status is one."""
        if self._session is None:
            raise RuntimeError("open Outgoing before asking anything")
        place, started = _place(url), monotonic()
        with _told_apart(place):
            async with self._session.get(url, params=dict(query or {}), allow_redirects=False) as answer:
                body = await _read(answer.content, place)
                return Seen(answer.status, body, _date(answer.headers.get("Date")), monotonic() - started)

    @asynccontextmanager
    async def socket(self, url: str) -> AsyncIterator[Socket]:
        """A WebSocket to ``url``, closed in the end; ``Busy`` when nobody takes it there."""
        if self._session is None:
            raise RuntimeError("open Outgoing before asking anything")
        place = _place(url)
        try:
            raw = await self._session.ws_connect(
                url, timeout=ClientWSTimeout(ws_close=GOODBYE_S), max_msg_size=LARGEST_ANSWER
            )
        except (InvalidURL, NonHttpUrlClientError) as error:
            raise Blocked(f"{place} is no address to connect to") from error
        except (ClientError, TimeoutError, OSError) as error:
            why = type(error).__name__
            raise Busy(f"{place} cannot be reached ({why})", retry_after=RETRY_AFTER_S) from error
        try:
            yield Socket(raw, place)
        finally:
            await raw.close()

    async def _bytes(
        self, method: str, url: str, query: Mapping[str, str] | None, sent: Mapping[str, Any]
    ) -> tuple[bytes, str, str]:
        """Body, content type, and who was asked."""
        if self._session is None:
            raise RuntimeError("open Outgoing before asking anything")
        place = _place(url)
        with _told_apart(place):
            async with self._session.request(
                method, url, params=dict(query or {}), allow_redirects=False, **sent
            ) as answer:
                whole = await _read(answer.content, place)
                if answer.status >= 300:
                    raise Unanswered(f"{place} answered with HTTP status {answer.status}", code=answer.status)
                return whole, answer.content_type, place


class Socket:
    """A connection on which JSON objects go both ways."""

    def __init__(self, raw: ClientWebSocketResponse, place: str) -> None:
        self._raw, self._place = raw, place

    async def say(self, frame: Mapping[str, Any]) -> None:
        """``Busy`` when nothing can leave any more, ``Unanswered`` when the connection broke meanwhile."""
        if self._raw.closed:
            raise Busy(f"{self._place} has hung up", retry_after=RETRY_AFTER_S)
        try:
            await self._raw.send_str(_plain(frame))
        except (ClientError, OSError) as error:
            raise Unanswered(f"{self._place} broke the connection ({type(error).__name__})") from error

    async def hear(self) -> str | None:
        """The next text; None when the connection has ended."""
        while True:
            heard = await self._raw.receive()
            if heard.type is WSMsgType.TEXT:
                return str(heard.data)
            if heard.type is not WSMsgType.BINARY:
                return None


def bare_session() -> ClientSession:
    """For the simulator only, which has to see every status and broken connection itself."""
    return ClientSession(connector=TCPConnector(limit=0, keepalive_timeout=10.0), cookie_jar=DummyCookieJar())


def _sent_file(file: File, seconds: float) -> dict[str, Any]:
    body, kind = file.form()
    return {"data": body, "headers": {"Content-Type": kind}, "timeout": ClientTimeout(seconds)}


async def _read(content: Any, place: str) -> bytes:
    chunks, size = [], 0
    async for chunk in content.iter_chunked(65_536):
        size += len(chunk)
        if size > LARGEST_ANSWER:
            raise Unanswered(f"{place} answered more than {LARGEST_ANSWER} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _object(whole: bytes, place: str) -> dict[str, Any]:
    try:
        answer = read_json(whole)
    except (ValueError, RecursionError) as error:
        raise Unanswered(f"{place} answered something that is not JSON") from error
    if not isinstance(answer, dict):
        raise Unanswered(f"{place} answered JSON that is no object")
    return answer


@contextmanager
def _told_apart(place: str) -> Iterator[None]:
    """Trouble on the way, as one of our endings."""
    try:
        yield
    except (InvalidURL, NonHttpUrlClientError) as error:
        raise Blocked(f"{place} is no address to send to") from error
    except (ClientConnectorError, ConnectTimeout) as error:
        why = type(error).__name__
        raise Busy(f"{place} cannot be reached ({why})", retry_after=RETRY_AFTER_S) from error
    except (ClientError, TimeoutError, OSError) as error:
        raise Unanswered(f"{place} gave no answer ({type(error).__name__})") from error


def _date(header: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(header) if header else None
    except ValueError:
        return None


def _place(url: str) -> str:
    """Host and path: enough to know who was asked, and free of secrets."""
    try:
        address = URL(url)
        return f"{address.host or '?'}{address.path}"
    except ValueError:
        return "an unreadable address"
