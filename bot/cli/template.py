"""SOP templates as files: import, export, validate, compare, publish."""

from __future__ import annotations

import difflib
import json
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer
from rich.table import Table

from bot.cli import funnel, hour, rehearse, version
from bot.cli.frame import ConfigPath, configured, err, out, quiet_log, who, with_database
from bot.clock import SystemClock
from bot.console import workbook
from sop.errors import Misconfigured, NotFound, TemplateError
from sop.file import read, write
from sop.version import changes
from storage.engine import Connection, Database
from storage.operator import OperatorStore
from storage.pause import PauseStore
from storage.template import TemplateStore
from storage.version import VersionStore

app = typer.Typer(help="SOP templates as files.", no_args_is_help=True)

T = TypeVar("T")
Format = Annotated[
    Literal["text", "json"], typer.Option("--format", help="For people, or for a pull request's checks.")
]
LIBRARY = Path(__file__).resolve().parents[2] / "sop" / "library"

Files = Annotated[
    list[Path],
    typer.Argument(help="TOML or Excel files, or folders of them; the word library means the ready ones."),
]


def add_to(parent: typer.Typer) -> None:
    version.add_to(app)
    app.command("rehearse")(rehearse.command)
    app.command("hours")(hour.command)
    app.command("results")(funnel.command)
    parent.add_typer(app, name="sop")


@app.command("validate")
def validate(files: Files, fmt: Format = "text") -> None:
    """Check files without touching any database; every mistake with line, expectation and example."""
    wrong: list[dict[str, object]] = []
    for path in _files(files):
        try:
            template = read(_text(path), source=str(path))
        except TemplateError as error:
            wrong += [{"file": str(path), **asdict(problem)} for problem in error.problems]
            if fmt == "text":
                err.print(str(error), style="red")
        else:
            if fmt == "text":
                out.print(f"✓ {path}：「{template.name}」，{len(template.steps)} 步")
    if fmt == "json":
        typer.echo(json.dumps(wrong, ensure_ascii=False, indent=2))
    if wrong:
        raise typer.Exit(1)


@app.command("import")
def import_files(
    files: Files,
    publish: Annotated[bool, typer.Option("--publish", help="Publish what was imported at once.")] = False,
    config: ConfigPath = None,
) -> None:
    """Keep files as new drafts; a file equal to the newest version changes nothing."""
    quiet_log()
    settings = configured(config)
    texts = [(path, _text(path)) for path in _files(files)]
    for path, text in texts:
        read(text, source=str(path))  # all or none

    async def work(db: Database) -> None:
        now = SystemClock().now()
        for _, text in texts:
            out.print(await db.write(partial(_keep, text, publish, settings.community.timezone, now)))

    with_database(config, work)


def _keep(text: str, publish: bool, zone: str, now: datetime, connection: Connection) -> str:
    store, operators, template = TemplateStore(connection, now), OperatorStore(connection, now), read(text).id
    before, in_force = store.newest_version(template), store.published_version(template)
    done = keep(store, text, publish, zone, who())
    newest, published = store.newest_version(template), store.published_version(template)
    if newest != before:
        operators.record(who(), "saved a template", f"{template} v{newest}")
    if published and (in_force is None or published.version != in_force.version):
        operators.record(who(), "published a template", f"{template} v{published.version}")
    return done


def keep(store: TemplateStore, text: str, publish: bool, zone: str, by: str) -> str:
    """Save a text as the newest version of its template when it differs; returns what was done, in one line."""
    template = read(text)
    versions = store.versions(template.id)
    newest = versions[0] if versions else None
    if newest is None or newest.text != text:
        newest = store.save(template.id, template.name, text, by=by)
        done = f"「{template.name}」存为第 {newest.version} 版草稿"
    else:
        done = f"「{template.name}」与第 {newest.version} 版相同"
    if publish and newest.state != "published":
        store.publish(template.id, newest.version, zone=zone, by=by)
        done += "，已发布"
    return done


@app.command("export")
def export(
    directory: Annotated[Path, typer.Option("--dir", help="Where the files go.")] = Path("sop-export"),
    fmt: Annotated[
        Literal["toml", "xlsx"], typer.Option("--format", help="To the letter, or as Excel workbooks.")
    ] = "toml",
    config: ConfigPath = None,
) -> None:
    """Write the newest version of every template."""
    quiet_log()

    async def work(db: Database) -> None:
        now = SystemClock().now()
        saved = await db.read(lambda c: TemplateStore(c, now).newest_of_each())
        directory.mkdir(parents=True, exist_ok=True)
        for one in saved:
            path = directory / f"{one.id}.{fmt}"
            path.write_bytes(workbook.write(read(one.text)) if fmt == "xlsx" else one.text.encode())
            out.print(f"{path}：第 {one.version} 版（{one.state}）")
        if not saved:
            out.print("还没有模板。qunxing sop import library 可以导入现成的。")

    with_database(config, work)


@app.command("diff")
def diff(file: Path, fmt: Format = "text", config: ConfigPath = None) -> None:
    """What a file would change against the published version: in words, then line by line; exit 1 when it differs."""
    quiet_log()
    text = _text(file)
    template = read(text, source=str(file))

    async def work(db: Database) -> str:
        now = SystemClock().now()
        saved = await db.read(lambda c: TemplateStore(c, now).published_version(template.id))
        return saved.text if saved else ""

    before = with_database(config, work)
    said = changes(read(before), template) if before else ["还没有发布过"]
    lines = list(
        difflib.unified_diff(before.splitlines(), text.splitlines(), "已发布", str(file), lineterm="")
    )
    if fmt == "json":
        told = {"template": template.id, "changes": said, "lines": lines}
        typer.echo(json.dumps(told, ensure_ascii=False, indent=2))
        raise typer.Exit(1 if lines else 0)
    for one in said:
        out.print(f"· {one}")
    for line in lines:
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        out.print(line, style=style)
    if lines:
        raise typer.Exit(1)
    out.print("与已发布的版本相同。")


@app.command("publish")
def publish(
    template: str,
    version: Annotated[int, typer.Option(help="0 is the newest.")] = 0,
    migrate: Annotated[
        bool, typer.Option("--migrate", help="Move journeys under way too; see first what sop migrate shows.")
    ] = False,
    config: ConfigPath = None,
) -> None:
    """Make a version the published one; journeys under way keep theirs, unless they are to move with it."""
    quiet_log()
    zone = configured(config).community.timezone

    def once(now: datetime, connection: Connection) -> tuple[int, int]:
        store = TemplateStore(connection, now)
        chosen = version or store.newest_version(template)
        if not chosen:
            raise NotFound("template", template)
        store.publish(template, chosen, zone=zone, by=who())
        OperatorStore(connection, now).record(who(), "published a template", f"{template} v{chosen}")
        if not migrate:
            return chosen, 0
        OperatorStore(connection, now).record(who(), "moved journeys", f"{template} v{chosen}")
        return chosen, VersionStore(connection, now).migrate(template, chosen)

    async def work(db: Database) -> tuple[int, int]:
        return await db.write(partial(once, SystemClock().now()))

    number, moving = with_database(config, work)
    out.print(f"已发布 {template} 第 {number} 版。")
    if migrate:
        out.print(f"{moving} 个旅程开始移到这一版，群星运行时一批一批完成。")


@app.command("list")
def show(config: ConfigPath = None) -> None:
    """Every template with its newest version and state."""
    quiet_log()

    async def work(db: Database) -> Table:
        now = SystemClock().now()
        table = Table("模板", "名称", "版本", "状态", "暂停")
        paused = await db.read(lambda c: PauseStore(c, now).reasons())
        for saved in await db.read(lambda c: TemplateStore(c, now).newest_of_each()):
            table.add_row(saved.id, saved.name, str(saved.version), saved.state, paused.get(saved.id, ""))
        return table

    out.print(with_database(config, work))


def _files(given: list[Path]) -> list[Path]:
    found: list[Path] = []
    for path in given:
        path = LIBRARY if str(path) == "library" and not path.exists() else path
        found += sorted([*path.glob("*.toml"), *path.glob("*.xlsx")]) if path.is_dir() else [path]
    if not found:
        raise Misconfigured(
            "There is no TOML or Excel file among what was named.", remedy="Name files, a folder, or library."
        )
    return found


def _text(path: Path) -> str:
    try:
        if path.suffix.lower() == ".xlsx":
            return write(workbook.read(path.read_bytes(), source=str(path)))
        return path.read_text("utf-8")
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}.", remedy="Check the path.") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{path} is not UTF-8 text.", remedy="Save it as UTF-8.") from error
