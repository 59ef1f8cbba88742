"""How fast the app is on this machine, over loopback: Markdown tables on standard output.

python benchmarks/app_speed.py [--minutes 5] [--visitors 20] [--training]

- First picture: from starting the server to Story drawn in Chromium; the first start warms the disk and is left out.
- Click to painted: in Chromium, from the pointer going down to the frame that shows the answer.
- Click to server done: ten visitors at once, each a websocket client that sends what a browser sends.
- Memory: growth of the server's resident memory per visitor, once the traces that all visitors share are filled.
- Soak: visitors with histories of their own click for some minutes. Each compares everything that it is shown with a
  trace computed here, apart from the app; the first difference or error ends the run.

With --training the clicks to server done alone, twice of each kind: without, and beside a training on 2,000 simulated
viewers that the server itself runs from its queue, as *Your log* does: with its nice level and number of threads.

The bundle is the one that ships, or the first of FAME_BUNDLE. Needs requirements-dev.txt, and Chromium.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from io import BytesIO

import psutil
import torch
from app_soak import PAUSE, fill, link, megabytes, ms, own_history, soak, spread
from playwright.sync_api import Browser, Page

import fame
from app.logs import queue, reading
from app.logs.box import Box, Entry, new_token
from fame.bundle import Bundle
from fame.make.configs import PlantedConfig
from fame.make.simulate import simulate
from tests.app.browser import await_answer, bundle_path, chromium, free_port, launched, settle, start
from tests.app.visitor import visit

# ---- a click to server done ------------------------------------------------------------------------------------


async def clicks(address: str, bundle: Bundle, visitors: int, rounds: int, pause: bool) -> dict[str, list[float]]:
    """Seconds of each kind of click, with all visitors clicking at once."""
    took: dict[str, list[float]] = defaultdict(list)

    async def one(number: int) -> None:
        rng = random.Random(number)
        async with visit(address, f"h={link(bundle, own_history(bundle, rng))}") as visitor:

            async def click(what: str, work: Callable[[], Awaitable[float]]) -> None:
                if pause:
                    await asyncio.sleep(rng.uniform(*PAUSE))
                took[what].append(await work())

            heads = range(bundle.config.n_heads)
            for _ in range(rounds):
                row = rng.choice(visitor.data("story")["lists"][-1])
                await click("Story: choose a film", partial(visitor.run, ("story", "pick", row)))
                await click("add that film", partial(visitor.run, ("bar", "act", {"do": "add", "row": row})))
                await click("undo", lambda: visitor.run(("bar", "act", {"do": "undo"})))
                await click("go to Merge", lambda: visitor.go("merge"))
                for off in ([heads[-1]] if len(heads) > 1 else [], []):
                    gate = {"weights": None, "off": off, "done": True}
                    await click("Merge: mute a head, and back", partial(visitor.run, ("merge_table", "gate", gate)))
                await click("go to Experts", lambda: visitor.go("experts"))
                if bundle.atlas is not None:
                    await click("go to Facet atlas", lambda: visitor.go("atlas"))
                await click("go to Evidence", lambda: visitor.go("evidence"))
                await click("go to What if", lambda: visitor.go("what_if"))
                kept = visitor.query
                for change in ("headoff-1", "headoff-1~expertoff-1-1") if len(heads) > 1 else ():
                    visitor.query = f"{kept}&b={change}"
                    await click("What if: a change more", visitor.run)
                visitor.query = kept
                await visitor.run()
                if bundle.population is not None:
                    await click("go to Population", lambda: visitor.go("population"))
                    kept = visitor.query
                    for head in heads:
                        visitor.query = f"{kept}&population_lead=head.{head + 1}"
                        await click("Population: choose who leads", visitor.run)
                    visitor.query = kept
                await click("go to Story", lambda: visitor.go(""))

    async with asyncio.TaskGroup() as group:
        for number in range(visitors):
            group.create_task(one(number))
    return took


# ---- memory ----------------------------------------------------------------------------------------------------


async def memory(address: str, bundle: Bundle, server: psutil.Process, visitors: int) -> float:
    """Megabytes of the server per visitor who has seen every screen."""
    await fill(address, bundle)
    before = megabytes(server)
    async with AsyncExitStack() as stack:
        for number in range(visitors):
            rows = own_history(bundle, random.Random(1000 + number))
            visitor = await stack.enter_async_context(visit(address, f"h={link(bundle, rows)}"))
            for screen in ("merge", "experts", "atlas", "evidence", ""):
                await visitor.go(screen)
        return (megabytes(server) - before) / visitors


# ---- in Chromium -----------------------------------------------------------------------------------------------


def first_picture(browser: Browser) -> float:
    """Seconds from starting the server to Story drawn."""
    port = free_port()
    page = browser.new_page()
    page.set_default_timeout(120_000)
    began = time.perf_counter()
    with start(bundle_path(), port) as server:
        page.goto(await_answer(server, port))
        page.locator(".st-key-story .item").first.wait_for()
        page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
        took = time.perf_counter() - began
        page.close()
    return took


# Resolves, once what `read` gives has changed since the pointer went down, after the frame that shows it.
ARMED = """(shadow => {
    const inside = key => document.querySelector(`.st-key-${key} [data-testid=stBidiComponentIsolated]`)?.shadowRoot
    const text = (key, css) => [...(inside(key)?.querySelectorAll(css) ?? [])].map(e => e.textContent).join()
    const read = () => READ
    const old = read()
    let began
    addEventListener('pointerdown', () => { began = performance.now() }, { capture: true, once: true })
    window.painted = new Promise(done => {
        const frame = () => began !== undefined && read() !== old
            ? setTimeout(() => done(performance.now() - began)) : requestAnimationFrame(frame)
        frame()
    })
})()"""


def painted(page: Page, click: Callable[[], None], read: str) -> float:
    """Seconds from a click to the frame in which what is read from the page (JavaScript) has changed."""
    page.evaluate(ARMED.replace("READ", read))
    click()
    took = page.evaluate("window.painted") / 1000
    settle(page)
    return took


def paint_clicks(browser: Browser, address: str, repeats: int) -> dict[str, list[float]]:
    """Seconds to painted of each screen's clicks."""
    took: dict[str, list[float]] = defaultdict(list)
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(120_000)

    def measure(what: str, click: Callable[[], None], read: str) -> None:
        took[what].append(painted(page, click, read))

    page.goto(address)
    settle(page)
    final = page.locator(".st-key-story .column").last.locator(".item")
    for n in range(repeats):
        row = final.nth(1 + n % 5)
        measure("Story: choose a film", row.click, "document.querySelector('.fame-say').textContent")
        sums = "text('story', '.sum')"
        measure("remove a film", page.get_by_role("button", name="Remove ").first.click, sums)
        measure("undo", page.get_by_role("button", name="Undo").click, sums)
        merge = page.get_by_role("link", name="Merge")
        measure("go to Merge", merge.click, "text('merge_table', 'tbody tr')")
        mute = page.get_by_role("button", name="Mute head 1")
        for _ in range(2):
            measure("Merge: mute a head, and back", mute.click, "text('merge_table', 'tbody .total')")
        measure("go to Story", page.get_by_role("link", name="Story").click, sums)
    page.close()
    return took


# ---- beside a training -----------------------------------------------------------------------------------------


def planted_log() -> bytes:
    """A log of simulated viewers of the bundle `planted`, long enough to train for some minutes."""
    catalogue = fame.load("planted").catalogue
    sequences = simulate(catalogue, PlantedConfig(n_viewers=2_000)).sequences
    lines = ["user,item,time"]
    for u in range(len(sequences)):
        lines += [f"{u},{catalogue.item_id[row]},{t}" for t, row in enumerate(sequences.history(u))]
    return "\n".join(lines).encode()


@contextmanager
def dropped() -> Iterator[Entry]:
    """A log to train on, in a store of its own, which a server that is started within looks after."""
    with tempfile.TemporaryDirectory() as store:
        os.environ["FAME_STORE"] = store
        entry = Box(new_token()).add("planted.csv", "log")
        entry.put("log", "planted.csv", BytesIO(planted_log()))
        entry.update(choices={"length": "thorough"}, left=500)
        yield entry


def beside_training(bundle: Bundle, visitors: int, rounds: int) -> None:
    """The clicks to server done, first without a training, then beside one: the same server, the same clicks."""
    with dropped() as entry:
        port = free_port()
        with start(bundle_path(), port) as server:
            address = await_answer(server, port)
            asyncio.run(clicks(address, bundle, 1, 1, False))  # which loads what a first visitor waits for
            for trained in (False, True):
                if trained:
                    reading.write_recipe(entry)
                    entry.update(stage="queued", queued=time.time())  # the server's own thread looks for it
                    while not entry.progress.get("step"):
                        if entry.state["stage"] not in ("queued", "running"):
                            raise RuntimeError(f"the training ended: {entry.state}")
                        time.sleep(0.5)
                for pause in (True, False):
                    took = asyncio.run(clicks(address, bundle, visitors, rounds, pause))
                    how = "a click a second each" if pause else "without pause"
                    how += ", beside a training" if trained else ", no training"
                    table(f"Click to server done, {visitors} visitors, {how}: median / 95 %", per_kind(took))
            if entry.state["stage"] != "running":
                raise RuntimeError(f"the training ended before the clicks did: {entry.state}; give fewer --rounds")
            done = [e["epoch"] for run in entry.progress["runs"] for e in run["epochs"]]
            table("The training", {"epochs that it did meanwhile": str(len(done))})
            queue.cancel(entry)
            while entry.state["stage"] == "running":
                time.sleep(0.1)


# ---- the report ------------------------------------------------------------------------------------------------


def table(title: str, rows: dict[str, str]) -> None:
    print(f"\n| {title} | |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value} |", flush=True)


def per_kind(took: dict[str, list[float]]) -> dict[str, str]:
    """Median and 95th percentile of all clicks, then of each kind."""
    everything = [seconds for kind in took.values() for seconds in kind]
    named = {f"**all {len(everything)} clicks**": everything, **took}
    return {name: " / ".join(ms(x) for x in spread(seconds)) for name, seconds in named.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5, help="length of the soak; 0 leaves it out")
    parser.add_argument("--visitors", type=int, default=20, help="of the soak and of the memory's growth")
    parser.add_argument("--rounds", type=int, default=5, help="repeats of each click")
    parser.add_argument("--training", action="store_true", help="measure clicks beside a training, and nothing else")
    options = parser.parse_args()
    torch.set_num_threads(1)
    bundle = fame.load(bundle_path())
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    print(f"{bundle.name}: {bundle.catalogue.n_items:,} items; {os.cpu_count()} cores, load before the start {load}")
    if options.training:
        beside_training(bundle, options.visitors, options.rounds)
        return
    if chromium() is None:
        print("No Chromium: what is painted is not measured.", file=sys.stderr)
    else:
        with launched() as browser:
            first_picture(browser)
            starts = [first_picture(browser) for _ in range(3)]
            table("First picture", {"server start to Story drawn (median of 3)": f"{statistics.median(starts):.1f} s"})
            port = free_port()
            with start(bundle_path(), port) as server:
                address = await_answer(server, port)
                took = paint_clicks(browser, address, options.rounds)
                table("Click to painted: median / 95 %", per_kind(took))
    port = free_port()
    with start(bundle_path(), port) as server:
        address, process = await_answer(server, port), psutil.Process(server.pid)
        for pause in (True, False):
            took = asyncio.run(clicks(address, bundle, 10, options.rounds, pause))
            how = "a click a second each" if pause else "without pause"
            table(f"Click to server done, 10 visitors, {how}: median / 95 %", per_kind(took))
        each = asyncio.run(memory(address, bundle, process, options.visitors))
        table("Memory", {f"per visitor who has seen all screens ({options.visitors} at once)": f"{each:.1f} MB"})
        if options.minutes:
            title = f"Soak: {options.visitors} visitors, {options.minutes:g} minutes"
            table(title, asyncio.run(soak(address, bundle, process, options.visitors, options.minutes)))


if __name__ == "__main__":
    main()
