"""What leaves ends as an answer, as not sent or as unknown, and never as a guess."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import BodyPartReader, web
from aiohttp.test_utils import TestServer, unused_port

from bot.clean_json import read_json
from bot.clock import SystemClock
from bot.outgoing import LARGEST_ANSWER, File, Outgoing
from sop.errors import Blocked, Busy, Unanswered


async def _echo(request: web.Request) -> web.Response:
    raw = await request.text()
    return web.json_response({"method": request.method, "query": dict(request.query), "raw": raw})


async def _hang_up(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def _slow(request: web.Request) -> web.Response:
    await asyncio.sleep(5)
    return web.json_response({})


async def _half(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Length": "100"})
    await answer.prepare(request)
    await answer.write(b'{"errcode":')
    assert request.transport is not None
    request.transport.close()
    return answer


def _says(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="application/json")


async def _page(request: web.Request) -> web.Response:
    return {
        "html": lambda: _says("<html>gateway</html>"),
        "list": lambda: _says("[1]"),
        "empty": lambda: _says(""),
        "500": lambda: _says('{"errcode":0}', 500),
        "deep": lambda: _says("[" * 100_000),
        "huge": lambda: _says('"' + "a" * (LARGEST_ANSWER + 1) + '"'),
        "redirect": lambda: web.Response(status=302, headers={"Location": "/echo"}),
    }[request.match_info["what"]]()


async def _takes(request: web.Request) -> web.Response:
    """A form, read by a parser that knows nothing of how we write one."""
    form = await request.multipart()
    part = await form.next()
    assert isinstance(part, BodyPartReader)
    whole, last = await part.read(), await form.next()
    return web.json_response(
        {"field": part.name, "name": part.filename, "size": len(whole), "sort": part.headers["Content-Type"],
         "whole": whole.hex(), "alone": last is None, "told": part.headers["Content-Disposition"]}
    )  # fmt: skip


async def _gives(request: web.Request) -> web.Response:
    if request.query["what"] == "file":
        return web.Response(body=b"\x00{}", content_type="image/png")
    return web.json_response({"errcode": 40007})


async def _hang_up_later(request: web.Request) -> web.Response:
    """The first on a connection is answered, the second meets silence."""
    request.app[ASKED].append(request.path)
    if len(request.app[ASKED]) > 1:
        assert request.transport is not None
        request.transport.abort()
    return web.json_response({})


ASKED = web.AppKey("asked", list[str])


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    app = web.Application()
    app.router.add_route("*", "/echo", _echo)
    app[ASKED] = []
    app.router.add_post("/takes", _takes)
    app.router.add_get("/gives", _gives)
    app.router.add_get("/hang-up-later", _hang_up_later)
    app.router.add_get("/hang-up", _hang_up)
    app.router.add_get("/slow", _slow)
    app.router.add_get("/half", _half)
    app.router.add_get("/page/{what}", _page)
    running = TestServer(app)
    async with running:
        yield running


@pytest.fixture
async def outgoing() -> AsyncIterator[Outgoing]:
    async with Outgoing(SystemClock(), timeout_s=0.5) as opened:
        yield opened


async def test_chinese_leaves_as_it_is_and_never_escaped(server: TestServer, outgoing: Outgoing) -> None:
    answer = await outgoing.json(
        "POST", str(server.make_url("/echo")), body={"text": "你好"}, query={"k": "a+b"}
    )

    assert answer == {"method": "POST", "query": {"k": "a+b"}, "raw": '{"text":"你好"}'}


@pytest.mark.parametrize("name", ["周报.pdf", 'a "b".pdf', "a\r\nb.pdf", "C:\\d.pdf"])
async def test_a_file_arrives_whole_under_its_name(server: TestServer, outgoing: Outgoing, name: str) -> None:
    whole = b"\r\n--boundary\r\n\x00\xff" * 50

    got = await outgoing.json(
        "POST", str(server.make_url("/takes")), file=File("media", name, "application/pdf", whole)
    )

    assert (got["field"], got["whole"], got["alone"]) == ("media", whole.hex(), True)
    assert got["sort"] == "application/pdf"
    assert got["name"].endswith(".pdf")
    assert f"filelength={len(whole)}" in got["told"]


async def test_a_chinese_name_is_not_encoded(server: TestServer, outgoing: Outgoing) -> None:
    file = File("media", "周报.pdf", "application/pdf", b"123456")

    assert (await outgoing.json("POST", str(server.make_url("/takes")), file=file))["name"] == "周报.pdf"


@pytest.mark.parametrize(
    ("whole", "value"),
    [
        (b'{"a": "hi\\ud83d"}', {"a": "hi\ufffd"}),
        (b'{"\\ude00b": ["\\u0000x"]}', {"\ufffdb": ["\ufffdx"]}),
        (b'{"a": "\\ud83d\\ude00 \\u4f60\\\\u0000"}', {"a": "😀 你\\u0000"}),
        (b'{"a": "\xed\xa0\xbd!"}', {"a": "\ufffd\ufffd\ufffd!"}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
    ],
)
def test_what_no_database_takes_is_left_out_of_json(whole: bytes, value: object) -> None:
    assert read_json(whole) == value


async def test_a_file_comes_back_as_bytes_and_a_refusal_as_what_it_says(
    server: TestServer, outgoing: Outgoing
) -> None:
    url = str(server.make_url("/gives"))

    assert await outgoing.file(url, query={"what": "file"}) == b"\x00{}"
    assert await outgoing.file(url, query={"what": "refusal"}) == {"errcode": 40007}


async def test_a_question_on_a_broken_connection_is_asked_once(
    server: TestServer, outgoing: Outgoing
) -> None:
    url = str(server.make_url("/hang-up-later"))
    await outgoing.json("GET", url)

    with pytest.raises(Unanswered):
        await outgoing.json("GET", url)

    assert len(server.app[ASKED]) == 2


async def test_nobody_listening_means_not_sent(outgoing: Outgoing) -> None:
    with pytest.raises(Busy):
        await outgoing.json("POST", f"http://127.0.0.1:{unused_port()}/x", body={})


@pytest.mark.parametrize("path", ["hang-up", "slow", "half"])
async def test_no_whole_answer_means_unknown(server: TestServer, outgoing: Outgoing, path: str) -> None:
    with pytest.raises(Unanswered):
        await outgoing.json("GET", str(server.make_url(f"/{path}")))


@pytest.mark.parametrize("what", ["html", "list", "empty", "500", "deep", "huge", "redirect"])
async def test_an_answer_nobody_can_trust_means_unknown(
    server: TestServer, outgoing: Outgoing, what: str
) -> None:
    with pytest.raises(Unanswered):
        await outgoing.json("GET", str(server.make_url(f"/page/{what}")))


@pytest.mark.parametrize("url", ["", "no address", "http://[", "ftp:/x"])
async def test_an_address_that_is_none_blocks(outgoing: Outgoing, url: str) -> None:
    with pytest.raises(Blocked):
        await outgoing.json("GET", url)


async def test_no_error_shows_the_query(server: TestServer, outgoing: Outgoing) -> None:
    with pytest.raises(Unanswered) as caught:
        await outgoing.json("GET", str(server.make_url("/hang-up")), query={"access_token": "SECRET"})

    assert "SECRET" not in str(caught.value)
    assert "/hang-up" in str(caught.value)


async def test_it_must_be_opened_first() -> None:
    with pytest.raises(RuntimeError):
        await Outgoing(SystemClock()).json("GET", "http://127.0.0.1/")


# ---------------------------------------------------------------- connections that stay


async def _chat(request: web.Request) -> web.WebSocketResponse:
    """Says something binary, then something odd, then echoes once and hangs up."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_bytes(b"\x00")
    await socket.send_str("你好")
    await socket.send_str(await socket.receive_str())
    await socket.close()
    return socket


@pytest.fixture
async def chat() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/chat", _chat)
    app.router.add_get("/page", _echo)
    async with TestServer(app) as server:
        yield f"ws://127.0.0.1:{server.port}"


async def test_a_connection_takes_and_gives_texts_until_it_ends(chat: str) -> None:
    async with Outgoing(SystemClock()) as outgoing, outgoing.socket(f"{chat}/chat") as socket:
        first = await socket.hear()
        await socket.say({"cmd": "问"})

        assert (first, await socket.hear(), await socket.hear()) == ("你好", '{"cmd":"问"}', None)
        with pytest.raises(Busy):
            await socket.say({"cmd": "again"})


@pytest.mark.parametrize(
    ("address", "ending"),
    [
        ("{}/page", Busy),
        ("ws://127.0.0.1:{port}/chat", Busy),
        ("nonsense", Blocked),
        ("ftp://host/chat", Blocked),
    ],
)
async def test_a_connection_nobody_takes_says_why(chat: str, address: str, ending: type[Exception]) -> None:
    async with Outgoing(SystemClock()) as outgoing:
        with pytest.raises(ending):
            async with outgoing.socket(address.format(chat, port=unused_port())):
                pass
