"""The same roles against the real API, on this machine: embedded Postgres and Valkey where no others are named."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from campaigns.cli.output import make_console
from campaigns.config import read_settings
from campaigns.store.migrate import migrate
from devstack.server import DevstackError
from devstack.stack import Stack, await_http, stop_on_sigterm

# Data stays between runs; the folder is in .gitignore.
FOLDER = Path(".revoada")


def run() -> int:
    """Run until Ctrl-C; return 0, or 1 when a role has ended by itself. Raises SettingsError."""
    settings = read_settings()
    settings.require("meta_app_secret", "meta_verify_token", "secret_key")
    stop_on_sigterm()
    console = make_console()
    try:
        with Stack(FOLDER.resolve(), os.environ) as stack:
            if settings.database_url is None:
                postgres = stack.start_postgres()
                is_new = not (FOLDER / "postgres" / "made").exists()
                url = postgres.create_database("revoada") if is_new else postgres.database_url("revoada")
                (FOLDER / "postgres" / "made").touch()
                stack.environment["DATABASE_URL"] = url
            if settings.redis_url is None:
                stack.environment["REDIS_URL"] = stack.start_valkey(appendonly=True).url
            for name in migrate(stack.environment["DATABASE_URL"]):
                console.print(f"Applied {name}.")
            stack.start_roles()
            await_http(f"{stack.webhooks_url}/readyz", stack)
            console.print(
                f"""Running, until Ctrl-C, against {settings.graph_api_url}:
  webhooks   {stack.webhooks_url}/webhooks/whatsapp   (Meta needs a public https address in front of it)
  Flower     {stack.flower_url}
  logs       {stack.folder / "logs"}
In another terminal:
  . {stack.write_environment()}
  revoada account list""",
                soft_wrap=True,
            )
            try:
                while True:
                    time.sleep(1)
                    stack.check_alive()
            except KeyboardInterrupt:
                console.print("\nStopping: what is on the wire is settled first.")
                return 0
    except DevstackError as error:
        print(f"revoada up: {error}", file=sys.stderr)  # noqa: T201
        return 1
