"""会话内容存档 on the wire: what each record means, how records are opened, and what each question looks like."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chance import SeededChance
from bot.cipher import RsaKey, open_file, seal_file
from bot.clock import TurnedClock
from bot.gateway import Unread
from bot.outgoing import Outgoing
from bot.wecom.archive import Archive
from bot.wecom.archive_library import STOP, WORDS, error_of
from bot.wecom.archive_parse import DOOR, SEALED_DOOR, parted, understood
from bot.wecom.client import WeComClient
from bot.wecom.gateway import WeComGateway
from bot.wecom.legible import legible
from bot.wecom.parse import parse
from bot.wecom.settings import WeComSettings
from sop.archive import ArchiveDecided
from sop.errors import Blocked, Busy, Malformed, Misconfigured, Refused, SendError
from sop.packed import from_plain, to_plain
from sop.update import MessageHeard, MessageRecalled, Update
from storage.shared_memory import MemoryShared
from tests.wire.conftest import SETTINGS

ALICE, GROUP = "wmQXalice", "wrG1"
AT = datetime.fromtimestamp(1767250800.123, UTC)


def record(kind: str = "text", content: Any = None, **fields: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "msgid": "7_external",
        "action": "send",
        "from": ALICE,
        "tolist": ["linmo"],
        "roomid": GROUP,
    }
    plain |= {"msgtime": 1767250800123, "msgtype": kind}
    return {"seq": 7, **plain, **({kind: content} if content is not None else {}), **fields}


def heard(kind: str = "text", said: str = "", **more: Any) -> MessageHeard:
    known = {"member": ALICE, "group": GROUP, **more}
    return MessageHeard(at=AT, id="archive:7_external", text=said, via="archive", media=kind, **known)


MIXED = [
    {"type": "text", "content": json.dumps({"content": "看这个"})},
    {"type": "link", "content": json.dumps({"title": "好文"})},
    {"type": "image", "content": json.dumps({"sdkfileid": "f"})},
]
QUOTE = "这是一条引用/回复消息：\n“小林：\n今天喝什么”\n------\n拿铁"

RECORDS: dict[str, tuple[dict[str, Any], Update | None]] = {
    "a word": (record(content={"content": "签到 @林墨 早"}), heard(said="签到 @林墨 早", mentions=("林墨",))),
    "an employee's word": (
        record(content={"content": "早"}, **{"from": "LinMo"}),
        heard(said="早", member="linmo", from_staff=True),
    ),
    "a word alone with an employee": (
        record(content={"content": "在吗"}, roomid="", tolist=["LinMo"]),
        heard(said="在吗", group="", account="linmo"),
    ),
    "a quotation": (record(content={"content": QUOTE}), heard(said="拿铁", quoted="今天喝什么")),
    "a picture": (record("image", {"sdkfileid": "f"}), heard("image")),
    "a voice": (record("voice", {"sdkfileid": "f"}), heard("voice")),
    "a film": (record("video", {"sdkfileid": "f"}), heard("video")),
    "a card": (record("card", {"corpname": "c", "userid": "u"}), heard("card")),
    "a place": (record("location", {"title": "外滩", "address": "黄浦"}), heard("location", "外滩")),
    "a sticker": (record("emotion", {"type": 1, "sdkfileid": "f"}), heard("emotion")),
    "a file": (record("file", {"filename": "课件.pdf"}), heard("file", "课件.pdf")),
    "a link": (record("link", {"title": "好文", "link_url": "https://x.cn"}), heard("link", "好文")),
    "a mini program": (record("weapp", {"title": "小店", "displayname": "群星"}), heard("weapp", "小店")),
    "chat records": (record("chatrecord", {"title": "聊天记录", "item": []}), heard("chatrecord", "聊天记录")),
    "a to-do": (record("todo", {"title": "交作业", "content": "今晚"}), heard("todo", "交作业")),
    "a vote": (record("vote", {"votetitle": "喝什么", "voteitem": ["a"]}), heard("vote", "喝什么")),
    "a form": (record("collect", {"title": "报名", "room_name": "r"}), heard("collect", "报名")),
    "a red packet": (record("redpacket", {"wish": "恭喜"}), heard("redpacket", "恭喜")),
    "an outside red packet": (record("external_redpacket", {"wish": "恭喜"}), heard("external_redpacket", "恭喜")),
    "a meeting": (record("meeting", {"topic": "周会"}), heard("meeting", "周会")),
    "a meeting's notice": (record("meeting_notification", {"notification_type": 1}), heard("meeting_notification")),
    "a document": (record("docmsg", doc={"title": "文档"}), heard("docmsg", "文档")),
    "markdown": (record("markdown", info={"content": "**早**"}), heard("markdown", "**早**")),
    "news": (record("news", info={"item": [{"title": "新品"}]}), heard("news", "新品")),
    "a date": (record("calendar", {"title": "直播"}), heard("calendar", "直播")),
    "mixed": (record("mixed", {"item": MIXED}), heard("mixed", "看这个\n好文")),
    "a call": (record("meeting_voice_call", {"endtime": 1}, voiceid="v"), heard("meeting_voice_call")),
    "a shared document in a call": (record("voip_doc_share", {"filename": "f"}, voipid="v"), heard("voip_doc_share")),
    "a channel's film": (record("sphfeed", {"feed_desc": "手冲"}), heard("sphfeed", "手冲")),
    "a call's end": (record("voiptext", info={"callduration": 1}), heard("voiptext")),
    "a file of the drive": (record("qydiskfile", info={"filename": "f"}), heard("qydiskfile")),
    "a kind nobody knows yet": (record("hologram", {"depth": 3}), heard("hologram")),
    "taken back": (
        record("revoke", {"pre_msgid": "6_external"}, action="recall"),
        MessageRecalled(at=AT, id="archive:7_external", message="archive:6_external", member=ALICE, group=GROUP),
    ),
    "agreeing in a group": (
        record("agree", {"userid": ALICE, "agree_time": 1}),
        ArchiveDecided(at=AT, id="archive:7_external", member=ALICE, scope=GROUP, agreed=True),
    ),
    "no longer agreeing alone": (
        record("disagree", {"userid": ALICE, "disagree_time": 1}, roomid="", tolist=["LinMo"]),
        ArchiveDecided(at=AT, id="archive:7_external", member=ALICE, scope="linmo", agreed=False),
    ),
    "a robot's word": (record(content={"content": "哔"}, **{"from": "wbRobot"}), None),
    "another device": ({"seq": 7, "action": "switch", "msgid": "x", "time": 1, "user": "linmo"}, None),
}  # fmt: skip

GARBLED: dict[str, Any] = {
    "no action": {"seq": 7, "msgid": "7"},
    "no time": record(content={"content": "x"}, msgtime=None),
    "a time in words": record(content={"content": "x"}, msgtime="soon"),
    "nobody": record(content={"content": "x"}, **{"from": ""}),
    "somebody nobody gave out": record(content={"content": "x"}, **{"from": "w" * 65}),
    "a group nobody gave out": record(content={"content": "x"}, roomid="w" * 65),
    "a chat with nobody we know": record(content={"content": "x"}, roomid="", tolist=["w" * 65]),
    "a mixture of nothing": record("mixed", {"item": [{"type": "text", "content": "{"}]}),
    "agreeing to nothing": record("agree", {"userid": ALICE}, roomid="", tolist=[]),
    "taking back nothing": record("revoke", {}, action="recall"),
    "a list": [1],
    "nothing": None,
    "too large": record(content={"content": "啊" * 200_000}),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_becomes_the_update_it_means(name: str) -> None:
    told, update = RECORDS[name]

    assert understood(told) == update
    assert update is None or from_plain(json.loads(json.dumps(to_plain(update)))) == update


@pytest.mark.parametrize("name", GARBLED)
async def test_a_garbled_record_is_kept_with_a_reason_and_stops_no_other(
    gateway: WeComGateway, wire: Any, name: str
) -> None:
    good, update = RECORDS["a word"]
    wire.answer("archive/feed", {"chatdata": [GARBLED[name], {**good, "seq": 8}], "more": 1})

    page = await gateway.hear_archive(6)

    assert (page.updates, page.seq, page.more) == ((update,), 8, True)
    (unread,) = page.unread
    assert (unread.door, bool(unread.reason)) == (DOOR, True)
    assert len(unread.body) <= 256 * 1024


@pytest.mark.parametrize(
    ("said", "parts"),
    [
        ("这是一条引用/回复消息：\n“小林：\n今天喝什么”\n------\n拿铁", ("今天喝什么", "拿铁")),
        ('This is a quote/reply:\n"Lin:\nwhat now"\n------\nlatte', ("what now", "latte")),
        ("「小林：今天喝什么」\n- - - - - - - - - - - - - - -\n拿铁", ("今天喝什么", "拿铁")),
        ("「小林：第一行\n第二行」\n- - - - - - - - - - - - - - -\n好", ("第一行\n第二行", "好")),
        ("没有引用", ("", "没有引用")),
        ("「书名：副题」很好看", ("", "「书名：副题」很好看")),
    ],
)
def test_a_quotation_is_parted_from_what_is_said_to_it(said: str, parts: tuple[str, str]) -> None:
    assert parted(said) == parts


@given(st.text(alphabet="「」：\n- “”这是一条引用/回复消息a", max_size=60))
def test_whatever_is_said_something_of_it_stays(said: str) -> None:
    quoted, rest = parted(said)

    assert rest == said or quoted + rest


def test_a_kept_record_can_be_read_again_once_we_know_how() -> None:
    told, update = RECORDS["a word"]

    assert parse(DOOR, json.dumps(told).encode(), "x") == update
    with pytest.raises(Malformed):
        parse(SEALED_DOOR, b'{"publickey_ver": 3}', "x")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda part: st.lists(part, max_size=3)
        | st.dictionaries(st.sampled_from([*record(), "text", "mixed", "revoke", "agree", "item"]), part, max_size=6),
        max_leaves=12,
    )
)  # fmt: skip
def test_no_record_breaks_the_feed(told: Any) -> None:
    assert isinstance(legible(understood, told, DOOR), Update | Unread | None)


# ---------------------------------------------------------------- the feed, and who agreed


async def test_the_feed_is_asked_for_what_follows(gateway: WeComGateway, wire: Any) -> None:
    wire.answer("archive/feed", {"chatdata": [], "more": 0})

    page = await gateway.hear_archive(10)

    assert (page.updates, page.seq, page.more) == ((), 10, False)
    assert (wire.last.query, wire.last.token) == ({"seq": "10", "limit": "1000"}, "T-archive-secret-1")


async def test_without_a_feed_or_a_library_we_say_what_to_do(wire: Any, clock: TurnedClock) -> None:
    deaf = _archive(wire, clock, archive_feed="")

    with pytest.raises(Blocked, match=r"wecom\.archive\.library"):
        await deaf.hear(0)


async def test_a_group_is_asked_who_agreed(gateway: WeComGateway, wire: Any) -> None:
    told = [
        {"exteranalopenid": ALICE, "agree_status": "Agree", "status_change_time": 1},
        {"exteranalopenid": "wmBob", "agree_status": "Disagree", "status_change_time": 1},
    ]
    wire.answer("msgaudit/check_room_agree", {"agreeinfo": told})

    found = await gateway.agreed_in_group(GROUP)

    assert [(one.member, one.scope, one.agreed, one.asked) for one in found] == [
        (ALICE, GROUP, True, True),
        ("wmBob", GROUP, False, True),
    ]
    assert (wire.last.method, wire.last.body) == ("POST", {"roomid": GROUP})


async def test_chats_are_asked_about_in_hundreds_in_the_platform_s_spelling(
    gateway: WeComGateway, wire: Any
) -> None:
    wire.answer("msgaudit/check_single_agree", {"agreeinfo": []})

    await gateway.agreed_alone({(f"wm{number}", "linmo") for number in range(101)})

    sizes = [len(asked.body["info"]) for asked in wire.asked]
    assert sizes == [100, 1]
    assert wire.asked[0].body["info"][0] == {"userid": "linmo", "exteranalopenid": "wm0"}


# ---------------------------------------------------------------- sealed records


class Sealed:
    """A library that hands out what it is given."""

    def __init__(self, *pages: list[Any], fails: Exception | None = None) -> None:
        self.pages, self.fails, self.asked = list(pages), fails, list[tuple[int, int, int]]()

    def chat_data(self, seq: int, limit: int, timeout_s: int) -> bytes:
        self.asked.append((seq, limit, timeout_s))
        if self.fails:
            raise self.fails
        return json.dumps({"errcode": 0, "chatdata": self.pages.pop(0)}).encode()

    def decrypt(self, key: bytes, sealed: str) -> bytes:
        try:
            return open_file(key.decode(), base64.b64decode(sealed))
        except (ValueError, Malformed) as mistake:
            raise error_of(10006) from mistake


@pytest.fixture(scope="module")
def pair() -> tuple[RsaKey, bytes]:
    return RsaKey.made()


def _archive(wire: Outgoing, clock: TurnedClock, library: Any = None, **settings: Any) -> Archive:
    plain = {name: getattr(SETTINGS, name) for name in SETTINGS.__dataclass_fields__} | settings
    client = WeComClient(WeComSettings(**plain), wire, clock, SeededChance(1), MemoryShared())
    return Archive(client, library)


def _sealed(told: Any, key: RsaKey, version: int = 1) -> dict[str, Any]:
    random = base64.b64encode(b"k" * 32)
    return {
        "seq": told["seq"],
        "msgid": told["msgid"],
        "publickey_ver": version,
        "encrypt_random_key": base64.b64encode(key.seal(random)).decode(),
        "encrypt_chat_msg": base64.b64encode(seal_file(random.decode(), json.dumps(told).encode())).decode(),
    }


async def test_a_sealed_record_is_opened_with_the_key_of_its_version(
    wire: Any, clock: TurnedClock, tmp_path: Path, pair: tuple[RsaKey, bytes]
) -> None:
    key, pem = pair
    (tmp_path / "archive-2.pem").write_bytes(pem)
    told, update = RECORDS["a word"]
    library = Sealed([_sealed(told, key, version=2)])
    archive = _archive(wire, clock, library, archive_key_file=str(tmp_path / "archive-{version}.pem"))

    page = await archive.hear(6)

    assert (page.updates, page.seq, page.more, page.unread) == ((update,), 7, False, ())
    assert library.asked == [(6, 1000, 10)]


async def test_a_record_of_a_version_we_lack_is_kept_and_the_next_ones_go_on(
    wire: Any, clock: TurnedClock, tmp_path: Path, pair: tuple[RsaKey, bytes]
) -> None:
    key, pem = pair
    (tmp_path / "archive-1.pem").write_bytes(pem)
    told, update = RECORDS["a word"]
    library = Sealed([_sealed(told, key, version=9), _sealed({**told, "seq": 8}, key)])
    archive = _archive(wire, clock, library, archive_key_file=str(tmp_path / "archive-{version}.pem"))

    page = await archive.hear(6)

    (unread,) = page.unread
    assert (page.updates, page.seq, page.lacking) == ((update,), 8, {9: 7})
    assert unread.door == SEALED_DOOR
    assert "第 9 版私钥" in unread.reason


async def test_a_record_sealed_with_another_key_is_kept(
    wire: Any, clock: TurnedClock, tmp_path: Path, pair: tuple[RsaKey, bytes]
) -> None:
    (tmp_path / "key.pem").write_bytes(pair[1])
    told, update = RECORDS["a word"]
    strange = {**_sealed(told, pair[0]), "encrypt_random_key": base64.b64encode(b"x" * 256).decode()}
    torn = {**_sealed(told, pair[0]), "encrypt_random_key": "!"}
    library = Sealed([strange, torn, {"seq": 8}, _sealed({**told, "seq": 9}, pair[0])])
    archive = _archive(wire, clock, library, archive_key_file=str(tmp_path / "key.pem"))

    page = await archive.hear(6)

    assert (page.updates, page.seq, len(page.unread), page.lacking) == ((update,), 9, 3, {})


async def test_a_key_that_is_none_says_so(wire: Any, clock: TurnedClock, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("hello")

    with pytest.raises(Misconfigured, match="PEM"):
        RsaKey((tmp_path / "key.pem").read_bytes())


@pytest.mark.parametrize("code", WORDS)
def test_every_number_of_the_library_has_one_fate(code: int) -> None:
    error = error_of(code)

    kind: type[SendError] = Busy if code in (10001, 10002, 10003) else Blocked if code in STOP else Refused
    assert type(error) is kind
    assert str(code) in error.reason


def test_a_number_nobody_knows_is_refused_and_shown() -> None:
    assert type(error_of(10099)) is Refused


@pytest.mark.parametrize(("code", "kind"), [(301052, Blocked), (301042, Refused), (-1, Busy)])
async def test_what_the_platform_says_inside_the_library_s_answer_counts(
    wire: Any, clock: TurnedClock, code: int, kind: type[SendError]
) -> None:
    class Refusing(Sealed):
        def chat_data(self, seq: int, limit: int, timeout_s: int) -> bytes:
            return json.dumps({"errcode": code, "errmsg": "no"}).encode()

    with pytest.raises(kind):
        await _archive(wire, clock, Refusing()).hear(0)


@pytest.mark.parametrize("answer", [b"", b"{", b"[]", b"\xff"])
async def test_an_answer_of_the_library_that_is_nonsense_means_later(
    wire: Any, clock: TurnedClock, answer: bytes
) -> None:
    class Babbling(Sealed):
        def chat_data(self, seq: int, limit: int, timeout_s: int) -> bytes:
            return answer

    with pytest.raises(Busy):
        await _archive(wire, clock, Babbling()).hear(0)


async def test_more_than_four_thousand_pulls_a_minute_wait_their_turn(wire: Any, clock: TurnedClock) -> None:
    library = Sealed(*[[] for _ in range(4001)])
    archive = _archive(wire, clock, library)

    async def pull(times: int) -> None:
        for _ in range(times):
            await archive.hear(0)

    with pytest.raises(Busy) as waited:
        await pull(4001)

    assert len(library.asked) <= 4000
    assert waited.value.retry_after > 0
