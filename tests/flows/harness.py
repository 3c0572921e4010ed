"""Revoada whole and running: real roles of the Procfile, the simulator at the far end, and what a test asks of them."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import requests
from celery import Celery

from campaigns.domain.campaign import Move
from campaigns.management import lifecycle
from campaigns.management.accounts import add_account, add_template
from campaigns.management.campaigns import CampaignChanges, create_campaign
from campaigns.secrets import make_key
from campaigns.store.database import Database
from campaigns.valkey import make_sentinel_options
from campaigns.valkey_url import read_server_url
from devstack.ports import LOOPBACK, free_port
from devstack.roles import PROJECT, Role
from devstack.stack import Stack, await_http
from tests.store.rows import delete_rows
from tests.support.actors import TESTER

WABA = "220000000000001"
APP_SECRET = "f10e0a9953c3e7f10e0a9953c3e73f1c"
QUEUES = ("campaigns", "control", "webhooks", "health")
# How long a test waits for a condition, and for an answer: no statement about speed, only the end of hope.
PATIENCE_SECONDS = 120.0
_BIN = Path(sys.executable).parent
_PHONE = re.compile(r"55219\d{8}")


def wait_for(condition: Callable[[], Any], what: str, *, seconds: float = PATIENCE_SECONDS) -> Any:
    """Ask again until the answer is true, and return it; `what` is the sentence of the failure."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)
    return answer


class SimulatorClient:
    """The simulator as a test sees it: its memory, and its script."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._log: list[dict[str, Any]] = []

    def script(self, **patch: Any) -> None:
        self._post("script", patch)

    def reset(self) -> None:
        self._post("reset", {})
        self._log.clear()

    def flush(self) -> None:
        """Let all webhooks go now that wait for their time, or for a retry."""
        self._post("flush", {})

    def inject(self, document: Mapping[str, Any]) -> None:
        """Post a webhook event of our own making, signed."""
        self._post("webhook", document)

    def accepted(self, *campaigns: Campaign) -> list[dict[str, Any]]:
        """Return accepted sends in order, of all campaigns or of some."""
        self._log += self._get(f"accepted?after={len(self._log)}")["accepted"]
        phones = {phone for campaign in campaigns for phone in campaign.phones}
        return [each for each in self._log if not phones or f"+{each['to']}" in phones]

    def times(self, campaign: Campaign) -> list[float]:
        """Return when messages of a campaign were accepted, in seconds since 1970."""
        return [each["epoch"] for each in self.accepted(campaign)]

    def arrived(self) -> dict[str, int]:
        """Return how many requests arrived for each phone, accepted or not."""
        return {f"+{digits}": count for digits, count in self._get("wire")["recipients"].items()}

    def stats(self) -> dict[str, Any]:
        return self._get("stats")

    def has_told_all(self) -> bool:
        """Whether no webhook is left to post."""
        return bool(self.stats()["webhooks"]["pending"] == 0)

    def _get(self, name: str) -> dict[str, Any]:
        return self._session.get(f"{self.url}/_simulator/{name}", timeout=PATIENCE_SECONDS).json()

    def _post(self, name: str, body: Mapping[str, Any]) -> None:
        answer = self._session.post(f"{self.url}/_simulator/{name}", json=body, timeout=PATIENCE_SECONDS)
        assert answer.ok, answer.text


@dataclass(frozen=True, slots=True)
class Account:
    id: int
    name: str
    number: str  # the phone number id
    token: str


@dataclass(frozen=True, slots=True)
class Campaign:
    id: int
    name: str
    phones: tuple[str, ...]


class AlertReceiver(ThreadingHTTPServer):
    """What stands behind ALERT_WEBHOOK_URL."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), _AlertHandler)
        self.alerts: list[dict[str, Any]] = []
        self.url = f"http://{LOOPBACK}:{self.server_address[1]}/alerts"
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def kinds(self) -> list[str]:
        return [alert["kind"] for alert in list(self.alerts)]

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class _AlertHandler(BaseHTTPRequestHandler):
    server: AlertReceiver

    def do_POST(self) -> None:
        self.server.alerts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


class Flow:
    """One installation: a database, a broker, the roles that the test starts, and the far end."""

    def __init__(self, folder: Path, database: Database, environment: Mapping[str, str], far: SimulatorClient) -> None:
        self.far = far
        self.alerts = AlertReceiver()
        self.stack = Stack(folder, {**environment, "ALERT_WEBHOOK_URL": self.alerts.url})
        self._database = database
        self._accounts: list[Account] = []
        self._campaigns: list[Campaign] = []
        # Where the logs of roles end that have run for tests before.
        self._log_starts: dict[Path, int] = {}
        self.use_broker(environment["REDIS_URL"])

    def use_broker(self, url: str) -> None:
        """Let the roles that start from now on, and the test itself, use this Valkey."""
        self.stack.environment["REDIS_URL"] = url
        server = read_server_url(url)
        waits = {"connect_timeout_seconds": PATIENCE_SECONDS, "timeout_seconds": PATIENCE_SECONDS}
        self._celery = Celery("harness", broker=server.broker_url, set_as_current=False)
        self._celery.conf.update(
            broker_use_ssl=server.tls,
            broker_transport_options={
                "socket_timeout": PATIENCE_SECONDS,
                "master_name": server.master_name,
                "sentinel_kwargs": make_sentinel_options(server, **waits),
            },
        )

    # roles

    def start(self, *roles: str, **settings: object) -> None:
        """Start roles of the Procfile (`worker2` is another `worker`); `settings` are REVOADA_… without the prefix."""
        self.stack.environment |= {f"REVOADA_{name.upper()}": str(value) for name, value in settings.items()}
        for name in roles:
            role = name.rstrip("0123456789")
            if role == "beat":
                self.stack.start_beat(name)
            elif role == "webhooks":
                self.stack.environment |= {"HOST": LOOPBACK, "PORT": str(free_port())}
                self.stack.start_role(name)
            else:
                self.stack.start_role(name, "-n", f"{name}@%h", role=role)
        if "webhooks" in roles:
            self.receive_webhooks()

    def receive_webhooks(self) -> None:
        """Let the far end post its webhooks to the role that runs."""
        self.send_webhooks_to(f"{self.stack.webhooks_url}/webhooks/whatsapp")

    def send_webhooks_to(self, url: str) -> None:
        self.far.script(webhooks={"callback_url": url, "app_secret": APP_SECRET})

    def await_ready(self, *names: str) -> None:
        """Wait until the roles named (default: all that run) do their work."""
        for role in [each for each in self.stack.roles if not names or each.name in names]:
            if role.name.startswith("webhooks"):
                await_http(f"{self.stack.webhooks_url}/readyz", self.stack, seconds=PATIENCE_SECONDS)
            else:
                word = "beat: Starting" if role.name.startswith("beat") else " ready."
                wait_for(lambda role=role, word=word: word in role.log_path.read_text(), f"{role.name} is ready")

    def role(self, name: str) -> Role:
        return next(role for role in self.stack.roles if role.name == name)

    def forget_role(self, name: str) -> None:
        """Leave a role out of `check_alive`: the test has ended it."""
        self.stack.roles.remove(self.role(name))

    def begin_anew(self) -> None:
        """Leave nothing of the tests before but the roles, which run on. The far end posts no webhooks at first.

        Ids go on, so that nothing which a process remembers of an account or a campaign is about one of this test.
        """
        over = "SELECT array_agg(id) FROM campaigns WHERE status IN ('pending', 'scheduled', 'running', 'paused')"
        lifecycle.cancel_campaigns(self._database, self.query(over)[0][0] or [], actor=TESTER)
        living = "SELECT FROM leases WHERE until > clock_timestamp()"
        wait_for(lambda: not self.query(living), "the campaigns before have ended")
        wait_for(lambda: self.far.flush() or self.far.has_told_all(), "their webhooks are posted")
        waiting = "SELECT FROM webhook_events WHERE status = 'stored'"
        wait_for(lambda: not self.query(waiting), "their webhooks are applied")
        self.far.reset()
        self.far.script(limits={"messages_per_second": 0})
        self._database.run(delete_rows, kept=("workers",))
        self._accounts.clear()
        self._campaigns.clear()
        self.alerts.alerts.clear()
        self._log_starts = {path: path.stat().st_size for path in self.log_paths()}

    # what people do

    def add_account(self, name: str, *, rate: int = 80, failure_limit: int = 5, **script: Any) -> Account:
        """Add an account; `script` is what the simulator plays for it."""
        index = len(self._accounts) + 1
        number, token = f"5511000000000{index:02d}", f"EAAflow{index:02d}secretZ"
        self.far.script(accounts={number: {"waba_id": WABA, "messages_per_second": 0, **script}})
        account_id = add_account(
            self._database,
            name,
            phone_number_id=number,
            waba_id=WABA,
            token=token,
            secret_key=self.stack.environment["REVOADA_SECRET_KEY"],
            messages_per_second=rate,
            failure_limit=failure_limit,
            actor=TESTER,
        )
        self._accounts.append(Account(account_id, name, number, token))
        return self._accounts[-1]

    def add_campaign(self, name: str, accounts: Sequence[Account], *, people: int, **changes: Any) -> Campaign:
        """Make a draft with so many recipients, whose phones no other campaign has."""
        index = len(self._campaigns) + 1
        phones = tuple(f"+55219{index:02d}{number:06d}" for number in range(people))
        template = f"template_{index}"
        add_template(self._database, template, language="pt_BR", body="Oi {{1}}, hoje {{2}}.", actor=TESTER)
        path = self.stack.folder / f"{template}.csv"
        rows = [f"{phone},Ana,{number % 50}%\n" for number, phone in enumerate(phones)]
        path.write_text("phone,nome,desconto\n" + "".join(rows), encoding="utf-8")
        wish = CampaignChanges(
            name=name,
            template=f"{template}:pt_BR",
            accounts=[account.name for account in accounts],
            **changes,
        )
        planned = create_campaign(self._database, wish, path, time_zone="America/Sao_Paulo", actor=TESTER)
        self._campaigns.append(Campaign(planned.id, name, phones))
        return self._campaigns[-1]

    def command(self, use_case: Callable[..., list[Move]], *campaigns: Campaign) -> float:
        """Move campaigns and ring, as `revoada campaign …` does; return when it was committed (seconds since 1970)."""
        moves = use_case(self._database, [campaign.id for campaign in campaigns], actor=TESTER)
        committed_at = self.server_time()
        self.enqueue(lifecycle.ids_to_enqueue(moves))
        return committed_at

    def start_campaigns(self, *campaigns: Campaign) -> float:
        return self.command(lifecycle.start_campaigns, *campaigns)

    def enqueue(self, campaign_ids: Iterable[int], *, times: int = 1) -> None:
        with self._celery.connection_for_write() as connection, connection.Producer() as producer:
            for campaign_id in campaign_ids:
                for _ in range(times):
                    self._celery.send_task(
                        "campaigns.run", (campaign_id,), queue="campaigns", producer=producer, retry=False
                    )

    def run_command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `revoada …` or `celery …` in the environment of the roles, in the project's folder."""
        return subprocess.run(
            [str(_BIN / words[0]), *words[1:]],
            env=self.stack.environment,
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    # what stands in Postgres

    def query(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self._database.run(lambda connection: connection.execute(statement, parameters).fetchall())

    def execute(self, statement: str) -> None:
        self._database.run(lambda connection: connection.execute(statement))

    def server_time(self) -> float:
        return float(self.query("SELECT extract(epoch FROM clock_timestamp())")[0][0])

    def counts(self, *campaigns: Campaign) -> dict[str, int]:
        """Return how many rows are in each status."""
        ids = [campaign.id for campaign in campaigns or self._campaigns]
        rows = self.query("SELECT status::text, count(*) FROM messages WHERE campaign_id = ANY (%s) GROUP BY 1", ids)
        return dict(rows)  # type: ignore[arg-type]

    def status(self, campaign: Campaign) -> tuple[str, str | None]:
        """Return status and waiting reason."""
        rows = self.query("SELECT status::text, waiting_reason FROM campaigns WHERE id = %s", campaign.id)
        return rows[0][0], rows[0][1]

    def await_status(
        self, status: str, *campaigns: Campaign, reason: str | None = None, seconds: float = PATIENCE_SECONDS
    ) -> None:
        def is_there() -> bool:
            self.stack.check_alive()
            return all(self.status(campaign) == (status, reason) for campaign in campaigns)

        names = ", ".join(campaign.name for campaign in campaigns)
        wait_for(is_there, f"{names} {status} {reason or ''}", seconds=seconds)

    def await_accepted(self, campaign: Campaign, count: int, *, seconds: float = PATIENCE_SECONDS) -> None:
        wait_for(
            lambda: len(self.far.accepted(campaign)) >= count,
            f"{count} messages of {campaign.name} are accepted",
            seconds=seconds,
        )

    def await_on_the_wire(self, *campaigns: Campaign) -> None:
        """Wait until each campaign has messages in `sending` of which the API has received nothing.

        Call it while the way to the API is frozen: these messages then stay in `sending`. One that the API has
        accepted may be in `sending` too, for the moment until its reply is settled.
        """

        def is_on_the_wire(campaign: Campaign) -> bool:
            rows = self.query("SELECT phone FROM messages WHERE campaign_id = %s AND status = 'sending'", campaign.id)
            return bool({phone for (phone,) in rows} - self.far.arrived().keys())

        wait_for(
            lambda: all(is_on_the_wire(campaign) for campaign in campaigns),
            f"{', '.join(campaign.name for campaign in campaigns)} have requests on the wire",
        )

    def await_ticks(self, count: int) -> None:
        """Wait until so many more ticks have looked at the campaigns."""
        for _ in range(count):
            before = self.query("SELECT ticked_at FROM installation")
            wait_for(lambda before=before: self.query("SELECT ticked_at FROM installation") != before, "a tick")

    def await_arrival(self, *campaigns: Campaign, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until every message is delivered or read."""
        expected = sum(len(campaign.phones) for campaign in campaigns)

        def have_arrived() -> bool:
            counts = self.counts(*campaigns)
            return counts.get("delivered", 0) + counts.get("read", 0) == expected

        wait_for(have_arrived, f"all of {expected} have arrived: {self.counts(*campaigns)}", seconds=seconds)

    # what must be true

    def assert_everybody_got_one(self, *campaigns: Campaign) -> None:
        for campaign in campaigns:
            got = Counter(f"+{each['to']}" for each in self.far.accepted(campaign))
            assert {phone: got[phone] for phone in campaign.phones if got[phone] != 1} == {}

    def assert_nobody_got_two(self) -> None:
        stats = self.far.stats()
        assert stats["max_accepted_per_recipient"] <= 1, stats
        assert stats["duplicates"] == {"recipients": 0, "callback_data": 0}

    def assert_counters_equal_rows(self) -> None:
        """In one look, because webhooks may still move both."""
        differing = self.query(
            """
            SELECT * FROM (
                SELECT campaign_id, status, count(*) AS rows, count(replied_at) AS replied FROM messages GROUP BY 1, 2
            ) r
            FULL JOIN (SELECT * FROM tallies WHERE count <> 0 OR replied_count <> 0) t USING (campaign_id, status)
            WHERE (r.rows, r.replied) IS DISTINCT FROM (t.count, t.replied_count)
            """
        )
        assert differing == []

    def assert_no_lease_lives(self) -> None:
        assert self.query("SELECT campaign_id, owner FROM leases WHERE until > clock_timestamp()") == []

    # what the logs say

    def log_paths(self) -> list[Path]:
        return sorted((self.stack.folder / "logs").glob("*.log"))

    def read_log(self, path: Path) -> str:
        """Return what a role has logged during this test."""
        with path.open("rb") as log:
            log.seek(self._log_starts.get(path, 0))
            return log.read().decode(errors="replace")

    def events(self, name: str, **bound: Any) -> list[dict[str, Any]]:
        """Return the lines of all roles with this event name and these ids bound, in the order of their times."""
        found = []
        for path in self.log_paths():
            for line in self.read_log(path).splitlines():
                if f'"event": "{name}"' not in line:
                    continue
                record = json.loads(line)
                if all(record.get(key) == value for key, value in bound.items()):
                    found.append({**record, "role": path.stem, "at": _seconds(record["time"])})
        return sorted(found, key=lambda record: record["at"])

    def sentences(self, name: str, **bound: Any) -> list[str]:
        return [record["message"] for record in self.events(name, **bound)]

    def find_leaks(self, text: str | None = None) -> list[str]:
        """Return the secrets (access tokens and others, whole phone numbers) that a log, an alert or `text` holds."""
        texts = (
            {"output": text}
            if text is not None
            else {path.name: self.read_log(path) for path in self.log_paths()} | {"alerts": str(self.alerts.alerts)}
        )
        environment = self.stack.environment
        secrets = [account.token for account in self._accounts]
        secrets += [environment[name] for name in ("META_APP_SECRET", "REVOADA_SECRET_KEY", "META_VERIFY_TOKEN")]
        return [
            f"{name}: {found}"
            for name, text in texts.items()
            for found in [*(secret for secret in secrets if secret in text), *set(_PHONE.findall(text))]
        ]

    def print_logs(self, *, lines: int = 120) -> None:
        for path in self.log_paths():
            text = self.read_log(path).splitlines()
            print(f"\n--- {path} (the last of {len(text)} lines)", *text[-lines:], sep="\n")

    def stop(self) -> None:
        self.stack.__exit__(None, None, None)
        self.alerts.stop()
        self._celery.close()


def make_environment(database_url: str, redis_url: str, graph_url: str) -> dict[str, str]:
    """Return what the roles get: nothing of the settings outside, short times, and secrets of their own."""
    ours = ("REVOADA_", "META_", "BROKER_", "ALERT_", "GRAPH_", "LOG_", "CELERY_", "DATABASE_", "REDIS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "GRAPH_API_URL": f"{graph_url}/v24.0",
        "META_APP_SECRET": APP_SECRET,
        "META_VERIFY_TOKEN": "flow-verify-token-77",
        "REVOADA_SECRET_KEY": make_key(),
        "LOG_FORMAT": "json",
        "REVOADA_TICK_SECONDS": "2",
        "REVOADA_SLICE_SECONDS": "2",
    }


def span(times: Sequence[float]) -> float:
    return max(times) - min(times)


def gaps(times: Sequence[float]) -> list[float]:
    return [after - before for before, after in pairwise(times)]


def run_together(*works: Callable[[], Any]) -> list[Any]:
    with ThreadPoolExecutor(len(works)) as pool:
        return [each.result() for each in [pool.submit(work) for work in works]]


def _seconds(text: str) -> float:
    return dt.datetime.fromisoformat(text).timestamp()
