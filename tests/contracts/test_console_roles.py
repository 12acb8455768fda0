"""Every route of the console against every role, every forgery and hostile names."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.console import app
from bot.console.app import PAGES
from bot.console.page import ANYONE, Page
from storage.operator import ADMIN as ADMIN_ROLE
from storage.operator import OperatorStore
from tests.contracts.operated import ADMIN, NOW, OPERATOR, READING, SHOWN, Operated, address, operated

WRITING = [page for page in PAGES if page.method == "POST" and page.role != ANYONE]
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus='alert(1)",
    '" hx-get="/evil" hx-trigger="load',
    "</textarea><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)//",
    "<!--<style>@import'//evil'",
    "‮\u200b<b>",
]


def told(page: Page) -> str:
    return f"{page.method} {page.path}"


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Operated]:
    async with operated(tmp_path) as one:
        yield one


async def test_administrators_may_open_every_page(console: Operated) -> None:
    await console.signs_in(ADMIN)

    answers = {told(page): (await console.get(address(page))).status for page in READING}

    assert set(answers.values()) == {200}, answers


async def test_operators_may_open_all_but_the_administrators_pages(console: Operated) -> None:
    await console.signs_in(OPERATOR)

    answers = {told(page): (await console.get(address(page))).status for page in READING}

    assert answers == {told(page): 403 if page.role == ADMIN_ROLE else 200 for page in READING}


async def test_operators_may_not_do_what_administrators_do(console: Operated) -> None:
    await console.signs_in(OPERATOR)
    pages = [page for page in WRITING if page.role == ADMIN_ROLE]

    answers = {told(page): (await console.does(address(page), do="admin")).status for page in pages}

    assert len(pages) >= 3
    assert set(answers.values()) == {403}, answers
    assert (await console.db.read(lambda c: OperatorStore(c, NOW).get(OPERATOR))).is_admin is False  # type: ignore[union-attr]


async def test_strangers_may_do_nothing(console: Operated) -> None:
    answers = {told(page): (await console.post(address(page), csrf="x")).status for page in WRITING}

    assert set(answers.values()) == {303}, answers


@pytest.mark.parametrize("page", WRITING, ids=told)
async def test_no_forged_request_is_obeyed(console: Operated, page: Page) -> None:
    """Six forgeries on every route that changes something."""
    async with console.another_browser() as other:
        await other.signs_in()
        theirs = await other.token()
    await console.signs_in()
    mine = await console.token()
    forgeries: list[tuple[dict[str, str], dict[str, str]]] = [
        ({}, {}),
        ({"csrf": ""}, {}),
        ({"csrf": mine[:-1] + ("a" if mine[-1] != "a" else "b")}, {}),
        ({"csrf": theirs}, {}),
        ({"csrf": mine}, {"Origin": "https://evil.example"}),
        ({"csrf": mine}, {"Sec-Fetch-Site": "cross-site"}),
    ]

    answers = [
        (await console.post(address(page), headers=headers, **fields)).status for fields, headers in forgeries
    ]

    assert answers == [403] * 6


@pytest.mark.parametrize("name", HOSTILE)
async def test_no_page_lets_a_name_become_markup(tmp_path: Path, name: str) -> None:
    async with operated(tmp_path, called=name) as console:
        await console.signs_in()

        bodies = {told(page): await console.page(address(page)) for page in SHOWN}

    raw = [told for told, body in bodies.items() if _dangerous(name) and name in body]
    assert raw == []


def _dangerous(name: str) -> bool:
    return any(sign in name for sign in "<>\"'")


async def test_every_answer_carries_the_policy_that_forbids_inline_script(console: Operated) -> None:
    await console.signs_in()

    for path in ("/", "/login", "/static/console.js", "/no-such-page"):
        policy = (await console.get(path)).headers["Content-Security-Policy"]
        assert ("default-src 'self';" in policy, "unsafe" in policy) == (True, False), path


async def test_no_view_holds_inline_script_or_style(console: Operated) -> None:
    await console.signs_in()

    bodies = [await console.page(address(page)) for page in SHOWN]

    assert not [
        found for body in bodies for found in re.findall(r"<script(?! src=)|<style|\sstyle=|\son\w+=", body)
    ]


def test_no_view_trusts_a_text_as_markup() -> None:
    views = Path(app.__file__).parent / "views"

    assert [
        view.name for view in views.glob("*.html") if re.search(r"\|\s*safe|autoescape", view.read_text())
    ] == []


async def test_what_is_not_there_is_not_found(console: Operated) -> None:
    await console.signs_in()

    paths = (
        "/groups/no",
        "/members/no",
        "/messages/999",
        "/messages/no",
        "/templates/no",
        "/static/no",
        "/no",
    )
    answers = [(await console.get(path)).status for path in paths]

    assert answers == [404] * len(paths)
