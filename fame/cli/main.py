"""The `fame` command. Results go to standard output, progress and errors to standard error.

Nothing heavy is imported before a command runs, so that `fame --help` answers at once.
"""

from __future__ import annotations

import io
import os
import re
import sys
import warnings
from typing import Annotated

import typer

from fame import __version__
from fame.cli.app import app as serve
from fame.cli.examples import examples
from fame.cli.explain import explain
from fame.cli.info import download, evaluate, info
from fame.cli.inspect import inspect
from fame.cli.population import population
from fame.cli.push import push
from fame.cli.terminal import INTERRUPTED, Interrupted, printable
from fame.cli.train import compare, train
from fame.errors import FameError

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="FAME: a sequential recommender whose every decision can be opened up and looked at.",
)

for command in (serve, train, compare, inspect, evaluate, population, examples, download, explain, info, push):
    app.command()(command)


def say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"fame {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=say_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """What goes before a command."""


def main() -> None:
    """Run the command; every error is one line on standard error and exit status 2."""
    if not sys.warnoptions:
        warnings.filterwarnings("ignore")  # libraries' advice to programmers, not to who types a command
    for stream in (sys.stdout, sys.stderr):  # a terminal or a pipe that knows fewer letters
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        status = app(sys.argv[1:] or ["--help"], prog_name="fame", standalone_mode=False)
        message = "stopped" if status == INTERRUPTED else ""
    except Interrupted as error:
        status, message = INTERRUPTED, str(error)
    except FameError as error:
        status, message = 2, f"error: {error}"
    except typer.Abort:
        status, message = INTERRUPTED, "stopped"
    except Exception as error:
        if os.environ.get("FAME_TRACEBACK"):
            raise
        status, message = 2, f"error: {explained(error)}"
    if message:
        print(" ".join(printable(message).split()), file=sys.stderr)
    sys.exit(status)


def explained(error: Exception) -> str:
    """One line for an error that is no FameError: a wrong command line, the machine, or a bug."""
    if hasattr(error, "format_message"):  # every usage error of typer has it, whichever its class
        command = getattr(getattr(error, "ctx", None), "command_path", "fame")
        return f"{error.format_message()} (see `{command} --help`)"
    if isinstance(error, OSError):
        return f"{error.filename or 'the system'}: {error.strerror or error}"
    if isinstance(error, MemoryError) or re.search("allocate memory|out of memory", str(error)):
        return "out of memory; use a smaller model, batch or log"
    return f"{type(error).__name__}: {error} (unexpected; FAME_TRACEBACK=1 shows where)"
