"""Hints as commands: each action and each field has one, and the command line takes what is written."""

from __future__ import annotations

import ast
import shlex

import click
import pytest

from campaigns.cli.hints import COMMANDS, OPTIONS, advise, explain, in_commands, write_command
from campaigns.cli.root import main
from campaigns.domain.statement import Entry, Field, Finding, Hint, HintAction, Refusal, Sentence, Severity
from tests.project.sources import read_sources
from tests.support.commands import enter


def find_command(words):
    """The command that these words name, and the words behind its name."""
    command, words = main, list(words)
    while isinstance(command, click.Group):
        command = enter(command, words.pop(0))
    return command, words


def list_options(command):
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}


def parse(hint):
    program, *words = shlex.split(write_command(hint))
    assert program == "revoada"
    return find_command(words)


def test_each_action_has_a_command_and_each_field_an_option():
    assert COMMANDS.keys() == set(HintAction)
    assert OPTIONS.keys() == set(Field)


@pytest.mark.parametrize("action", HintAction)
def test_the_command_of_each_action_exists_and_takes_what_is_written(action):
    command, words = parse(Hint(action, "7"))
    options = [word for word in words if word.startswith("-")]
    assert set(options) <= list_options(command) | {"-h"}
    argument_count = sum(isinstance(parameter, click.Argument) for parameter in command.params)
    assert len([word for word in words if not word.startswith("-")]) - len(options) * ("-h" not in options) <= (
        argument_count
    )


def list_hints(project):
    """The hints of the source that fill in a field, as (place, action, field, whether the field is left empty)."""
    for path, tree in read_sources(project):
        for node in ast.walk(tree):
            arguments = [*node.args, *(each.value for each in node.keywords)] if isinstance(node, ast.Call) else []
            actions = [each.attr for each in arguments if ast.unparse(each).startswith("HintAction.")]
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "self._change":
                actions, arguments = ["CHANGE_CAMPAIGN"], [node]
            for entry in (each for each in arguments if isinstance(each, ast.Call) and actions):
                field, *value = entry.args
                if ast.unparse(field).startswith("Field."):
                    is_empty = bool(value) and ast.unparse(value[0]) == "None"
                    yield f"{path}:{node.lineno}", HintAction[actions[0]], Field[field.attr], is_empty


def test_the_commands_of_the_hints_in_the_source_take_their_options(project):
    hints = list(list_hints(project))
    assert len(hints) > 10
    for path, action, field, is_empty in hints:
        command, _ = parse(Hint(action))
        option = OPTIONS[field].clearing if is_empty else OPTIONS[field].name
        assert option in list_options(command), (path, action, field)


CHANGE = HintAction.CHANGE_CAMPAIGN


@pytest.mark.parametrize(
    ("hint", "command"),
    [
        (Hint(HintAction.LIST_ACCOUNTS), "revoada account list"),
        (Hint(HintAction.START_CAMPAIGN, 7), "revoada campaign start 7"),
        (Hint(HintAction.START_CAMPAIGN), "revoada campaign start ID"),
        (Hint(HintAction.ACTIVATE_ACCOUNT, "black friday"), "revoada account activate 'black friday'"),
        (Hint(HintAction.CHANGE_ACCOUNT, "sales", Entry(Field.TOKEN)), "revoada account set sales --token-stdin"),
        (Hint(CHANGE, 7, Entry(Field.TEMPLATE)), "revoada campaign set 7 --template NAME:LANG"),
        (Hint(CHANGE, 7, Entry(Field.WINDOW, "08:00-20:00")), "revoada campaign set 7 --window 08:00-20:00"),
        (Hint(CHANGE, 7, Entry(Field.WINDOW, None)), "revoada campaign set 7 --no-window"),
    ],
)
def test_a_hint_as_a_command(hint, command):
    assert write_command(hint) == command


def test_hints_stand_in_backticks_and_fields_as_options():
    columns = [Entry(Field.COLUMN, "nome=Primeiro nome"), Entry(Field.COLUMN), Entry(Field.VALUE, "file name")]
    values = {"change": Hint(CHANGE, 7), "zones": Entry(Field.RECIPIENT_ZONES, None), "columns": columns}
    written = in_commands(Refusal("x", "{change}, or {zones}; {columns}", **values))
    fields = "--no-recipient-timezone; --map 'nome=Primeiro nome' --map --set 'file name=VALUE'"
    assert written == f"`revoada campaign set 7`, or {fields}"
    finding = Finding("x", Severity.NOTE, "", "Run {migrate}.", migrate=Hint(HintAction.MIGRATE))
    assert advise(finding) == "Run `revoada migrate`."


def test_an_error_that_is_no_refusal_is_explained_by_its_own_words():
    assert explain(OSError("away")) == "away"
    assert explain(Refusal("x", "Run {migrate}.", migrate=Hint(HintAction.MIGRATE))) == "Run `revoada migrate`."


def test_a_sentence_without_places_stays_as_it_is():
    assert in_commands(Sentence("Start the role `beat` of the Procfile.")) == "Start the role `beat` of the Procfile."
