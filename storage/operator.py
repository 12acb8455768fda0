"""Operators of the console, their sessions, and what they did."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, delete, func, insert, select, update

from sop.errors import Conflict, NotFound
from storage.engine import insert_into
from storage.instant import from_ms, to_ms
from storage.tables import audit, operator, session

ADMIN, OPERATOR = "admin", "operator"
ROLES = {ADMIN: "管理员", OPERATOR: "运营"}


@dataclass(frozen=True, kw_only=True)
class Operator:
    """Somebody who may sign in; ``password`` is a hash."""

    name: str
    role: str
    password: str = field(repr=False)
    created_at: datetime
    staff: str = ""  # the employee whose scan signs in, if any
    active: bool = True

    @property
    def is_admin(self) -> bool:
        return self.role == ADMIN


@dataclass(frozen=True, kw_only=True)
class Session:
    """A signed-in browser; forms carry ``csrf``. Only a hash of its identity is stored."""

    operator: Operator
    csrf: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Deed:
    """One line of the audit log: who did what, and when."""

    who: str
    what: str
    detail: str
    at: datetime


class OperatorStore:
    """Accounts and sessions; instants here are real time, whatever clock the community lives by."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    # ------------------------------------------------------------ accounts

    def add(self, name: str, password: str, role: str) -> None:
        """A new account with a password hash; refused when the name is taken."""
        row = self._connection.execute(
            insert_into(self._connection, operator)
            .values(name=name, password=password, role=role, created_at=to_ms(self._now))
            .on_conflict_do_nothing(index_elements=["name"])
            .returning(operator.c.name)
        ).first()
        if row is None:
            raise Conflict("operator", name)

    def get(self, name: str) -> Operator | None:
        row = self._connection.execute(select(operator).where(operator.c.name == name)).one_or_none()
        return None if row is None else _operator(row)

    def of_staff(self, staff: str) -> Operator | None:
        """The account of an employee."""
        if not staff:
            return None
        row = self._connection.execute(
            select(operator).where(operator.c.staff == staff.lower())
        ).one_or_none()
        return None if row is None else _operator(row)

    def name_staff(self, name: str, staff: str) -> None:
        """Let an employee's scan sign in to an account, or nobody's; an employee has one account."""
        if self.get(name) is None:
            raise NotFound("operator", name)
        other = self.of_staff(staff)
        if other is not None and other.name != name:
            raise Conflict("operator", other.name, f"is the account of {staff}")
        self._connection.execute(update(operator).where(operator.c.name == name).values(staff=staff.lower()))

    def all(self) -> list[Operator]:
        return [
            _operator(row)
            for row in self._connection.execute(select(operator).order_by(operator.c.created_at))
        ]

    def change_password(self, name: str, password: str) -> None:
        """A new password ends every session of the account."""
        self._connection.execute(update(operator).where(operator.c.name == name).values(password=password))
        self.close_all(name)

    def change_role(self, name: str, role: str) -> None:
        """The last administrator stays one."""
        self._keep_an_admin(name, leaving=role != ADMIN)
        self._connection.execute(update(operator).where(operator.c.name == name).values(role=role))

    def suspend_staff(self, staff: str) -> list[str]:
        """An employee has left: nobody signs in with their accounts, the last administrator's included. Returns the names."""
        rows = self._connection.scalars(
            update(operator)
            .where(_belongs_to(staff), operator.c.active)
            .values(active=False)
            .returning(operator.c.name)
        )
        names = sorted(rows)
        for name in names:
            self.close_all(name)
        return names

    def sign_out_staff(self, staff: str) -> list[str]:
        """End the sessions of an employee's accounts; returns the names of those that are active."""
        names = sorted(
            self._connection.scalars(select(operator.c.name).where(_belongs_to(staff), operator.c.active))
        )
        for name in names:
            self.close_all(name)
        return names

    def restore(self, name: str) -> None:
        """Let a suspended account sign in again."""
        self._connection.execute(update(operator).where(operator.c.name == name).values(active=True))

    def remove(self, name: str) -> None:
        """The account and its sessions go; the last administrator stays."""
        self._keep_an_admin(name, leaving=True)
        self.close_all(name)
        self._connection.execute(delete(operator).where(operator.c.name == name))

    def _keep_an_admin(self, name: str, *, leaving: bool) -> None:
        known = self.get(name)
        if known is None:
            raise NotFound("operator", name)
        admins = (
            self._connection.scalar(select(func.count()).where(operator.c.role == ADMIN, operator.c.active))
            or 0
        )
        if leaving and known.is_admin and known.active and admins == 1:
            raise Conflict("operator", name, "is the last administrator")

    # ------------------------------------------------------------ sessions

    def open(self, name: str, *, hashed: bytes, csrf: str, until: datetime) -> None:
        """A session begins; those that have ended are swept away."""
        self._connection.execute(delete(session).where(session.c.expires_at <= to_ms(self._now)))
        self._connection.execute(
            insert(session).values(hash=hashed, operator=name, csrf=csrf, expires_at=to_ms(until))
        )

    def session(self, hashed: bytes) -> Session | None:
        """The live session behind a hash."""
        row = self._connection.execute(
            select(session.c.csrf, session.c.expires_at, operator)
            .join(operator, operator.c.name == session.c.operator)
            .where(session.c.hash == hashed, session.c.expires_at > to_ms(self._now), operator.c.active)
        ).one_or_none()
        if row is None:
            return None
        return Session(operator=_operator(row), csrf=row.csrf, expires_at=from_ms(row.expires_at))

    def extend(self, hashed: bytes, until: datetime) -> None:
        self._connection.execute(
            update(session).where(session.c.hash == hashed).values(expires_at=to_ms(until))
        )

    def close(self, hashed: bytes) -> None:
        self._connection.execute(delete(session).where(session.c.hash == hashed))

    def close_all(self, name: str) -> None:
        self._connection.execute(delete(session).where(session.c.operator == name))

    # ------------------------------------------------------------ the audit log

    def record(self, who: str, what: str, detail: str = "") -> None:
        """Write down what somebody did."""
        self._connection.execute(
            insert(audit).values(who=who, what=what, detail=detail[:2000], done_at=to_ms(self._now))
        )

    def deeds(self, limit: int = 50) -> list[Deed]:
        """The newest deeds first."""
        rows = self._connection.execute(select(audit).order_by(audit.c.id.desc()).limit(limit))
        return [Deed(who=row.who, what=row.what, detail=row.detail, at=from_ms(row.done_at)) for row in rows]


def rename_owner(connection: Connection, old: str, new: str) -> None:
    """An employee's accounts stay theirs under another number."""
    connection.execute(update(operator).where(_belongs_to(old)).values(staff=new))


def _belongs_to(staff: str) -> ColumnElement[bool]:
    """Of an account nobody was named for, the name is taken for the employee's number."""
    owner = case((operator.c.staff == "", operator.c.name), else_=operator.c.staff)
    return func.lower(owner) == staff.lower()


def _operator(row: Any) -> Operator:
    return Operator(
        name=row.name,
        role=row.role,
        password=row.password,
        created_at=from_ms(row.created_at),
        staff=row.staff,
        active=bool(row.active),
    )
