"""Versions in the console: approving, publishing, going back, moving, pausing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from aiohttp import ClientResponse, FormData

from sop.journey import Journey
from sop.template import Subject
from storage.due import DueStore
from storage.engine import Connection
from storage.pause import PauseStore
from storage.template import TemplateStore
from storage.tx import Tx
from storage.version import MIGRATE
from tests.contracts.operated import ADMIN, NOW, OPERATOR, Operated, operated, plan

HOME = "/templates/hello"
LARGE = plan("人多").replace("[audience]", "[rules]\napproval_above = 1\n\n[audience]")


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Operated]:
    async with operated(tmp_path) as one:
        await one.signs_in()
        yield one


async def states(console: Operated) -> list[str]:
    versions = await console.db.read(lambda c: TemplateStore(c, NOW).versions("hello"))
    return [saved.state for saved in versions]


async def many(console: Operated, *, by: str) -> None:
    """A draft, the third version, for more than may be written to without a second person."""

    def settle(c: Connection) -> None:
        Tx(c, NOW).members.meet("wm-zhou", name="老周")
        TemplateStore(c, NOW).save("hello", "问候", LARGE, by=by)

    await console.db.write(settle)


def said(response: ClientResponse) -> str:
    """The line the next page shows."""
    return unquote(response.cookies["qunxing_said"].value)


async def test_a_large_audience_is_not_published_by_its_writer_alone(console: Operated) -> None:
    await many(console, by=ADMIN)

    refused = await console.does(f"{HOME}/publish", version="3", seen="1")
    own = await console.does(f"{HOME}/approve", version="3")

    assert "要两个人同意才能发布" in await refused.text()
    assert "自己写的版本要请另一位运营批准" in said(own)
    assert await states(console) == ["draft", "draft", "published"]


async def test_with_a_second_person_s_word_it_is(console: Operated) -> None:
    await many(console, by=OPERATOR)

    approved = await console.does(f"{HOME}/approve", version="3")
    await console.does(f"{HOME}/publish", version="3", seen="1")

    assert "已批准第 3 版" in said(approved)
    assert await states(console) == ["published", "draft", "retired"]


async def test_publishing_may_move_those_under_way_in_the_same_act(console: Operated) -> None:
    await under_way(console, "wm-lin")

    asked = await console.page(f"{HOME}/publish?version=2")
    await console.does(f"{HOME}/publish", version="2", seen="1", migrate="1")

    waits = await console.db.read(lambda c: DueStore(c).of(MIGRATE, "hello"))
    assert "把在路上的 1 人也移到这一版" in asked
    assert [wait.data for wait in waits] == [{"version": "2"}]


async def test_the_preview_names_who_would_move(console: Operated) -> None:
    await under_way(console, "wm-lin")

    page = await console.page(f"{HOME}/versions?to=2&from=1&step=0")

    assert "/console/members/wm-lin" in page


async def under_way(console: Operated, member: str) -> None:
    """Somebody walks the first version."""

    def begin(c: Connection) -> None:
        tx = Tx(c, NOW)
        tx.members.meet(member, name="小林")
        journey = Journey(template="hello", version=1, subject=Subject.MEMBER, whom=member, run=1, anchor=NOW)
        tx.journeys.enrol([journey])

    await console.db.write(begin)


async def test_the_page_says_what_changed_in_words_and_line_by_line(console: Operated) -> None:
    page = await console.page(f"{HOME}/versions?a=1&b=2")

    assert "的文案改了" in page
    assert 'class="new"' in page


async def test_an_earlier_version_can_be_published_again(console: Operated) -> None:
    await console.does(f"{HOME}/publish", version="2", seen="1")

    await console.does(f"{HOME}/publish", version="1", seen="2")

    assert await states(console) == ["retired", "published"]


async def test_pausing_and_going_on_are_told_and_written_down(console: Operated) -> None:
    paused = await console.does(f"{HOME}/pause", do="pause")
    during = await console.db.read(lambda c: PauseStore(c, NOW).paused())
    await console.does(f"{HOME}/pause", do="resume")

    page = await console.page(f"{HOME}/versions")
    assert "已暂停：不再计划，也不再发送" in said(paused)
    assert during == {"hello"}
    assert "暂停了模板" in page
    assert "恢复了模板" in page


async def test_moving_shows_who_would_go_where_before_it_moves(console: Operated) -> None:
    page = await console.page(f"{HOME}/versions?to=2")
    moved = await console.does(f"{HOME}/migrate", version="2")

    assert "移过去" in page
    assert "1 个旅程正在移到第 2 版" in said(moved)


@pytest.mark.parametrize("deed", ["approve", "migrate"])
async def test_a_version_that_is_not_there_is_not_found(console: Operated, deed: str) -> None:
    assert (await console.does(f"{HOME}/{deed}", version="99")).status == 404


# ---------------------------------------------------------------- as workbooks


async def send(console: Operated, data: bytes) -> ClientResponse:
    form = FormData({"csrf": await console.token()})
    form.add_field("file", data, filename="plan.xlsx")
    return await console.client.post("/console/templates", data=form, allow_redirects=False)


async def test_a_workbook_goes_out_and_comes_back_as_a_draft(console: Operated) -> None:
    book = await (await console.get(f"{HOME}/workbook")).read()

    response = await send(console, book)

    assert "已从 Excel 存为第 3 版草稿" in said(response)
    assert await states(console) == ["draft", "draft", "published"]


async def test_a_mistake_in_a_workbook_is_told_and_nothing_is_kept(console: Operated) -> None:
    response = await send(console, b"no workbook")

    page = await response.text()
    assert (response.status, "打不开这个工作簿" in page) == (422, True)
    assert await states(console) == ["draft", "published"]
