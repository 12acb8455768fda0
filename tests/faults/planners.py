"""A process that plans what is due in one database until it is killed: `python planners.py URL NAME`."""

from __future__ import annotations

import asyncio
import logging
import sys
from datetime import timedelta

import structlog

import bot.planner
from bot.bell import Bell
from bot.chance import SystemChance
from bot.clock import SystemClock
from bot.planner import Planner
from handlers.context import Context, Settings
from sop.update import Update
from storage.engine import database
from storage.tx import Tx

TERM_S = 0.5  # how long the dead hold up the living
SET = 7  # steps in one turn, so that a kill finds work half done


async def plan(url: str, name: str) -> None:
    bot.planner.TERM = timedelta(seconds=TERM_S)
    bot.planner.SET = {"sqlite": SET, "postgresql": SET}
    clock, chance, settings = SystemClock(), SystemChance(), Settings(kf_account="wk")

    def context_of(update: Update, tx: Tx) -> Context:
        return Context(tx, tx.now, settings, chance.token, chance.fraction, update)

    async with database(url) as db:
        await Planner(db, context_of, clock, Bell(clock), name, idle_s=0.1).run()


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    asyncio.run(plan(*sys.argv[1:]))
