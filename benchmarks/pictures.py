"""Draws the pictures of the documents: a frame of `revoada demo`, the three promises, Flower, and the console.

The promises come from one run of three campaigns, each with an account of its own. One health check gets no answer
until its timeout, and later the receiver of webhooks is stopped for some seconds. `make pictures` writes docs/demo.svg,
docs/promise-*.svg, docs/flower.png and docs/pictures/*.png (`ARGS=readme`, `ARGS=flower` and `ARGS=console` only one of
them); look at them before you commit them.
"""

from __future__ import annotations

import argparse
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from benchmarks.flower import take_flower
from benchmarks.frame import APP_SECRET, FIRST_ACCOUNT, World
from benchmarks.screens import take_pictures
from devstack.roles import PROJECT
from devstack.server import DevstackError, wait_until

RATE = 80  # messages per second of each account, as Meta allows a new number
CAMPAIGNS = {"Black Friday": 4_000, "Promoção Verão": 2_800, "Newsletter": 3_600}
CHECKED = len(CAMPAIGNS) - 1  # the campaign whose account has the health check without an answer
WEBHOOKS_STOP_AT, WEBHOOKS_START_AT = 16.0, 24.0
_SCRIPT = {
    "latency_ms": [80, 200],
    "keep_accepted": True,
    "accounts": {str(FIRST_ACCOUNT + CHECKED): {"health": "hang"}},
    "webhooks": {"app_secret": APP_SECRET, "batch_size": 20, "read_probability": 0, "retry_longest_ms": 2_000},
}
SCREEN = (40, 142)  # lines and columns of the terminal in which the demo runs
_SAMPLE_SECONDS = 0.2
_PATIENCE_SECONDS = 120.0


class Sample(NamedTuple):
    """Counts at one moment."""

    at: float
    accepted: int
    delivered: int
    health_requests: int
    health_failures: int


@dataclass(frozen=True)
class Run:
    """The data of one run that the pictures show. Times are seconds since the first message."""

    accepted_at: Sequence[Sequence[float]]  # by campaign
    samples: Sequence[Sample]
    check: tuple[float, float]  # from the health check's request to its failure
    outage: tuple[float, float]  # from the stop of the webhook receiver until it serves again


def main() -> int:
    draws = {"readme": draw_promises, "flower": take_flower, "console": take_pictures}
    parser = argparse.ArgumentParser(prog="make pictures", description="Draw the pictures of the documents anew.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"the pictures to draw (default: {', '.join(draws)})")
    names = parser.parse_args().names or list(draws)
    if unknown := set(names) - set(draws):
        parser.error(f"There are no pictures {', '.join(sorted(unknown))}. Pictures: {', '.join(draws)}.")
    for name in names:
        draws[name]()
    return 0


def draw_promises() -> None:
    write_picture("demo", draw_screen(find_busy_screen(play_demo())))
    run = measure()
    rates = [count_seconds(times) for times in run.accepted_at]
    rows = list(zip(CAMPAIGNS, rates, strict=True))
    checked = rows[CHECKED]
    pictures = {
        "campaigns": draw_rates("Messages per second that the API accepted, by campaign", rows),
        "health": draw_rates(
            f"Messages per second of “{checked[0]}” while the health check of its account gets no answer",
            [checked], band=(*run.check, "health check waits, then times out"),
        ),
        "webhooks": draw_totals(run),
    }  # fmt: skip
    for name, picture in pictures.items():
        write_picture(f"promise-{name}", picture)


def write_picture(name: str, picture: str) -> None:
    path = PROJECT / "docs" / f"{name}.svg"
    path.write_text(picture, encoding="utf-8")
    print(f"{path.relative_to(PROJECT)}: {len(picture) / 1000:.0f} kB")


# The demo


def play_demo() -> str:
    """Run `revoada demo` in a terminal; return all that the demo writes to the terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *SCREEN, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}
    environment |= {"TERM": "xterm-256color", "REVOADA_LANGUAGE": "en"}
    command = [str(Path(sys.executable).with_name("revoada")), "demo", "--exit"]
    written = bytearray()
    with subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as demo:
        os.close(theirs)
        with suppress(OSError):  # Linux reports the end of a terminal as an error
            while chunk := os.read(ours, 65_536):
                written += chunk
    os.close(ours)
    if demo.returncode:
        raise DevstackError(f"The demo ended with {demo.returncode}.")
    return written.decode().replace(f"{PROJECT}/", "")  # a picture names no folder of this machine


def find_busy_screen(output: str) -> list[str]:
    """Return the lines, with their colours, of the last screen on which all campaigns are running.

    The log may report the end of a campaign before its bar does. Such a screen is not taken.
    """

    def is_busy(screen: Sequence[str]) -> bool:
        running_count = sum("━" in line and "running" in line for line in screen)
        return running_count == len(CAMPAIGNS) and not any("completed" in line for line in screen)

    return [screen for screen in list_screens(output) if is_busy(screen)][-1]


def list_screens(output: str) -> Iterator[list[str]]:
    """Yield the lines of the terminal before each time that Rich draws its bars again.

    Rich goes up line by line, and deletes each line, before it draws again. It uses no other movement.
    """
    lines, row = [""], 0
    for part in re.split(r"(\r\n|\r|\x1b\[2K|\x1b\[1A|\x1b\[\?25[lh])", output):
        match part:
            case "\r\n":
                row += 1
                lines += [""] * (row == len(lines))
            case "\r":
                yield [line for line in lines if line]
            case "\x1b[2K":
                lines[row] = ""
            case "\x1b[1A":
                row -= 1
            case _ if not part.startswith("\x1b[?"):
                lines[row] += part


def draw_screen(lines: Sequence[str]) -> str:
    width = SCREEN[1]
    console = Console(record=True, width=width, file=io.StringIO())
    for text in map(Text.from_ansi, lines):
        for part in text.divide(range(width, len(text), width)):  # a terminal does not wrap at words
            console.print(part, no_wrap=True)
    # The picture loads no font from the net.
    code = re.sub(r"\s*@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    code = code.replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")
    code = re.sub(r"<!-- .*? -->", "<!-- A frame of `make demo`, as the terminal showed it. -->", code)
    return console.export_svg(title="make demo", code_format=code, unique_id="demo")


# The run


def measure() -> Run:
    samples: list[Sample] = []
    is_over = threading.Event()
    with World(_SCRIPT) as world:
        accounts = world.add_accounts(len(CAMPAIGNS), rate=RATE)
        ids = [
            world.add_campaign([account], people=range(number * 10_000, number * 10_000 + people), name=name)
            for number, (account, (name, people)) in enumerate(zip(accounts, CAMPAIGNS.items(), strict=True))
        ]
        world.start_roles("webhooks", "events", "worker", "beat")
        world.call_simulator("script", {"webhooks": {"callback_url": f"{world.stack.webhooks_url}/webhooks/whatsapp"}})
        watcher = threading.Thread(target=watch, args=(world, samples, is_over), daemon=True)
        watcher.start()
        try:
            world.start_campaigns(ids)
            outage = disturb(world)
            world.await_completed(ids, seconds=_PATIENCE_SECONDS)
            if not wait_until(lambda: samples[-1].delivered == sum(CAMPAIGNS.values()), _PATIENCE_SECONDS):
                raise DevstackError("Some messages were never reported as delivered.")
        finally:
            is_over.set()
            watcher.join()
        log = world.call_simulator("accepted")["accepted"]
    zero = log[0]["monotonic"]
    return Run(
        [
            [entry["monotonic"] - zero for entry in log if entry["account"] == str(FIRST_ACCOUNT + number)]
            for number in range(len(CAMPAIGNS))
        ],
        [Sample(0.0, 0, 0, 0, 0), *(sample._replace(at=sample.at - zero) for sample in samples if sample.at >= zero)],
        find_check(samples, zero),
        (outage[0] - zero, outage[1] - zero),
    )


def watch(world: World, samples: list[Sample], is_over: threading.Event) -> None:
    while not is_over.wait(_SAMPLE_SECONDS):
        stats = world.call_simulator("stats")
        health_requests = stats["accounts"].get(str(FIRST_ACCOUNT + CHECKED), {}).get("health_requests", 0)
        ((delivered, failures),) = world.ask(
            "SELECT (SELECT coalesce(sum(count), 0)::bigint FROM tallies WHERE status IN ('delivered', 'read')),"
            " (SELECT count(*) FROM account_events WHERE kind = 'health_failed')"
        )
        samples.append(Sample(time.monotonic(), stats["accepted"], delivered, health_requests, failures))


def disturb(world: World) -> tuple[float, float]:
    """Stop the receiver of webhooks for a while; return when it stopped, and when it served again."""
    began = time.monotonic()

    def wait_for(seconds: float) -> None:
        time.sleep(max(0.0, began + seconds - time.monotonic()))

    wait_for(WEBHOOKS_STOP_AT)
    stopped_at = time.monotonic()
    world.stop_roles("webhooks")
    wait_for(WEBHOOKS_START_AT)
    world.start_roles("webhooks")
    return stopped_at, time.monotonic()


def find_check(samples: Sequence[Sample], zero: float) -> tuple[float, float]:
    """Return the time of the health check's request (0 if it was before the first message) and of its failure."""
    asked = next(sample for sample in samples if sample.health_requests)
    failed = next(sample for sample in samples if sample.health_failures)
    return max(0.0, asked.at - zero), failed.at - zero


def count_seconds(times: Sequence[float]) -> list[int]:
    counts = Counter(int(at) for at in times)
    return [counts[second] for second in range(int(max(times)) + 1)]


# The pictures

WIDTH, LEFT, RIGHT, TOP = 760, 150, 20, 46
ROW, GAP, BOTTOM = 54, 14, 34
COLOURS = ("#0969da", "#1a7f37", "#8250df")
_STYLE = "text{font:13px system-ui,sans-serif;fill:#1f2328}.note{fill:#59636e;font-size:12px}.title{font-weight:600}"


def draw_rates(
    title: str, rows: Sequence[tuple[str, Sequence[int]]], band: tuple[float, float, str] | None = None
) -> str:
    """Draw a row for each campaign: its messages in each second."""
    end = max(len(counts) for _, counts in rows)
    height = ROW if len(rows) > 1 else 2 * ROW
    top = TOP if band is None else TOP + 20
    full = 1.25 * RATE
    parts = [] if band is None else draw_band(band, end, top, height)
    for number, (name, counts) in enumerate(rows):
        floor = top + number * (height + GAP) + height
        colour = COLOURS[number if len(rows) > 1 else CHECKED]
        steps = "".join(
            f"H{across(second, end)}V{floor - count / full * height:.1f}" for second, count in enumerate(counts)
        )
        parts.append(
            f'<path d="M{LEFT} {floor}{steps}H{across(len(counts), end)}V{floor}Z" fill="{colour}" fill-opacity=".3" '
            f'stroke="{colour}" stroke-width="1.5"/>'
        )
        mean = sum(counts[1:-1]) / len(counts[1:-1])
        parts.append(draw_text(LEFT - 12, floor - height / 2, name, "end"))
        parts.append(draw_text(LEFT - 12, floor - height / 2 + 17, f"{mean:.0f} a second", "end", "note"))
    return draw_card(title, parts, end, top + len(rows) * (height + GAP) - GAP)


def draw_totals(run: Run) -> str:
    """Draw how many messages the API has accepted, and how many of them webhooks have reported as delivered."""
    top, height, full = TOP + 20, 150, sum(CAMPAIGNS.values())
    last = next(number for number, sample in enumerate(run.samples) if sample.delivered == full)
    samples = run.samples[: last + 1]
    end = samples[-1].at + 1
    parts = draw_band((*run.outage, "webhook receiver stopped"), end, top, height)
    lines = (("accepted by the API", [sample.accepted for sample in samples], COLOURS[0], 100),
             ("reported as delivered", [sample.delivered for sample in samples], COLOURS[1], 124))  # fmt: skip
    for name, counts, colour, down in lines:
        points = " ".join(
            f"{across(sample.at, end)},{top + height - count / full * height:.1f}"
            for sample, count in zip(samples, counts, strict=True)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        parts.append(f'<path d="M{WIDTH - 190} {top + down - 4}h22" stroke="{colour}" stroke-width="2.5"/>')
        parts.append(draw_text(WIDTH - 160, top + down, name))
    parts.append(draw_text(LEFT - 12, top + 10, f"{full:,}", "end", "note"))
    parts.append(draw_text(LEFT - 12, top + height, "0", "end", "note"))
    return draw_card(
        "Messages that the API accepted, and that webhooks reported as delivered",
        parts,
        end,
        top + height,
    )


def draw_card(title: str, parts: Sequence[str], end: float, floor: float) -> str:
    """Put a picture on a white card with a time axis, so that it is legible on any background."""
    marks = [draw_text(across(second, end), floor + 18, f"{second} s", "middle", "note")
             for second in range(0, int(end) + 1, 10)]  # fmt: skip
    axis = f'<path d="M{LEFT} {floor}H{WIDTH - RIGHT}" stroke="#818b98"/>'
    height = floor + BOTTOM
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        "<!-- Drawn by `make pictures` (benchmarks/pictures.py) from a real run. -->",
        f"<style>{_STYLE}</style>",
        f'<rect x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="8" fill="#fff" stroke="#d1d9e0"/>',
        draw_text(20, 28, title, kind="title"), *parts, axis, *marks, "</svg>", "",
    ])  # fmt: skip


def draw_band(band: tuple[float, float, str], end: float, top: float, height: float) -> list[str]:
    since, until, label = band
    left, right = across(since, end), across(until, end)
    return [
        f'<rect x="{left}" y="{top}" width="{right - left:.1f}" height="{height}" fill="#ffd8b5" fill-opacity=".7"/>',
        draw_text(left, top - 6, f"{label} ({until - since:.0f} s)", kind="note"),
    ]


def draw_text(x: float, y: float, text: str, anchor: str = "start", kind: str = "") -> str:
    kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{escape(text)}</text>'


def across(seconds: float, end: float) -> float:
    return round(LEFT + seconds / end * (WIDTH - LEFT - RIGHT), 1)


if __name__ == "__main__":
    sys.exit(main())
