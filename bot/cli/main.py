"""``qunxing``: the commands, and how errors become words and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module

import typer

from bot.cli.frame import complain
from sop.errors import Misconfigured, QunxingError

HOMES = {
    "run": ("init", "check", "run", "web", "work", "send", "tick"),
    "play": ("demo", "simulator"),
    "template": ("sop",),
    "activity": ("activity", "score"),
    "coupon": ("coupon",),
    "database": ("db",),
    "user": ("user",),
    "directory": ("sync",),
    "way": ("way",),
    "media": ("media",),
    "group": ("group",),
    "why": ("why",),
    "member": ("member",),
}  # which file holds which commands: only the one that is wanted is imported, the rest is heavy


def commands(homes: Iterable[str] = tuple(HOMES)) -> typer.Typer:
    """The command line made of these files."""
    app = typer.Typer(
        name="qunxing",
        help="群星: the open-source bot that runs WeCom communities.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )

    @app.callback()
    def _all() -> None:
        """群星: the open-source bot that runs WeCom communities."""

    for home in homes:
        import_module(f"bot.cli.{home}").add_to(app)
    return app


def main() -> None:
    """The entry point: what we foresaw is said in words, without a traceback."""
    wanted = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    homes = [home for home, words in HOMES.items() if wanted in words]
    try:
        commands(homes or HOMES)()
    except QunxingError as error:
        complain(error)
        sys.exit(1)
    except Exception as error:
        foreseen = _trouble(error)
        if foreseen is None:
            raise
        complain(foreseen)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _trouble(error: Exception) -> QunxingError | None:
    """A full disk, a file that cannot be read, a database gone away: nobody's mistake in the program."""
    from storage.engine import is_trouble, reason_of

    if isinstance(error, OSError):
        return Misconfigured(
            f"{error.filename or 'The machine'}: {reason_of(error)}.", remedy="Check the disk and the rights."
        )
    if not is_trouble(error):
        return None
    return Misconfigured(
        f"The database is in trouble: {reason_of(error)}.",
        remedy="Check its disk and whether it runs; qunxing check looks at both.",
    )


if __name__ == "__main__":
    main()
