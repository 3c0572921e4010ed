"""The report of a benchmark: a table in the terminal, the same figures as JSON, and the exit code."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Column, Table

RESULTS = Path(os.environ.get("BENCH_RESULTS") or Path(__file__).parent / "results")
_UNITS = {"_cpu": "CPU ms/1,000", "_mb": "MB", "_ms": "ms", "_seconds": "s", "_per_second": "per s"}
_WIDEST = 200


class Report:
    """Rows of figures, goals for the speed (reached or missed), and checks of correctness, which must all hold.

    Columns with the name `…_cpu` are CPU milliseconds per 1,000 messages, rows or statuses; `…_mb` are peaks of memory.
    """

    def __init__(self, name: str, title: str, **size: float) -> None:
        self.name, self.title, self.size = name, title, size
        self.rows: dict[str, dict[str, Any]] = {}
        self.goals: dict[str, bool] = {}
        self.ratios: dict[str, float] = {}
        self.checks: dict[str, bool] = {}
        self.notes: list[str] = []
        self._load_before = os.getloadavg()[0]

    def add(self, what: str, figures: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Add a row, or more figures to a row. Each figure is a column, which other rows may lack."""
        self.rows.setdefault(what, {}).update({**(figures or {}), **more})

    def goal(self, sentence: str, is_reached: bool) -> None:  # noqa: FBT001  a call reads like a sentence
        self.goals[sentence] = is_reached

    def goal_ratio(self, sentence: str, ratio: float, *, most: float = math.inf, least: float = 0.0) -> None:
        """Add a goal for the ratio of two figures of the same run, so that the speed of the machine cancels out.

        The sentence names the limit. The ratio is printed behind it.
        """
        self.ratios[sentence] = ratio
        self.goal(sentence, least <= ratio <= most)

    def check(self, sentence: str, is_good: bool) -> None:  # noqa: FBT001
        """Add a check. The run fails unless all checks are good."""
        self.checks[sentence] = is_good

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)

    @property
    def is_good(self) -> bool:
        return all(self.checks.values())

    def finish(self) -> int:
        """Print the report, write it to results/<name>.json, and return the exit code."""
        console = Console(highlight=False)
        console.width = max(console.width, _WIDEST)  # a wrapped table is harder to read than one that scrolls
        size = ", ".join(f"{name} {value:,}" for name, value in self.size.items())
        load = [round(self._load_before, 1), round(os.getloadavg()[0], 1)]
        console.print(
            f"\n[bold]{self.name}[/]: {self.title}\n{size}; {os.cpu_count()} cores, load {load[0]} to {load[1]}"
        )
        console.print(self._make_table())
        for sentence in self.notes:
            console.print(f"  {sentence}")
        for sentence, is_reached in self.goals.items():
            ratio = f" ({self.ratios[sentence]:.2f})" if sentence in self.ratios else ""
            console.print(f"  {'[green]reached[/]' if is_reached else '[yellow]missed[/] '}  {sentence}{ratio}")
        for sentence, is_good in self.checks.items():
            console.print(f"  {'[green]correct[/]' if is_good else '[red]WRONG[/]  '}  {sentence}")
        RESULTS.mkdir(exist_ok=True)
        document = {"title": self.title, "size": self.size, "cores": os.cpu_count(), "load": load, "rows": self.rows,
                    "goals": self.goals, "ratios": self.ratios, "checks": self.checks, "notes": self.notes}  # fmt: skip
        (RESULTS / f"{self.name}.json").write_text(json.dumps(document, indent=2), encoding="utf-8")
        return 0 if self.is_good else 1

    def _make_table(self) -> Table:
        columns = list(dict.fromkeys(column for figures in self.rows.values() for column in figures))
        table = Table(Column("", no_wrap=True), box=box.SIMPLE_HEAD)
        for column in columns:
            table.add_column(_heading(column), justify="right", no_wrap=True)
        for what, figures in self.rows.items():
            table.add_row(what, *(_write(figures.get(column)) for column in columns))
        return table


def _heading(column: str) -> str:
    for end, unit in _UNITS.items():
        if column.endswith(end):
            return f"{column.removesuffix(end).replace('_', ' ')}\n{unit}"
    return column.replace("_", " ").replace("cpu", "CPU")


def _write(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.1f}" if abs(value) >= 10 else f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
