"""`fame app`: serve the app, from a checkout or from what a wheel carries."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from fame.errors import FameError
from fame.home import HOME


def app(
    bundles: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[BUNDLE]...",
            help="Bundles to offer before those that ship: names, directories, zips or Hub ids.",
            show_default=False,
        ),
    ] = None,
    port: Annotated[int, typer.Option(metavar="PORT", min=1, max=65535, help="Where it answers.")] = 8501,
    host: Annotated[
        str, typer.Option(metavar="HOST", help="Who may open it: localhost, or 0.0.0.0 for your network.")
    ] = "localhost",
) -> None:
    """Serve the app."""
    environment = served_with(bundles or [])
    check_free(host, port)
    command = [sys.executable, "-m", "streamlit", "run", "app/serve.py"]
    command += ["--server.address", host, "--server.port", str(port)]
    os.chdir(HOME)  # Streamlit reads .streamlit/config.toml there, and Python finds `app`
    if os.name == "posix":  # the server takes this process's place, so that signals reach it
        os.execve(command[0], command, environment)
    raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)


def served_with(bundles: list[str]) -> dict[str, str]:
    """The server's environment.

    Raises:
        FameError: a bundle is not there or cannot be read.
    """
    paths = [Path(path).expanduser() for path in os.environ.get("FAME_BUNDLE", "").split(os.pathsep) if path]
    if bundles:
        from fame.bundle import glance, locate

        paths = [locate(source) for source in bundles]
        for path in paths:
            glance(path)
    whole = [str(path.absolute()) for path in paths]  # the server runs in another directory
    if bundles and (split := next((path for path in whole if os.pathsep in path), "")):
        raise FameError(f"{split}: the app takes no bundle whose path holds {os.pathsep!r}; rename or move it")
    return {
        **os.environ,
        "FAME_BUNDLE": os.pathsep.join(whole),
        # Streamlit does not start without a home, as under some service managers.
        "HOME": os.environ.get("HOME") or sys.prefix,
        # On Linux each thread keeps freed memory in a pool of its own, and every visitor's click is a thread.
        "MALLOC_ARENA_MAX": os.environ.get("MALLOC_ARENA_MAX", "2"),
    }


def check_free(host: str, port: int) -> None:
    """
    Raises:
        FameError: the host is not this machine's, or the port is taken or not allowed.
    """
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise FameError(
            f"host {host[:80]!r} is not known; expected localhost, 0.0.0.0 or an address of this machine"
        ) from None
    for family, kind, protocol, _, place in places:
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":  # as the server does: a port whose last connections are closing is free
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(place)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise FameError(f"port {port} of {host} is taken; give another with --port") from None
                if error.errno == errno.EACCES:
                    raise FameError(f"port {port} is not yours to use; give one of 1024 or more with --port") from None
                if place is places[-1][-1]:
                    raise FameError(f"{host} is no address of this machine; expected localhost or 0.0.0.0") from None
