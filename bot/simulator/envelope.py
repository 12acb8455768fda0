"""The XML of a callback: fields in the order given, texts in CDATA and numbers bare, as the platform writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

Field: TypeAlias = "str | int | Mapping[str, Field] | Sequence[Field]"


def xml(fields: Mapping[str, Field]) -> bytes:
    """``fields`` under one ``<xml>``; a list repeats its element, a mapping nests."""
    return f"<xml>{_inside(fields)}</xml>".encode()


def sealed(corp_id: str, encrypted: str, agent_id: int = 0) -> bytes:
    """What is posted: who it is for, the app it concerns if any, and the sealed text."""
    fields: dict[str, Field] = {"ToUserName": corp_id}
    if agent_id:
        fields["AgentID"] = str(agent_id)
    return xml({**fields, "Encrypt": encrypted})


def _inside(fields: Mapping[str, Field]) -> str:
    return "".join(_elements(name, value) for name, value in fields.items())


def _elements(name: str, value: Field) -> str:
    if isinstance(value, str):
        return f"<{name}>{_cdata(value)}</{name}>"
    if isinstance(value, int):
        return f"<{name}>{value}</{name}>"
    if isinstance(value, Mapping):
        return f"<{name}>{_inside(value)}</{name}>"
    return "".join(_elements(name, item) for item in value)


def _cdata(text: str) -> str:
    return f"<![CDATA[{text.replace(']]>', ']]]]><![CDATA[>')}]]>"
