"""The statements in the SQL files: each has one name, is used, and is valid SQL by itself."""

from __future__ import annotations

import ast
import re

import pytest

from campaigns.store import database as store
from campaigns.store.database import query

NAME_LINE = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
NAMES = sorted(store._load_queries())
# Not statements that Postgres can prepare: these are executed.
EXECUTED = (
    "allow_idle_transaction", "allow_long_statements", "analyze_messages", "commit_lazily", "copy_recipients",
    "drop_staged", "lock_forgotten", "lock_takes", "make_migrations", "make_replaced_people", "read_one_snapshot",
    "stage_recipients",
)  # fmt: skip


class UndoneError(Exception):
    """Takes back what the transaction did."""


@pytest.mark.parametrize("name", [name for name in NAMES if name not in EXECUTED])
def test_postgres_can_prepare_each_statement_by_itself(database, name):
    def work(connection):
        connection.execute(query("stage_recipients"))
        connection.execute(query("make_replaced_people"))
        names = []

        def number(found):
            if found[1] not in names:
                names.append(found[1])
            return f"${names.index(found[1]) + 1}"

        text = re.sub(r"%\((\w+)\)s", number, query(name).decode()).replace("%%", "%")
        connection.execute(f"PREPARE {name} AS {text}")
        connection.execute(f"DEALLOCATE {name}")
        raise UndoneError

    with pytest.raises(UndoneError):
        database.run(work)


def test_the_others_can_be_executed(database):
    def work(connection):
        # The statement that must be the first of its transaction comes first.
        first = ["read_one_snapshot", "stage_recipients"]
        for name in [*first, *(each for each in EXECUTED if each not in first), "stage_recipients"]:
            if name == "copy_recipients":
                with connection.cursor() as cursor, cursor.copy(query(name)):
                    pass
            else:
                connection.execute(query(name))
        raise UndoneError

    with pytest.raises(UndoneError):
        database.run(work)


def test_a_name_stands_for_one_statement_and_each_is_used(project):
    folder = project / "campaigns" / "store"
    written = [
        name
        for file in folder.rglob("*.sql")
        for name in re.findall(r"^-- name: (\w+)$", file.read_text(), re.MULTILINE)
    ]
    assert sorted(written) == NAMES
    used = {text for file in folder.rglob("*.py") for text in re.findall(r'"(\w+)"', file.read_text())}
    assert set(NAMES) <= used


def test_no_statement_stands_in_python(project):
    files = [*(project / "campaigns").rglob("*.py"), *(project / "webhooks").rglob("*.py")]
    calls = [(file, node) for file in files for node in ast.walk(ast.parse(file.read_text())) if is_execution(node)]
    assert calls
    for file, node in calls:
        assert not any(isinstance(each, ast.Constant | ast.JoinedStr) for each in node.args), (file, node.lineno)


def is_execution(node):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"execute", "copy"}


def test_both_claims_begin_and_end_alike():
    """They are written whole, so that each can be read and run alone; what they share is held equal here."""
    one, other = (query(name).decode() for name in ("claim_messages", "claim_counted"))
    for begin, end in (("WITH lease AS", "\n), "), ("), assigned AS", None)):
        assert cut(one, begin, end) == cut(other, begin, end)


def test_a_page_and_a_download_have_the_same_people():
    """The filters of both are written whole, as those of the claims."""
    page, download = (query(name).decode() for name in ("page_recipients", "export_messages"))
    first = "(%(statuses)s::message_status[] IS NULL"
    assert cut(page, first, None) == cut(download, first, None)


def cut(text, begin, end):
    start = text.index(begin)
    if end is None:
        return text[start:]
    # The common beginning goes up to the end of `recent`.
    return text[start : text.index(end, text.index("recent AS MATERIALIZED"))]
