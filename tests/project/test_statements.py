"""Refusals and findings are values, with a code and a value for each place; commands stand in `cli` only."""

from __future__ import annotations

import re
from string import Formatter

from tests.golden.gather import list_commands, main
from tests.project.sources import list_statements, list_strings, read_sources

_PATHS = [" ".join(path) for path, _ in list_commands(main) if path]
# `revoada campaign`, an option, or the words of a command alone in backticks.
COMMAND = re.compile(rf"\brevoada [a-z]|(?<![\w-])--[a-z]|`(?:{'|'.join(map(re.escape, _PATHS))})[ `]")


def test_the_pattern_finds_commands_and_options():
    for text in ("see `revoada account list`", "revoada up", " --map", "`campaign set` gives", "`check-setup`"):
        assert COMMAND.search(text), text
    for text in ("Revoada slows down", "revoada-1", "a -- b", "the role `worker`", "`make up` starts all"):
        assert not COMMAND.search(text), text


def test_no_string_outside_the_command_line_names_a_command_or_an_option(project):
    found = [
        f"{path}:{string.lineno}: {string.value}"
        for path, tree in read_sources(project)
        if path.parts[:2] != ("campaigns", "cli")
        for string in list_strings(tree)
        if COMMAND.search(string.value)
    ]
    assert not found, "\n".join(found)


def test_each_place_of_a_text_has_a_value(project):
    made = list(list_statements(project))
    assert len(made) > 150
    for each in made:
        places = {name for text in each.texts for _, name, _, _ in Formatter().parse(text) if name is not None}
        assert not each.has_computed_text, each
        assert each.names is None or places <= each.names, each


def test_a_code_is_a_name_in_snake_case(project):
    codes = [each.code for each in list_statements(project) if each.code]
    fixed = [code for code in codes if not re.search(r"['\".(]", code)]
    assert len(fixed) > 100
    assert [code for code in fixed if not re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", code)] == []
