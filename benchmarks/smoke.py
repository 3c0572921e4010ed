"""`make smoke-meta` sends one template from a phone number at Meta to a phone of yours, and waits for the webhooks.

docs/smoke-meta.md says how to get a test number and a tunnel, and describes the environment variables. The command
starts Postgres, Valkey and the roles in a folder of their own, and does the rest by the commands of `revoada`, as a
person would. It sends at most one message. Its report holds no token, no secret and no whole phone number.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from campaigns.config import read_settings
from campaigns.domain.phone.mask import mask_numbers
from campaigns.secrets import make_key
from campaigns.store.migrate import migrate
from devstack.ports import LOOPBACK, free_port
from devstack.server import DevstackError
from devstack.stack import Stack, await_http, stop_on_sigterm

NEEDED = (
    *("SMOKE_PHONE_NUMBER_ID", "SMOKE_WABA_ID", "SMOKE_TOKEN", "SMOKE_TO", "SMOKE_WEBHOOK_URL"),
    *("META_APP_SECRET", "META_VERIFY_TOKEN"),
)
_SECRET = ("SMOKE_TOKEN", "META_APP_SECRET", "META_VERIFY_TOKEN", "REVOADA_SECRET_KEY", "DATABASE_URL", "REDIS_URL")
_ROLES = ("webhooks", "events", "worker", "files", "beat")
_ACCOUNT = "smoke"
_POLL_SECONDS = 2.0
# Settings of the caller's environment with these prefixes, such as a database, do not apply to this run. GRAPH_API_URL
# does, so that a test can name the simulator.
_OURS = ("REVOADA_", "BROKER_", "ALERT_", "LOG_", "CELERY_", "DATABASE_", "REDIS_")


class SmokeError(Exception):
    """A step failed. The text gives the reason, and what to do."""


def main() -> int:
    stop_on_sigterm()
    if missing := [name for name in NEEDED if not os.environ.get(name)]:
        print(f"smoke-meta: docs/smoke-meta.md describes these variables: {', '.join(missing)}", file=sys.stderr)
        return 2
    folder = Path(tempfile.mkdtemp(prefix="revoada-smoke-"))
    outside = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    try:
        with Stack(folder, outside | {"REVOADA_SECRET_KEY": make_key(), "REVOADA_LANGUAGE": "en"}) as stack:
            return Smoke(stack).run()
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Smoke:
    """One run: each step prints a line of the report."""

    def __init__(self, stack: Stack) -> None:
        self._stack, self._environment = stack, stack.environment
        self._template = self._environment.get("SMOKE_TEMPLATE", "hello_world:en_US")
        self._wait_seconds = float(self._environment.get("SMOKE_SECONDS", "300"))

    def run(self) -> int:
        """Run all steps, print the report, and return the exit code."""
        self._print(f"Revoada {version('revoada')} against {read_settings(self._environment).graph_api_url}")
        try:
            self._do("start the installation", self._start)
            self._do("add the account", self._add_account)
            self._do("check the set-up", self._check_setup)
            campaign_id = self._do("make the campaign", self._make_campaign)
            self._do("send", lambda: self._send(campaign_id))
            self._do("wait for the webhooks", lambda: self._await_webhooks(campaign_id))
        except (SmokeError, DevstackError) as error:
            self._print(f"\nFAILED  {error}")
            return 1
        self._print(f"\nPASSED  {self._template} arrived, and Meta's webhooks said so.")
        return 0

    def _do(self, name: str, step: Callable[[], str]) -> str:
        began = time.monotonic()
        result = step()
        self._print(f"{name:24}{time.monotonic() - began:6.1f} s  {result}")
        return result

    def _print(self, text: str) -> None:
        """Print a text without secrets and whole phone numbers."""
        for name in _SECRET:
            if value := self._environment.get(name):
                text = text.replace(value, "***")
        print(mask_numbers(text), flush=True)

    # steps

    def _start(self) -> str:
        self._environment |= {
            "DATABASE_URL": self._stack.start_postgres().create_database("revoada"),
            "REDIS_URL": self._stack.start_valkey().url,
            "HOST": LOOPBACK,
            "PORT": str(free_port(int(self._environment.get("PORT", "8000")))),
        }
        migrate(self._environment["DATABASE_URL"])
        for role in _ROLES:
            self._stack.start_role(role)
        await_http(f"{self._stack.webhooks_url}/readyz", self._stack, role="webhooks")
        return f"the tunnel must lead to port {self._environment['PORT']}"

    def _add_account(self) -> str:
        number, waba = self._environment["SMOKE_PHONE_NUMBER_ID"], self._environment["SMOKE_WABA_ID"]
        words = ("--phone-number-id", number, "--waba-id", waba, "--token-env", "SMOKE_TOKEN")
        self._call("account", "add", _ACCOUNT, *words)
        self._call("template", "sync")
        name, _, language = self._template.partition(":")
        if not any((each["name"], each["language"]) == (name, language) for each in self._read("template", "list")):
            raise SmokeError(f"The WABA has no template {self._template}. Set SMOKE_TEMPLATE to one without variables.")
        return f"{self._template} is among the templates"

    def _check_setup(self) -> str:
        """Wait until no part is missing. Meanwhile a person may enter the address of the tunnel at Meta."""
        url = self._environment["SMOKE_WEBHOOK_URL"]
        told: list[str] = []
        deadline = time.monotonic() + self._wait_seconds
        while True:
            checks = self._read("check-setup", "--webhook-url", url)
            missing = [f"  ✗ {each['subject']}, {each['name']}: {each['text']}\n    → {each['advice']}"
                       for each in checks if each["state"] == "missing"]  # fmt: skip
            if not missing:
                return f"{sum(each['state'] == 'ok' for each in checks)} parts are there"
            if missing != told:
                self._print("\n".join(missing))
                told = missing
            if time.monotonic() > deadline:
                raise SmokeError(
                    f"After {self._wait_seconds:g} s a part of the set-up is still missing. Nothing was sent."
                )
            time.sleep(_POLL_SECONDS)

    def _make_campaign(self) -> str:
        """Return the id of the campaign."""
        path = self._stack.folder / "people.csv"
        path.write_text(f"phone\n{self._environment['SMOKE_TO']}\n", encoding="utf-8")
        words = ("--template", self._template, "--account", _ACCOUNT, "--recipients", str(path))
        return self._call("campaign", "create", "Smoke", *words).splitlines()[-1]

    def _send(self, campaign_id: str) -> str:
        self._call("campaign", "start", campaign_id, "--yes")
        return self._await(campaign_id, {"sent", "delivered", "read"}, "Meta has not accepted the message.")

    def _await_webhooks(self, campaign_id: str) -> str:
        return self._await(
            campaign_id, {"delivered", "read"},
            "No webhook said that the message was delivered. Is the phone on, and does it have WhatsApp?",
        )  # fmt: skip

    def _await(self, campaign_id: str, wanted: set[str], problem: str) -> str:
        deadline = time.monotonic() + self._wait_seconds
        while True:
            self._stack.check_alive()
            counts: Mapping[str, int] = self._read("campaign", "show", campaign_id)["counts"]
            (status,) = (status for status, count in counts.items() if count)
            if status in wanted:
                return status
            if status == "failed":
                (error,) = self._read("campaign", "errors", campaign_id)
                raise SmokeError(
                    f"Meta refused the message: {error['error_code']} {error['error_title']}\n  → {error['advice']}"
                )
            if time.monotonic() > deadline:
                raise SmokeError(f"{problem} Status after {self._wait_seconds:g} s: {status}.")
            time.sleep(_POLL_SECONDS)

    # commands

    def _read(self, *words: str) -> Any:
        """Return the JSON of a command."""
        return json.loads(self._call(*words, "--json"))

    def _call(self, *words: str) -> str:
        """Run `revoada …`; return its output. `check-setup` has the exit code 1 when a part is missing."""
        command = [str(Path(sys.executable).with_name("revoada")), *words]
        done = subprocess.run(
            command, env=self._environment, cwd=self._stack.folder, check=False, capture_output=True, text=True
        )
        if done.returncode != 0 and not (words[0] == "check-setup" and done.stdout):
            raise SmokeError(done.stderr.strip())
        return done.stdout


if __name__ == "__main__":
    sys.exit(main())
