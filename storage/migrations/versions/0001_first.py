"""The first schema. What came before the first release is not migrated.

Revision ID: 0001
"""

from __future__ import annotations

from alembic import op

from storage.tables import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make every table; later migrations say what changed since, so this one is frozen at the first release."""
    metadata.create_all(op.get_bind())
