from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner

from campaigns.cli import session
from campaigns.cli.root import main
from campaigns.secrets import make_key

ANA, BIA = "+5511999990001", "+5511999990002"


@dataclass
class Revoada:
    """The command, run in this process on the test's database. `rung`: what it rang; `has_broker`: whether it can."""

    environment: dict[str, str | None]
    rung: list[int] = field(default_factory=list)
    has_broker: bool = True

    def __call__(self, *arguments, stdin=None, **environment):
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

    def ring(self, campaign_ids):
        if self.has_broker:
            self.rung += campaign_ids
        return self.has_broker


@pytest.fixture
def revoada(database_url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    environment = {
        "DATABASE_URL": database_url,
        "REVOADA_SECRET_KEY": make_key(),
        "REVOADA_TIMEZONE": None,
        "REDIS_URL": None,
        "BROKER_URL": None,
        "WHATSAPP_TOKEN": "EAAG-secret-token",
        "COLUMNS": "240",
    }
    command = Revoada(environment)
    monkeypatch.setattr(session, "ring_campaigns", command.ring)
    return command


@pytest.fixture
def people(tmp_path) -> Path:
    """A file for a template with one variable."""
    file = tmp_path / "people.csv"
    file.write_text(f"phone,name\n{ANA},Ana\n{BIA},Bia\n{ANA},Ana again\n5511,Caio\n")
    return file


@pytest.fixture
def house(revoada):
    """Two accounts and a template."""
    for name, number in (("sales", "1065"), ("support", "1066")):
        revoada.ok(
            "account", "add", name, "--phone-number-id", number, "--waba-id", "22", "--token-env", "WHATSAPP_TOKEN"
        )
    revoada.ok("template", "add", "promo", "--language", "pt_BR", "--body", "Oi {{1}}!")
    return revoada


@pytest.fixture
def create(house, people):
    """Makes drafts; returns their ids."""

    def create_one(name="Black Friday", *options):
        output = house.ok(
            *("campaign", "create", name, "--template", "promo:pt_BR", "--account", "sales"),
            *("--recipients", str(people), *options),
        )
        return output.splitlines()[-1]

    return create_one
