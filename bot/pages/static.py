"""Style, script and pictures: our own, read once, named by their content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files

from aiohttp import web

OURS = {
    "pages.css": "text/css",
    "pages.js": "text/javascript",
    "star.svg": "image/svg+xml",
    "sky.svg": "image/svg+xml",
    "constellation.svg": "image/svg+xml",
}
FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Static:
    """One file as it is served."""

    body: bytes
    kind: str
    digest: str


def load() -> dict[str, Static]:
    """Every file by its name."""
    bodies = {name: (files("bot.pages") / "static" / name).read_bytes() for name in OURS}
    return {
        name: Static(body, OURS[name], hashlib.sha256(body).hexdigest()[:10]) for name, body in bodies.items()
    }


STATICS = web.AppKey("statics", dict[str, Static])


def address_in(statics: dict[str, Static], name: str) -> str:
    return f"/m/static/{name}?v={statics[name].digest}"


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
