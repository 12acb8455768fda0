"""A clicked card as its reader left it: our own card, with what they chose and nothing more to press."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.wecom.aibot_parse import card_number, chosen_on_card
from bot.wecom.aibot_payload import answered, card_of
from bot.wecom.words import Body
from storage.engine import Connection
from storage.outbox import OutboxStore


def clicked_card(
    connection: Connection, told: Mapping[str, Any], now: datetime
) -> tuple[Body, list[str]] | None:
    """The card to show instead, and to whom: in a group to who clicked, else to everyone; None when it is not ours."""
    number = card_number(told)
    entry = OutboxStore(connection, now).by_number(number) if number else None
    card = card_of(entry.message.content, entry.message.key) if entry else None
    shown = answered(card, *chosen_on_card(told)) if card else None
    if shown is None:
        return None
    clicker = str(told["from"]["userid"]) if told.get("chattype") == "group" else ""
    return shown, [clicker] if clicker else []
