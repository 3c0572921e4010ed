"""The audit as a page and as a file."""

from __future__ import annotations

import ast
import csv
import io
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
from psycopg.types.json import Jsonb

from campaigns.domain.campaign import Plan
from campaigns.domain.users.actor import Act, Actor, ActorKind, Surface
from campaigns.domain.users.rights import Role
from campaigns.management.accounts import _COLUMNS
from campaigns.store.people import ErasedCounts
from campaigns.store.recipients import ImportCounts
from campaigns.store.users.audit import AuditFilter, write_audit
from console.pages.audit.values import HIDDEN, NAMES
from tests.console.conftest import read_text
from tests.store.rows import add_campaign, fetch

PROJECT = Path(__file__).resolve().parent.parent.parent
MARIA = Actor("maria", ActorKind.USER, Surface.CONSOLE, reason="=asked <b>", network="198.51.100.7")


@pytest.fixture
def campaign_id(database):
    campaign_id = database.run(add_campaign, "running")

    def work(connection):
        write_audit(connection, Actor("retain", ActorKind.TASK), Act.AUDIT_ERASE, after={"days": 400})
        before, after = {"status": "draft", "name": "Old <i>"}, {"status": "running", "name": "=New"}
        write_audit(connection, MARIA, Act.CAMPAIGN_START, campaign_id, before=before, after=after)

    database.run(work)
    return campaign_id


def test_a_change_is_shown_with_its_old_and_new_values(console, campaign_id):
    text = read_text(console.sign_in(Role.VIEWER).get("/audit").text)
    assert f"maria started campaign {campaign_id}: Sale." in text
    assert "· console · 198.51.100.7 Reason: =asked <b> 2 values" in text
    assert "nameOld <i>=New" in text
    assert "statusdraftrunning" in text
    assert "Revoada deleted old entries of the audit." in text
    assert "by itself 1 value: Revoada deleted old entries of the audit. ValueAfter days400" in text
    assert text.index("signed in.") < text.index("maria started") < text.index("Revoada deleted")


def test_filters_choose_the_changes(console, campaign_id):
    browser = console.sign_in(name="eva")

    def whats(query):
        return re.findall(r"<li>\s*<p><strong>([^<]+)</strong>", browser.get(f"/audit?{query}").text)

    assert whats("actor=Maria") == ["maria"]
    assert whats("what=audit.erase") == ["Revoada"]
    assert whats(f"campaign={campaign_id}") == ["maria"]
    assert whats("since=2020-01-01") == ["eva", "maria", "Revoada"]
    assert whats("until=2020-01-01") == []
    assert whats("until=9999-12-31") == ["eva", "maria", "Revoada"]
    assert whats("since=9998-01-01") == []
    assert "No change fits this filter." in browser.get("/audit?actor=nobody").text


PHONES = ("11 98765-4321", "(11) 98765-4321", "5511987654321", "+5511987654321")


@pytest.mark.parametrize("typed", PHONES)
def test_the_audit_keeps_no_phone_that_a_person_typed(database, typed):
    maria = replace(MARIA, reason=f"ligou do {typed}")

    def work(connection):
        write_audit(connection, maria, Act.UPLOAD_ADD, 1, after={"name": f"{typed}.csv", "bytes": 9876543})
        write_audit(connection, maria, Act.CAMPAIGN_IMPORT, 1, after={"file": f"{typed}.csv", "name": "Natal 20261224"})
        write_audit(connection, maria, Act.SUPPRESSION_ADD, after={"detail": f"ligou do {typed}"})
        write_audit(connection, maria, Act.ACCOUNT_ADD, 1, after={"waba_id": "102290129340398"})

    database.run(work)
    kept = " ".join(fetch(database, "SELECT concat(before, after, reason) FROM audit_events"))
    assert not re.search(r"98765.?4321|5511987", kept)
    assert "9876543," in kept or "9876543}" in kept, "a number is no phone"
    assert all(each in kept for each in ("Natal 20261224", "102290129340398"))


@pytest.mark.parametrize("typed", PHONES)
def test_phones_that_an_older_version_has_written_are_masked_for_a_viewer(console, database, typed):
    fetch(
        database,
        "INSERT INTO audit_events (actor, actor_kind, surface, what, target_id, before, after, reason) VALUES"
        " ('eva', 'user', 'console', 'upload.add', 1, NULL, jsonb_build_object('name', %s::text), %s),"
        " ('eva', 'user', 'console', 'campaign.create', 1, NULL, %s, NULL)",
        f"{typed}.csv",
        f"ligou do {typed}",
        Jsonb({"parameters": {"1": typed}}),
    )
    viewer, operator = console.sign_in(Role.VIEWER), console.sign_in(Role.OPERATOR)
    for path in ("/audit", "/audit.csv"):
        assert not re.search(r"98765.?4321", viewer.get(path).text)
        assert operator.get(path).text.count(typed) == 3


@pytest.mark.parametrize(
    ("query", "field"), [("campaign=x", "campaign"), (f"campaign={2**63}", "campaign"), ("since=2026-02-30", "since")]
)
def test_a_wrong_filter_is_told_at_its_field_and_kept(console, query, field):
    browser = console.sign_in()
    answer = browser.get(f"/audit?{query}")
    assert answer.status_code == 422
    assert f'aria-describedby="{field}-error"' in answer.text
    assert f'value="{query.partition("=")[2]}"' in answer.text
    assert browser.get(f"/audit.csv?{query}").status_code == 400


@pytest.mark.parametrize("query", ["what=x", "after=x", "after=2026-01-01,1", "after=2026-01-01T00:00Z,0"])
def test_a_filter_that_no_page_makes_is_refused(console, query):
    assert console.sign_in().get(f"/audit?{query}").status_code == 400


def test_the_list_is_paged_and_keeps_its_filter(console, database):
    def work(connection):
        for _ in range(60):
            write_audit(connection, MARIA, Act.TEMPLATE_SYNC)

    database.run(work)
    browser = console.sign_in(name="eva")
    first = browser.get("/audit?actor=maria").text
    following = re.search(r'href="([^"]+)" rel="next"', first)[1].replace("&amp;", "&")
    second = browser.get(following).text
    assert first.count("<strong>maria</strong> read the templates from Meta.") == 50
    assert second.count("<strong>maria</strong>") == 10
    assert "<strong>eva</strong>" not in second


def test_the_file_has_the_filtered_list_and_no_cell_is_a_formula(console, database, campaign_id):
    answer = console.sign_in(name="eva").get("/audit.csv?actor=maria")
    (row,) = csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig")))
    assert (row["actor"], row["what"], row["network"]) == ("maria", "campaign.start", "198.51.100.7")
    assert row["reason"] == "'=asked <b>"
    assert row["after"] == '{"name": "=New", "status": "running"}'
    assert fetch(database, "SELECT actor, after->>'actor' FROM audit_events WHERE what = 'audit.export'") == [
        ("eva", "maria")
    ]


# The classes whose fields the code writes to the audit.
FIELDS_OF = (Plan, ImportCounts, ErasedCounts, AuditFilter)
# Keys of dicts in the same functions that are parameters of queries, or places of refusals.
NOT_WRITTEN = {"as_of", "id", "instead", "portfolio_id", "read_at", "reason", "rejected_rows", "tested", "text", "type"}


def list_written_names():
    """The names of all values that the code writes to the audit: keys of dicts, and fields of classes."""
    names = {field.name for each in FIELDS_OF for field in fields(each)} | set(_COLUMNS)
    for file in (PROJECT / "campaigns").rglob("*.py"):
        text = file.read_text()
        for function in ast.walk(ast.parse(text)):
            if not isinstance(function, ast.FunctionDef) or "write_audit" not in text:
                continue
            called = {getattr(each, "id", "") for each in ast.walk(function)}
            if not called & {"write_audit", "_write_audit"} and not function.name.startswith("_describe"):
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.Dict):
                    names |= {key.value for key in node.keys if isinstance(key, ast.Constant)}
                elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_write_audit":
                    names |= {each.arg for each in node.keywords if each.arg}
    return names - NOT_WRITTEN


INTERNAL = re.compile(
    r"\b[a-z]+_[a-z_]+\b|\b(?:account|audit|campaign|optout|suppression|template|upload|user)\.[a-z_]+\b"
)
VALUES = {
    "account_ids": [1, 2],
    "added": {"pending": 3, "replied_pending": -1},
    "categories": {"MARKETING": "by hand"},
    "changes": [{"name": "promo", "language": "en", "kind": "changed", "status": "approved", "details": "x"}],
    "components": [{"type": "BODY", "text": "Oi {{1}}"}],
    "codes": [131026],
    "columns": ["1"],
    "expire_at": "2026-12-01T12:00:00+00:00",
    "parameters": {"1": None, "2": "Ana"},
    "role": "admin",
    "scheduled_at": "2026-12-01T12:00:00+00:00",
    "since": "2026-12-01T12:00:00+00:00",
    "sources": ["word", "meta"],
    "status": "running",
    "statuses": ["failed", "read"],
    "until": "2026-12-01T12:00:00+00:00",
    "weekdays": [1, 2],
    "what": "campaign.start",
    "was": "5 consecutive send failures: 190 Access token has expired",
    "window_from": "08:00:00",
    "window_to": "20:00:00",
}  # fmt: skip


def test_the_names_are_read_from_the_code():
    found = list_written_names()
    assert {"scheduled_at", "status", "recipient_count", "has_password", "phone_count", "count", "bytes"} <= found
    assert len(found) > 60
    assert found <= set(NAMES) | HIDDEN


@pytest.mark.parametrize("language", ["en", "pt_BR"])
def test_no_act_that_the_code_writes_shows_an_internal_name(console, database, language):
    """Each act, with each value that any act may write, old and new."""
    values = {name: VALUES.get(name, 7) for name in list_written_names()}

    def work(connection):
        for act in Act:
            write_audit(connection, MARIA, act, 7, after=values)
            write_audit(connection, MARIA, act, before=dict.fromkeys(values), after=values)

    database.run(work)
    browser = console.sign_in(Role.ADMIN, name="eva", language=language)
    seen = set()
    address = "/audit?actor=maria"
    while address:
        page = browser.get(address).text
        entries = page.split('<ul class="audit">')[1].rpartition("</ul>")[0]
        assert INTERNAL.findall(read_text(entries)) == []
        seen |= set(re.findall(r"<p><strong>maria</strong>([^<]+)", entries))
        following = re.search(r'href="([^"]+)" rel="next"', page)
        address = following and following[1].replace("&amp;", "&")
    assert len(seen) >= 40


def test_an_act_says_who_did_what_to_which_thing_and_to_how_many(console, database, campaign_id):
    def work(connection):
        write_audit(connection, MARIA, Act.CAMPAIGN_START, campaign_id, after={"recipient_count": 12_300})
        write_audit(connection, MARIA, Act.CAMPAIGN_DISCARD, 99, before={"name": "Gone", "recipient_count": 5})
        write_audit(connection, MARIA, Act.SUPPRESSION_ADD, after={"person_count": 1, "new_count": 1})

    database.run(work)
    page = console.sign_in(name="eva").get("/audit?actor=maria").text
    text = read_text(page)
    assert f"maria started campaign {campaign_id}: Sale (12,300 people)" in text
    assert "maria deleted the draft of campaign 99: Gone." in text
    assert "maria added opt-outs by hand (1 person)" in text
    assert f'<a href="/campaigns/{campaign_id}">campaign {campaign_id}: Sale</a>' in page
    assert "/campaigns/99" not in page


def test_an_act_of_another_version_is_told_without_its_name(console, database):
    fetch(
        database,
        "INSERT INTO audit_events (actor, actor_kind, surface, what, after)"
        " VALUES ('maria', 'user', 'console', 'campaign.vanished', '{\"odd_name\": 1}') RETURNING 1",
    )
    text = read_text(console.sign_in(name="eva").get("/audit").text)
    assert "maria made a change that this version does not know." in text
    assert "another value1" in text


def test_the_pages_have_no_way_to_change_the_audit(console):
    rules = [each for each in console.app.url_map.iter_rules() if each.rule.startswith("/audit")]
    assert len(rules) == 2
    assert all(rule.methods <= {"GET", "HEAD"} for rule in rules)
