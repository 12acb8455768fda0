"""彩排 in the console: played in the background, shown as it goes, and nothing is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.outbox import OutboxStore
from tests.contracts.operated import NOW, OPERATOR, Operated, operated

HOME = "/templates/hello/rehearsal"


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Operated]:
    async with operated(tmp_path) as one:
        await one.signs_in()
        yield one


async def played(console: Operated) -> str:
    """The page once the rehearsal is over."""
    for _ in range(200):
        page = await console.page(HOME)
        if "正在彩排" not in page:
            return page
        await asyncio.sleep(0)
    raise AssertionError("the rehearsal never ends")


async def test_a_version_is_played_and_says_who_would_hear_what(console: Operated) -> None:
    before = await console.db.read(lambda c: OutboxStore(c, NOW).counts())

    await console.does(HOME, version="1", days="14")
    page = await played(console)

    assert "看了 1 个" in page
    assert "下载 CSV" in page
    assert await console.db.read(lambda c: OutboxStore(c, NOW).counts()) == before


async def test_the_share_that_answers_is_chosen_and_shown(console: Operated) -> None:
    await console.does(HOME, version="1", days="14", answers="30")
    page = await played(console)

    assert "30% 的人会动" in page
    assert '<option value="30" selected>30% 的人会答</option>' in page


async def test_its_lines_can_be_taken_into_a_spreadsheet(console: Operated) -> None:
    await console.does(HOME, version="1", days="14")
    await played(console)

    lines = (await console.page(f"{HOME}.csv")).splitlines()

    assert lines[0].lstrip("\ufeff").startswith("member,name,step,planned")


async def test_before_it_there_is_a_form_and_what_is_assumed(console: Operated) -> None:
    page = await console.page(f"{HOME}?version=1")

    assert "开始彩排" in page
    assert "彩排这样假设" in page


async def test_what_is_stopped_is_gone(console: Operated) -> None:
    await console.does(HOME, version="1", days="14")
    await console.does(f"{HOME}/stop")

    assert "看了" not in await console.page(HOME)


async def test_each_operator_sees_their_own(console: Operated) -> None:
    await console.does(HOME, version="1", days="14")
    await played(console)

    async with console.another_browser() as other:
        await other.signs_in(OPERATOR)

        assert "看了" not in await other.page(HOME)


async def test_a_template_that_is_not_there_is_not_played(console: Operated) -> None:
    response = await console.does("/templates/nobody/rehearsal", version="1", days="14")

    assert response.status == 404
