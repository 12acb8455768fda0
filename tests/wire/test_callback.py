"""What the door lets in, what it refuses, and that refusals tell nothing apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cipher import Cipher
from bot.wecom.callback import LARGEST_BODY, Freshness, lane_of, open_post, verify
from sop.errors import Malformed

TOKEN, KEY, CORP = "qunxingToken2026", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "wwqx2026demo0001"
CIPHER = Cipher(TOKEN, KEY, CORP)
RANDOM = b"0123456789abcdef"
NOW = datetime(2026, 1, 1, 8, tzinfo=UTC)
XML = "<xml><FromUserName><![CDATA[linmo]]></FromUserName><Content><![CDATA[你好]]></Content></xml>".encode()


def sealed(
    message: bytes = XML, *, cipher: Cipher = CIPHER, at: datetime = NOW
) -> tuple[dict[str, str], bytes]:
    """Query and body of a callback as the platform would post it."""
    text, timestamp = cipher.seal(message, RANDOM), str(int(at.timestamp()))
    query = {"msg_signature": cipher.sign(timestamp, "n1", text), "timestamp": timestamp, "nonce": "n1"}
    body = f"<xml><ToUserName><![CDATA[{CORP}]]></ToUserName><Encrypt><![CDATA[{text}]]></Encrypt></xml>"
    return query, body.encode()


def opened(query: dict[str, str], body: bytes, *, freshness: Freshness | None = None) -> bytes:
    return open_post(CIPHER, query, body, freshness=freshness or Freshness(), now=NOW)


def test_the_published_sample_verifies_the_address() -> None:
    cipher = Cipher("QDG6eK", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "wx5823bf96d3bd56c7")
    query = {
        "msg_signature": "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3",
        "timestamp": "1409659589",
        "nonce": "263014780",
        "echostr": "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ==",
    }

    assert verify(cipher, query) == b"1616140317555161061"
    assert verify(cipher, query | {"echostr": query["echostr"].replace("+", " ")}) == b"1616140317555161061"


def test_a_good_callback_opens_to_its_exact_bytes() -> None:
    assert opened(*sealed()) == XML


def test_cdata_around_the_sealed_text_is_optional() -> None:
    query, body = sealed()

    assert opened(query, body.replace(b"<![CDATA[", b"").replace(b"]]>", b"")) == XML


def test_the_receiver_and_the_agent_outside_the_seal_are_not_believed() -> None:
    query, body = sealed()

    assert opened(query, body.replace(CORP.encode(), b"wwsomeoneelse")) == XML


def wrong_signature() -> tuple[dict[str, str], bytes]:
    query, body = sealed()
    return query | {"msg_signature": "0" * 40}, body


def no_query() -> tuple[dict[str, str], bytes]:
    return {}, sealed()[1]


def another_corp() -> tuple[dict[str, str], bytes]:
    return sealed(cipher=Cipher(TOKEN, KEY, "wwsomeoneelse"))


def another_key() -> tuple[dict[str, str], bytes]:
    return sealed(cipher=Cipher(TOKEN, KEY[::-1], CORP))


def another_token() -> tuple[dict[str, str], bytes]:
    return sealed(cipher=Cipher("other", KEY, CORP))


def oversize() -> tuple[dict[str, str], bytes]:
    query, body = sealed()
    return query, body + b" " * LARGEST_BODY


def signed_garbage() -> tuple[dict[str, str], bytes]:
    text = "QUFBQQ=="
    return {
        "msg_signature": CIPHER.sign("1767254400", "n1", text),
        "timestamp": "1767254400",
        "nonce": "n1",
    }, (f"<xml><Encrypt>{text}</Encrypt></xml>".encode())


def billion_laughs() -> tuple[dict[str, str], bytes]:
    entities = '<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    bomb = f"<!DOCTYPE x [{entities}]><xml><Encrypt>&b;</Encrypt></xml>"
    return sealed()[0], bomb.encode()


def deep() -> tuple[dict[str, str], bytes]:
    return sealed()[0], b"<a>" * 50_000


def two_days_old() -> tuple[dict[str, str], bytes]:
    return sealed(at=NOW - timedelta(hours=24, seconds=1))


def from_tomorrow() -> tuple[dict[str, str], bytes]:
    return sealed(at=NOW + timedelta(hours=24, seconds=1))


def a_timestamp_in_words() -> tuple[dict[str, str], bytes]:
    query, body = sealed()
    text = body.decode().split("CDATA[")[2].split("]")[0]
    return query | {"timestamp": "now", "msg_signature": CIPHER.sign("now", "n1", text)}, body


HOSTILE = (
    wrong_signature, no_query, another_corp, another_key, another_token, oversize, signed_garbage,
    billion_laughs, deep, two_days_old, from_tomorrow, a_timestamp_in_words,
)  # fmt: skip


@pytest.mark.parametrize("attempt", HOSTILE, ids=lambda attempt: attempt.__name__)
def test_whatever_is_wrong_is_refused_as_malformed(attempt) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Malformed):
        opened(*attempt())


@given(body=st.binary(max_size=400))
def test_no_body_breaks_the_door(body: bytes) -> None:
    with pytest.raises(Malformed):
        opened(sealed()[0], body)


@given(
    query=st.dictionaries(
        st.sampled_from(["msg_signature", "timestamp", "nonce", "echostr"]), st.text(max_size=60)
    )
)
def test_no_query_breaks_the_door(query: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        verify(CIPHER, query)
    with pytest.raises(Malformed):
        opened(query, sealed()[1])


def test_a_message_of_almost_a_day_ago_is_taken() -> None:
    assert opened(*sealed(at=NOW - timedelta(hours=23, minutes=59))) == XML


def test_a_few_stale_messages_do_not_cast_doubt_on_our_clock() -> None:
    freshness = Freshness()
    fresh, stale = int(NOW.timestamp()), int(NOW.timestamp()) - 2 * 86_400

    taken = [freshness.admits(stale if n % 10 == 0 else fresh, NOW) for n in range(200)]

    assert taken.count(False) == 20
    assert not freshness.suspects_clock


def test_when_more_than_a_fifth_of_a_hundred_look_stale_our_clock_is_suspected_and_messages_are_taken() -> (
    None
):
    freshness = Freshness()
    stale = int(NOW.timestamp()) - 2 * 86_400

    taken = [freshness.admits(stale, NOW) for _ in range(101)]

    assert taken[:99] == [False] * 99
    assert taken[99:] == [True, True]
    assert freshness.suspects_clock


def test_the_suspicion_ends_when_the_stale_ones_are_ten_minutes_past() -> None:
    freshness = Freshness()
    for _ in range(120):
        freshness.admits(0, NOW)

    later = NOW + timedelta(minutes=11)

    assert not freshness.admits(0, later)
    assert not freshness.suspects_clock


LANES = {
    "a group event": (
        "<Event>change_external_chat</Event><ChatId><![CDATA[wrQX1]]></ChatId><FromUserName>sys</FromUserName>",
        "wrQX1",
    ),
    "a friend event": (
        "<FromUserName><![CDATA[sys]]></FromUserName><Event><![CDATA[change_external_contact]]></Event>"
        "<UserID><![CDATA[linmo]]></UserID><ExternalUserID><![CDATA[wmAlice]]></ExternalUserID>",
        "wmAlice",
    ),
    "a staff message": ("<FromUserName><![CDATA[LinMo]]></FromUserName><Content>1</Content>", "linmo"),
    "a doorbell": ("<Event>kf_msg_or_event</Event><OpenKfId><![CDATA[wkQX]]></OpenKfId>", "wkQX"),
    "nobody's event": ("<FromUserName>sys</FromUserName><Event>change_external_tag</Event>", "contact"),
    "an empty body": ("", "contact"),
    "talk that looks like an event": (
        "<FromUserName>linmo</FromUserName><Content><![CDATA[<Event>x</Event><ChatId>wrEvil</ChatId>]]></Content>",
        "linmo",
    ),
    "talk that closes itself": (
        "<Content><![CDATA[</Content><FromUserName>suhe</FromUserName>]]></Content><FromUserName>linmo</FromUserName>",
        "linmo",
    ),
}


@pytest.mark.parametrize("name", LANES)
def test_the_lane_is_found_without_parsing(name: str) -> None:
    body, lane = LANES[name]

    assert lane_of("contact", f"<xml>{body}</xml>".encode()) == lane
