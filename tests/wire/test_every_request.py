"""No request leaves whose shape nobody wrote down: each path we ask is asked in a test, method, query and body and all."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from bot.simulator.server import CALLS

ROOT = Path(__file__).parents[2]
PATH = re.compile(r"[a-z]+(/[a-z_]+)+|get[a-z]+")
UNTOLD = {
    "archive/record",
    "archive/sealed",
    "kf/item",
}  # our own words for what is parsed, no paths of the platform


def words_in(folder: Path) -> set[str]:
    """Every text that stands in the sources of a folder, in pieces where something is put into it."""
    nodes = [node for path in folder.glob("*.py") for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def asked() -> list[str]:
    """The paths of the platform that the product asks; some are put together from a family and a name."""
    words = words_in(ROOT / "bot" / "wecom")
    return sorted(api for api in CALLS if {api, api.partition("/")[2]} & words - {""})


def test_there_is_something_to_look_at() -> None:
    assert len(asked()) > 50


@pytest.mark.parametrize("api", asked())
def test_a_request_has_its_shape_in_a_test(api: str) -> None:
    pages = [page for page in Path(__file__).parent.glob("test_*.py") if page.name != Path(__file__).name]
    written = "".join(page.read_text("utf-8") for page in pages)

    assert re.search(rf'["/]{re.escape(api)}["?]', written), f"nobody wrote down what {api} looks like"


def test_every_path_we_ask_is_one_the_stand_in_knows() -> None:
    families = {api.partition("/")[0] for api in CALLS if "/" in api}

    whole = {word for word in words_in(ROOT / "bot" / "wecom") if PATH.fullmatch(word)}

    ours = {word for word in whole if word.partition("/")[0] in families and "/" in word}
    assert ours - CALLS.keys() == UNTOLD
