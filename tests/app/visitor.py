"""The app without a browser: sessions over its websocket, for the tests of bad input and benchmarks/app_speed.py."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

PATIENCE = 60  # seconds that an answer may take


class Wrong(Exception):
    """The app shows something else than it should."""


@dataclass
class Visitor:
    """One session over the app's websocket: it sends what a browser would and keeps what it is shown."""

    socket: ClientConnection
    query: str
    page: str = ""  # hash of the screen's script; empty before the first run
    pages: dict[str, str] = field(default_factory=dict)  # address → hash
    shown: dict[str, tuple[str, str, str]] = field(default_factory=dict)  # component's key → id, fragment, JSON
    kept: dict[str, ForwardMsg] = field(default_factory=dict)  # large messages that need not be sent again

    async def run(self, click: tuple[str, str, Any] | None = None) -> float:
        """Have the screen drawn, after a click (a component's key, event and value) if there is one; seconds."""
        message = BackMsg()
        ask = message.rerun_script
        ask.query_string, ask.page_script_hash = self.query, self.page
        ask.cached_message_hashes.extend(self.kept)
        if click is not None:
            key, event, value = click
            component, ask.fragment_id, _ = self.shown[key]
            widget = ask.widget_states.widgets.add()
            widget.id = f"$$STREAMLIT_INTERNAL_KEY_{component}__events"
            widget.json_trigger_value = json.dumps([{"event": event, "value": value}])
        began = time.perf_counter()
        await self.socket.send(message.SerializeToString())
        async with asyncio.timeout(PATIENCE):
            done = False
            while not done:
                received = await self.socket.recv()
                assert isinstance(received, bytes)
                done = self._take(ForwardMsg.FromString(received))
        return time.perf_counter() - began

    def _take(self, message: ForwardMsg) -> bool:
        """Keep what a message shows. Whether it says that everything is drawn."""
        if message.WhichOneof("type") == "ref_hash":
            message = self.kept[message.ref_hash]
        elif message.metadata.cacheable:
            self.kept[message.hash] = message
        match message.WhichOneof("type"):
            case "navigation":
                self.pages = {page.url_pathname: page.page_script_hash for page in message.navigation.app_pages}
                self.page = message.navigation.page_script_hash
            case "page_info_changed":
                self.query = message.page_info_changed.query_string
            case "script_finished":
                if message.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                    raise Wrong("the script does not compile")
                # A run that starts another one does not end the answer.
                return message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN
            case "delta":
                element = message.delta.new_element
                kind = element.WhichOneof("type")
                if kind == "exception":
                    raise Wrong(f"{element.exception.type}: {element.exception.message}")
                if kind == "bidi_component":
                    part = element.bidi_component
                    key = part.id.split("-", 2)[2]  # $$ID-hash-key
                    self.shown[key] = (part.id, message.delta.fragment_id, part.json or part.mixed.json)
        return False

    async def go(self, address: str) -> float:
        """Go to another screen."""
        self.page, self.shown = self.pages[address], {}
        return await self.run()

    def data(self, key: str) -> dict[str, Any]:
        """What a component was given to draw."""
        if key not in self.shown:
            raise Wrong(f"{key} is not on the screen, only {', '.join(self.shown)}")
        return json.loads(self.shown[key][2])


@asynccontextmanager
async def visit(address: str, query: str) -> AsyncIterator[Visitor]:
    """A visitor who follows a link to Story, with the parameters of an URL."""
    url = address.replace("http", "ws", 1) + "/_stcore/stream"
    async with connect(url, subprotocols=[Subprotocol("streamlit")], max_size=None) as socket:
        visitor = Visitor(socket, query)
        await visitor.run()
        yield visitor
