"""Every error of Qunxing, drawn as one small tree.

::

    QunxingError
    ├── Misconfigured          an administrator must act          (field, value, remedy)
    ├── TemplateError          an operator must act               (problems)
    ├── NotFound               no such thing                      (noun, name)
    ├── Conflict               someone else was first             (noun, name)
    ├── Malformed              what came in makes no sense        (reason)
    │   └── Forged             and it does not come from WeCom
    └── SendError              a message did not go out
        ├── Busy               later: ask again                   (retry_after)
        │   └── Crowded        later: others are before us        (step)
        ├── Refused            never: not to this recipient       (code)
        ├── Blocked            stop the channel, tell an operator (code)
        └── Unanswered         unknown: no trustworthy answer came back

Refusals by rule (sold out, quiet hours) are values, not errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class QunxingError(Exception):
    """Root of the tree; its text is one line that names the cause and the next step."""


class Misconfigured(QunxingError):
    """The installation cannot run as it is set up; ``remedy`` says what to do."""

    def __init__(self, reason: str, *, remedy: str = "", field: str = "") -> None:
        super().__init__(f"{reason} {remedy}".strip())
        self.reason, self.remedy, self.field = reason, remedy, field


@dataclass(frozen=True)
class Problem:
    """One mistake in an operator's file: where it is, what was expected, and an example that works.

    ``cell`` names the cell of a workbook (步骤!C4); a text has line and column.
    """

    line: int
    column: int
    key: str
    reason: str
    expected: str = ""
    example: str = ""
    cell: str = ""

    def __str__(self) -> str:
        where = self.cell or f"{self.line}:{self.column}"
        parts = [f"{where} {self.key}: {self.reason}" if self.key else f"{where} {self.reason}"]
        if self.expected:
            parts.append(f"应为 {self.expected}")
        if self.example:
            parts.append(f"例如 {self.example}")
        return "；".join(parts)


class TemplateError(QunxingError):
    """A template is refused whole; ``problems`` lists every mistake found."""

    def __init__(self, problems: Sequence[Problem], *, source: str = "") -> None:
        prefix = f"{source}:" if source else ""
        super().__init__("\n".join(f"{prefix}{problem}" for problem in problems))
        self.problems, self.source = tuple(problems), source


class NotFound(QunxingError):
    """No such thing; ``noun`` and ``name`` say which."""

    def __init__(self, noun: str, name: str) -> None:
        super().__init__(f"no {noun} named {name!r}")
        self.noun, self.name = noun, name


class Conflict(QunxingError):
    """Someone else was first, or the name is taken."""

    def __init__(self, noun: str, name: str, reason: str = "already exists") -> None:
        super().__init__(f"{noun} {name!r} {reason}")
        self.noun, self.name = noun, name


class Unapproved(QunxingError):
    """A second person has to agree first."""


class Malformed(QunxingError):
    """What came in makes no sense; it is refused without detail and counted."""


class Forged(Malformed):
    """What came in is not from WeCom, or is not for us."""


class SendError(QunxingError):
    """A message did not go out; the subclass is its fate."""

    def __init__(self, reason: str, *, code: int = 0, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.reason, self.code, self.retry_after = reason, code, retry_after


class Busy(SendError):
    """Later: the platform asked us to wait ``retry_after`` seconds; nothing was sent."""


class Crowded(Busy):
    """Later: we have used up our turns, and have asked nobody; after the first, one goes every ``step`` seconds."""

    def __init__(self, reason: str, *, retry_after: float, step: float) -> None:
        super().__init__(reason, retry_after=retry_after)
        self.step = step


class Refused(SendError):
    """Never: the platform refuses this message to this recipient; nothing was sent."""


class Estranged(Refused):
    """Never: the member and the staff member are no friends."""


class Blocked(SendError):
    """The channel is misconfigured or forbidden: stop it and tell an operator; nothing was sent."""


class Unanswered(SendError):
    """Unknown: the request left us and no trustworthy answer came back."""
