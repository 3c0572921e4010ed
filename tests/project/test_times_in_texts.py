"""No example of a time in help, refusals or documents is a date, because each date passes one day."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from campaigns.cli.root import main
from tests.project.test_docs import mentioned
from tests.support.commands import enter

CAMPAIGNS = Path(__file__).resolve().parent.parent.parent / "campaigns"
DATE = re.compile(r"\b(?:19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}|\b[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}\b")


def helps(command: click.Command, name: str) -> Iterator[tuple[str, str]]:
    """Yield the help of a command and of the commands below it, each with the name of its command."""
    with click.Context(command, info_name=name) as context:
        yield name, command.get_help(context)
        if isinstance(command, click.Group):
            for word in command.list_commands(context):
                yield from helps(enter(command, word), f"{name} {word}")


def literals(path: Path) -> Iterator[str]:
    """Yield the strings of a module, except docstrings."""
    tree = ast.parse(path.read_text())
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


@pytest.mark.parametrize("text", ["--schedule-at 2026-11-27T09:00", "such as 01/12/2026 09:00"])
def test_a_date_is_found(text):
    assert DATE.search(text)


def test_no_help_has_a_date():
    found = dict(helps(main, "revoada"))
    assert "revoada campaign create" in found
    assert [name for name, text in found.items() if DATE.search(text)] == []


def test_no_text_of_the_code_has_a_date():
    found = [(path.name, text) for path in CAMPAIGNS.rglob("*.py") for text in literals(path) if DATE.search(text)]
    assert found == []


def test_no_command_of_a_document_has_a_date():
    calls = list(mentioned("revoada"))
    assert any("--schedule-at" in call for call in calls)
    assert [call for call in calls if DATE.search(call)] == []
