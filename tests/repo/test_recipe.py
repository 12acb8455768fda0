"""The recipe of CONTRIBUTING.md works as it stands there."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, cast

from handlers.context import Context
from handlers.router import Switchboard
from sop.message import Reply
from sop.update import MessageHeard
from tests.repo.source import ROOT

NOBODY = cast(Context, None)  # the recipe needs nothing of its surroundings


def test_the_reaction_shown_to_contributors_answers() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    recipe = next(
        block for block in re.findall(r"```python\n(.+?)```", page, re.DOTALL) if "Router(" in block
    )
    space: dict[str, Any] = {}
    heard = MessageHeard(at=datetime(2026, 7, 2, tzinfo=UTC), text="营业时间", via="kf", member="lin")

    exec(compile(recipe, "CONTRIBUTING.md", "exec", dont_inherit=True), space)
    route = Switchboard([space["router"]]).answering(heard, NOBODY)

    assert route is not None
    assert isinstance(route.handler(heard, NOBODY), Reply)
