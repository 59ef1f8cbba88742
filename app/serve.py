"""The app as it is served: `streamlit run app/serve.py`. Streamlit runs app/main.py for each visitor.

Streamlit's page guesses from its address under which path the server answers, and asks first below the screen's own
(/merge/_stcore/health), which nobody answers: two errors in the browser's console at every deep link. So the page is
told: below the path that is left without the screen's name. A proxy may still serve the app under any path.
"""

from __future__ import annotations

import json
from pathlib import Path

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import screens
from app.logs import queue, visitor

__all__ = ["app"]

BASE = """<script>{
  const names = NAMES.join("|")
  const base = location.origin + location.pathname.replace(new RegExp(`/(${names})?/*$`), "/")
  window.__streamlit = { BACKEND_BASE_URL: base, MAIN_PAGE_BASE_URL: base }
}</script>"""
# The page itself is asked for, whole: neither packed nor "not modified", which it was before it was told.
UNASKED = {b"accept-encoding", b"if-none-match", b"if-modified-since"}


class TellBase:
    """Middleware that writes into Streamlit's page where its server is."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.names = {"", *screens.discover()}
        self.script = BASE.replace("NAMES", json.dumps(sorted(self.names - {""}))).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].rstrip("/").rpartition("/")[2] not in self.names:
            await self.app(scope, receive, send)
            return
        begun: Message = {}
        parts: list[bytes] = []

        # Each browser has a box of logs and models of its own; the folder is made with the first file.
        fresh = visitor.fresh_cookie(scope["headers"], scope.get("scheme") == "https")

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                begun.update(message)
                return
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                page = b"".join(parts).replace(b"<head>", b"<head>" + self.script, 1)
                headers = MutableHeaders(raw=begun["headers"])
                if page:  # the answer to HEAD has none
                    headers["content-length"] = str(len(page))
                if fresh:
                    headers.append("set-cookie", fresh)
                    headers["cache-control"] = "no-store"
                await send(begun)
                await send({"type": "http.response.body", "body": page})

        asked = [(name, value) for name, value in scope["headers"] if name not in UNASKED]
        await self.app({**scope, "headers": asked}, receive, told)


if visitor.served_to_many() or visitor.allowed_here():
    queue.kick()  # what an earlier server left half trained goes on

app = st.App(Path(__file__).with_name("main.py"), middleware=[Middleware(TellBase)])
