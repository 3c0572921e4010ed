"""`revoada demo`: three campaigns at the same time against the simulator.

One account's health is GREEN, one's is YELLOW, and the health checks of the third fail. None of this stops a campaign.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

from rich.console import Console

from campaigns.cli.campaign.watch import watch_campaigns
from campaigns.cli.hints import _
from campaigns.cli.output import fit, funnel_cells, funnel_columns, make_console, make_table
from campaigns.cli.session import find_login_name
from campaigns.domain.users.actor import Actor, ActorKind, Surface
from campaigns.domain.users.rights import Role
from campaigns.language import current
from campaigns.management.accounts import add_account, add_template
from campaigns.management.campaigns import CampaignChanges, create_campaign
from campaigns.management.lifecycle import start_campaigns
from campaigns.management.reports import read_funnel
from campaigns.management.users.users import add_user
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
_ACTOR = Actor(find_login_name(), ActorKind.CLI, Surface.CLI, reason="revoada demo")

# Each row: name, phone number id, and reply of the health endpoint.
ACCOUNTS = (
    ("Vendas", "551100000000001", "GREEN"),
    ("Relacionamento", "551100000000002", "YELLOW"),
    ("Novidades", "551100000000003", "400"),
)
# Each row: name, template, text, number of the first phone, and accounts.
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
_KEPT = {"REVOADA_LANGUAGE", "REVOADA_LOG_LANGUAGE", "REVOADA_METRICS_PORT", "REVOADA_EGRESS_NETWORKS"}
_PASSWORD_LENGTH = 16
# A list for a fourth campaign. One of its rows repeats a person, and one has no whole phone, as in lists of real life.
_LIST = Path(__file__).with_name("demo-list.csv")


def run(*, exit_when_done: bool = False) -> int:
    """Run the demo until Ctrl-C, or with `exit_when_done` until all campaigns have completed.

    Returns 0 only if each person got exactly one message of their campaign.
    """
    stop_on_sigterm()
    console = make_console()
    folder = Path(tempfile.mkdtemp(prefix="revoada-demo-"))
    try:
        with Stack(folder, os.environ) as stack:
            try:
                return _play(stack, console, exit_when_done=exit_when_done)
            except KeyboardInterrupt:
                console.print("\n" + _("Stopping: beat, workers, webhooks, Valkey, Postgres."))
                return 0 if not exit_when_done else 130
    except DevstackError as error:
        print(f"revoada demo: {error}", file=sys.stderr)  # noqa: T201
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _play(stack: Stack, console: Console, *, exit_when_done: bool) -> int:
    console.print(_("Starting Postgres, Valkey, the simulator and all roles …"))
    simulator_url = _start(stack)
    database = Database(stack.environment["DATABASE_URL"], max_connections=4)
    database.open()
    try:
        os.environ.update(stack.environment)  # this process enqueues tasks, too
        ids = _make_campaigns(database, stack.folder, stack.environment["REVOADA_SECRET_KEY"])
        await_http(f"{simulator_url}/_simulator/stats", stack, role="simulator")
        await_http(f"{stack.webhooks_url}/readyz", stack, role="webhooks")
        _open_console(stack, database, console)
        stop_story = threading.Event()
        story = threading.Thread(target=tell_story, args=(stack.folder / "logs", console, stop_story), daemon=True)
        story.start()
        started = start_campaigns(database, ids, actor=_ACTOR)
        _enqueue([move.id for move in started if move.should_enqueue])

        def list_rows() -> list[CampaignListing]:
            stack.check_alive()
            return database.run(list_campaigns, ids)

        watch_campaigns(list_rows, console=console)
        has_arrived = wait_until(lambda: _has_arrived(list_rows()), _SETTLE_SECONDS)
        stop_story.set()
        story.join()
        is_once = _summarize(list_rows(), simulator_url, console)
    finally:
        database.close()
    if exit_when_done:
        return 0 if has_arrived and is_once else 1
    _print_addresses(stack, simulator_url, console)
    while True:
        time.sleep(1)
        stack.check_alive()


def _open_console(stack: Stack, database: Database, console: Console) -> None:
    """Add a user, and print where and how to sign in."""
    password = make_key()[:_PASSWORD_LENGTH]
    asked = {"role": Role.ADMIN, "time_zone": TIME_ZONE, "language": current().name}
    add_user(database, "demo", actor=_ACTOR, password=password, **asked)
    await_http(f"{stack.console_url}/readyz", stack, role="console")
    console.print(
        _(
            """Watch the campaigns in your browser as well, and start a fourth one from the list:
  console    {url}
  name       demo
  password   {password}
  list       {list}
""",
            url=stack.console_url,
            password=password,
            list=_LIST,
        ),
        soft_wrap=True,
    )


def _start(stack: Stack) -> str:
    """Start the servers, the roles and the simulator; return the simulator's URL."""
    postgres, valkey = stack.start_postgres(), stack.start_valkey()
    database_url = postgres.create_database("revoada")
    migrate(database_url)
    simulator_port = free_port(8800)
    simulator_url = f"http://127.0.0.1:{simulator_port}"
    app_secret = secrets.token_hex(16)  # as long as Meta's
    _set_apart(stack.environment)
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


def _set_apart(environment: dict[str, str]) -> None:
    """Remove all settings but `_KEPT`, because a setting from outside must not change the demo.

    The log gets the language of the command, because the demo shows the log on the same screen.
    """
    prefixes = ("DATABASE_", "REDIS_", "REVOADA_", "META_", "BROKER_", "ALERT_")
    for name in [name for name in environment if name.startswith(prefixes) and name not in _KEPT]:
        del environment[name]
    environment.setdefault("REVOADA_LOG_LANGUAGE", current().name)


def _simulator_script(webhooks_url: str, app_secret: str) -> dict[str, Any]:
    return {
        "tokens": [_TOKEN],
        "latency_ms": [80, 200],
        "accounts": {
            phone_number_id: {
                "waba_id": _WABA,
                "display_phone_number": f"+55 11 4000-{phone_number_id[-4:]}",
                "verified_name": name,
                "health": health,
            }
            for name, phone_number_id, health in ACCOUNTS
        },
        "webhooks": {
            "callback_url": f"{webhooks_url}/webhooks/whatsapp",
            "app_secret": app_secret,
            "duplicate_probability": 0.05,
            "reply_probability": 0.03,
            "reply_after_ms": [700, 1_800],
            "shuffle": True,
            "batch_size": 20,
        },
    }


def _make_campaigns(database: Database, folder: Path, secret_key: str) -> list[int]:
    for name, phone_number_id, _health in ACCOUNTS:
        columns = {"phone_number_id": phone_number_id, "waba_id": _WABA, "token": _TOKEN}
        add_account(database, name, **columns, secret_key=secret_key, actor=_ACTOR)
    ids = []
    for name, template, body, first_phone, accounts in CAMPAIGNS:
        add_template(database, template, language="pt_BR", body=body, category="MARKETING", actor=_ACTOR)
        recipients = folder / f"{template}.csv"
        rows = [
            f"+5511{first_phone * 10 + number:09d},{_NAMES[number % len(_NAMES)]},{10 + number % 5 * 10}%\n"
            for number in range(RECIPIENTS)
        ]
        recipients.write_text("phone,nome,desconto\n" + "".join(rows), encoding="utf-8")
        changes = CampaignChanges(name=name, template=f"{template}:pt_BR", accounts=accounts)
        ids.append(create_campaign(database, changes, recipients, actor=_ACTOR, time_zone=TIME_ZONE).id)
    return ids


def _enqueue(campaign_ids: list[int]) -> None:
    # The module of the tasks reads the environment when it is imported, so the stack must have started before that.
    from campaigns.tasks import enqueue_campaigns  # noqa: PLC0415

    enqueue_campaigns(campaign_ids)


def _has_arrived(rows: list[CampaignListing]) -> bool:
    return all(read_funnel(row).delivered == RECIPIENTS for row in rows)


def _summarize(rows: list[CampaignListing], simulator_url: str, console: Console) -> bool:
    """Print the result of each campaign; return whether the simulator accepted each message exactly once."""
    table = make_table((_("id"), *funnel_columns(), _("seconds")))
    for row in rows:
        funnel = read_funnel(row)
        seconds = (row.completed_at - row.started_at).total_seconds() if row.completed_at and row.started_at else 0.0
        table.add_row(str(row.id), *funnel_cells(funnel), _("{seconds:.1f}", seconds=seconds))
    console.print(fit(table, console))
    console.print(
        _("Delivered, read and replied are percentages of sent; sent and failed are percentages of recipients.")
    )
    with urllib.request.urlopen(f"{simulator_url}/_simulator/stats", timeout=10) as response:  # noqa: S310  our own
        stats = json.load(response)
    total = RECIPIENTS * len(CAMPAIGNS)
    most = stats["max_accepted_per_recipient"]
    console.print(
        _(
            "The simulator accepted {accepted:,} messages for {people:,} people; nobody got more than {most}. "
            "Webhooks posted: {webhooks:,}.",
            accepted=stats["accepted"],
            people=stats["recipients"],
            most=most,
            webhooks=stats["webhooks"]["sent"],
        )
    )
    return bool(stats["accepted"] == stats["recipients"] == total and most == 1)


def _print_addresses(stack: Stack, simulator_url: str, console: Console) -> None:
    console.print(
        _(
            """
Still running, until Ctrl-C:
  Flower     {flower}
  webhooks   {webhooks}/webhooks/whatsapp
  simulator  {simulator}/_simulator/stats
  Postgres   {postgres}
  Valkey     {valkey}
  logs       {logs}
In another terminal:
  . {environment}
  revoada campaign list
  celery -A campaigns inspect active""",
            flower=stack.flower_url,
            webhooks=stack.webhooks_url,
            simulator=simulator_url,
            postgres=stack.environment["DATABASE_URL"],
            valkey=stack.environment["REDIS_URL"],
            logs=stack.folder / "logs",
            environment=stack.write_environment(),
        ),
        soft_wrap=True,
    )
