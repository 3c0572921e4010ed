"""Takes the picture docs/flower.png: Flower's page of tasks while three campaigns run in two workers."""

from __future__ import annotations

import io

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from benchmarks.frame import World
from benchmarks.screens import CHROMIUM
from devstack.ports import LOOPBACK, free_port
from devstack.roles import PROJECT
from devstack.server import DevstackError, wait_until
from devstack.stack import await_http

_CAMPAIGNS = ("Black Friday", "Promoção Verão", "Newsletter")
_WORKERS = ("worker-71@host1", "worker-95@host2")
_RATE = 10  # messages per second of each account
_PEOPLE = 3_000
_SIZE = {"width": 1320, "height": 640}
_COLOURS = 96
_PATIENCE_SECONDS = 120.0
_FILTER_MS = 1_500  # from the search until the table shows its result


def take_flower() -> None:
    """Wait until each campaign has had one slice and is in its second, then take the picture."""
    with World({"latency_ms": 150}) as world:
        accounts = world.add_accounts(len(_CAMPAIGNS), rate=_RATE)
        ids = [
            world.add_campaign([account], people=range(number * _PEOPLE, (number + 1) * _PEOPLE), name=name)
            for number, (account, name) in enumerate(zip(accounts, _CAMPAIGNS, strict=True))
        ]
        world.stack.environment |= {"FLOWER_HOST": LOOPBACK, "FLOWER_PORT": str(free_port())}
        world.stack.start_role("flower")
        await_http(world.stack.flower_url, world.stack)
        world.start_roles("events")
        for name in _WORKERS:
            world.stack.start_role(name, "-n", name, role="worker")
        world.start_roles("beat")
        world.start_campaigns(ids)
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = chromium.new_page(viewport=_SIZE)  # type: ignore[arg-type]
            if not wait_until(lambda: _shows_two_slices(page, world.stack.flower_url, len(ids)), _PATIENCE_SECONDS):
                raise DevstackError("Flower did not show two slices of each campaign.")
            page.evaluate("document.activeElement.blur()")
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(_COLOURS)
            picture.save(PROJECT / "docs/flower.png", optimize=True)
            chromium.close()


def _shows_two_slices(page: Page, url: str, count: int) -> bool:
    """Load the page, and tell whether a slice of each campaign has ended and another one runs."""
    page.goto(f"{url}/tasks")
    page.get_by_role("searchbox").fill("campaigns.run")
    page.wait_for_timeout(_FILTER_MS)
    rows = page.locator("tbody tr")
    return all(rows.filter(has_text=state).count() == count for state in ("SUCCESS", "STARTED"))
