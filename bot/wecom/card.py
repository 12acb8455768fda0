"""The number on a template card: which run it asks about, and which message it is.

The platform wants a number never used before, of letters, digits and ``_-@`` (developer.work.weixin.qq.com
path 90236); an answer must tell the run. So: the run, ``@``, and a mark of the message.
"""

from __future__ import annotations

import hashlib
import re

from sop.errors import Refused

LONGEST = 128
MARK = 16

_MARKED = re.compile(rf"(.+)@[0-9a-f]{{{MARK}}}", re.DOTALL)
_ODD = re.compile(r"[^A-Za-z0-9_\-]")
_CODED = re.compile(r"@([0-9a-f]+)@")


def number_of(run: str, key: str) -> str:
    """The number for a card about ``run`` in the message known by ``key``."""
    mark = hashlib.sha256(key.encode()).hexdigest()[:MARK]
    number = f"{_ODD.sub(lambda odd: f'@{ord(odd[0]):x}@', run)}@{mark}"
    if len(number) > LONGEST:
        raise Refused(f"卡片编号过长：{run}")
    return number


def run_of(number: str) -> str:
    """The run inside a number; a number that is not ours stays as it is."""
    marked = _MARKED.fullmatch(number)
    if marked is None:
        return number
    return _CODED.sub(lambda coded: chr(int(coded[1], 16)), marked[1])
