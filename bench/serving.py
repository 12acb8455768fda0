"""A server process to measure: ``bare`` reads the body and says 200, ``doors`` are the product's own.

``python -m bench.serving bare|doors|planning DATABASE`` prints its port, and serves until it is killed.
``/usage`` tells the CPU seconds it has used; ``/plan`` begins a planning tick (planning only) and ``/planned`` tells
how many journeys still wait.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys

import uvloop
from aiohttp import web

from bench.community import plan_app
from bench.load import AES_KEY, CORP, TOKEN
from bot.app import answer_swiftly
from bot.bell import Bell
from bot.cipher import Cipher
from bot.clock import SystemClock
from bot.server import Doors, Metrics
from storage import schema
from storage.engine import Database, database


async def usage(request: web.Request) -> web.Response:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return web.Response(text=str(used.ru_utime + used.ru_stime))


async def bare(request: web.Request) -> web.Response:
    await request.read()
    return web.Response()


async def _nobody(text: str) -> None:
    return None


def doors(db: Database, app: web.Application, bell: Bell) -> None:
    ciphers = {"contact": Cipher(TOKEN, AES_KEY, CORP)}
    Doors(db, SystemClock(), CORP, ciphers, bell, Metrics(), _nobody).add_to(app)


async def serve(kind: str, url: str) -> None:
    app = web.Application()
    app.router.add_get("/usage", usage)
    if kind == "bare":
        app.router.add_post("/callback/contact", bare)
        await _listen(app)
        return
    async with database(url) as db:
        await schema.ensure(db)
        bell = Bell(SystemClock())
        doors(db, app, bell)
        if kind == "planning":
            plan_app(app, db)
        await _listen(app)


async def _listen(app: web.Application) -> None:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    answer_swiftly()
    print(runner.addresses[0][1], flush=True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nobody reads what the log has to say
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""))
