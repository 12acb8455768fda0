"""The console as people use it: on a desk and on a phone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from storage.tables import score
from tests.contracts.operated import ADMIN, MEMBER, PASSWORD, SHOWN, Operated, address, operated

pytestmark = pytest.mark.services

DESK, PHONE = (1280, 860), (390, 844)
PARTS = {"/live", "/groups/live", "/messages/live", "/ways/live", "/editor/people"}
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def addresses() -> list[str]:
    """Every whole page of the console."""
    return [address(page) for page in SHOWN if page.path not in PARTS]


class Desk:
    """A browser window, signed in, with everything it complained about."""

    def __init__(self, page: Page, console: Operated) -> None:
        self.page, self.console = page, console
        self.complaints: list[str] = []
        page.on(
            "console",
            lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))

    async def opens(self, path: str) -> None:
        await self.page.goto(str(self.console.server.make_url(f"/console{path}")))

    async def signs_in(self) -> None:
        await self.opens("/login")
        await self.page.fill("[name=name]", ADMIN)
        await self.page.fill("[name=password]", PASSWORD)
        await self.page.click("button.primary")
        await self.page.wait_for_url("**/console/")

    async def overflow(self) -> int:
        return int(
            await self.page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
        )


@asynccontextmanager
async def desk(console: Operated, chromium: str, size: tuple[int, int]) -> AsyncIterator[Desk]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        context = await browser.new_context(viewport={"width": size[0], "height": size[1]})
        one = Desk(await context.new_page(), console)
        await one.signs_in()
        try:
            yield one
        finally:
            await browser.close()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_every_page_fits_and_nothing_complains(
    tmp_path: Path, chromium: str, size: tuple[int, int]
) -> None:
    async with (
        operated(tmp_path, called="一个很长很长的名字" * 4) as console,
        desk(console, chromium, size) as window,
    ):
        wide = []
        for path in addresses():
            await window.opens(path)
            if await window.overflow() > 0:
                wide.append(path)

        assert (wide, window.complaints) == ([], [])


async def test_a_hostile_name_runs_nowhere(tmp_path: Path, chromium: str) -> None:
    hostile = '<img src=x onerror=alert(1)>" autofocus onfocus="alert(2)'
    async with operated(tmp_path, called=hostile) as console, desk(console, chromium, DESK) as window:
        for path in addresses():
            await window.opens(path)

        assert window.complaints == []


async def test_the_list_of_groups_keeps_itself_fresh(tmp_path: Path, chromium: str) -> None:
    async with operated(tmp_path) as console, desk(console, chromium, DESK) as window:
        await window.opens("/groups")
        await console.db.write(lambda c: c.execute(score.update().values(value=21.0)) and None)

        await expect(window.page.locator(".score")).to_have_text("21", timeout=9000)


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_a_mistake_shows_while_typing_and_a_click_leads_to_its_line(
    tmp_path: Path, chromium: str, size: tuple[int, int]
) -> None:
    async with operated(tmp_path) as console, desk(console, chromium, size) as window:
        await window.opens("/templates/hello")
        text = await window.page.input_value("textarea")

        await window.page.fill("textarea", text.replace("day = 1", "dya = 1"))
        await window.page.click(".jump")

        line = "t => t.value.slice(0, t.selectionStart).split('\\n').length"
        assert await window.page.locator("textarea").evaluate(line) == 12
        assert await window.page.locator(".gutter .wrong").all_inner_texts() == ["12"]


async def test_a_preview_appears_for_whoever_is_chosen(tmp_path: Path, chromium: str) -> None:
    async with operated(tmp_path) as console, desk(console, chromium, DESK) as window:
        await window.opens("/templates/hello")

        await window.page.select_option("#who", f"member:{MEMBER}")

        await expect(window.page.locator("#preview .bubble")).to_have_text("早上好")
