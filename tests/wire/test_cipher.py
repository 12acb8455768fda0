"""The cipher agrees with the platform, byte for byte, and refuses everything else."""

from __future__ import annotations

import base64
import hashlib
import struct

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from hypothesis import given
from hypothesis import strategies as st

from bot.cipher import Cipher
from sop.errors import Forged, Malformed, Misconfigured

SAMPLE = ("QDG6eK", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "wx5823bf96d3bd56c7")
ECHO = "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ=="
TEXT = (
    "RypEvHKD8QQKFhvQ6QleEB4J58tiPdvo+rtK1I9qca6aM/wvqnLSV5zEPeusUiX5L5X/0lWfrf0QADHHhGd3QczcdCUpj911"
    "L3vg3W/sYYvuJTs3TUUkSUXxaccAS0qhxchrRYt66wiSpGLYL42aM6A8dTT+6k4aSknmPj48kzJs8qLjvd4Xgpue06DOdnLx"
    "AUHzM6+kDZ+HMZfJYuR+LtwGc2hgf5gsijff0ekUNXZiqATP7PF5mZxZ3Izoun1s4zG4LUMnvw2r+KqCKIw+3IQH03v+BCA9"
    "nMELNqbSf6tiWSrXJB3LAVGUcallcrw8V2t9EL4EhzJWrQUax5wLVMNS0+rUPA3k22Ncx4XXZS9o0MBH27Bo6BpNelZpS+/u"
    "h9KsNlY6bHCmJU9p8g7m3fVKn28H3KDYA5Pl/T8Z1ptDAVe0lXdQ2YoyyH2uyPIGHBZZIs2pDBS8R07+qN+E7Q=="
)
TOKEN, KEY, CORP = "qunxingToken2026", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "wwqx2026demo0001"
RANDOM = b"0123456789abcdef"

VECTORS = {
    "pad of 9": (
        CORP,
        b"7301994455120087163",
        "1767225600",
        "qx8841",
        "4j/AuRx71kQlxVlzbpsMWGY2zj4w0MFYGjFC1MHNFmpAND0dVUYTwJSlfpQRmWWGLX76jVMBhA5wlIIOjco+dQ==",
        "b08ba42d76a3407814f8c7370907df1b40ae502c",
    ),
    "no receiver": (
        "",
        b'{"msgid":"QXMSG0001","msgtype":"text"}',
        "1767225602",
        "qx8843",
        "4j/AuRx71kQlxVlzbpsMWMtjvcHzU7mVeqGCie6kITlaUkbXiN+kbE59yfvpvp/9a7FTCfUU9ROmjLqes8lbqw==",
        "ce0f152766286be513820c38819f0e174835d432",
    ),
    "pad of 32": (
        CORP,
        b"a" * 28,
        "1767225603",
        "qx8844",
        "4j/AuRx71kQlxVlzbpsMWC/vnkwtMTGKde57mIe2Zq5rv+K5dbfbWeNHjdYkNFyvkewhDBsEJq3pYERApCjxG1apYCF55QvYpz2j"
        "aluY789jEPSpnsyVdbWFNyWjwXOc",
        "14aeab0e209eb461130ca874ea21bb0848b15ba2",
    ),
    "pad of 1": (
        CORP,
        b"b" * 27,
        "1767225604",
        "qx8845",
        "4j/AuRx71kQlxVlzbpsMWICixkWQO1xxgJjpumMQX2m8nSdpPqIQ0mYI2MgaWK4kbs3zdThudycpjouXeIMd2w==",
        "9fd7fc98049a536f7b0eb9e321114beb55a92c21",
    ),
}


def test_the_published_url_verification_opens() -> None:
    cipher = Cipher(*SAMPLE)

    trusted = cipher.verified("5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3", "1409659589", "263014780", ECHO)

    assert trusted
    assert cipher.open(ECHO) == b"1616140317555161061"


def test_the_published_message_opens() -> None:
    cipher = Cipher(*SAMPLE)

    trusted = cipher.verified("477715d11cdb4164915debcba66cb864d751f3e6", "1409659813", "1372623149", TEXT)

    assert trusted
    assert b"<Content><![CDATA[hello]]></Content>" in cipher.open(TEXT)
    assert b"4561255354251345929" in cipher.open(TEXT)


@pytest.mark.parametrize("name", VECTORS)
def test_sealing_gives_the_known_bytes(name: str) -> None:
    receiver, message, timestamp, nonce, sealed, signature = VECTORS[name]
    cipher = Cipher(TOKEN, KEY, receiver)

    assert cipher.seal(message, RANDOM) == sealed
    assert cipher.sign(timestamp, nonce, sealed) == signature
    assert cipher.open(sealed) == message


@given(message=st.binary(max_size=200), random16=st.binary(min_size=16, max_size=16))
def test_what_was_sealed_opens_to_the_same_bytes(message: bytes, random16: bytes) -> None:
    cipher = Cipher(TOKEN, KEY, CORP)

    assert cipher.open(cipher.seal(message, random16)) == message


@given(sealed=st.one_of(st.text(), st.binary(max_size=128).map(lambda b: base64.b64encode(b).decode())))
def test_anything_else_is_malformed(sealed: str) -> None:
    with pytest.raises(Malformed):
        Cipher(TOKEN, KEY, CORP).open(sealed)


def test_another_corp_is_forged() -> None:
    sealed = Cipher(TOKEN, KEY, "wwsomeoneelse").seal(b"hello", RANDOM)

    with pytest.raises(Forged):
        Cipher(TOKEN, KEY, CORP).open(sealed)


@pytest.mark.parametrize("tail", [b"\x00", b"\x21" * 33, b"\x01\x02", b"\x05\x05\x05\x04\x05"])
def test_wrong_padding_is_malformed(tail: bytes) -> None:
    body = RANDOM + struct.pack(">I", 5) + b"hello" + CORP.encode()
    plain = body + b"\x00" * (-(len(body) + len(tail)) % 32) + tail

    with pytest.raises(Malformed):
        Cipher(TOKEN, KEY, CORP).open(_encrypted(plain))


def test_an_impossible_length_is_malformed() -> None:
    plain = RANDOM + struct.pack(">I", 4_000_000_000) + b"x" * 11 + b"\x01"

    with pytest.raises(Malformed):
        Cipher(TOKEN, KEY, CORP).open(_encrypted(plain))


def test_a_signature_of_another_text_is_not_trusted() -> None:
    cipher = Cipher(TOKEN, KEY, CORP)
    signature = cipher.sign("1767225600", "n", "AAAA")

    assert not cipher.verified(signature, "1767225600", "n", "AAAB")
    assert not cipher.verified("", "1767225600", "n", "AAAA")
    assert not cipher.verified("签名", "1767225600", "n", "AAAA")


@pytest.mark.parametrize("key", ["", KEY[:-1], KEY + "A", KEY[:-1] + "!"])
def test_a_key_that_is_no_key_is_refused_with_a_remedy(key: str) -> None:
    with pytest.raises(Misconfigured, match="EncodingAESKey"):
        Cipher(TOKEN, key, CORP)


def test_neither_token_nor_key_can_be_read_off_a_cipher() -> None:
    shown = repr(Cipher(TOKEN, KEY, CORP))

    assert TOKEN not in shown
    assert KEY not in shown


def test_the_signature_is_sha1_over_the_sorted_parts() -> None:
    parts = "".join(sorted([TOKEN, "1", "2", "3"]))

    assert Cipher(TOKEN, KEY, CORP).sign("1", "2", "3") == hashlib.sha1(parts.encode()).hexdigest()


def _encrypted(plain: bytes) -> str:
    key = base64.b64decode(KEY + "=")
    encryptor = BlockCipher(AES(key), CBC(key[:16])).encryptor()
    return base64.b64encode(encryptor.update(plain) + encryptor.finalize()).decode()
