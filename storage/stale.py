"""Of whom something an audience may ask has changed; they are asked again before anybody reads who belongs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Select, insert

from storage.tables import audience_change


def changed(connection: Connection, members: Iterable[str] | Select[Any]) -> None:
    """Note these members, or those a query finds."""
    if isinstance(members, Select):
        connection.execute(insert(audience_change).from_select(["member"], members))
    elif rows := [{"member": who} for who in members]:
        connection.execute(insert(audience_change), rows)
