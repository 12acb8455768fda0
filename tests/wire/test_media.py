"""Files are handed over once, used again while they last, renewed before they end, and checked before they leave."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from bot.clock import TurnedClock
from bot.gateway import Parcel
from bot.outgoing import File
from bot.wecom.gateway import WeComGateway
from bot.wecom.media import AMR, objection
from sop.errors import Busy, Refused, Unanswered
from sop.message import Channel, Content, Form, Media
from storage.engine import Database
from storage.shared_memory import MemoryShared
from tests.wire.conftest import Wire, keep, shelf_gateway

PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 20
UPLOAD = "media/upload"


@pytest.fixture
async def image(sqlite: Database) -> Media:
    return await keep(sqlite, Form.IMAGE, "海报.png", PNG)


@pytest.fixture
def shelf(wire: Wire, sqlite: Database) -> WeComGateway:
    return shelf_gateway(wire, sqlite)


def shown(image: Media, key: str = "k1", channel: Channel = Channel.APP) -> Parcel:
    return Parcel(
        channel=channel, content=Content(media=(image,)), recipients=("linmo",), audience="staff", key=key
    )


def uploads(wire: Wire, path: str = UPLOAD) -> list[Any]:
    return [asked for asked in wire.asked if asked.path == path]


async def test_an_upload_is_a_form_with_the_file_under_its_name(
    shelf: WeComGateway, wire: Wire, image: Media
) -> None:
    wire.answer(UPLOAD, {"type": "image", "media_id": "M1", "created_at": "1767323045"})

    await shelf.send(shown(image))

    (upload,) = uploads(wire)
    assert (upload.method, upload.query, upload.token) == ("POST", {"type": "image"}, "T-app-secret-1")
    assert upload.file == File("media", "海报.png", "image/png", PNG)


PLACES = {
    Channel.MOMENT: ("media/upload_attachment", {"media_type": "image", "attachment_type": "1"}),
    Channel.GROUP_SEND: ("media/uploadimg", {}),
}


@pytest.mark.parametrize("channel", PLACES)
async def test_moments_and_mass_sends_have_uploads_of_their_own(
    shelf: WeComGateway, wire: Wire, image: Media, channel: Channel
) -> None:
    path, query = PLACES[channel]
    wire.answer(path, {"media_id": "M1", "url": "https://wework.qpic.cn/a"})
    wire.answer("externalcontact/add_moment_task", {"jobid": "j"})
    wire.answer("externalcontact/add_msg_template", {"msgid": "m"})

    await shelf.send(
        Parcel(channel=channel, content=Content(media=(image,)), recipients=("wm1",), sender="linmo")
    )

    assert [(asked.method, asked.query) for asked in uploads(wire, path)] == [("POST", query)]


async def test_a_webhook_s_file_is_handed_to_that_webhook(
    shelf: WeComGateway, wire: Wire, sqlite: Database
) -> None:
    file = await keep(sqlite, Form.FILE, "周报.pdf", b"%PDF-1.7 " + b"f" * 20)
    wire.answer("webhook/upload_media", {"media_id": "W1"})

    await shelf.send(
        Parcel(channel=Channel.WEBHOOK, content=Content(media=(file,)), recipients=(), sender="运营群")
    )

    (upload,) = uploads(wire, "webhook/upload_media")
    assert (upload.query, upload.token) == ({"key": "hook-key", "type": "file"}, "")


async def test_a_file_is_handed_over_once(shelf: WeComGateway, wire: Wire, image: Media) -> None:
    wire.answer(UPLOAD, {"media_id": "M1"})

    for number in range(5):
        await shelf.send(shown(image, f"k{number}"))

    assert len(uploads(wire)) == 1
    assert wire.last.body["image"] == {"media_id": "M1"}


async def test_many_who_want_a_file_at_once_hand_it_over_once(
    shelf: WeComGateway, wire: Wire, image: Media
) -> None:
    wire.answer(UPLOAD, {"media_id": "M1"})

    await asyncio.gather(*(shelf.send(shown(image, f"k{number}")) for number in range(10)))

    assert len(uploads(wire)) == 1


async def test_two_processes_hand_a_file_over_once(wire: Wire, sqlite: Database, image: Media) -> None:
    wire.answer(UPLOAD, {"media_id": "M1"})
    shared = MemoryShared()
    first, second = (shelf_gateway(wire, sqlite, shared) for _ in range(2))

    await asyncio.gather(*(one.send(shown(image, f"k{id(one)}")) for one in (first, second)))

    assert len(uploads(wire)) == 1


async def test_it_is_renewed_half_a_day_before_its_third_day_ends(
    shelf: WeComGateway, wire: Wire, image: Media, clock: TurnedClock
) -> None:
    wire.answer(UPLOAD, {"media_id": "M1"}, {"media_id": "M2"})
    told = []
    for hours in (0, 59, 2):
        await clock.turn(timedelta(hours=hours))
        await shelf.send(shown(image, f"k{hours}"))
        told.append(wire.last.body["image"]["media_id"])

    assert told == ["M1", "M1", "M2"]


async def test_while_it_cannot_be_renewed_the_old_number_serves_to_its_end(
    shelf: WeComGateway, wire: Wire, image: Media, clock: TurnedClock
) -> None:
    wire.answer(UPLOAD, {"media_id": "M1"}, {"errcode": -1})
    await shelf.send(shown(image))

    await clock.turn(timedelta(hours=71))
    await shelf.send(shown(image, "k2"))

    assert wire.last.body["image"] == {"media_id": "M1"}
    await clock.turn(timedelta(hours=2))
    with pytest.raises(Busy):
        await shelf.send(shown(image, "k3"))


async def test_an_upload_without_an_answer_sent_nothing(
    shelf: WeComGateway, wire: Wire, image: Media
) -> None:
    wire.answer(UPLOAD, Unanswered("nothing"))

    with pytest.raises(Busy):
        await shelf.send(shown(image))

    assert not [asked for asked in wire.asked if asked.path == "message/send"]


async def test_a_number_the_platform_forgot_is_asked_for_anew(
    shelf: WeComGateway, wire: Wire, image: Media, clock: TurnedClock
) -> None:
    wire.answer(UPLOAD, {"media_id": "M1"}, {"media_id": "M2"})
    wire.answer("message/send", {}, {"errcode": 40007}, {})
    await shelf.send(shown(image))
    await clock.turn(timedelta(hours=1))
    with pytest.raises(Busy):
        await shelf.send(shown(image, "k2"))

    await shelf.send(shown(image, "k2"))

    assert wire.last.body["image"] == {"media_id": "M2"}


async def test_a_fresh_number_that_is_refused_is_refused_for_good(
    shelf: WeComGateway, wire: Wire, image: Media
) -> None:
    wire.answer(UPLOAD, {"media_id": "M1"})
    wire.answer("message/send", {"errcode": 40007})

    with pytest.raises(Refused):
        await shelf.send(shown(image))


async def test_nothing_is_uploaded_for_a_message_that_cannot_leave(
    shelf: WeComGateway, wire: Wire, image: Media
) -> None:
    with pytest.raises(Refused):
        await shelf.send(
            Parcel(
                channel=Channel.GROUP_SEND, content=Content("长" * 2000, media=(image,)), recipients=("wm1",)
            )
        )

    assert wire.asked == []


async def test_a_file_somebody_sent_us_is_fetched(gateway: WeComGateway, wire: Wire) -> None:
    wire.answer("media/get", {"whole": PNG})

    assert await gateway.file("MID") == PNG
    assert (wire.last.method, wire.last.path, wire.last.query) == ("GET", "media/get", {"media_id": "MID"})


async def test_a_file_being_fetched_by_somebody_else_is_busy(gateway: WeComGateway, wire: Wire) -> None:
    wire.answer("media/get", {"errcode": 45033})

    with pytest.raises(Busy):
        await gateway.file("MID")


MB = 1024 * 1024
FRAME = b"\x3c" + b"v" * 31  # 20 ms at 12.2 kbit/s
BAD: dict[str, tuple[Form, bytes, str]] = {
    "five bytes": (Form.FILE, b"12345", "空"),
    "a picture that is none": (Form.IMAGE, b"GIF89a" + b"g" * 20, "JPG"),
    "a picture of 11 MB": (Form.IMAGE, PNG + b"p" * 11 * MB, "10 MB"),
    "a film that is none": (Form.VIDEO, b"RIFF" + b"a" * 20, "MP4"),
    "a voice that is none": (Form.VOICE, b"ID3" + b"a" * 20, "AMR"),
    "a voice of 61 seconds": (Form.VOICE, AMR + FRAME * 3051, "60 秒"),
    "a file of 21 MB": (Form.FILE, b"f" * 21 * MB, "20 MB"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_the_platform_does_not_take_is_told(name: str) -> None:
    form, body, reason = BAD[name]

    assert reason in objection(form, body)


GOOD = {
    Form.IMAGE: b"\xff\xd8\xff\xe0" + b"j" * 20,
    Form.VIDEO: b"\x00\x00\x00\x18ftypmp42",
    Form.VOICE: AMR + FRAME * 2999,
    Form.FILE: b"%PDF-1",
}


@pytest.mark.parametrize("form", GOOD)
def test_what_the_platform_takes_is_fine(form: Form) -> None:
    assert objection(form, GOOD[form]) == ""
