"""Three campaigns at once against the simulator: healthy, YELLOW and failing health checks, and nothing stops."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from campaigns.cli.output import make_console
from campaigns.cli.watch import watch_campaigns
from campaigns.domain.message import Status
from campaigns.management.accounts import add_account, add_template
from campaigns.management.campaigns import Wishes, create_campaign
from campaigns.management.lifecycle import start_campaigns
from campaigns.secrets import make_key
from campaigns.store.campaigns import CampaignListing, list_campaigns
from campaigns.store.database import Database
from campaigns.store.migrate import migrate
from devstack.ports import free_port
from devstack.server import DevstackError, wait_until
from devstack.stack import Stack, await_http, stop_on_sigterm
from devstack.story import tell_story

RECIPIENTS = 1_000
TIME_ZONE = "America/Sao_Paulo"
_TOKEN = "demo-token"  # noqa: S105  the simulator's
_WABA = "220000000000001"

# name, phone number id, what the health endpoint says
ACCOUNTS = (
    ("Vendas", "551100000000001", "GREEN"),
    ("Relacionamento", "551100000000002", "YELLOW"),
    ("Novidades", "551100000000003", "400"),
)
# name, template, text, first phone, accounts
CAMPAIGNS = (
    ("Black Friday", "black_friday", "Oi {{1}}! Hoje tudo com {{2}} de desconto.", 91000000,
     ("Vendas", "Relacionamento")),
    ("Promoção Verão", "promocao_verao", "{{1}}, o verão chegou: {{2}} em toda a loja.", 92000000,
     ("Relacionamento", "Novidades")),
    ("Newsletter", "newsletter", "{{1}}, as novidades da semana: {{2}}.", 93000000,
     ("Novidades", "Vendas")),
)  # fmt: skip
_NAMES = ("Ana", "Bruno", "Camila", "Diego", "Elisa", "Fábio", "Gabriela", "Heitor", "Inês", "João")
_SETTLE_SECONDS = 30.0


def run(*, exit_when_done: bool = False) -> int:
    """Run the demo until Ctrl-C, or until all campaigns have completed; return 0 only if everybody got theirs once."""
    stop_on_sigterm()
    console = make_console()
    folder = Path(tempfile.mkdtemp(prefix="revoada-demo-"))
    try:
        with Stack(folder, os.environ) as stack:
            try:
                return _play(stack, console, exit_when_done=exit_when_done)
            except KeyboardInterrupt:
                console.print("\nStopping: beat, workers, webhooks, Valkey, Postgres.")
                return 0 if not exit_when_done else 130
    except DevstackError as error:
        print(f"revoada demo: {error}", file=sys.stderr)  # noqa: T201
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _play(stack: Stack, console: Console, *, exit_when_done: bool) -> int:
    console.print("Starting Postgres, Valkey, the simulator, webhooks, worker, events, beat and Flower …")
    simulator_url = _start(stack)
    database = Database(stack.environment["DATABASE_URL"], max_connections=4)
    database.open()
    try:
        os.environ.update(stack.environment)  # this process rings too
        ids = _make_campaigns(database, stack.folder, stack.environment["REVOADA_SECRET_KEY"])
        await_http(f"{simulator_url}/_simulator/stats", stack)
        await_http(f"{stack.webhooks_url}/readyz", stack)
        stop_story = threading.Event()
        story = threading.Thread(target=tell_story, args=(stack.folder / "logs", console, stop_story), daemon=True)
        story.start()
        started = start_campaigns(database, ids)
        _ring([move.id for move in started if move.rings])

        def read() -> list[CampaignListing]:
            stack.check_alive()
            return database.run(list_campaigns, ids)

        watch_campaigns(read, console=console)
        has_arrived = wait_until(lambda: _has_arrived(read()), _SETTLE_SECONDS)
        stop_story.set()
        story.join()
        is_once = _summarize(read(), simulator_url, console)
    finally:
        database.close()
    if exit_when_done:
        return 0 if has_arrived and is_once else 1
    _print_addresses(stack, simulator_url, console)
    while True:
        time.sleep(1)
        stack.check_alive()


def _start(stack: Stack) -> str:
    """Start all of it; return where the simulator listens."""
    postgres, valkey = stack.start_postgres(fsync=False), stack.start_valkey()
    database_url = postgres.create_database("revoada")
    migrate(database_url)
    simulator_port = free_port(8800)
    simulator_url = f"http://127.0.0.1:{simulator_port}"
    app_secret = make_key()
    for name in [name for name in stack.environment if name.startswith(("REVOADA_", "META_", "BROKER_", "ALERT_"))]:
        del stack.environment[name]  # each run stands alone, whatever is set outside
    stack.environment |= {
        "DATABASE_URL": database_url,
        "REDIS_URL": valkey.url,
        "GRAPH_API_URL": f"{simulator_url}/v24.0",
        "META_APP_SECRET": app_secret,
        "META_VERIFY_TOKEN": make_key(),
        "REVOADA_SECRET_KEY": make_key(),
        "REVOADA_TIMEZONE": TIME_ZONE,
        "LOG_FORMAT": "text",
        "LOG_LEVEL": "INFO",
    }
    stack.start_roles()
    script = stack.folder / "simulator.json"
    script.write_text(json.dumps(_simulator_script(stack.webhooks_url, app_secret)), encoding="utf-8")
    command = [sys.executable, "-m", "simulator", "--port", str(simulator_port), "--script", str(script)]
    stack.start_process("simulator", command)
    return simulator_url


def _simulator_script(webhooks_url: str, app_secret: str) -> dict[str, Any]:
    return {
        "tokens": [_TOKEN],
        "latency_ms": [80, 200],
        "accounts": {
            phone_number_id: {"waba_id": _WABA, "verified_name": name, "health": health}
            for name, phone_number_id, health in ACCOUNTS
        },
        "webhooks": {
            "callback_url": f"{webhooks_url}/webhooks/whatsapp",
            "app_secret": app_secret,
            "duplicate_probability": 0.05,
            "shuffle": True,
            "batch_size": 20,
        },
    }


def _make_campaigns(database: Database, folder: Path, secret_key: str) -> list[int]:
    for name, phone_number_id, _ in ACCOUNTS:
        add_account(database, name, phone_number_id=phone_number_id, waba_id=_WABA, token=_TOKEN, secret_key=secret_key)
    ids = []
    for name, template, body, first_phone, accounts in CAMPAIGNS:
        add_template(database, template, language="pt_BR", body=body)
        recipients = folder / f"{template}.csv"
        rows = [
            f"+5511{first_phone * 10 + number:09d},{_NAMES[number % len(_NAMES)]},{10 + number % 5 * 10}%\n"
            for number in range(RECIPIENTS)
        ]
        recipients.write_text("phone,nome,desconto\n" + "".join(rows), encoding="utf-8")
        wishes = Wishes(name=name, template=f"{template}:pt_BR", accounts=accounts, recipients=recipients)
        ids.append(create_campaign(database, wishes, time_zone=TIME_ZONE).id)
    return ids


def _ring(campaign_ids: list[int]) -> None:
    # The tasks read their environment when they are imported: it is the stack's, which was not known before.
    from campaigns.tasks import ring_campaigns  # noqa: PLC0415

    ring_campaigns(campaign_ids)


def _has_arrived(rows: list[CampaignListing]) -> bool:
    arrived = (Status.DELIVERED, Status.READ)
    return all(sum(row.counts.get(status, 0) for status in arrived) == RECIPIENTS for row in rows)


def _summarize(rows: list[CampaignListing], simulator_url: str, console: Console) -> bool:
    """Print what became of everybody; return whether the far end got each message exactly once."""
    table = Table("campaign", "recipients", "sent", "delivered", "read", "failed", "uncertain", "seconds")
    for row in rows:
        counts = {status: row.counts.get(status, 0) for status in Status}
        seconds = (row.completed_at - row.started_at).total_seconds() if row.completed_at and row.started_at else 0.0
        delivered = counts[Status.DELIVERED] + counts[Status.READ]
        table.add_row(
            f"{row.id} {row.name}",
            f"{sum(counts.values()):,}",
            f"{counts[Status.SENT] + counts[Status.HELD] + delivered:,}",
            f"{delivered:,}",
            f"{counts[Status.READ]:,}",
            f"{counts[Status.FAILED]:,}",
            f"{counts[Status.UNCERTAIN]:,}",
            f"{seconds:.1f}",
        )
    console.print(table)
    with urllib.request.urlopen(f"{simulator_url}/_simulator/stats", timeout=10) as response:  # noqa: S310  our own
        stats = json.load(response)
    total = RECIPIENTS * len(CAMPAIGNS)
    most = stats["max_accepted_per_recipient"]
    console.print(
        f"The far end accepted {stats['accepted']:,} messages for {stats['recipients']:,} people; "
        f"nobody got more than {most}. Webhooks posted: {stats['webhooks']['sent']:,}."
    )
    return bool(stats["accepted"] == stats["recipients"] == total and most == 1)


def _print_addresses(stack: Stack, simulator_url: str, console: Console) -> None:
    console.print(
        f"""
Still running, until Ctrl-C:
  Flower     {stack.flower_url}
  webhooks   {stack.webhooks_url}/webhooks/whatsapp
  simulator  {simulator_url}/_simulator/stats
  Postgres   {stack.environment["DATABASE_URL"]}
  Valkey     {stack.environment["REDIS_URL"]}
  logs       {stack.folder / "logs"}
In another terminal:
  . {stack.write_environment()}
  revoada campaign list
  celery -A campaigns inspect active""",
        soft_wrap=True,
    )
