"""The whole house hearing updates one after another, each in a transaction of its own, without any network."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from handlers import ROUTERS
from handlers.context import Context, Settings
from handlers.reaction import react
from handlers.router import Switchboard
from sop.update import Update
from storage.alarm import open_alarms
from storage.engine import Connection
from storage.outbox import OutboxStore
from storage.tx import Tx

START = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)  # noon in Shanghai
SETTINGS = Settings(main_app="bot", operators=("boss",), archive=True)
HOUSE = Switchboard(ROUTERS)


def after(**span: float) -> datetime:
    """A while after the story begins."""
    return START + timedelta(**span)


def hear(connection: Connection, *updates: Update, now: datetime | None = None) -> None:
    """What the worker does with updates that came in; without identity they get one by their place."""
    for update in updates:
        tx = Tx(connection, now or update.at)
        react(
            update, tx, HOUSE, lambda one, with_tx: Context(with_tx, with_tx.now, SETTINGS, str, _half, one)
        )


def _half() -> float:
    return 0.5


def alarms(connection: Connection) -> list[str]:
    """What operators have not put aside yet, the newest first."""
    return [one.text for one in open_alarms(connection)]


def told(connection: Connection) -> list[str]:
    """What the app wrote to operators, the oldest first."""
    recent = OutboxStore(connection, START).recent()
    return [entry.message.content.text for entry in recent[::-1] if entry.message.to_staff == "boss"]
