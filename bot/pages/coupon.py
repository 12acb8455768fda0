"""Coupons: claimed with one tap, the code large enough to be read across a counter."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from bot.pages.page import Page, brought_to, draw, known, lost, place
from bot.pages.visitor import Visitor
from sop.coupon import Allowed, Batch, Coupon, claim
from sop.update import CouponWanted
from storage.tx import Tx

ADDRESS = "/m/coupon/{batch}"
GOT = "到手啦！要用的时候，回这里看券码。"


@dataclass(frozen=True)
class Wallet:
    """A batch and what one member holds of it, the newest last."""

    batch: Batch
    held: tuple[Coupon, ...]
    any_left: bool


def _look(tx: Tx, batch_id: str, member: str) -> Wallet | None:
    batch = tx.coupons.batch(batch_id)
    if batch is None:
        return None
    held = tx.coupons.held_of(batch_id, member) if member else []
    return Wallet(batch, tuple(held), tx.coupons.any_left(batch_id))


@known
async def show(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    here, batch_id = place(request), request.match_info["batch"]
    wallet = await here.read(lambda tx: _look(tx, batch_id, visitor.member))
    if wallet is None:
        return lost(request, visitor, "券找不到了", "这一批券可能已经撤下，留意群里的下一次。")
    now, batch = here.now, wallet.batch
    return draw(
        request,
        "coupon.html",
        visitor,
        batch=batch,
        held=wallet.held[::-1],
        any_left=wallet.any_left,
        early=batch.starts is not None and now < batch.starts,
        ended=batch.ends is not None and now >= batch.ends,
        nth=len(wallet.held) + 1,
        may_claim=isinstance(claim(batch, wallet.held, now), Allowed),
    )


@brought_to(ADDRESS)
async def want(request: web.Request, visitor: Visitor, fields: dict[str, str]) -> str:
    """The form says which of their codes it asks for, so a second tap asks for nothing new."""
    here, batch_id, member = place(request), request.match_info["batch"], visitor.member
    wallet = await here.read(lambda tx: _look(tx, batch_id, member)) if member else None
    if wallet is None or fields.get("nth") != str(len(wallet.held) + 1):
        return ""
    identity = f"page:coupon:{batch_id}:{member}:{len(wallet.held) + 1}"
    said = await here.ask(CouponWanted(at=here.now, id=identity, member=member, batch=batch_id))
    after = await here.read(lambda tx: tx.coupons.held_of(batch_id, member))
    return GOT if len(after) > len(wallet.held) else said


PAGES = (Page("GET", ADDRESS, show), Page("POST", ADDRESS, want))
