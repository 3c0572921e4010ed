from __future__ import annotations

import datetime as dt
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from campaigns.cli import session
from campaigns.cli.root import main
from campaigns.management.accounts import add_account, add_template
from campaigns.secrets import make_key
from tests.store.rows import fetch
from tests.support.actors import TESTER

# Postgres has the report of a worker that sends campaigns. No process runs, so the broker is not asked.
ADD_WORKER = (
    "INSERT INTO workers (owner, name, queues, slots, running_count, started_at, seen_at, consumed_at, skew_seconds)"
    " VALUES ('host:1', 'worker@host', '{campaigns}', 4, 0, now(), now(), now(), 0)"
)
ANA, BIA = "+5511999990001", "+5511999990002"


def quiet_hours(*, in_hours: float, time_zone: str = "America/Sao_Paulo") -> str:
    """Return two quiet hours, by the clocks of a zone. Their middle is this number of hours from now."""
    middle = dt.datetime.now(ZoneInfo(time_zone)) + dt.timedelta(hours=in_hours)
    begins, ends = (middle + dt.timedelta(hours=hours) for hours in (-1, 1))
    return f"{begins:%H:%M}-{ends:%H:%M}"


@dataclass
class Revoada:
    """The command, run in this process on the test's database.

    `enqueued`: campaigns that it enqueued; `has_broker`: whether the broker answers.
    """

    environment: dict[str, str | None]
    enqueued: list[int] = field(default_factory=list)
    has_broker: bool = True

    def __call__(self, *arguments, stdin=None, **environment):
        with patch.dict(os.environ):  # the command reads `.env` into the environment
            return CliRunner().invoke(main, list(arguments), input=stdin, env=self.environment | environment)

    def ok(self, *arguments, **more):
        """Run a command that must work; return its output."""
        result = self(*arguments, **more)
        assert result.exit_code == 0, result.output
        assert result.exception is None
        return result.stdout

    def json(self, *arguments):
        return json.loads(self.ok(*arguments, "--json"))

    def refusal(self, *arguments, exit_code=1, **more):
        """Run a command that must be refused; return its one line."""
        result = self(*arguments, **more)
        assert (result.exit_code, result.stdout) == (exit_code, ""), result.output
        assert isinstance(result.exception, SystemExit), result.exception
        (line,) = result.stderr.splitlines()
        return line.removeprefix("Error: ")

    def enqueue(self, campaign_ids):
        if self.has_broker:
            self.enqueued += campaign_ids
        return self.has_broker


@pytest.fixture
def revoada(database_url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    environment = {
        "DATABASE_URL": database_url,
        "REVOADA_SECRET_KEY": make_key(),
        "REVOADA_TIMEZONE": None,
        "REVOADA_QUIET_HOURS": None,
        "REDIS_URL": None,
        "BROKER_URL": None,
        "WHATSAPP_TOKEN": "EAAG-secret-token",
        "GRAPH_API_URL": "http://127.0.0.1:9/v24.0",  # nothing answers, so no test asks Meta
        "COLUMNS": "240",
    }
    command = Revoada(environment)
    monkeypatch.setattr(session, "enqueue_campaigns", command.enqueue)
    return command


@pytest.fixture
def people(tmp_path) -> Path:
    """A file for a template with one variable."""
    file = tmp_path / "people.csv"
    file.write_text(f"phone,name\n{ANA},Ana\n{BIA},Bia\n{ANA},Ana\n5511,Caio\n")
    return file


@pytest.fixture
def house(revoada, database):
    """Two accounts, a template, and a worker that has reported just now."""
    secrets = {"token": "EAAG-secret-token", "secret_key": revoada.environment["REVOADA_SECRET_KEY"]}
    for name, number in (("sales", "1065"), ("support", "1066")):
        add_account(database, name, phone_number_id=number, waba_id="22", **secrets, actor=TESTER)
    add_template(database, "promo", language="pt_BR", body="Oi {{1}}!", actor=TESTER)
    fetch(database, ADD_WORKER)
    return revoada


@pytest.fixture
def create(house, people):
    """Makes drafts; returns their ids."""

    def create_one(name="Black Friday", *options):
        usual = {"--template": "promo:pt_BR", "--recipients": str(people)}
        chosen = [word for option, value in usual.items() if option not in options for word in (option, value)]
        output = house.ok("campaign", "create", name, "--account", "sales", *chosen, *options)
        return output.splitlines()[-1]

    return create_one
