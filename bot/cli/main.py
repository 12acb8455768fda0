"""``qunxing``: the commands, and how errors become words and exit codes."""

from __future__ import annotations

import sys

import typer

from bot.cli import activity, coupon, database, play, run, template, user
from bot.cli.frame import complain
from sop.errors import QunxingError

app = typer.Typer(
    name="qunxing",
    help="群星: the open-source bot that runs WeCom communities.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

run.add_to(app)
play.add_to(app)
app.add_typer(template.app, name="sop")
app.add_typer(activity.app, name="activity")
activity.add_to(app)
app.add_typer(coupon.app, name="coupon")
app.add_typer(database.app, name="db")
app.add_typer(user.app, name="user")


def main() -> None:
    """The entry point: what we foresaw is said in words, without a traceback."""
    try:
        app()
    except QunxingError as error:
        complain(error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
