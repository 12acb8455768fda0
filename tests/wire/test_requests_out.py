"""What each kind of content looks like on each channel, to the letter, and what is refused before it leaves."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from bot.gateway import Parcel
from bot.wecom.card import run_of
from bot.wecom.gateway import WeComGateway
from sop.card import Button, Buttons, Notice, Opening
from sop.errors import Blocked, Busy, Refused, Unanswered
from sop.message import Article, Channel, Content, Form, Link, Markup, Media, MiniProgram
from sop.moment import MomentReported
from sop.receipt import Sent
from storage.engine import Database
from storage.tag import TagStore
from tests.wire.conftest import NOW, Wire, keep, shelf_gateway

ALICE = "wmQXalice"
PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 20
AMR = b"#!AMR\n" + b"\x3c" + b"v" * 31
MP4 = b"\x00\x00\x00\x18ftypmp42" + b"m" * 20
PDF = b"%PDF-1.7 " + b"f" * 20
BODIES = {Form.IMAGE: PNG, Form.VOICE: AMR, Form.VIDEO: MP4, Form.FILE: PDF}


def media(form: Form, **told: str) -> Media:
    return Media(form, hashlib.sha256(BODIES[form]).hexdigest(), f"周报.{form}", **told)


IMAGE, VOICE, VIDEO, FILE = (media(form) for form in BODIES)
LINK = Link("本周活动", "https://qx.example.org/l/a", "点开看看", "https://qx.example.org/a.png")
MINI = MiniProgram("wxapp1", "pages/a", "领券中心", cover=IMAGE, facts=(("门店", "西湖店"),))
ARTICLE = Article(
    "月报", IMAGE, "<p>数据</p>", digest="三句话看懂", author="林墨", url="https://qx.example.org/r"
)
NOTICE = Notice(title="有 2 个群发待确认", opens=Opening(url="https://qx.example.org/d"))
SENDERS = {
    Channel.APP: "community",
    Channel.APPCHAT: "community",
    Channel.KF: "wkQX1",
    Channel.WEBHOOK: "运营群",
}


@pytest.fixture
async def shelf(wire: Wire, sqlite: Database) -> WeComGateway:
    """A gateway with files on its shelf; what the platform keeps for three days is M1."""
    for form, body in BODIES.items():
        await keep(sqlite, form, f"周报.{form}", body)
    wire.answer("media/upload", {"media_id": "M1"})
    wire.answer("media/uploadimg", {"url": "https://wework.qpic.cn/a"})
    wire.answer("media/upload_attachment", {"media_id": "A1"})
    wire.answer("webhook/upload_media", {"media_id": "W1"})
    wire.answer(
        "appchat/get", {"chat_info": {"chatid": "ops", "name": "运营", "userlist": ["linmo", "suhe"]}}
    )
    wire.answer("externalcontact/add_moment_task", {"jobid": "job1"})
    wire.answer("externalcontact/add_msg_template", {"msgid": "msg1"})
    return shelf_gateway(wire, sqlite)


def parcel(channel: Channel, content: Content, **told: Any) -> Parcel:
    to = {Channel.APP: ("linmo",), Channel.APPCHAT: ("ops",), Channel.WEBHOOK: ()}.get(channel, (ALICE,))
    plain = {"recipients": to, "sender": SENDERS.get(channel, "linmo"), "key": "k1", "welcome_code": ""}
    plain["audience"] = "staff" if channel is Channel.APP else "member"
    return Parcel(channel=channel, content=content, **{**plain, **told})


# ---------------------------------------------------------------- one message, one kind

NEWS = {
    "articles": [
        {
            "title": "本周活动",
            "url": "https://qx.example.org/l/a",
            "description": "点开看看",
            "picurl": "https://qx.example.org/a.png",
        }
    ]
}
BOLD = Content("**早** [看](https://qx.example.org)", markup=Markup.MARKDOWN)
MPNEWS = {
    "title": "月报",
    "thumb_media_id": "M1",
    "content": "<p>数据</p>",
    "author": "林墨",
    "content_source_url": "https://qx.example.org/r",
    "digest": "三句话看懂",
}
STAFF_ALIKE: dict[str, tuple[Content, str, dict[str, Any]]] = {
    "an image": (Content(media=(IMAGE,)), "image", {"media_id": "M1"}),
    "a voice": (Content(media=(VOICE,)), "voice", {"media_id": "M1"}),
    "a file": (Content(media=(FILE,)), "file", {"media_id": "M1"}),
    "a video": (
        Content(media=(media(Form.VIDEO, title="开箱", description="30 秒"),)),
        "video",
        {"media_id": "M1", "title": "开箱", "description": "30 秒"},
    ),
    "a link": (
        Content("看看", link=LINK),
        "textcard",
        {"title": "本周活动", "description": "看看", "url": LINK.url, "btntxt": "查看"},
    ),
    "news": (Content(news=(LINK,)), "news", NEWS),
    "articles": (Content(articles=(ARTICLE,)), "mpnews", {"articles": [MPNEWS]}),
    "markdown": (BOLD, "markdown", {"content": BOLD.text}),
}


@pytest.mark.parametrize("name", STAFF_ALIKE)
async def test_what_an_app_shows_staff(shelf: WeComGateway, wire: Wire, name: str) -> None:
    content, kind, shown = STAFF_ALIKE[name]

    await shelf.send(parcel(Channel.APP, content))

    assert (wire.last.method, wire.last.path, wire.last.query) == ("POST", "message/send", {})
    body = dict(wire.last.body)
    assert body.pop("duplicate_check_interval") >= 1800
    assert body == {
        "touser": "linmo",
        "msgtype": kind,
        "agentid": 1000002,
        kind: shown,
        "enable_duplicate_check": 1,
    }


@pytest.mark.parametrize("name", STAFF_ALIKE)
async def test_what_an_app_shows_in_its_group(shelf: WeComGateway, wire: Wire, name: str) -> None:
    content, kind, shown = STAFF_ALIKE[name]

    sent = await shelf.send(parcel(Channel.APPCHAT, content))

    assert sent == Sent("k1")
    assert (wire.last.method, wire.last.path, wire.last.query) == ("POST", "appchat/send", {})
    assert wire.last.body == {"chatid": "ops", "msgtype": kind, kind: shown, "safe": 0}


async def test_a_text_in_an_app_s_group_calls_people(shelf: WeComGateway, wire: Wire) -> None:
    await shelf.send(parcel(Channel.APPCHAT, Content("开会", mentions=("suhe", "@all"))))

    assert wire.last.body["text"] == {"content": "开会", "mentioned_list": ["suhe", "@all"]}


async def test_a_mini_program_tells_staff_its_facts(shelf: WeComGateway, wire: Wire) -> None:
    await shelf.send(parcel(Channel.APP, Content("今日可领", mini=MINI)))

    assert wire.last.body["miniprogram_notice"] == {
        "appid": "wxapp1",
        "title": "领券中心",
        "page": "pages/a",
        "description": "今日可领",
        "content_item": [{"key": "门店", "value": "西湖店"}],
    }


async def test_a_card_for_staff_carries_a_number_that_tells_what_it_is_about(
    shelf: WeComGateway, wire: Wire
) -> None:
    card = Buttons(task="send:7", title="确认群发？", buttons=(Button("yes", "确认"), Button("no", "取消")))

    await shelf.send(parcel(Channel.APP, Content(card=card)))

    shown = dict(wire.last.body["template_card"])
    assert run_of(shown.pop("task_id")) == "send:7"
    assert shown == {
        "card_type": "button_interaction",
        "main_title": {"title": "确认群发？"},
        "button_list": [
            {"text": "确认", "style": 1, "key": "yes"},
            {"text": "取消", "style": 1, "key": "no"},
        ],
    }


HOOKED: dict[str, tuple[Content, str, dict[str, Any]]] = {
    "a text that calls": (
        Content("早", mentions=("linmo", "@all")),
        "text",
        {"content": "早", "mentioned_list": ["linmo", "@all"]},
    ),
    "markdown that calls": (
        Content("**早**", markup=Markup.MARKDOWN, mentions=("linmo",)),
        "markdown",
        {"content": "**早**\n<@linmo>"},
    ),
    "wide markdown": (Content("|a|b|", markup=Markup.WIDE), "markdown_v2", {"content": "|a|b|"}),
    "an image": (
        Content(media=(IMAGE,)),
        "image",
        {"base64": base64.b64encode(PNG).decode(), "md5": hashlib.md5(PNG).hexdigest()},
    ),
    "a file": (Content(media=(FILE,)), "file", {"media_id": "W1"}),
    "a voice": (Content(media=(VOICE,)), "voice", {"media_id": "W1"}),
    "news": (Content(news=(LINK,)), "news", NEWS),
    "a notice": (
        Content(card=NOTICE),
        "template_card",
        {
            "card_type": "text_notice",
            "main_title": {"title": "有 2 个群发待确认"},
            "card_action": {"type": 1, "url": "https://qx.example.org/d"},
        },
    ),
}


@pytest.mark.parametrize("name", HOOKED)
async def test_what_a_webhook_posts(shelf: WeComGateway, wire: Wire, name: str) -> None:
    content, kind, shown = HOOKED[name]

    await shelf.send(parcel(Channel.WEBHOOK, content))

    assert (wire.last.method, wire.last.path) == ("POST", "webhook/send")
    assert (wire.last.query, wire.last.token) == ({"key": "hook-key"}, "")
    assert wire.last.body == {"msgtype": kind, kind: shown}


# ---------------------------------------------------------------- text with attachments

ATTACHED = [
    {"msgtype": "image", "image": {"pic_url": "https://wework.qpic.cn/a"}},
    {"msgtype": "video", "video": {"media_id": "M1"}},
    {"msgtype": "file", "file": {"media_id": "M1"}},
    {
        "msgtype": "link",
        "link": {
            "title": "本周活动",
            "url": "https://qx.example.org/l/a",
            "desc": "点开看看",
            "picurl": "https://qx.example.org/a.png",
        },
    },
]


async def test_a_welcome_carries_attachments(shelf: WeComGateway, wire: Wire) -> None:
    wire.answers["media/uploadimg"] = [{"url": "https://wework.qpic.cn/a"}]
    content = Content("早", media=(IMAGE, VIDEO, FILE), news=(LINK,))

    await shelf.send(parcel(Channel.WELCOME, content, welcome_code="W1"))

    assert wire.last.path == "externalcontact/send_welcome_msg"
    assert wire.last.body == {"welcome_code": "W1", "text": {"content": "早"}, "attachments": ATTACHED}


async def test_a_mass_send_carries_attachments(shelf: WeComGateway, wire: Wire) -> None:
    await shelf.send(parcel(Channel.GROUP_SEND, Content("早", media=(VIDEO, FILE), news=(LINK,))))

    assert wire.last.path == "externalcontact/add_msg_template"
    assert wire.last.body["attachments"] == ATTACHED[1:]


async def test_a_mini_program_to_members_shows_its_cover(shelf: WeComGateway, wire: Wire) -> None:
    wire.answers["media/uploadimg"] = [{"url": "C1"}]

    await shelf.send(parcel(Channel.GROUP_SEND, Content(mini=MINI)))

    (shown,) = wire.last.body["attachments"]
    assert shown["miniprogram"] == {
        "title": "领券中心",
        "pic_media_id": "M1",
        "appid": "wxapp1",
        "page": "pages/a",
    }


async def test_a_file_in_kf(shelf: WeComGateway, wire: Wire) -> None:
    await shelf.send(parcel(Channel.KF, Content(media=(FILE,))))

    assert (wire.last.path, wire.last.body["msgtype"]) == ("kf/send_msg", "file")
    assert wire.last.body["file"] == {"media_id": "M1"}


async def test_a_moment_for_those_who_carry_a_tag(shelf: WeComGateway, wire: Wire, sqlite: Database) -> None:
    await sqlite.write(lambda c: TagStore(c, NOW).remember("咖啡", "etCoffee", "兴趣"))

    sent = await shelf.send(parcel(Channel.MOMENT, Content("上新", media=(IMAGE,), seen_by=("咖啡",))))

    assert sent == Sent("job1")
    assert (wire.last.method, wire.last.path) == ("POST", "externalcontact/add_moment_task")
    assert wire.last.body == {
        "visible_range": {
            "sender_list": {"user_list": ["linmo"]},
            "external_contact_list": {"tag_list": ["etCoffee"]},
        },
        "text": {"content": "上新"},
        "attachments": [{"msgtype": "image", "image": {"media_id": "A1"}}],
    }


# ---------------------------------------------------------------- refused at home

LONG_URL = Link("a", "https://qx.example.org/" + "a" * 2048)
TOO_MUCH: dict[str, tuple[Channel, Content, str]] = {
    "nothing": (Channel.APP, Content(), "为空"),
    "two kinds at once": (Channel.APP, Content("早", media=(IMAGE,)), "一种内容"),
    "two files at once": (Channel.WEBHOOK, Content(media=(IMAGE, FILE)), "一种内容"),
    "a card in an app's group": (Channel.APPCHAT, Content(card=NOTICE), "发不了模板卡片"),
    "a vote by a webhook": (
        Channel.WEBHOOK,
        Content(card=Buttons(buttons=(Button("a", "b"),))),
        "通知类卡片",
    ),
    "markdown to members": (Channel.GROUP_SEND, BOLD, "发不了Markdown"),
    "voice to members": (Channel.GROUP_SEND, Content(media=(VOICE,)), "发不了语音"),
    "a video by a webhook": (Channel.WEBHOOK, Content(media=(VIDEO,)), "发不了视频"),
    "ten attachments": (Channel.GROUP_SEND, Content("早", news=(LINK,) * 10), "最多 9 个"),
    "nine articles": (Channel.APP, Content(news=(LINK,) * 9), "1 到 8 个"),
    "markdown of 2049 bytes": (Channel.APP, Content("a" * 2049, markup=Markup.MARKDOWN), "2048 字节"),
    "markdown of 4097 bytes": (Channel.WEBHOOK, Content("a" * 4097, markup=Markup.MARKDOWN), "4096 字节"),
    "683 characters of three bytes": (Channel.APP, Content("好" * 683), "2048 字节"),
    "an address of 2 KiB": (Channel.GROUP_SEND, Content("早", link=LONG_URL), "链接超过"),
    "an article of a megabyte": (
        Channel.APP,
        Content(articles=(Article("a", IMAGE, "a" * 1_000_000),)),
        "图文正文超过",
    ),
    "a mini program without cover": (Channel.GROUP_SEND, Content(mini=MiniProgram("a", "b", "c")), "封面"),
    "a mini program's long title": (
        Channel.WELCOME,
        Content(mini=MiniProgram("a", "b", "c" * 65, cover=IMAGE)),
        "小程序标题",
    ),
    "a moment of two sorts": (Channel.MOMENT, Content("早", media=(IMAGE,), link=LINK), "只能选一种"),
    "a moment of two videos": (
        Channel.MOMENT,
        Content(media=(VIDEO, media(Form.VIDEO, title="b"))),
        "一个视频",
    ),
    "a moment of 2001 characters": (Channel.MOMENT, Content("a" * 2001), "2000 字"),
    "a moment for an unknown tag": (Channel.MOMENT, Content("早", seen_by=("没有",)), "没有标签"),
    "everybody called in markdown": (
        Channel.WEBHOOK,
        Content("a", markup=Markup.MARKDOWN, mentions=("@all",)),
        "所有人",
    ),
    "a call in wide markdown": (Channel.WEBHOOK, Content("a", markup=Markup.WIDE, mentions=("a",)), "不能 @"),
    "a file we do not have": (Channel.APP, Content(media=(Media(Form.FILE, "0" * 64, "没有"),)), "不在库里"),
}


@pytest.mark.parametrize("name", TOO_MUCH)
async def test_what_the_platform_would_refuse_never_leaves(
    shelf: WeComGateway, wire: Wire, name: str
) -> None:
    channel, content, reason = TOO_MUCH[name]

    with pytest.raises(Refused, match=reason):
        await shelf.send(parcel(channel, content, welcome_code="W1" if channel is Channel.WELCOME else ""))

    assert wire.asked == []


async def test_a_mini_program_notice_goes_to_named_staff_only(shelf: WeComGateway, wire: Wire) -> None:
    with pytest.raises(Refused, match="所有人"):
        await shelf.send(parcel(Channel.APP, Content(mini=MINI), recipients=("@all",)))

    assert wire.asked == []


async def test_files_need_a_shelf(gateway: WeComGateway) -> None:
    with pytest.raises(Blocked):
        await gateway.send(parcel(Channel.APP, Content(media=(FILE,))))


# ---------------------------------------------------------------- moments


async def test_a_moment_still_being_made_is_asked_about_later(gateway: WeComGateway, wire: Wire) -> None:
    wire.answer("externalcontact/get_moment_task_result", {"status": 2, "type": "add_moment_task"})

    with pytest.raises(Busy):
        await gateway.moment("job1", "", "linmo")

    assert (wire.last.method, wire.last.query) == ("GET", {"jobid": "job1"})


async def test_a_published_moment_tells_which_members_liked_it(gateway: WeComGateway, wire: Wire) -> None:
    made = {"errcode": 0, "moment_id": "mom1"}
    wire.answer("externalcontact/get_moment_task_result", {"status": 3, "result": made})
    wire.answer(
        "externalcontact/get_moment_task",
        {"task_list": [{"userid": "suhe", "publish_status": 0}], "next_cursor": "c"},
        {"task_list": [{"userid": "LinMo", "publish_status": 1}]},
    )
    likes = [{"external_userid": ALICE, "create_time": 1767300000}, {"userid": "suhe", "create_time": 1}]
    wire.answer("externalcontact/get_moment_comments", {"like_list": likes, "comment_list": []})

    told = await gateway.moment("job1", "", "linmo")

    assert told == MomentReported(
        at=NOW, job="job1", moment="mom1", sender="linmo", published=True, liked=((ALICE, 1767300000),)
    )
    bodies = [asked.body for asked in wire.asked[1:]]
    assert bodies == [
        {"moment_id": "mom1", "limit": 1000},
        {"moment_id": "mom1", "limit": 1000, "cursor": "c"},
        {"moment_id": "mom1", "userid": "linmo"},
    ]


async def test_a_moment_that_was_not_made_says_why(gateway: WeComGateway, wire: Wire) -> None:
    result = {"errcode": 41072, "errmsg": "no such attachment"}
    wire.answer("externalcontact/get_moment_task_result", {"status": 3, "result": result})

    with pytest.raises(Refused, match="no such attachment"):
        await gateway.moment("job1", "", "linmo")


async def test_a_moment_without_a_job_is_unknown(shelf: WeComGateway, wire: Wire) -> None:
    wire.answers["externalcontact/add_moment_task"] = [{}]

    with pytest.raises(Unanswered):
        await shelf.send(parcel(Channel.MOMENT, Content("早")))
