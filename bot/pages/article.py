"""Articles: short reads that come with the house, so that a link of the ready plans leads somewhere.

Each is a text file: a title, a line on what it is about, then paragraphs; ``# `` begins a heading, ``- `` a list.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

from aiohttp import web

from bot.pages.page import Page, draw, known, lost
from bot.pages.visitor import Visitor

READ_PER_MINUTE = 180  # characters, in the evening, on a phone


@dataclass(frozen=True)
class Block:
    """A part of an article: a paragraph, a heading, or a list of lines."""

    kind: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Article:
    slug: str
    title: str
    lead: str
    blocks: tuple[Block, ...]

    @property
    def minutes(self) -> int:
        length = sum(len(line) for block in self.blocks for line in block.lines)
        return max(1, round(length / READ_PER_MINUTE))


def read_article(slug: str, text: str) -> Article:
    title, lead, *rest = [part.strip() for part in text.strip().split("\n\n")]
    return Article(slug, title, lead, tuple(_block(part) for part in rest))


def _block(part: str) -> Block:
    if part.startswith("# "):
        return Block("heading", (part.removeprefix("# "),))
    lines = tuple(part.splitlines())
    if all(line.startswith("- ") for line in lines):
        return Block("list", tuple(line.removeprefix("- ") for line in lines))
    return Block("paragraph", lines)


def load() -> dict[str, Article]:
    """Every article by its slug, in the order of the shelf."""
    shelf = sorted((files("bot.pages") / "articles").iterdir(), key=lambda file: file.name)
    found = [read_article(file.name.removesuffix(".txt"), file.read_text("utf-8")) for file in shelf]
    return {article.slug: article for article in found}


SHELF = web.AppKey("shelf", dict[str, Article])


@known
async def show(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    shelf = request.app[SHELF]
    article = shelf.get(request.match_info["slug"])
    if article is None:
        return lost(request, visitor, "文章找不到了", "它可能已经换了地方。回到首页看看别的吧。")
    slugs = list(shelf)
    following = slugs[(slugs.index(article.slug) + 1) % len(slugs)]
    return draw(request, "article.html", visitor, article=article, following=shelf[following])


PAGES = (Page("GET", "/m/article/{slug}", show),)
