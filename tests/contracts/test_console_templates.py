"""The template editor: mistakes, previews, versions, and two people at once."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.template import Saved, TemplateStore
from tests.contracts.operated import ADMIN, GROUP, MEMBER, NOW, Operated, operated, plan


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Operated]:
    async with operated(tmp_path) as one:
        await one.signs_in()
        yield one


async def versions(console: Operated, template: str = "hello") -> list[Saved]:
    return await console.db.read(lambda c: TemplateStore(c, NOW).versions(template))


async def test_a_mistake_is_told_with_its_line_and_an_example(console: Operated) -> None:
    response = await console.does("/editor/check", text=plan().replace("day = 1", "dya = 1"))

    page = await response.text()
    assert 'data-line="12"' in page
    assert "when = { day = 1, time = 19:30:00 }" in page


async def test_a_good_text_is_called_good(console: Operated) -> None:
    response = await console.does("/editor/check", text=plan())

    assert "没有错误" in await response.text()


async def test_a_preview_says_what_a_member_gets_and_when(console: Operated) -> None:
    response = await console.does("/editor/preview", text=plan("想你了"), who=f"member:{MEMBER}")

    page = await response.text()
    assert "想你了" in page
    assert "7月3日 周五 19:30" in page


async def test_a_preview_says_how_many_a_template_is_for_now(console: Operated) -> None:
    text = plan().replace("everyone = true", "include = 'joined >= 0h'")

    response = await console.does("/editor/preview", text=text, who=f"member:{MEMBER}")

    words = await response.text()
    assert re.search(r"这份模板现在适用 [1-9]\d* 人", words)
    assert "不在适用人群里" not in words


async def test_a_plan_for_members_is_not_previewed_for_a_group(console: Operated) -> None:
    response = await console.does("/editor/preview", text=plan(), who=f"group:{GROUP}")

    assert "请选一位成员" in await response.text()


async def test_saving_keeps_the_text_to_the_letter_as_a_new_draft(console: Operated) -> None:
    text = "# 先想想\n\n" + plan("你好  呀")

    await console.does("/templates/hello", text=text.replace("\n", "\r\n"), expect="2", do="draft")

    newest = (await versions(console))[0]
    assert (newest.version, newest.state, newest.text) == (3, "draft", text)


async def test_a_file_with_the_line_ends_of_windows_keeps_them(console: Operated) -> None:
    text = plan("你好").replace("\n", "\r\n")
    await console.db.write(
        lambda c: TemplateStore(c, NOW).save("hello", "问候", text, by=ADMIN, expect=2) and None
    )

    await console.does("/templates/hello", text=text, expect="3", do="draft")  # as it was
    unchanged = (await versions(console))[0]
    await console.does("/templates/hello", text=text.replace("你好", "早"), expect="3", do="draft")

    assert (unchanged.version, unchanged.text) == (3, text)
    assert (await versions(console))[0].text == text.replace("你好", "早")


async def test_whoever_saves_second_is_told_and_loses_nothing(console: Operated) -> None:
    await console.does("/templates/hello", text=plan("第一个人"), expect="2", do="draft")

    response = await console.does("/templates/hello", text=plan("第二个人"), expect="2", do="draft")

    page = await response.text()
    assert (response.status, "第二个人" in page, "第一个人" in page) == (409, True, True)
    assert len(await versions(console)) == 3


async def test_after_looking_at_the_other_text_one_may_save_over_it(console: Operated) -> None:
    await console.does("/templates/hello", text=plan("第一个人"), expect="2", do="draft")

    await console.does("/templates/hello", text=plan("第二个人"), expect="3", do="draft")

    assert ["第二个人" in saved.text for saved in (await versions(console))[:2]] == [True, False]


async def test_publishing_asks_first_and_shows_the_difference(console: Operated) -> None:
    response = await console.does("/templates/hello", text=plan("明天见"), expect="2", do="publish")
    page = await console.page(response.headers["Location"].removeprefix("/console"))

    assert "晚上好" in page
    assert "明天见" in page
    assert (await versions(console))[0].state == "draft"


async def test_a_published_version_replaces_the_one_before(console: Operated) -> None:
    await console.does("/templates/hello/publish", version="2", seen="1")

    assert [saved.state for saved in await versions(console)] == ["published", "retired"]


async def test_publishing_is_refused_when_somebody_published_meanwhile(console: Operated) -> None:
    await console.does("/templates/hello/publish", version="2", seen="1")

    response = await console.does("/templates/hello/publish", version="1", seen="1")

    assert response.status == 409
    assert [saved.state for saved in await versions(console)] == ["published", "retired"]


async def test_a_half_written_draft_is_kept_but_not_published(console: Operated) -> None:
    broken = plan().replace("19:30:00", "25:30:00")

    kept = await console.does("/templates/hello", text=broken, expect="2", do="draft")
    refused = await console.does("/templates/hello", text=broken + "\n", expect="3", do="publish")
    forced = await console.does("/templates/hello/publish", version="3", seen="1")

    assert (kept.status, refused.status, forced.status) == (303, 422, 303)
    assert [saved.state for saved in await versions(console)] == ["draft", "draft", "published"]


async def test_a_template_keeps_its_id(console: Operated) -> None:
    moved = plan().replace('id = "hello"', 'id = "other"')

    response = await console.does("/templates/hello", text=moved, expect="2", do="publish")

    assert (response.status, "编号保存后不能改" in await response.text()) == (422, True)


async def test_a_new_template_starts_from_one_that_works(console: Operated) -> None:
    page = await console.page("/editor")

    assert "没有错误" in page


async def test_a_new_template_is_saved_under_the_id_in_its_text(console: Operated) -> None:
    text = plan().replace('"hello"', '"morning"')

    response = await console.does("/editor", text=text, do="draft")

    assert response.headers["Location"] == "/console/templates/morning"
    assert len(await versions(console, "morning")) == 1


async def test_a_new_template_never_takes_the_place_of_another(console: Operated) -> None:
    response = await console.does("/editor", text=plan("抢占"), do="draft")

    assert response.status == 409
    assert len(await versions(console)) == 2


async def test_a_retired_template_takes_nobody_in(console: Operated) -> None:
    await console.does("/templates/hello/retire")

    assert "published" not in [saved.state for saved in await versions(console)]
