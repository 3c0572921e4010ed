"""What users and operators see stays as it is: each part of it is compared with a golden file."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from decimal import Decimal

import pytest

from campaigns.domain.prices.price_list import Price
from campaigns.store.optouts.reviews import Answer, open_reviews
from campaigns.store.prices import write_prices
from tests.golden.gather import (
    compare,
    compare_section,
    gather_failures,
    gather_help,
    gather_log_events,
    gather_options,
    gather_settings,
    gather_statements,
    list_commands,
    main,
    outline,
)
from tests.store.rows import add_message, deactivate_category, fetch

ANA = "+5511999990001"
# The commands that print JSON, with arguments, in the order in which they run: those that change something come last.
EXAMPLES = {
    "account check": ("sales",),
    "account list": (),
    "account show": ("sales",),
    "campaign errors": ("1",),
    "campaign import-errors": ("1",),
    "campaign list": (),
    "campaign preview": ("2",),
    "campaign retry": ("1", "--class", "server", "--dry-run"),
    "campaign retry-uncertain": ("1", "--dry-run"),
    "campaign show": ("1",),
    "check-setup": (),
    "doctor": (),
    "optouts review": (),
    "person": (ANA,),
    "portfolio list": (),
    "portfolio show": ("group",),
    "recover": ("--since", "2026-01-01T00:00Z", "--dry-run"),
    "rekey": (),
    "retention": ("--days", "1", "--dry-run"),
    "suppress list": (),
    "template list": (),
    "template show": ("promo:pt_BR",),
    "template sync": (),
    "account add": ("third", "--phone-number-id", "1067", "--waba-id", "22", "--token-env", "WHATSAPP_TOKEN"),
    "account set": ("sales", "--messages-per-second", "70"),
    "account deactivate": ("support",),
    "account activate": ("support",),
    "portfolio add": ("other", "--daily-limit", "10"),
    "portfolio set": ("group", "--daily-limit", "2000"),
    "template add": ("news", "--language", "en", "--body", "Hi {{1}}!"),
    "campaign create": ("Third", "--template", "promo:pt_BR", "--account", "sales", "--recipients", "people.csv"),
    "campaign import": ("2", "people.csv", "--map", "1=name"),
    "campaign discard": ("3",),
    "campaign discard-list": ("2",),
    "campaign set": ("2", "--interval", "1"),
    "campaign test": ("2", "--to", "+5511999990007", "--wait", "0.01"),
    "campaign ask-approval": ("2",),
    "campaign start": ("2",),
    "campaign pause": ("2",),
    "campaign resume": ("2",),
    "campaign cancel": ("2",),
    "campaign watch": ("1",),
    "suppress add": ("+5511999990010",),
    "suppress remove": ("+5511999990010",),
    "suppress import": ("people.csv",),
    "optouts accept": ("1",),
    "optouts dismiss": ("2",),
    "forget": ("+5511999990009",),
    "migrate": (),
    "user add": ("maria", "--role", "admin", "--no-password"),
    "user set": ("maria", "--language", "pt_BR"),
    "user list": (),
    "user disable": ("eva",),
    "token add": ("crm", "--user", "maria", "--scope", "campaigns:read"),
    "token list": (),
    "token revoke": ("1",),
    "hook add": ("https://example.com/hook",),
    "hook test": ("1",),
    "hook set": ("1", "--type", "export.ready"),
    "hook list": (),
    "hook show": ("1",),
    "hook rotate": ("1",),
    "hook replay": ("1", "--from", "1"),
    "hook disable": ("1",),
    "hook enable": ("1",),
    "hook remove": ("1",),
    "audit": ("--what", "campaign.start"),
    "forward add": ("https://127.0.0.1:9/", "--secret-env", "WHATSAPP_TOKEN"),
    "forward list": (),
    "forward show": ("1",),
    "forward test": ("1",),
    "forward disable": ("1",),
    "forward enable": ("1",),
    "forward remove": ("1",),
    "prices import": ("prices.csv",),
    "prices list": (),
    "prices ledger": (),
    "prices remove": ("2020-01-01",),
}
# By command, the settings with which it runs.
SETTINGS = {"campaign ask-approval": {"REVOADA_APPROVE_ABOVE": "1"}}


def test_the_help_of_every_command():
    compare("help", gather_help())


def test_the_arguments_and_options_of_every_command():
    compare("options", gather_options())


def test_the_settings_with_their_defaults():
    compare("settings", gather_settings())


def test_the_tasks_the_queues_and_the_schedule(project):
    """In a process of its own, because Celery keeps the settings with which it was first asked."""
    program = "from campaigns.celery import app; from tests.golden.gather import gather_tasks; print(gather_tasks(app))"
    environment = {"REDIS_URL": "redis://127.0.0.1:6379/0"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    compare("tasks", done.stdout)


def test_the_log_events_with_the_values_that_are_bound_to_them(project):
    compare("log_events", gather_log_events(project))


def test_the_codes_in_the_documents_are_the_rows_of_the_failure_table(project):
    compare_section(project / "docs" / "life-cycles.md", "codes", gather_failures())


def test_the_codes_and_texts_of_refusals_and_findings(project):
    compare("statements", gather_statements(project))


def test_the_keys_of_all_json_that_the_command_prints(busy):
    printing = [
        " ".join(path)
        for path, command in list_commands(main)
        if any(each.name == "as_json" for each in command.params)
    ]
    assert sorted(printing) == sorted(EXAMPLES)
    lines = []
    for name, arguments in EXAMPLES.items():
        result = busy(*name.split(), *arguments, "--json", **SETTINGS.get(name, {}))
        lines.append(f"revoada {name} --json\n{outline(json.loads(result.stdout))}")
    compare("json_keys", "".join(lines))


@pytest.fixture
def busy(house, people, database, far, valkey):
    """An installation in which each list has something in it."""
    house.environment |= {"GRAPH_API_URL": f"{far.url}/v24.0", "REDIS_URL": valkey.url}
    far.script(templates=[{"name": "promo", "language": "pt_BR", "body": "Oi {{1}}!"}])
    make = ("--template", "promo:pt_BR", "--account", "sales", "--recipients", str(people))
    window = ("--window", "08:00-20:00", "--weekdays", "mon-fri")
    house.ok("portfolio", "add", "group", "--daily-limit", "1000")
    house.ok("user", "add", "eva", "--role", "viewer", "--no-password")
    house.ok("account", "set", "sales", "--portfolio", "group")
    house.ok("campaign", "create", "Black Friday", *make, *window)
    house.ok("campaign", "create", "Newsletter", *make)
    house.ok("campaign", "start", "1", "--yes")
    house.ok("suppress", "add", "+5511999990009", "--reason", "asked by phone")
    database.run(write_prices, [Price("BR", "marketing", dt.date(2020, 1, 1), "USD", Decimal(1), "")])
    (people.parent / "prices.csv").write_text(house.ok("prices", "example"))
    sent = {"account_id": 1, "campaign_id": 1}
    ended = "started_at = now() - interval '9 days', completed_at = now() - interval '8 days'"
    fetch(database, f"UPDATE campaigns SET status = 'completed', {ended} WHERE id = 1")
    message_id = database.run(add_message, status="delivered", pricing_category="marketing", **sent)
    database.run(add_message, status="uncertain", **sent)
    database.run(add_message, status="failed", error_code=131000, error_title="Went wrong", **sent)
    database.run(deactivate_category, 1)
    failures = [{"code": 190, "title": "expired", "details": "", "fbtrace_id": "A", "message_id": message_id}]
    fetch(database, "UPDATE accounts SET failures = %s, consecutive_failures = 1 WHERE id = 1", json.dumps(failures))
    said_at = dt.datetime.now(dt.UTC)
    answers = [(ANA, b"digest"), ("+5511999990002", b"other")]
    database.run(
        open_reviews,
        [Answer(phone, digest, "word", "sei", "não sei", said_at, "1065", message_id) for phone, digest in answers],
    )
    return house
