"""What reaches the log: facts, with neither secrets nor members' words."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from bot.clock import TurnedClock
from bot.log import set_up

CANARY = "c4nary-0123456789"
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def lines(stream: io.StringIO) -> Lines:
    """A log of JSON lines, and what was written to it so far."""
    set_up(
        "info",
        "json",
        clock=TurnedClock(datetime(2026, 7, 2, 11, tzinfo=UTC)),
        secrets=[CANARY],
        stream=stream,
    )
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_a_fact_with_fields_and_our_own_time(lines: Lines) -> None:
    structlog.get_logger().info("group scored", group="新手答疑群", score=61.5)

    assert lines() == [
        {
            "event": "group scored",
            "group": "新手答疑群",
            "score": 61.5,
            "level": "info",
            "at": "2026-07-02T11:00:00.000+00:00",
        }
    ]


def test_what_is_bound_once_is_on_every_line(lines: Lines) -> None:
    with structlog.contextvars.bound_contextvars(update="u1"):
        structlog.get_logger().info("one")
        structlog.get_logger().warning("two")

    assert [line["update"] for line in lines()] == ["u1", "u1"]


@pytest.mark.parametrize(
    "fields",
    [
        {"reason": f"refused: {CANARY}"},
        {"secret": "c4nary"},
        {"access_token": "c4nary"},
        {"settings": {"aes_key": "c4nary", "list": [{"password": "c4nary"}]}},
        {"url": "https://host/cgi-bin/gettoken?corpid=ww1&corpsecret=c4nary"},
        {"database": "postgresql://user:c4nary@host/db"},
        {"answer": [f"…{CANARY}…"]},
        {"bytes": CANARY.encode()},
    ],
)
def test_secrets_stay_out_of_every_field(fields: dict[str, Any], lines: Lines, stream: io.StringIO) -> None:
    structlog.get_logger().error("refused", **fields)

    assert len(lines()) == 1
    assert "c4nary" not in stream.getvalue()


def test_secrets_stay_out_of_tracebacks(lines: Lines, stream: io.StringIO) -> None:
    try:
        raise ValueError(f"bad key {CANARY}")
    except ValueError:
        structlog.get_logger().exception("failed")

    assert "ValueError: bad key …" in lines()[0]["exception"]
    assert "c4nary" not in stream.getvalue()


def test_a_members_words_become_their_length(lines: Lines) -> None:
    structlog.get_logger().info("heard", text="我想退订", kind="text")

    assert lines()[0]["text"] == "(4 characters)"


def test_what_is_not_asked_for_is_not_written(lines: Lines) -> None:
    structlog.get_logger().debug("heard", text="我想退订")

    assert lines() == []


def test_libraries_come_out_like_ours(lines: Lines, stream: io.StringIO) -> None:
    logging.getLogger("apscheduler").info("Added job")
    logging.getLogger("aiohttp").warning("gave up on ?access_token=c4nary after %s", CANARY)

    assert [(line["event"], line["level"]) for line in lines()] == [
        ("gave up on ?access_token=… after …", "warning")
    ]


def test_on_a_console_a_line_reads_as_words(stream: io.StringIO) -> None:
    set_up("info", "console", secrets=[CANARY], stream=stream)

    structlog.get_logger().info("sent", to="小林", token="c4nary")

    assert "sent" in stream.getvalue()
    assert "小林" in stream.getvalue()
    assert "c4nary" not in stream.getvalue()
