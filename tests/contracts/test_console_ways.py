"""The console's page of ways in, greetings and remarks: what operators ask for becomes a question to WeCom."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sop.greeting import Greeting
from sop.way import Way, WayKind
from storage.errand import Errand, ErrandStore
from storage.greeting import GreetingStore
from storage.way import Standing, WayStore
from tests.contracts.operated import GROUP, MEMBER, NOW, Operated, operated

POSTER = {
    "kind": "contact",
    "name": "一月海报",
    "tags": "海报、杭州 海报",
    "staff": "zhang",
    "state": "poster",
}
HELLO = {"name": "新手群", "text": "欢迎 %NICKNAME%", "known": "no", "tell": "yes"}


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Operated]:
    async with operated(tmp_path) as one:
        await one.signs_in()
        yield one


async def errands(console: Operated, what: str) -> list[Errand]:
    waiting = await console.db.read(lambda c: ErrandStore(c).waiting(NOW, 50))
    return [one for one in waiting if one.what == what]


async def ways(console: Operated) -> list[Way]:
    kept = await console.db.read(lambda c: WayStore(c, NOW).all())
    return [one.way for one in kept if one.way.state != "seen"]


async def test_a_way_is_kept_and_asked_for(console: Operated) -> None:
    answer = await console.does("/ways", **POSTER)

    assert answer.status == 303
    assert await ways(console) == [
        Way(state="poster", name="一月海报", kind=WayKind.CONTACT, tags=("海报", "杭州"), staff=("zhang",),
            opens_rooms=False)
    ]  # fmt: skip
    (errand,) = await errands(console, "way")
    assert (errand.whom, errand.data) == ("poster", {"do": "make"})
    assert "正在生成" in await console.page("/ways")


async def test_a_way_into_a_group_gets_a_state_of_its_own(console: Operated) -> None:
    await console.does("/ways", kind="join", name="门店", groups=GROUP, opens="yes")

    (way,) = await ways(console)
    assert (way.kind, way.groups, way.opens_rooms, way.staff) == (WayKind.JOIN, (GROUP,), True, ())
    assert way.state.startswith("qx")
    assert way.state.isalnum()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": ""}, "请写一个名称"),
        ({"name": "很" * 31}, "名称最多 30 个字"),
        ({"state": "s" * 31}, "渠道标识要有 1 到 30 个字"),
        ({"tags": "很" * 31}, "标签最多 30 个字"),
        ({"kind": "join"}, "请至少选一个群"),
    ],
)
async def test_a_way_that_cannot_be_is_refused_with_the_reason(
    console: Operated, changed: dict[str, str], words: str
) -> None:
    answer = await console.does("/ways", **{**POSTER, **changed})

    assert answer.status == 422
    assert words in await answer.text()
    assert await errands(console, "way") == []


async def test_a_state_tells_one_source(console: Operated) -> None:
    await console.does("/ways", **POSTER)

    answer = await console.does("/ways", **{**POSTER, "name": "二月海报"})

    assert answer.status == 409
    assert "已经用过了" in await answer.text()


async def test_a_ready_way_shows_its_code_and_can_be_dropped(console: Operated) -> None:
    await console.does("/ways", **POSTER)
    image = "https://wework.qpic.example/1/0"
    await console.db.write(
        lambda c: WayStore(c, NOW).settle("poster", Standing.READY, number="cw1", image=image)
    )

    response = await console.get("/ways")
    await console.does("/ways/poster/drop")

    assert f'src="{image}"' in await response.text()
    assert "img-src https:" in response.headers["Content-Security-Policy"]
    assert "https:" not in (await console.get("/members")).headers["Content-Security-Policy"]
    assert (await errands(console, "way"))[0].data == {"do": "drop"}


async def test_an_unknown_way_cannot_be_dropped(console: Operated) -> None:
    assert (await console.does("/ways/nowhere/drop")).status == 404


async def test_a_greeting_is_kept_and_says_that_the_owner_must_apply_it(console: Operated) -> None:
    await console.does("/greeting", **HELLO)

    kept = await console.db.read(lambda c: GreetingStore(c, NOW).get("新手群"))
    assert kept is not None
    assert kept.greeting == Greeting(name="新手群", text="欢迎 %NICKNAME%")
    assert (await errands(console, "greeting"))[0].data == {"do": "keep"}
    assert "手动选用" in await console.page("/ways")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"text": ""}, "请写欢迎语"),
        ({"text": "很" * 1001}, "最多 3000 字节"),
        ({"text": "欢迎 %nickname%"}, "全部大写"),
        ({"url": "https://x.example/1"}, "同时有标题和链接"),
        ({"url": "javascript:alert(1)", "title": "t"}, "https://"),
    ],
)
async def test_a_greeting_that_cannot_be_is_refused_with_the_reason(
    console: Operated, changed: dict[str, str], words: str
) -> None:
    answer = await console.does("/greeting", **{**HELLO, **changed})

    assert answer.status == 422
    assert words in await answer.text()


async def test_a_greeting_s_name_is_taken_once_and_its_words_may_change(console: Operated) -> None:
    await console.does("/greeting", **HELLO)

    taken = await console.does("/greeting", **HELLO)
    await console.does("/greeting", **{**HELLO, "known": "yes", "text": "你好"})

    kept: Any = await console.db.read(lambda c: GreetingStore(c, NOW).get("新手群"))
    assert (taken.status, kept.greeting.text) == (409, "你好")
    assert "你好" in await console.page("/greeting?name=新手群")


async def test_a_remark_is_written_to_wecom(console: Operated) -> None:
    await console.does(f"/members/{MEMBER}/remark", staff="zhang", remark="杭州小林")

    (errand,) = await errands(console, "remark")
    assert errand.data == {"member": MEMBER, "staff": "zhang", "remark": "杭州小林"}
    assert 'value="杭州小林"' in await console.page(f"/members/{MEMBER}")


@pytest.mark.parametrize(("staff", "status"), [("nobody", 404), ("zhang", 303)])
async def test_only_a_friend_has_a_remark(console: Operated, staff: str, status: int) -> None:
    assert (await console.does(f"/members/{MEMBER}/remark", staff=staff, remark="x")).status == status
