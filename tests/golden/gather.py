"""Gathers what users and operators see of Revoada: each function returns the text of one golden file."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import inspect
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from celery import Celery
from click.testing import CliRunner

from campaigns.cli.root import main
from campaigns.config import Settings
from campaigns.domain.failures import OWN_FAILURES, ROWS
from campaigns.domain.verdict import Action, Failure, Scope
from tests.project.sources import list_statements
from tests.support.commands import enter

PACKAGES = ("campaigns", "webhooks", "console", "api")
WIDTH = "100"
EXPECTED = Path(__file__).parent / "expected"


def compare(name: str, text: str) -> None:
    """Compare with a golden file. `make golden` writes all of them anew; the commit shows what changed."""
    file = EXPECTED / f"{name}.txt"
    if os.environ.get("WRITE_GOLDEN"):
        file.write_text(text, "utf-8")
    before = file.read_text("utf-8").splitlines()
    changes = difflib.unified_diff(before, text.splitlines(), "before", "now", lineterm="")
    assert not (shown := "\n".join(changes)), f"{name} changed; if it should: make golden\n{shown}"


def compare_section(page: Path, name: str, text: str) -> None:
    """Compare with the part of a page between two comments that bear the name. `make golden` writes that part anew."""
    begin, end = f"<!-- {name}: written by `make golden` -->\n\n", f"\n<!-- end of {name} -->\n"
    before, _, rest = page.read_text("utf-8").partition(begin)
    section, found, after = rest.partition(end)
    assert found, f"{page.name} has no comments around {name}"
    if os.environ.get("WRITE_GOLDEN"):
        page.write_text(f"{before}{begin}{text}{end}{after}", "utf-8")
        section = text
    changes = difflib.unified_diff(section.splitlines(), text.splitlines(), "before", "now", lineterm="")
    assert not (shown := "\n".join(changes)), f"{name} changed; if it should: make golden\n{shown}"


def list_commands(
    command: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """List a command and all commands below it, each with the words that a person types after `revoada`."""
    yield path, command
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from list_commands(enter(command, name), (*path, name))


def gather_help() -> str:
    """Return the help of every command."""
    pages = []
    for path, command in list_commands(main):
        command._help_option = None  # click keeps that of the first context, which may be another test's
        result = CliRunner().invoke(main, [*path, "--help"], prog_name="revoada", env={"COLUMNS": WIDTH})
        assert result.exit_code == 0, result.output
        pages.append(f"$ {' '.join(('revoada', *path, '--help'))}\n{result.output}")
    return "\n".join(pages)


def gather_options() -> str:
    """Return every command with its arguments and options: names, type, default, and whether it is required."""
    lines = []
    for path, command in list_commands(main):
        lines.append(" ".join(("revoada", *path)))
        for parameter in command.params:
            names = " ".join([*parameter.opts, *parameter.secondary_opts])
            is_flag = isinstance(parameter, click.Option) and parameter.is_flag
            facts = ["flag" if is_flag else parameter.type.name]
            facts += ["required"] * parameter.required + ["repeated"] * parameter.multiple
            facts += [f"{parameter.nargs} values"] * (parameter.nargs != 1)
            lines.append(f"    {names}: {', '.join(facts)}")
    return "\n".join(lines) + "\n"


def gather_settings() -> str:
    """Return the environment variables, with their types and defaults."""
    lines = []
    for field in dataclasses.fields(Settings):
        variable = field.metadata.get("variable", field.name)
        lines.append(f"{variable}: {field.type} = {field.default!r}")
    return "\n".join(lines) + "\n"


def gather_tasks(app: Celery) -> str:
    """Return the tasks with signature and options, their queues, and beat's schedule."""
    app.loader.import_default_modules()
    lines = []
    for name in sorted(each for each in app.tasks if not each.startswith("celery.")):
        task = app.tasks[name]
        signature = inspect.signature(task.run)
        options = ("acks_late", "ignore_result", "max_retries", "rate_limit", "reject_on_worker_lost", "serializer")
        lines.append(f"{name}{signature}")
        lines += [f"    {option} = {getattr(task, option)!r}" for option in options]
        lines.append(f"    route = {app.conf.task_routes.get(name)}")
    for queue in app.conf.task_queues:
        exchange = queue.exchange
        lines.append(f"queue {queue.name}: exchange {exchange.name} ({exchange.type}), key {queue.routing_key}")
    for name, entry in sorted(app.conf.beat_schedule.items()):
        lines.append(f"beat {name}: {entry['task']} every {entry['schedule'].run_every.total_seconds():g} s")
    return "\n".join(lines) + "\n"


def gather_failures() -> str:
    """Return the failure table as Markdown. Consecutive codes whose rows are equal but for the code share a line."""
    lines: list[tuple[str, str]] = []
    rows = sorted((*OWN_FAILURES.values(), *ROWS), key=lambda row: row.code)
    # The difference of a code and its place is the same for all codes that follow each other without a gap.
    for _, group in itertools.groupby(enumerate(rows), lambda each: (each[1].code - each[0], _spell_failure(each[1]))):
        first, *others = (row for _, row in group)
        codes = f"{first.code} to {others[-1].code}" if others else str(first.code)
        lines.append((codes, _spell_failure(first)))
    heading = "| code | meaning | blame | action | retry class | also |\n|---|---|---|---|---|---|\n"
    return heading + "".join(f"| {codes} | {text} |\n" for codes, text in lines)


def _spell_failure(row: Failure) -> str:
    besides = []
    if row.max_attempts is not None:
        besides.append(f"at most {row.max_attempts} attempts")
    if row.cooldown_seconds:
        name = "next attempt after" if row.action is Action.RETRY else "first cooldown"
        besides.append(f"{name} {row.cooldown_seconds:,.0f} s")
    if row.later_seconds:
        besides.append(f"`retry` not before {row.later_seconds:,.0f} s have passed")
    if row.action is Action.WAIT_TEMPLATE:
        besides.append(f"the template becomes `{row.template_status}`")
    if row.scope is Scope.CATEGORY:
        besides.append(f"about one category: {row.category or 'that of the template'}")
    retry = f"`{row.retry}`" if row.retry else ""
    return " | ".join([row.meaning, str(row.blame), f"`{row.action}`", retry, ", ".join(besides)])


def gather_log_events(project: Path) -> str:
    """Return the log events with the names of the values that are bound to them, read from the source.

    An event is a call of `event(name, value=…)`. The values behind `**` cannot be read from the source.
    """
    found: dict[str, set[str]] = {}
    for package in PACKAGES:
        for file in sorted((project / package).rglob("*.py")):
            for name, bound in _find_events(ast.parse(file.read_text("utf-8"))):
                found.setdefault(name, set()).update(bound)
    return "".join(f"{name}: {', '.join(sorted(found[name]))}".rstrip() + "\n" for name in sorted(found))


def _find_events(tree: ast.AST) -> Iterator[tuple[str, set[str]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "event":
            first = node.args[0] if node.args else None
            assert first is not None
            bound = {keyword.arg or "**" for keyword in node.keywords}
            yield (first.value if isinstance(first, ast.Constant) else f"({ast.unparse(first)})"), bound
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "event" and isinstance(value, ast.Constant):
                    yield value.value, set()


def gather_statements(project: Path) -> str:
    """Return the refusals and findings: code, kind and texts, read from the source."""
    made = [each for each in list_statements(project) if each.code not in {"", "code"}]
    found = {f"{each.code} ({each.kind}): {' | '.join(each.texts)}" for each in made}
    return "\n".join(sorted(found)) + "\n"


def outline(value: Any) -> str:
    """Return the keys of a JSON document, one path a line, with the types that occur there."""
    found: dict[str, set[str]] = {}
    _note_keys(value, "", found)
    return "".join(f"    {path or '.'}: {' | '.join(sorted(found[path]))}\n" for path in sorted(found))


def _note_keys(value: Any, path: str, found: dict[str, set[str]]) -> None:
    if isinstance(value, dict):
        for key, each in value.items():
            _note_keys(each, f"{path}.{key}", found)
    elif isinstance(value, list):
        found.setdefault(path + "[]", set())
        for each in value:
            _note_keys(each, path + "[]", found)
    else:
        found.setdefault(path, set()).add("null" if value is None else type(value).__name__)
