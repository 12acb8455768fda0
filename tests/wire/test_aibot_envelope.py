"""The JSON envelope of a 智能机器人: sealed with an empty receive id, opened only when everything is right."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from bot.cipher import Cipher, open_file, seal_file
from bot.wecom.aibot_webhook import open_envelope, seal_envelope
from bot.wecom.callback import LARGEST_BODY, Freshness
from sop.errors import Forged, Malformed

TOKEN, KEY = "qunxingToken2026", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
RANDOM = b"0123456789abcdef"
NOW = datetime.fromtimestamp(1767225602, UTC)
SAID = b'{"msgid":"QXMSG0001","msgtype":"text"}'
SEALED = "4j/AuRx71kQlxVlzbpsMWMtjvcHzU7mVeqGCie6kITlaUkbXiN+kbE59yfvpvp/9a7FTCfUU9ROmjLqes8lbqw=="
QUERY = {
    "msg_signature": "ce0f152766286be513820c38819f0e174835d432",
    "timestamp": "1767225602",
    "nonce": "qx8843",
}


def opened(body: bytes, query: dict[str, str] = QUERY, cipher: Cipher | None = None) -> bytes:
    return open_envelope(cipher or Cipher(TOKEN, KEY, ""), query, body, freshness=Freshness(), now=NOW)


def test_a_known_envelope_opens_with_an_empty_receive_id() -> None:
    assert opened(json.dumps({"encrypt": SEALED}).encode()) == SAID


def test_escaped_slashes_mean_the_same() -> None:
    assert opened(json.dumps({"encrypt": SEALED}).replace("/", "\\/").encode()) == SAID


def test_what_was_sealed_for_a_corp_is_not_for_a_bot() -> None:
    cipher = Cipher(TOKEN, KEY, "wwqx2026demo0001")
    sealed = cipher.seal(SAID, RANDOM)
    query = {**QUERY, "msg_signature": cipher.sign(QUERY["timestamp"], QUERY["nonce"], sealed)}

    with pytest.raises(Forged):
        opened(json.dumps({"encrypt": sealed}).encode(), query)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"encrypt": null}',
        b'{"encrypt": ["a"]}',
        b'{"encrypt": ""}',
        b'{"encrypt": "\\u4f60"}',
        b'{"encrypt": "AAAA"}',
        b"<xml><Encrypt>AAAA</Encrypt></xml>",
        b'{"encrypt":' + b"[" * 50_000,
        b'{"encrypt": "' + b"A" * LARGEST_BODY + b'"}',
        json.dumps({"encrypt": SEALED[:-4]}).encode(),
    ],
)
def test_anything_else_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        opened(body)


@pytest.mark.parametrize("missing", list(QUERY))
def test_nothing_opens_without_a_whole_query(missing: str) -> None:
    query = {name: value for name, value in QUERY.items() if name != missing}

    with pytest.raises(Malformed):
        opened(json.dumps({"encrypt": SEALED}).encode(), query)


def test_an_answer_repeats_the_nonce_and_says_whole_seconds() -> None:
    cipher = Cipher(TOKEN, KEY, "")

    answer = json.loads(seal_envelope(cipher, {"msgtype": "text"}, nonce="qx8843", now=NOW, random16=RANDOM))

    assert set(answer) == {"encrypt", "msgsignature", "timestamp", "nonce"}
    assert (answer["timestamp"], answer["nonce"]) == (1767225602, "qx8843")
    assert cipher.verified(answer["msgsignature"], "1767225602", "qx8843", answer["encrypt"])
    assert json.loads(cipher.open(answer["encrypt"])) == {"msgtype": "text"}


# ---------------------------------------------------------------- files

# AES-256-CBC over "qunxing" and twenty-five bytes of 0x19, made with openssl enc -aes-256-cbc -nopad
FILE = "681a3bea5e17540794f9ae9b19b68c4dbc2226ba31353666255de38977340944"


def test_a_known_file_opens() -> None:
    assert open_file(KEY, bytes.fromhex(FILE)) == b"qunxing"


@pytest.mark.parametrize("size", [0, 1, 15, 16, 31, 32, 33, 4096])
def test_a_file_opens_as_it_was_sealed(size: int) -> None:
    content = bytes(range(256)) * 16

    assert open_file(KEY + "=", seal_file(KEY, content[:size])) == content[:size]


@pytest.mark.parametrize(
    ("key", "sealed"),
    [
        (KEY, b""),
        (KEY, b"x" * 31),
        (KEY, b"x" * 32),
        ("short", b"x" * 32),
        ("你好", b"x" * 32),
        (KEY[:-1] + "!", b"x" * 32),
    ],
)
def test_a_file_that_is_none_is_malformed(key: str, sealed: bytes) -> None:
    with pytest.raises(Malformed):
        open_file(key, sealed)
