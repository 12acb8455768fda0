"""Styles, scripts and icons: our own, and htmx from its package; read once, named by their content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files

from aiohttp import web

from bot.console.page import ANYONE, Page, way

OURS = {"console.css": "text/css", "console.js": "text/javascript", "star.svg": "image/svg+xml"}
FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Static:
    """One file as it is served."""

    body: bytes
    kind: str
    digest: str


def load() -> dict[str, Static]:
    """Every file by its name."""
    found = {
        name: _static((files("bot.console") / "static" / name).read_bytes(), kind)
        for name, kind in OURS.items()
    }
    htmx = files("js_lib_htmx") / "static" / "htmx" / "htmx.min.js"
    return found | {"htmx.js": _static(htmx.read_bytes(), "text/javascript")}


def _static(body: bytes, kind: str) -> Static:
    return Static(body, kind, hashlib.sha256(body).hexdigest()[:10])


STATICS = web.AppKey("statics", dict[str, Static])


def address_in(statics: dict[str, Static], name: str) -> str:
    return f"{way('/static/')}{name}?v={statics[name].digest}"


async def serve(request: web.Request) -> web.Response:
    static = request.app[STATICS].get(request.match_info["name"])
    if static is None:
        raise web.HTTPNotFound
    current = request.query.get("v") == static.digest
    return web.Response(
        body=static.body,
        content_type=static.kind,
        charset="utf-8",
        headers={"Cache-Control": FOREVER if current else "no-cache"},
    )


PAGES = (Page("GET", "/static/{name}", serve, ANYONE),)
