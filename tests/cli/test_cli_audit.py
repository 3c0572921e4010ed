"""Each command that changes something leaves a row in the audit, with the person and the reason."""

from __future__ import annotations

import datetime as dt
import json
import os
import pwd
from decimal import Decimal

import click
import pytest

from campaigns.cli.root import main
from campaigns.domain.phone.mask import mask_numbers
from campaigns.domain.prices.price_list import Price
from campaigns.domain.users.actor import Act, Actor, ActorKind, Surface
from campaigns.management.listings.pages import page_audit
from campaigns.privacy.retention import retain_audit
from campaigns.store.database import DatabaseError
from campaigns.store.optouts.reviews import Answer, open_reviews
from campaigns.store.prices import write_prices
from campaigns.store.users.audit import AuditFilter, write_audit
from tests.cli.conftest import ANA, BIA
from tests.golden.gather import list_commands
from tests.store.rows import add_campaign, add_message, fetch

# The audit keeps the host only.
TARGET = "https://crm.example.com/EAAG-secret-token"
ME = pwd.getpwuid(os.geteuid()).pw_name
# These commands change nothing in Postgres, or nothing that a person decides.
UNAUDITED = {
    "account check": "stores Meta's answer",
    "check-setup": "reads",
    "doctor": "repairs wrong counters without being asked; see the test of the repair",
    "keygen": "writes a file",
    "migrate": "the table of the migrations has each with its time",
    "suppress add": "its --reason was there before, and the audit keeps it as well",
    "completion": "prints",
    "audit": "reads",
    **dict.fromkeys(("account list", "account show", "campaign errors", "campaign list"), "reads"),
    **dict.fromkeys(("campaign import-errors", "campaign preview", "campaign show", "campaign watch"), "reads"),
    **dict.fromkeys(("optouts review", "person", "portfolio list", "portfolio show", "suppress list"), "reads"),
    **dict.fromkeys(("prices ledger", "prices list", "template list", "template show"), "reads"),
    **dict.fromkeys(("forward list", "forward show"), "reads"),
    "forward test": "posts a webhook about nothing, and stores nothing",
    **dict.fromkeys(("hook list", "hook show", "token list", "user list"), "reads"),
    "prices example": "prints",
    **dict.fromkeys(("demo", "simulate", "up"), "start servers"),
}


@pytest.fixture
def rows(database):
    return lambda **chosen: page_audit(database, AuditFilter(**chosen), limit=200).rows


def test_a_command_takes_a_reason_or_is_known_to_change_nothing():
    commands = {
        " ".join(path): command for path, command in list_commands(main) if not isinstance(command, click.Group)
    }
    asking = {
        name
        for name, command in commands.items()
        if any(each.name == "reason" and not each.expose_value for each in command.params)
    }
    assert commands.keys() - asking == UNAUDITED.keys()
    assert asking == {" ".join(words) for words in (*SIMPLE, *OTHERS)}


# The words of a command, its other arguments, and its change.
SIMPLE = {
    ("account", "add"): (
        ("third", "--phone-number-id", "1067", "--waba-id", "22", "--token-env", "WHATSAPP_TOKEN"),
        "account.add",
    ),
    ("account", "set"): (
        ("sales", "--messages-per-second", "90", "--no-check", "--token-env", "WHATSAPP_TOKEN"),
        "account.change",
    ),
    ("account", "activate"): (("sales",), "account.activate"),
    ("account", "deactivate"): (("sales",), "account.deactivate"),
    ("portfolio", "add"): (("acme", "--daily-limit", "2000"), "portfolio.add"),
    ("template", "add"): (("news", "--language", "pt_BR", "--body", "Oi"), "template.add"),
    ("prices", "import"): (("{prices}",), "prices.load"),
    ("prices", "remove"): (("{day}",), "prices.remove"),
    ("rekey",): ((), "secret.rekey"),
    ("suppress", "remove"): ((ANA,), "suppression.remove"),
    ("forget",): ((ANA,), "person.forget"),
    ("campaign", "set"): (("{draft}", "--interval", "3"), "campaign.change"),
    ("campaign", "export"): (("{done}",), "campaign.export"),
    ("campaign", "start"): (("{draft}",), "campaign.start"),
    ("campaign", "cancel"): (("{draft}",), "campaign.cancel"),
    ("campaign", "discard"): (("{draft}",), "campaign.discard"),
    ("campaign", "pause"): (("{running}",), "campaign.pause"),
    ("campaign", "resume"): (("{paused}",), "campaign.resume"),
    ("campaign", "retry"): (("{done}", "--class", "server"), "campaign.retry"),
    ("campaign", "retry-uncertain"): (("{done}", "--yes"), "campaign.retry_uncertain"),
    ("campaign", "import"): (("{draft}", "{people}", "--map", "1=name"), "campaign.import"),
    ("suppress", "import"): (("{people}",), "suppression.import"),
    ("optouts", "accept"): (("{review}",), "optout.accept"),
    ("optouts", "dismiss"): (("{review}",), "optout.dismiss"),
    ("campaign", "create"): (
        ("Natal", "--template", "promo:pt_BR", "--account", "sales", "--recipients", "{people}"),
        "campaign.create",
    ),
    ("user", "add"): (("maria", "--role", "admin", "--no-password"), "user.add"),
    ("user", "set"): (("eva", "--role", "planner"), "user.change"),
    ("user", "disable"): (("eva",), "user.disable"),
    ("token", "add"): (("crm", "--user", "eva", "--scope", "campaigns:read"), "token.add"),
    ("token", "revoke"): (("1",), "token.revoke"),
    ("forward", "add"): ((TARGET, "--secret-env", "WHATSAPP_TOKEN"), "forward.add"),
    ("forward", "disable"): (("1",), "forward.disable"),
    ("forward", "enable"): (("2",), "forward.enable"),
    ("forward", "remove"): (("1",), "forward.remove"),
    ("hook", "add"): (("https://example.com/",), "hook.add"),
    ("hook", "set"): (("1", "--type", "export.ready"), "hook.change"),
    ("hook", "rotate"): (("1",), "hook.rotate"),
    ("hook", "test"): (("1",), "hook.test"),
    ("hook", "replay"): (("1", "--from", "1"), "hook.replay"),
    ("hook", "disable"): (("1",), "hook.disable"),
    ("hook", "enable"): (("2",), "hook.enable"),
    ("hook", "remove"): (("1",), "hook.remove"),
    ("retention",): (("--days", "1"), "campaign.erase"),
    ("portfolio", "set"): (("old", "--daily-limit", "5"), "portfolio.change"),
}  # fmt: skip
# Commands with a test of their own.
OTHERS = {
    ("campaign", "ask-approval"),
    ("campaign", "discard-list"),
    ("campaign", "test"),
    ("recover",),
    ("template", "sync"),
}


@pytest.fixture
def places(create, house, database, people, tmp_path):
    """The ids and files for the arguments in braces."""
    draft = create()
    house.ok("portfolio", "add", "old", "--daily-limit", "3")
    house.ok("user", "add", "eva", "--role", "viewer", "--no-password")
    house.ok("token", "add", "nightly", "--user", "eva", "--scope", "audit:read")
    for _ in range(2):
        house.ok("hook", "add", "https://example.com/")
    house.ok("hook", "disable", "2")

    for _ in "12":
        house.ok("forward", "add", TARGET, "--secret-env", "WHATSAPP_TOKEN")
    house.ok("forward", "disable", "2")

    def add(connection):
        ended = "2026-01-01T12:00Z"
        running, paused = add_campaign(connection, "running"), add_campaign(connection, "paused")
        done = add_campaign(connection, "completed", completed_at=ended, started_at=ended)
        add_message(connection, done, "failed", error_code=131000, error_title="Went wrong")
        add_message(connection, done, "uncertain", error_title="lost", claimed_at=ended)
        answer = Answer(BIA, b"x" * 32, "word", "sei", f"call me at {BIA}", dt.datetime.now(dt.UTC), "1065", None)
        ((review, _),) = open_reviews(connection, [answer])
        return {"running": running, "paused": paused, "done": done, "review": review}

    prices = tmp_path / "prices.csv"
    prices.write_text(house.ok("prices", "example"))
    day = "2020-01-01"
    database.run(write_prices, [Price("BR", "marketing", dt.date.fromisoformat(day), "USD", Decimal(1), "")])
    return {"draft": draft, "people": people, "prices": prices, "day": day, **database.run(add)}


@pytest.mark.parametrize("words", SIMPLE)
def test_a_command_that_changes_something_is_in_the_audit(house, places, rows, words):
    arguments, what = SIMPLE[words]
    before = {row.id for row in rows()}
    house.ok(*words, *(each.format_map(places) for each in arguments), "--reason", "asked by Bia")
    written = [row for row in rows() if row.id not in before]
    assert what in {row.what for row in written}
    for row in written:
        assert (row.actor, row.actor_kind, row.surface, row.reason) == (ME, "cli", "cli", "asked by Bia")
    text = json.dumps([(row.before, row.after) for row in written])
    for secret in (ANA, BIA, "EAAG-secret-token", "call me"):
        assert secret not in text


def test_a_test_to_own_phones_is_in_the_audit_without_the_phones(house, create, rows):
    campaign_id = create()
    house("campaign", "test", campaign_id, "--to", ANA, "--wait", "0.1", "--reason", "look")  # no worker runs here
    (row,) = rows(what=Act.CAMPAIGN_TEST)
    assert (row.target_id, row.after["phone_count"], row.reason) == (int(campaign_id), 1, "look")
    assert ANA not in json.dumps(row.after)


def test_a_suppression_keeps_its_reason_in_the_audit_too(house, rows):
    house.ok("suppress", "add", ANA, "--reason", f"called from {ANA}")
    (row,) = rows(what=Act.SUPPRESSION_ADD)
    assert (row.after["person_count"], row.after["new_count"]) == (1, 1)
    assert row.reason == f"called from {mask_numbers(ANA)}"
    assert ANA[-4:] not in row.reason


def test_a_change_has_the_old_and_the_new_values_only_where_they_differ(house, create, rows):
    campaign_id = create()
    house.ok("campaign", "set", campaign_id, "--name", "Natal", "--account", "support")
    (row,) = rows(what=Act.CAMPAIGN_CHANGE)
    assert row.before == {"name": "Black Friday", "account_ids": [1]}
    assert row.after == {"name": "Natal", "account_ids": [2]}


def test_a_new_token_is_named_and_not_shown(house, rows):
    house.ok("account", "set", "sales", "--no-check", "--token-env", "WHATSAPP_TOKEN")
    (row,) = rows(what=Act.ACCOUNT_CHANGE)
    assert (row.before, row.after) == ({}, {"token": "given"})


def test_a_refused_command_leaves_no_row(house, create, rows):
    one, other = create("One"), create("Other")
    house.ok("campaign", "start", one)
    before = len(rows())
    house.refusal("campaign", "start", other, one, "--yes")
    assert len(rows()) == before


def test_a_repair_by_the_doctor_is_in_the_audit(house, create, database, rows):
    campaign_id = create()
    house.ok("campaign", "start", campaign_id)
    fetch(database, "UPDATE tallies SET count = count + 5 WHERE status = 'pending'")
    result = house("doctor", campaign_id, REDIS_URL="redis://127.0.0.1:9/0")
    assert "were repaired" in result.stdout, result.output
    (row,) = rows(what=Act.CAMPAIGN_REPAIR)
    assert (row.target_id, row.after) == (int(campaign_id), {"added": {"pending": -5}})


def test_a_cancelled_campaign_that_ran_has_one_event(house, places, rows):
    house.ok("campaign", "cancel", str(places["running"]))
    (row,) = rows(campaign_id=places["running"])
    assert (row.what, row.before) == ("campaign.cancel", {"status": "running"})


def test_the_command_shows_the_audit_and_its_filters(house, create):
    first, second = create("One"), create("Other")
    house.ok("campaign", "start", first, "--reason", "now")
    shown = house.json("audit", "--campaign", first)
    assert [row["what"] for row in shown] == ["campaign.start", "campaign.create"]
    assert shown[0]["before"] == {"status": "draft"}
    assert [row["target_id"] for row in house.json("audit", "--what", "campaign.create")] == [int(second), int(first)]
    assert house.json("audit", "--actor", "nobody") == []
    assert house.json("audit", "--since", "2030-01-01 00:00") == []
    assert "'yesterday 09:00'" in house.refusal("audit", "--since", "9h")
    assert len(house.json("audit", "--since", "2020-01-01 00:00", "--actor", ME)) == 3
    (line,) = [line for line in house.ok("audit").splitlines() if "campaign.start" in line]
    assert all(part in line for part in (ME, "status draft → pending", "now"))
    assert house.ok("audit", "--actor", "nobody") == "There is no such change.\n"


def test_a_person_can_change_the_reason_but_not_the_name(house, create, rows):
    house.ok("campaign", "set", create(), "--interval", "1", LOGNAME="boss", USER="boss", SUDO_USER=None)
    assert {row.actor for row in rows(what=Act.CAMPAIGN_CHANGE)} == {ME}


def test_the_command_line_starts_no_large_campaign_without_an_approval(house, create):
    campaign_id = create()
    limited = {"REVOADA_APPROVE_ABOVE": "1"}
    why = (
        f"Campaign {campaign_id} (Black Friday) could send 2 messages, more than 1: a second person must approve it"
        f" first. If nobody has asked for it yet: `revoada campaign ask-approval {campaign_id}`."
    )
    assert house.refusal("campaign", "start", campaign_id, "--yes", **limited) == why
    house.ok("campaign", "start", campaign_id, "--yes", REVOADA_APPROVE_ABOVE="2")
    why_not = house.refusal("campaign", "set", campaign_id, "--template", "promo:pt_BR", **limited)
    assert f"`revoada campaign pause {campaign_id}` lets you change it" in why_not
    house.ok("campaign", "pause", campaign_id)
    assert house.refusal("campaign", "resume", campaign_id, "--yes", **limited) == why


def test_the_command_line_asks_for_an_approval_once(house, create, rows):
    campaign_id, limited = create(), {"REVOADA_APPROVE_ABOVE": "1"}
    ask = ("campaign", "ask-approval", campaign_id)
    assert house.refusal(*ask) == f"Campaign {campaign_id} (Black Friday) needs no approval."
    told = house.ok(*ask, "--reason", "for Friday", **limited)
    assert told.splitlines() == [
        f"The approval of campaign {campaign_id} is asked for.",
        "  No user may approve it. Ask an admin to add one.",
    ]
    house.ok("user", "add", "maria", "--role", "operator", "--no-password")
    assert "  These people may approve it: maria." in house.ok(*ask, **limited)
    (row,) = rows(what=Act.CAMPAIGN_ASK_APPROVAL)
    assert (row.target_id, row.actor, row.reason) == (int(campaign_id), ME, "for Friday")


def test_under_sudo_the_caller_is_named(house, create, rows, monkeypatch):
    campaign_id = create()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    house.ok("campaign", "set", campaign_id, "--interval", "1", SUDO_USER="maria")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    house.ok("campaign", "set", campaign_id, "--interval", "2", SUDO_USER="boss")
    assert "maria" in {row.actor for row in rows()}
    assert "boss" not in {row.actor for row in rows()}


CLERK = Actor("clerk", ActorKind.USER, Surface.CONSOLE, network="203.0.113.9")


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_events SET actor = 'x'", "DELETE FROM audit_events", "TRUNCATE audit_events",
     "DELETE FROM audit_events WHERE at > now() - interval '364 days'"],
)  # fmt: skip
def test_postgres_refuses_to_change_a_row(database, rows, statement):
    database.run(write_audit, CLERK, Act.CAMPAIGN_START, 1)
    with pytest.raises(DatabaseError, match="never changed"):
        fetch(database, statement)
    assert [(row.actor, row.network) for row in rows()] == [("clerk", "203.0.113.9")]


def test_retention_deletes_old_rows_only_and_says_so(database, rows):
    for days in (10, 366, 800):
        database.run(write_audit, CLERK, Act.CAMPAIGN_START, days)
    fetch(database, "SET LOCAL session_replication_role = replica;"
          " UPDATE audit_events SET at = at - make_interval(days => target_id::int)")  # fmt: skip
    assert retain_audit(database, days=500) == 1
    assert [row.what for row in rows()] == ["audit.erase", "campaign.start", "campaign.start"]
    assert (rows()[0].actor, rows()[0].actor_kind, rows()[0].surface) == ("campaigns.retain", "task", None)
    assert retain_audit(database, days=1) == 1  # the schema keeps a year
    assert retain_audit(database, days=1) == 0
    assert [row.target_id for row in rows(what=Act.CAMPAIGN_START)] == [10]
