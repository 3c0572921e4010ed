"""Reads the source of Revoada: its strings, and the refusals, findings and sentences that it makes."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("campaigns", "webhooks")

# What makes a statement, with the number of the arguments before its texts.
_MAKERS = {
    "Sentence": 0,
    "Refusal": 1,
    "RecipientsError": 1,
    "TemplateError": 1,
    "SettingsError": 1,
    "ForgettingError": 1,
    "conflict": 1,
    "Finding": 2,
    "_add_finding": 2,
    "warn": 1,
}
# The kind that a maker has by itself.
_KINDS = {"Finding": "conflict", "_add_finding": "conflict", "warn": "conflict", "conflict": "conflict", "Sentence": ""}
# Values that the maker adds itself.
_ADDED = {
    **{maker: {"campaign_id"} for maker in ("Finding", "_add_finding", "warn")},
    "conflict": {"id", "name", "status"},
}


@dataclass(frozen=True)
class Made:
    """A statement that the source makes.

    `code` and `kind` are source text where they are no constants, and "" for a sentence. `names`: those of the values,
    None where the source does not name them all.
    """

    path: Path
    line: int
    maker: str
    code: str
    kind: str
    texts: tuple[str, ...]
    has_computed_text: bool
    names: frozenset[str] | None


def read_sources(project: Path) -> Iterator[tuple[Path, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((project / package).rglob("*.py")):
            yield path.relative_to(project), ast.parse(path.read_text("utf-8"))


def list_strings(tree: ast.AST) -> Iterator[ast.Constant]:
    """List the strings of a source, but not its docstrings."""
    docstrings = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            docstrings.add(node.body[0].value)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
            yield node


def list_unmarked(path: Path, known: Collection[str]) -> Iterator[str]:
    """List the strings of a source that look like a text for people, and are not in `known`.

    Errors, assertions, lines of the log and regular expressions are left out.
    """
    tree = ast.parse(path.read_text("utf-8"))
    hidden = set()
    for node in ast.walk(tree):
        is_call = isinstance(node, ast.Call) and ast.unparse(node.func).startswith(("_log.", "log.", "re.compile"))
        if is_call or isinstance(node, ast.Raise | ast.Assert):
            hidden.update(ast.walk(node))
    for each in list_strings(tree):
        if each not in hidden and each.value not in known and re.search("[A-Za-z]{2,} [a-z]{2,}", each.value):
            yield each.value


def list_statements(project: Path) -> Iterator[Made]:
    for path, tree in read_sources(project):
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        bases = dict(_list_calls_of_bases(tree))
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            maker = bases.get(node, _name(node.func))
            if len(node.args) > _MAKERS.get(maker, len(node.args)):
                inside = [each for each in functions if each.lineno <= node.lineno <= (each.end_lineno or 0)]
                yield _read(path, node, maker, [tree, *inside])


def _list_calls_of_bases(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    """List the calls of `super().__init__` in a class that is a kind of statement, each with the maker it calls."""
    for made in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        makers = [_name(base) for base in made.bases if _name(base) in _MAKERS]
        for node in ast.walk(made) if makers else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "super().__init__":
                yield node, makers[0]


def _read(path: Path, call: ast.Call, maker: str, scopes: list[ast.AST]) -> Made:
    code = call.args[0] if _MAKERS[maker] else ast.Constant("")
    texts = [each for arg in call.args[_MAKERS[maker] :] for each in _list_texts(arg, call.lineno, scopes)]
    kinds = [ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "kind"]
    names = {keyword.arg for keyword in call.keywords if keyword.arg} | _ADDED.get(maker, set())
    return Made(
        path,
        call.lineno,
        maker,
        str(code.value) if isinstance(code, ast.Constant) else ast.unparse(code),
        kinds[0].removeprefix("Kind.").lower() if kinds else _KINDS.get(maker, "invalid"),
        tuple(str(each.value) for each in texts if isinstance(each, ast.Constant)),
        any(isinstance(each, ast.JoinedStr) for each in texts),
        None if any(keyword.arg is None for keyword in call.keywords) else frozenset(names),
    )


def _list_texts(node: ast.AST, line: int, scopes: list[ast.AST]) -> Iterator[ast.AST]:
    """List the possible values of an argument: a constant, one of two, or a constant that has a name in a scope."""
    if isinstance(node, ast.IfExp):
        yield from _list_texts(node.body, line, scopes)
        yield from _list_texts(node.orelse, line, scopes)
    elif isinstance(node, ast.Name):
        for scope in reversed(scopes):
            given = [
                each for each in ast.walk(scope) if isinstance(each, ast.Assign) and _name(each.targets[0]) == node.id
            ]
            if given:
                before = [each for each in given if each.lineno < line] or given
                yield from _list_texts(max(before, key=lambda each: each.lineno).value, line, scopes)
                return
    else:
        yield node


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
