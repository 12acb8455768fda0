"""Who a template is for at this moment."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from sop.group import GroupKind
from sop.template import Subject, Template
from storage.group import GroupStore
from storage.member import MemberStore

PAGE = 500


class AudienceStore:
    def __init__(self, connection: Connection, now: datetime) -> None:
        self._members = MemberStore(connection, now)
        self._groups = GroupStore(connection, now)

    def size(self, template: Template, *, enough: int | None = None) -> int:
        """How many members or groups are in the audience now; counting may stop above ``enough``."""
        if template.subject is Subject.GROUP:
            groups = [group for group in self._groups.all() if group.kind != GroupKind.IMPORTED]
            return sum(template.audience.has(group.facts()) for group in groups)
        found, after = 0, ""
        while page := self._members.page(after=after, limit=PAGE):
            found += sum(template.audience.has(member.facts()) for member in page)
            after = page[-1].id
            if enough is not None and found > enough:
                break
        return found
