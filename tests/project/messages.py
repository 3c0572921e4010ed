"""Gathers the texts that are translated, and writes the catalogues: `make messages` runs this module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import StrEnum
from importlib.metadata import EntryPoint
from pathlib import Path
from string import Formatter
from typing import get_args

import click
from babel.messages import Catalog

from campaigns.cli.help import split_help
from campaigns.cli.hints import _ARGUMENTS, OPTIONS
from campaigns.cli.root import COMMANDS, load_command
from campaigns.cli.root import main as revoada
from campaigns.config import Settings
from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.failures import (
    BEYOND_CAP,
    LEFT_AUDIENCE,
    OWN_FAILURES,
    ROWS,
    explain_failure,
    explain_uncertain,
    find_failure,
)
from campaigns.domain.message import Status
from campaigns.domain.optout.recognition import Source
from campaigns.domain.pacing import Reason
from campaigns.domain.schedule import DAYS
from campaigns.domain.template import MediaKind, ParameterFormat, TemplateStatus
from campaigns.domain.verdict import FAULTS
from campaigns.language import DOMAIN, DURATIONS, EVENT, FOLDER, METAVAR, PORTUGUESE
from campaigns.logs import LOG, STORY
from campaigns.store.accounts import Kind
from campaigns.store.database import PoolerError
from campaigns.store.optouts.reviews import Decision
from simulator.__main__ import _SHORT
from simulator.config import Webhooks, list_keys
from tests.golden.gather import list_commands
from tests.project.sources import list_statements
from tests.support.catalogues import update_catalogue

PROJECT = Path(__file__).resolve().parent.parent.parent
PO = FOLDER / PORTUGUESE / "LC_MESSAGES" / f"{DOMAIN}.po"
_PACKAGES = ("campaigns", "devstack", "simulator")
# The classes whose values people read as words.
_WORDS: tuple[type[StrEnum], ...] = (
    *(CampaignStatus, Reason, Status, TemplateStatus),
    *(Decision, MediaKind, ParameterFormat, Source),
)
_COUNTS = ("count", "Count")
# The texts of argparse that `revoada simulate` can show. argparse has other texts in other versions of Python.
_OF_ARGPARSE = (
    "usage: ",
    "options",
    "show this help message and exit",
    "%(prog)s: error: %(message)s\n",
    "unrecognized arguments: %s",
    "expected one argument",
    "argument %(argument_name)s: %(message)s",
    "invalid %(type)s value: %(value)r",
    "ignored explicit argument %r",
)
# Names of values that are written in lower case, because a person may type them as they are.
_WORDS_FOR_VALUES = {"mon-fri"}


# A code and an HTTP status for each kind of an unlisted code.
_UNLISTED = ((9, 503), (132_999, 400), (133_999, 400), (9, 500), (9, 400))


@dataclass(frozen=True, order=True)
class Text:
    """A text of the source. `many`: its English plural, "" if it has none."""

    one: str
    many: str = ""
    context: str = ""


def gather() -> Catalog:
    catalog = Catalog(project="Revoada", charset="utf-8")
    for text in sorted({*_list_texts()}):
        if _has_words(text.one):
            catalog.add((text.one, text.many) if text.many else text.one, context=text.context or None)
    return catalog


def _has_words(text: str) -> bool:
    """Tell whether a text has letters outside its places. A text such as `{name}: {text}` needs no translation."""
    try:
        literals = [literal for literal, *_place in Formatter().parse(text)]
    except ValueError:  # a text of click's that is no format, or an example with braces
        literals = [text]
    return any(map(str.isalpha, "".join(literals)))


def _list_texts() -> Iterator[Text]:
    for made in list_statements(PROJECT):
        yield from map(Text, made.texts)
    for path in (path for package in _PACKAGES for path in sorted((PROJECT / package).rglob("*.py"))):
        tree = ast.parse(path.read_text("utf-8"))
        yield from _list_marked(tree)
        yield from _list_story(tree)
    for words in _WORDS:
        yield from (Text(str(word), context=words.__name__) for word in words)
    for status in TemplateStatus:  # a refusal has the status of a template as a word
        yield from (Text(str(status)), Text(status.replace("_", " ")))
    unlisted = [explain_failure(None), *(find_failure(code, http_status=status) for code, status in _UNLISTED)]
    for row in (*OWN_FAILURES.values(), *ROWS, explain_uncertain(None), *unlisted):
        yield from (Text(row.meaning), Text(row.advice.text))
    yield Text(BEYOND_CAP)
    yield Text(LEFT_AUDIENCE)
    yield from (Text(spec.metadata["help"].text) for spec in fields(Settings))
    yield from (Text(text) for _, _, text in DURATIONS)
    yield from (Text(fault) for fault in FAULTS.values())
    yield from (Text(kind, context=EVENT) for kind in get_args(Kind))
    yield Text(str(PoolerError()))  # it reaches a command as a line of the log of the pool
    yield from (Text(day) for day in DAYS)
    yield Text("required")  # click has this text in a variable
    yield from _list_help()
    yield from (Text(note) for name, (_, note) in list_keys(Webhooks).items() if name not in _SHORT)
    yield from map(Text, _OF_ARGPARSE)
    yield from _list_texts_of_click()


def _list_marked(tree: ast.AST) -> Iterator[Text]:
    """List the texts of a source that a call translates, and the nouns of its counts."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name, given = _name(node.func), [_read(each) for each in node.args]
        if name in {"_", "_answer", "deferred", "translate", "Word"} and node.args:
            first = node.args[0]
            choices = (first.body, first.orelse) if isinstance(first, ast.IfExp) else (first,)
            yield from (Text(text) for text in map(_read, choices) if text)
        elif name == "plural" and len(given) > 2 and given[0] and given[1]:
            yield Text(given[0], given[1])
        elif name in _COUNTS and len(given) == 2 and given[1]:
            yield Text(f"{{number}} {given[1]}", f"{{number}} {given[1]}s")


def _list_story(tree: ast.AST) -> Iterator[Text]:
    """List the sentences that are logged in the same function as an event of the story."""
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
        if any(_name(each.func) == "event" and each.args and _read(each.args[0]) in STORY for each in calls):
            for each in (each for each in calls if ast.unparse(each.func).startswith("_log.") and each.args):
                sentence = _read(each.args[1 if ast.unparse(each.func) == "_log.log" else 0])
                if sentence:
                    yield Text(sentence, context=LOG)


def _list_help() -> Iterator[Text]:
    yield from (Text(sentence) for _, sentence in COMMANDS.values())  # the list of commands has one sentence of each
    missing = load_command(EntryPoint("demo", "package_that_is_missing:demo", "revoada.commands"))
    for _, command in (*list_commands(revoada), ("", missing)):
        ctx = click.Context(command)
        yield from (Text(part) for each in (command.help, command.short_help) for _, part, _ in split_help(each or ""))
        yield Text(command.options_metavar or "", context=METAVAR)
        if isinstance(command, click.Group):
            yield Text(command.subcommand_metavar, context=METAVAR)
        for parameter in command.params:
            is_flag = isinstance(parameter, click.Option) and parameter.is_flag
            metavar = parameter.make_metavar(ctx)
            if not is_flag and (any(map(str.isupper, metavar)) or metavar in _WORDS_FOR_VALUES):
                yield Text(metavar, context=METAVAR)
            yield from (Text(part) for _, part, _ in split_help(getattr(parameter, "help", None) or ""))
    yield from (Text(each, context=METAVAR) for each in (*_ARGUMENTS.values(), "COLUMN", "VALUE"))
    yield from (Text(option.metavar, context=METAVAR) for option in OPTIONS.values() if not option.metavar.islower())


def _list_texts_of_click() -> Iterator[Text]:
    for path in sorted(Path(click.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                given = [_read(each) for each in node.args]
                if node.func.id == "_" and given[0]:
                    yield Text(given[0])
                elif node.func.id == "ngettext" and given[0]:
                    yield Text(given[0], given[1])


def _read(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


if __name__ == "__main__":
    update_catalogue(PO, gather())
