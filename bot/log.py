"""Logs: facts with fields, on standard error, for people or for machines. Nothing secret and no member's words get out.

Bind what every line of one update shares once: ``with structlog.contextvars.bound_contextvars(update=…):``.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, TextIO

import structlog
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import JSONRenderer, format_exc_info
from structlog.stdlib import ProcessorFormatter
from structlog.typing import Processor

from bot.clock import Clock, SystemClock

HIDDEN = "…"
SECRET_FIELDS = re.compile(
    r"(^|_)(secret|token|aes_key|api_key|key|password|authorization|cookie|code|ticket|corpsecret)$",
    re.IGNORECASE,
)
SECRET_QUERY = re.compile(
    r"([?&](?:access_token|corpsecret|key|code|token|ticket|secret)=)[^&\s\"'#]+", re.IGNORECASE
)
SIGN_IN = re.compile(r"(://)[^/@\s]+@")
WORDS_FIELDS = frozenset(
    {"body", "content", "reply", "said", "text", "words"}
)  # what a member may have written
SHORTEST = 6  # a shorter secret would blot out innocent words
DEEPEST = 6

Event = MutableMapping[str, Any]


def set_up(
    level: str,
    fmt: str,
    *,
    clock: Clock | None = None,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Call at the start of a process: ``fmt`` is console or json, ``secrets`` are blotted out wherever they appear."""
    out = stream or sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _Stamp(clock or SystemClock()),
        format_exc_info,
        _quiet,
        _Redact(secrets),
    ]
    renderer = _renderer(fmt, out)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(out),
    )
    _adopt(out, max(number, logging.WARNING), shared, renderer)


def _renderer(fmt: str, out: TextIO) -> Processor:
    if fmt == "json":
        return JSONRenderer(serializer=json.dumps, ensure_ascii=False, default=str)
    return ConsoleRenderer(colors=out.isatty(), exception_formatter=plain_traceback, timestamp_key="at")


def _adopt(out: TextIO, level: int, shared: list[Processor], renderer: Processor) -> None:
    """Libraries that log in their own way come out like ours, from warnings up."""
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[ProcessorFormatter.remove_processors_meta, shared[-1], renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


class _Stamp:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, logger: Any, method: str, event: Event) -> Event:
        event["at"] = self._clock.now().isoformat(timespec="milliseconds")
        return event


def _quiet(logger: Any, method: str, event: Event) -> Event:
    """Above debug, a member's words become their length."""
    if method != "debug":
        for name in WORDS_FIELDS & event.keys():
            event[name] = f"({len(str(event[name]))} characters)"
    return event


class _Redact:
    def __init__(self, secrets: Iterable[str]) -> None:
        known = sorted({secret for secret in secrets if len(secret) >= SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, logger: Any, method: str, event: Event) -> Event:
        for name, value in event.items():
            event[name] = HIDDEN if _is_secret(name, value) else self._clean(value, DEEPEST)
        return event

    def _clean(self, value: Any, depth: int) -> Any:
        match value:
            case None | bool() | int() | float():
                return value
            case Mapping() if depth:
                return {
                    k: HIDDEN if _is_secret(str(k), v) else self._clean(v, depth - 1)
                    for k, v in value.items()
                }
            case list() | tuple() | set() | frozenset() if depth:
                return [self._clean(part, depth - 1) for part in value]
        words = SIGN_IN.sub(rf"\1{HIDDEN}@", SECRET_QUERY.sub(rf"\1{HIDDEN}", str(value)))
        return self._known.sub(HIDDEN, words) if self._known else words


def _is_secret(name: str, value: Any) -> bool:
    return isinstance(value, str | bytes) and SECRET_FIELDS.search(name) is not None
