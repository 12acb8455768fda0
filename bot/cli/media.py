"""Files that steps attach: pictures, videos and papers, known by their names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from bot.cli.frame import ConfigPath, out, quiet_log, with_database
from bot.clock import SystemClock
from bot.wecom.media import objection
from sop.attachment import LONGEST_NAME
from sop.errors import Misconfigured
from sop.message import FORM_WORDS, Form, Media
from storage.engine import Connection, Database
from storage.media import MediaStore

app = typer.Typer(help="Files that steps attach, known by their names.", no_args_is_help=True)

FORMS = {".png": Form.IMAGE, ".jpg": Form.IMAGE, ".jpeg": Form.IMAGE, ".mp4": Form.VIDEO}


def add_to(parent: typer.Typer) -> None:
    parent.add_typer(app, name="media")


@app.command("add")
def add(
    files: Annotated[list[Path], typer.Argument(help="PNG, JPG, MP4, or any file of up to 20 MB.")],
    config: ConfigPath = None,
) -> None:
    """Keep files for steps to attach; one of a known name is sent in its place from now on."""
    quiet_log()
    bodies = [(path, FORMS.get(path.suffix.lower(), Form.FILE), path.read_bytes()) for path in files]
    for path, form, body in bodies:  # all or none
        if len(path.name) > LONGEST_NAME:
            raise Misconfigured(f"{path.name} 的名字太长。", remedy=f"改成不超过 {LONGEST_NAME} 个字。")
        if why_not := objection(form, body):
            raise Misconfigured(f"{path}：{why_not}。", remedy="换一个文件，或者转成平台收的格式。")

    def keep(c: Connection) -> list[Media]:
        store = MediaStore(c, SystemClock().now())
        kept = [store.keep(form, path.name, body) for path, form, body in bodies]
        return [store.get(one.digest) or one for one in kept]

    async def work(db: Database) -> list[Media]:
        return await db.write(keep)

    for (path, _, _), media in zip(bodies, with_database(config, work), strict=True):
        known = "" if media.name == path.name else f"（同样的内容已经在库里，叫「{media.name}」，用这个名字）"
        out.print(f"{FORM_WORDS[media.form]}「{media.name}」已放进素材库{known}")


@app.command("list")
def listed(config: ConfigPath = None) -> None:
    """Every file there is."""
    quiet_log()

    async def work(db: Database) -> Table:
        table = Table("名字", "种类", "大小", "放进来的时间")
        for one in await db.read(lambda c: MediaStore(c, SystemClock().now()).all()):
            size = f"{one.size / 1024:.0f} KB"
            table.add_row(one.name, FORM_WORDS[one.form], size, f"{one.at:%Y-%m-%d %H:%M} UTC")
        return table

    out.print(with_database(config, work))
