"""Each use case that writes takes `actor` and reaches `write_audit`: read from the code, so that a new one is found."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from campaigns.store.database import query

PROJECT = Path(__file__).resolve().parent.parent.parent
USE_CASES = ("campaigns.management", "campaigns.privacy", "campaigns.doctor")
# No person causes these changes: a task calls them.
BY_TASKS = {
    "campaigns.doctor.health.check_account": "a slice requests the check, which stores what Meta reports",
    "campaigns.management.hooks.delivery.deliver": "it writes what a receiver answers",
    "campaigns.management.hooks.delivery.plan": "it plans deliveries, which no person has asked for",
    "campaigns.management.prices.charges.count_next_charges": "it keeps sums of what Meta reports",
    "campaigns.privacy.optout_confirmations.send_replies": "a webhook causes the confirmation of an opt-out",
    "campaigns.privacy.retention.retain_forwards": "it deletes bodies that a target has not accepted for days",
    "campaigns.privacy.retention.retain_hook_events": "it deletes events that no receiver can have any more",
    "campaigns.privacy.retention.retain_logins": "it deletes rows that mean nothing any more",
    "campaigns.privacy.retention.retain_requests": "it deletes answers that nobody asks for any more",
    "campaigns.privacy.retention.retain_files": "it deletes files whose use has ended",
    "campaigns.privacy.retention.retain_audit": "the task names itself in the row that it writes",
}
_WRITES = re.compile(rb"\bINSERT\s+INTO\b|(?<!FOR )(?<!NO KEY )(?<!DO )\bUPDATE\s+\w+\b|\bDELETE\s+FROM\b")


class Function:
    """A function of the code: the functions that it names, and the statements that it names."""

    def __init__(self, module: str, node: ast.FunctionDef, names: dict[str, str]) -> None:
        self.place, self.node = f"{module}.{node.name}", node
        self.uses, self.statements = set(), set()
        for each in ast.walk(node):
            if isinstance(each, ast.Name):
                self.uses.add(names.get(each.id, f"{module}.{each.id}"))
            elif isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
                self.uses.add(f"{names.get(each.value.id, '')}.{each.attr}")
            elif isinstance(each, ast.Constant) and isinstance(each.value, str):
                self.statements.add(each.value)

    @property
    def takes(self) -> dict[str, str]:
        arguments = self.node.args
        named = (*arguments.args, *arguments.kwonlyargs)
        return {each.arg: ast.unparse(each.annotation) for each in named if each.annotation}


@cache
def read_functions() -> dict[str, Function]:
    functions = {}
    for file in (PROJECT / "campaigns").rglob("*.py"):
        module = ".".join(file.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")
        tree = ast.parse(file.read_text())
        names = {
            alias.asname or alias.name: f"{node.module}.{alias.name}"
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                functions[f"{module}.{node.name}"] = Function(module, node, names)
    return functions


def reach(place: str) -> dict[str, Function]:
    """All functions that a function calls or hands on, with itself."""
    functions, found, waiting = read_functions(), {}, [place]
    while waiting:
        name = waiting.pop()
        if name in functions and name not in found:
            found[name] = functions[name]
            waiting += functions[name].uses
    return found


# The reason why the use case takes no actor, or writes no row itself.
WITHOUT_ACTOR = {
    "campaigns.doctor.health.check_now": "it stores what Meta reports, as the check that a slice requests",
    "campaigns.management.drafts.copies.read_source": "it goes on with a cancellation that is in the audit",
    "campaigns.management.files.jobs.request_copy": "the copy writes the audit in its transaction",
    "campaigns.management.files.jobs.request_export": "the export writes the audit before it reads a row",
    "campaigns.management.files.jobs.request_fill": "the people are taken with a row of the audit in that transaction",
    "campaigns.management.files.jobs.request_import": "the import writes the audit when it is done",
    "campaigns.management.files.jobs.request_look": "a look changes nothing",
    "campaigns.management.files.jobs.request_optouts_export": "the export writes the audit before it reads a row",
    "campaigns.management.files.jobs.request_suppressions": "the import writes the audit with each batch of rows",
    "campaigns.management.files.uploads.add_piece": "the end of the upload is in the audit",
    "campaigns.management.files.uploads.begin_upload": "the end of the upload is in the audit",
    "campaigns.management.files.work.do_all_work": "it acts for the people who have asked, with those actors",
    "campaigns.management.files.work.do_next_job": "it acts for the person who has asked, with that actor",
    "campaigns.management.users.idempotency.run_once": "the use case that it calls writes the audit",
    "campaigns.management.users.sessions.log_in": "the person who logs in is the actor",
    "campaigns.management.users.sessions.confirm_session": "the person who types the password is the actor",
    "campaigns.management.users.tokens.find_token": "it notes only that the token is in use",
    "campaigns.management.users.sessions.find_session": "it notes only that the session is in use",
}


def writes(place: str) -> bool:
    for function in reach(place).values():
        if function.place == "campaigns.store.users.audit.write_audit":
            continue
        for name in function.statements:
            try:
                text = query(name)
            except KeyError:
                continue
            if _WRITES.search(text):
                return True
    return False


def list_use_cases() -> list[str]:
    """The public functions of people's use cases that open a transaction, and write in it."""
    return sorted(
        place
        for place, function in read_functions().items()
        if place.startswith(USE_CASES)
        and not function.node.name.startswith("_")
        and "Database" in function.takes.values()
        and place not in BY_TASKS | WITHOUT_ACTOR
        and writes(place)
    )


@pytest.mark.parametrize("place", list_use_cases())
def test_a_use_case_that_writes_takes_an_actor_and_writes_to_the_audit(place):
    assert read_functions()[place].takes.get("actor") in {"Actor", "Actor | None"}, place
    assert "campaigns.store.users.audit.write_audit" in reach(place), place


TAKES_LIMIT = {"start_campaigns", "resume_campaigns", "change_campaign"}


def list_uses_without_limit(tree: ast.AST) -> list[str]:
    """The uses of a function that takes `approve_above`, as a call or in a `partial`, which do not hand it on."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = []
    for node in calls:
        for each in (node.func, *node.args):
            name = each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", "")
            if name in TAKES_LIMIT and all(keyword.arg != "approve_above" for keyword in node.keywords):
                named.append(name)
    return named


def test_each_way_to_start_a_campaign_hands_the_limit_of_approvals_on():
    """The default of the parameter is that no campaign needs an approval, so a caller must not forget it."""
    assert list_uses_without_limit(ast.parse("lifecycle.start_campaigns(database, ids, actor=actor)"))
    assert list_uses_without_limit(ast.parse("move(resume_campaigns, ids)"))
    folders = [PROJECT / name for name in ("campaigns", "console", "api") if (PROJECT / name).is_dir()]
    for path in (path for folder in folders for path in folder.rglob("*.py")):
        assert list_uses_without_limit(ast.parse(path.read_text())) == [], path


def test_the_search_finds_what_it_looks_for():
    found = set(list_use_cases())
    assert len(found) > 20
    assert {"campaigns.management.lifecycle.start_campaigns", "campaigns.doctor.diagnose.diagnose"} <= found
    assert "campaigns.management.reports.show_campaign" not in found  # it reads only
    assert (BY_TASKS | WITHOUT_ACTOR).keys() <= read_functions().keys()
    assert "campaigns.store.users.audit.write_audit" in reach("campaigns.management.users.sessions.log_in")
