"""Coupons: codes in, usage out."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.progress import track
from rich.table import Table

from bot.cli.frame import ConfigPath, configured, err, out, quiet_log, run_async
from bot.clock import SystemClock
from sop.coupon import Batch
from sop.errors import Misconfigured
from storage import schema
from storage.coupon import CouponStore
from storage.engine import Connection, database

app = typer.Typer(help="Coupons: codes in, usage out.", no_args_is_help=True)

CHUNK = 2000
LONGEST_CODE = 64


def add_to(parent: typer.Typer) -> None:
    parent.add_typer(app, name="coupon")


@app.command("import")
def import_codes(
    batch: Annotated[str, typer.Argument(help="The batch's id, as templates name it.")],
    file: Annotated[Path, typer.Argument(help="One code a line.")],
    name: Annotated[str | None, typer.Option(help="What members read; the id when not given.")] = None,
    per_member: Annotated[
        int | None, typer.Option(min=1, help="Codes one person may claim; 1 when not given.")
    ] = None,
    starts: Annotated[datetime | None, typer.Option(help="Local time of the community.")] = None,
    ends: Annotated[datetime | None, typer.Option(help="Local time of the community.")] = None,
    valid_days: Annotated[
        int | None, typer.Option(min=0, help="Days a claimed code counts; 0, if not given, is until the end.")
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Put codes into a batch; the same file again adds nothing, and what is not said again stays as it is."""
    quiet_log()
    settings = configured(config)
    if not batch.strip():
        raise typer.BadParameter("A batch needs an id, like spring-2026.", param_hint="BATCH")
    codes = _codes(file)
    zone = ZoneInfo(settings.community.timezone)
    said = {
        "name": name,
        "per_member": per_member,
        "valid_days": valid_days,
        "starts": starts.replace(tzinfo=zone) if starts else None,
        "ends": ends.replace(tzinfo=zone) if ends else None,
    }
    rules = {key: value for key, value in said.items() if value is not None}

    async def work() -> int:
        now = SystemClock().now()
        async with database(settings.storage.database.get_secret_value()) as db:
            await schema.ensure(db)
            await db.write(partial(_open, batch, rules, now))
            added = 0
            chunks = [codes[start : start + CHUNK] for start in range(0, len(codes), CHUNK)]
            for chunk in track(chunks, description="导入券码", console=err, disable=len(chunks) < 2):
                added += await db.write(partial(_stock, batch, chunk, now))
            return added

    added = run_async(work())
    out.print(f"批次 {batch}：文件里有 {len(codes)} 个券码，新增 {added} 个。")


def _open(batch: str, rules: dict[str, Any], now: datetime, connection: Connection) -> None:
    store = CouponStore(connection, now)
    store.open(replace(store.batch(batch) or Batch(id=batch, name=batch), **rules))


def _stock(batch: str, codes: list[str], now: datetime, connection: Connection) -> int:
    return CouponStore(connection, now).stock(batch, codes)


def _codes(file: Path) -> list[str]:
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except OSError as error:
        raise Misconfigured(f"{file} cannot be read: {error.strerror}.", remedy="Check the path.") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(
            f"{file} is not UTF-8 text.", remedy="Save it as UTF-8, one code a line."
        ) from error
    codes = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not codes:
        raise Misconfigured(f"{file} holds no codes.", remedy="Write one code a line.")
    bad = [code for code in codes if len(code) > LONGEST_CODE or any(sign.isspace() for sign in code)]
    if bad:
        raise Misconfigured(
            f"{file} has {len(bad)} lines that are no codes, the first is {bad[0][:40]!r}.",
            remedy="Write one code a line, at most 64 characters, without blanks.",
        )
    return codes


@app.command("report")
def report(config: ConfigPath = None) -> None:
    """How every batch is doing."""
    quiet_log()
    settings = configured(config)

    async def work() -> Table:
        now = SystemClock().now()
        async with database(settings.storage.database.get_secret_value()) as db:
            await schema.ensure(db)
            usage = await db.read(lambda c: CouponStore(c, now).usage())
        table = Table("批次", "名称", "库存", "已领", "已用", "过期未用", "剩余")
        for one in usage:
            numbers = (one.stock, one.claimed, one.redeemed, one.expired, one.left)
            table.add_row(one.batch.id, one.batch.name, *map(str, numbers))
        return table

    out.print(run_async(work()))
