"""Member pages as phones meet them: recognised, trusted, counted once."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from bot.gateway import Identity
from bot.pages.article import load
from sop.update import LinkVisited
from storage.engine import Database
from tests.contracts.visited import (
    GROUP,
    INSIDE,
    LOGIN,
    MEMBER,
    NOW,
    PUBLIC,
    STAFF,
    Visited,
    fields_of,
    visited,
)
from tests.world import LIBRARY

STRANGER = Identity(openid="o-nobody")
NING = Identity(member="wm-ning")
TARGET = "https://shop.example.com/beans?from=群"
PAGES = (
    "/m/",
    "/m/poll/poll",
    "/m/poll/question",
    "/m/checkin",
    "/m/coupon/welcome",
    "/m/preferences",
    "/m/article/growth-1",
)


@pytest.fixture
async def pages(sqlite: Database) -> AsyncIterator[Visited]:
    async with visited(sqlite) as opened:
        yield opened


async def link_to(pages: Visited, target: str = TARGET) -> str:
    made = await pages.change(lambda tx: tx.links.make(target, lambda: "tokentokentoken1", owner="day1"))
    return f"/l/{made.token}"


# ---------------------------------------------------------------- who is looking


async def test_somebody_in_wechat_is_sent_through_the_login_once(pages: Visited) -> None:
    lin = pages.phone()

    first = await lin.get("/m/")
    html = await lin.reads("/m/")
    second = await lin.get("/m/")

    assert first.headers["Location"].startswith(f"{LOGIN}/connect/oauth2/authorize?appid=wwCorp")
    assert first.headers["Location"].endswith("#wechat_redirect")
    assert "小林，你好" in html
    assert second.status == 200


async def test_the_state_is_letters_and_digits_and_short_enough(pages: Visited) -> None:
    answer = await pages.phone().get("/m/poll/poll")

    (state,) = parse_qs(urlsplit(answer.headers["Location"]).query)["state"]

    assert state.isalnum()
    assert state.isascii()
    assert len(state) <= 128


async def test_a_browser_outside_wechat_stays_a_stranger_and_may_look(pages: Visited) -> None:
    desk = pages.phone(agent="Mozilla/5.0 (Macintosh) Safari/605")

    html = await (await desk.get("/m/poll/poll")).text()

    assert "你一天的第一杯是什么" in html
    assert "还不认识你" in html
    assert "<form" not in html


async def test_a_stand_in_lets_every_browser_log_in(sqlite: Database) -> None:
    async with visited(sqlite, oauth_base="http://127.0.0.1:9600") as pages:
        answer = await pages.phone(agent="curl/8").get("/m/")

    assert answer.headers["Location"].startswith("http://127.0.0.1:9600/connect/oauth2/authorize?")


async def test_a_stranger_is_asked_again_after_five_minutes(pages: Visited) -> None:
    passer = pages.phone(STRANGER)

    assert "还不认识你" in await passer.reads("/m/poll/poll")
    passer.is_who = Identity(member=MEMBER)
    assert "还不认识你" in await passer.reads("/m/poll/poll")
    pages.wall._now += timedelta(minutes=6)
    assert "还不认识你" not in await passer.reads("/m/poll/poll")


async def test_two_links_opened_at_once_both_come_back(pages: Visited) -> None:
    lin = pages.phone()

    one, two = await lin.get("/m/checkin"), await lin.get("/m/preferences")
    back = [
        await lin.get(lin.logs_in(answer.headers["Location"]).removeprefix(PUBLIC)) for answer in (one, two)
    ]

    assert [answer.headers["Location"] for answer in back] == ["/m/checkin", "/m/preferences"]


async def test_a_login_begun_in_another_browser_counts_for_nothing(pages: Visited) -> None:
    lin, ning = pages.phone(), pages.phone(NING)
    await lin.get("/m/")

    begun = await ning.get("/m/")
    answer = await lin.get(ning.logs_in(begun.headers["Location"]).removeprefix(PUBLIC))

    assert answer.status == 400
    assert "没有认出你来" in await answer.text()


@pytest.mark.parametrize("back", ["https://evil.example", "//evil.example", "/\\evil", "/console/", ""])
async def test_the_login_leads_back_to_our_pages_only(pages: Visited, back: str) -> None:
    lin = pages.phone()
    begun = await lin.get("/m/")
    address = lin.logs_in(begun.headers["Location"]).removeprefix(PUBLIC)

    answer = await lin.get(address.replace("back=%2Fm%2F", f"back={back}"))

    assert answer.status == 400


async def test_an_old_login_and_a_changed_session_are_not_believed(pages: Visited) -> None:
    lin = pages.phone()
    begun = await lin.get("/m/")
    pages.wall._now += timedelta(minutes=11)

    late = await lin.get(lin.logs_in(begun.headers["Location"]).removeprefix(PUBLIC))
    await lin.reads("/m/")
    lin.client.cookie_jar.clear()
    forged = await lin.get("/m/", Cookie="qx_member=eyJtZW1iZXIiOiJ3bS1uaW5nIn0.00")

    assert late.status == 400
    assert forged.status == 302


async def test_a_code_the_platform_refuses_leaves_a_stranger(pages: Visited) -> None:
    lin = pages.phone()
    begun = await lin.get("/m/poll/poll")
    back = lin.logs_in(begun.headers["Location"]).removeprefix(PUBLIC)
    pages.platform.codes.clear()

    html = await (await lin.opens(back)).text()

    assert "还不认识你" in html


# ---------------------------------------------------------------- tracked links


async def test_a_link_tells_who_came_and_leads_where_it_was_made_to_lead(pages: Visited) -> None:
    address = await link_to(pages)

    answer = await pages.phone().opens(address)

    assert answer.headers["Location"] == TARGET
    (visit,) = await pages.told()
    assert isinstance(visit, LinkVisited)
    assert (visit.member, visit.token) == (MEMBER, "tokentokentoken1")


async def test_a_stranger_is_led_on_and_counts_as_nobody(pages: Visited) -> None:
    address = await link_to(pages)

    answer = await pages.phone(STRANGER).opens(address)

    assert answer.headers["Location"] == TARGET
    assert [getattr(visit, "member", None) for visit in await pages.told()] == [""]


async def test_tapping_twice_is_one_visit(pages: Visited) -> None:
    address, lin = await link_to(pages), pages.phone()

    await lin.opens(address)
    await lin.opens(address)

    assert len({visit.id for visit in await pages.told()}) == 1


@pytest.mark.parametrize(
    ("agent", "headers"),
    [
        ("Mozilla/5.0 (compatible; Googlebot/2.1)", {}),
        ("facebookexternalhit/1.1", {}),
        ("Mozilla/5.0 MicroMessenger/8.0", {"Sec-Purpose": "prefetch"}),
    ],
)
async def test_previews_and_crawlers_are_no_visits(
    pages: Visited, agent: str, headers: dict[str, str]
) -> None:
    address = await link_to(pages)

    answer = await pages.phone(agent=agent).get(address, **headers)

    assert (answer.status, answer.headers["Location"]) == (302, TARGET)
    assert await pages.told() == []


async def test_asking_for_the_head_and_staff_who_try_are_no_visits(pages: Visited) -> None:
    address = await link_to(pages)

    head = await pages.phone().client.head(address, allow_redirects=False)
    tried = await pages.phone(Identity(staff=STAFF)).opens(address)

    assert (head.status, tried.status) == (302, 302)
    assert await pages.told() == []


@pytest.mark.parametrize("token", ["tokentokentoken2", "x", "a" * 200, "tokentokentoken1%00"])
async def test_an_unknown_link_is_a_kind_page_and_no_redirect(pages: Visited, token: str) -> None:
    await link_to(pages)

    answer = await pages.phone().opens(f"/l/{token}")

    assert answer.status == 404
    assert "找不到" in await answer.text()
    assert await pages.told() == []


async def test_a_target_that_was_tampered_with_in_the_store_is_not_followed(pages: Visited) -> None:
    address = await link_to(pages, "javascript:alert(1)")

    answer = await pages.phone().opens(address)

    assert (answer.status, "Location" in answer.headers) == (404, False)


# ---------------------------------------------------------------- polls


async def test_one_tap_votes_shows_the_result_and_tags(pages: Visited) -> None:
    lin = pages.phone()

    html = await lin.then_reads(await lin.sends("/m/poll/poll", option="B"))

    assert "收到，你选了「拿铁，要有奶才温柔」" in html
    assert "100%" in html
    assert [tag.tag for tag in await pages.ask(lambda tx: tx.tags.of(MEMBER))] == ["拿铁党"]


async def test_a_changed_answer_moves_the_tag_and_is_counted_once(pages: Visited) -> None:
    lin = pages.phone()

    for option in ("A", "A", "C"):
        await lin.sends("/m/poll/poll", option=option)

    assert await pages.ask(lambda tx: tx.interactions.counts("poll")) == {"C": 1}
    assert [tag.tag for tag in await pages.ask(lambda tx: tx.tags.of(MEMBER))] == ["爱喝茶"]
    deeds = await pages.ask(lambda tx: tx.activity.of_member(MEMBER))
    assert [(deed.kind, deed.group) for deed in deeds if deed.kind == "answered"] == [("answered", GROUP)]


async def test_a_question_takes_a_line_and_shows_it_again(pages: Visited) -> None:
    lin = pages.phone()

    html = await lin.then_reads(await lin.sends("/m/poll/question", text="把<b>周报</b>写完"))

    assert "把&lt;b&gt;周报&lt;/b&gt;写完" in html
    assert "<b>周报" not in html


async def test_a_closed_poll_shows_its_result_and_takes_no_more(pages: Visited) -> None:
    lin = pages.phone()
    await lin.sends("/m/poll/poll", option="A")
    hidden = fields_of(await lin.reads("/m/poll/poll"))
    pages.clock._now += timedelta(days=2)

    await lin.posts("/m/poll/poll", **hidden, option="B")
    html = await lin.reads("/m/poll/poll")

    assert await pages.ask(lambda tx: tx.interactions.counts("poll")) == {"A": 1}
    assert "已经结束" in html
    assert "<form" not in html


async def test_staff_see_a_preview_and_vote_only_among_themselves(pages: Visited) -> None:
    su = pages.phone(Identity(staff=STAFF))

    html = await su.reads("/m/poll/poll")
    await su.posts("/m/poll/poll", token=fields_of(await su.reads("/m/poll/inside"))["token"], option="A")
    await su.sends("/m/poll/inside", option="B")

    assert "看到的是预览" in html
    assert await pages.ask(lambda tx: tx.interactions.counts("poll")) == {}
    assert await pages.ask(lambda tx: (tx.interactions.counts("inside"), tx.groups.get(INSIDE))) is not None
    assert await pages.ask(lambda tx: tx.interactions.counts("inside")) == {"B": 1}


# ---------------------------------------------------------------- check-ins


async def test_a_check_in_counts_once_a_day_and_streaks(pages: Visited) -> None:
    lin = pages.phone()
    await pages.change(lambda tx: tx.interactions.check_in(MEMBER, (NOW - timedelta(days=1)).date()))

    html = await lin.then_reads(await lin.sends("/m/checkin"))
    await lin.sends("/m/checkin", token=fields_of(await lin.reads("/m/preferences"))["token"])

    assert "已经连续 2 天啦" in html
    assert await pages.ask(lambda tx: len(tx.interactions.days(MEMBER, NOW.date()))) == 1
    deeds = await pages.ask(lambda tx: tx.activity.of_member(MEMBER))
    assert [(deed.kind, deed.group) for deed in deeds] == [("checked_in", GROUP)]


# ---------------------------------------------------------------- coupons


async def test_a_claimed_coupon_is_shown_large_and_given_once(pages: Visited) -> None:
    lin = pages.phone()
    hidden = fields_of(await lin.reads("/m/coupon/welcome"))

    answers = [await lin.posts("/m/coupon/welcome", **hidden) for _ in range(3)]
    html = await lin.then_reads(answers[0])

    assert "QX-8K2M-01" in html
    assert "7月16日 周四 19:00 前有效" in html
    assert len(await pages.ask(lambda tx: tx.coupons.held_by(MEMBER))) == 1


async def test_sold_out_not_yet_and_ended_are_said_kindly(pages: Visited) -> None:
    await pages.change(lambda tx: [tx.coupons.issue("welcome", who) for who in ("a", "b")])
    lin = pages.phone()

    sold_out = await lin.reads("/m/coupon/welcome")
    pages.clock._now += timedelta(days=31)
    ended = await lin.reads("/m/coupon/welcome")

    assert "领完了" in sold_out
    assert "已经结束" in ended
    assert "<form" not in sold_out + ended
    assert "券找不到了" in await lin.reads("/m/coupon/nothing")


async def test_nobody_sees_what_others_hold(pages: Visited) -> None:
    await pages.change(lambda tx: tx.coupons.issue("welcome", MEMBER))
    ning = pages.phone(NING)

    html = await ning.reads("/m/") + await ning.reads("/m/coupon/welcome")

    assert "QX-8K2M-01" not in html


# ---------------------------------------------------------------- preferences


async def test_opting_out_is_one_tap_and_so_is_coming_back(pages: Visited) -> None:
    lin = pages.phone()

    out = await lin.then_reads(await lin.sends("/m/preferences"))
    refused = await pages.ask(lambda tx: tx.consent.refused([MEMBER]))
    back = await lin.then_reads(await lin.sends("/m/preferences"))

    assert "你已退订" in out
    assert refused == {MEMBER}
    assert "正在接收" in back
    assert not await pages.ask(lambda tx: tx.consent.refused([MEMBER]))


# ---------------------------------------------------------------- trust


FORMS = ("/m/poll/poll", "/m/checkin", "/m/coupon/welcome", "/m/preferences")


@pytest.mark.parametrize("path", FORMS)
async def test_a_forged_form_changes_nothing(pages: Visited, path: str) -> None:
    lin, ning = pages.phone(), pages.phone(NING)
    await lin.reads(path)
    others = fields_of(await ning.reads(path))
    right = fields_of(await lin.reads(path)) | {"option": "A", "granted": "no", "nth": "1"}

    tries = [
        await lin.posts(path, **right | {"token": ""}),
        await lin.posts(path, **right | others),
        await lin.posts(path, {"Origin": "https://evil.example"}, **right),
        await lin.posts(path, {"Sec-Fetch-Site": "cross-site"}, **right),
        await pages.phone(STRANGER).posts(path, **right),
    ]

    assert [answer.status for answer in tries] == [303, 303, 403, 403, 303]
    assert await pages.ask(lambda tx: tx.activity.of_member(MEMBER)) == []
    assert not await pages.ask(lambda tx: tx.coupons.held_by(MEMBER))


@pytest.mark.parametrize("path", [*PAGES, "/m/nowhere", "/m/poll/nothing", "/l/nothing"])
async def test_every_answer_is_dressed_and_holds_no_script_or_style_of_its_own(
    pages: Visited, path: str
) -> None:
    answer = await pages.phone().opens(path)
    html = await answer.text()

    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "<style" not in html
    assert " style=" not in html
    assert "onclick" not in html
    assert html.count("<script") == html.count("<script src=")


async def test_a_hostile_name_is_only_a_name(pages: Visited) -> None:
    await pages.change(lambda tx: tx.members.meet("wm-x", name="<script>alert(1)</script>{{7*7}}"))

    html = await pages.phone(Identity(member="wm-x")).reads("/m/")

    assert "&lt;script&gt;alert(1)" in html
    assert "<script>alert" not in html


async def test_an_enormous_form_is_refused_as_a_page(pages: Visited) -> None:
    lin = pages.phone()
    hidden = fields_of(await lin.reads("/m/poll/question"))

    answer = await lin.posts("/m/poll/question", **hidden, text="长" * 40_000)

    assert answer.status == 413
    assert "写得太长" in await answer.text()


# ---------------------------------------------------------------- articles


async def test_every_article_of_the_ready_plans_is_there(pages: Visited) -> None:
    lin = pages.phone()
    written = "".join(path.read_text("utf-8") for path in LIBRARY.glob("*.toml"))
    named = set(re.findall(r'"(/m/article/[^"]+)"', written))

    statuses = {path: (await lin.opens(path)).status for path in named}

    assert set(statuses.values()) == {200}
    assert {path.removeprefix("/m/article/") for path in named} == set(load())
