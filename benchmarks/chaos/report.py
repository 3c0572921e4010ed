"""The report of a chaos run: tables and errors in the terminal, and the same as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.chaos.people import PeopleResult, count_kinds
from benchmarks.chaos.run import Outcome, Size

_SHOWN = 20


def print_report(outcome: Outcome, size: Size, console: Console) -> None:
    """Print the faults by kind, the results of all people, memory and connections over time, and all errors."""
    console.print(_faults_table(outcome))
    console.print(_people_table(outcome.account))
    console.print(_use_table(outcome.samples))
    console.print(
        f"seed {size.seed}: {len(outcome.faults)} faults in {outcome.seconds:.0f} s, "
        f"{outcome.restarts} roles started again, "
        f"{outcome.campaigns} campaigns; all complete and settled {outcome.drain_seconds:.0f} s after the last fault"
    )
    people = outcome.account
    for what, found in (
        ("accepted twice", people.twice),
        ("lost", people.lost),
        ("differs from the simulator", people.wrong),
        ("uncertain, and no fault explains it", people.unexplained),
        ("problem", outcome.problems),
    ):
        for each in found[:_SHOWN]:
            console.print(f"{what}: {each}", style="red", markup=False)
        if len(found) > _SHOWN:
            console.print(f"{what}: and {len(found) - _SHOWN} more", style="red")


def to_json(outcome: Outcome, size: Size) -> dict[str, Any]:
    """Return the result as a JSON document, with counts of the faults instead of a list."""
    recoveries = {kind: {"p50": median(found), "max": max(found)} for kind, found in outcome.recoveries.items()}
    return {
        "size": asdict(size),
        "is_good": outcome.is_good,
        "faults": dict(count_kinds(outcome.faults)),
        "recovery_seconds": recoveries,
        "account": asdict(outcome.account),
        "problems": outcome.problems,
        "use": {
            name: dict(zip(("first", "last", "most"), found, strict=True)) for name, found in _use(outcome.samples)
        },
        "campaigns": outcome.campaigns,
        "seconds": outcome.seconds,
        "drain_seconds": outcome.drain_seconds,
        "role_restarts": outcome.restarts,
    }


def _faults_table(outcome: Outcome) -> Table:
    table = Table("fault", "times", "went on after, p50 s", "max s", title="Faults")
    for column in table.columns[1:]:
        column.justify = "right"
    for kind, count in sorted(count_kinds(outcome.faults).items()):
        found = outcome.recoveries.get(kind, [])
        table.add_row(kind, str(count), *([f"{median(found):.1f}", f"{max(found):.1f}"] if found else ["", ""]))
    every = [seconds for found in outcome.recoveries.values() for seconds in found]
    if every:
        table.add_section()
        table.add_row("all", str(len(outcome.faults)), f"{median(every):.1f}", f"{max(every):.1f}")
    return table


def _people_table(people: PeopleResult) -> Table:
    table = Table("recipients", "", title="People, by the simulator's counts")
    table.columns[1].justify = "right"
    for name, count in (
        ("in all", people.recipients),
        ("accepted once", people.once),
        ("accepted twice", len(people.twice)),
        ("not accepted, failed", people.refused),
        ("not accepted, uncertain", people.never),
        ("not accepted, other status: lost", len(people.lost)),
        ("status differs from the simulator", len(people.wrong)),
    ):
        table.add_row(name, f"{count:,}")
    table.add_section()
    for name, count in (
        ("became uncertain", people.doubts),
        ("  whose request had arrived", people.doubts_on_the_wire),
        ("  whose request never arrived", people.doubts_never_on_the_wire),
        ("  settled by webhooks", people.doubts_settled),
        ("  that no fault explains", len(people.unexplained)),
    ):
        table.add_row(name, f"{count:,}")
    return table


def _use_table(samples: list[tuple[float, dict[str, float]]]) -> Table:
    table = Table("", "first third", "last third", "most", title="Memory and connections (median of samples)")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, found in _use(samples):
        table.add_row(name, *(f"{value:,.0f}" for value in found))
    return table


def _use(samples: list[tuple[float, dict[str, float]]]) -> Iterable[tuple[str, tuple[float, float, float]]]:
    names = sorted({name for _, sample in samples for name in sample})
    third = max(len(samples) // 3, 1)
    for name in names:
        first, last, every = (
            [sample[name] for _, sample in part if name in sample]
            for part in (samples[:third], samples[-third:], samples)
        )
        if first and last:
            yield name, (median(first), median(last), max(every))
