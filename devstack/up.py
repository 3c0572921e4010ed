"""`revoada up`: all roles on this machine against the real API.

Postgres and Valkey are embedded if DATABASE_URL and REDIS_URL are not set.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path

from campaigns.cli.env_file import warn_of_overridden
from campaigns.cli.hints import _
from campaigns.cli.output import make_console
from campaigns.config import Settings, read_settings
from campaigns.store.database import Database
from campaigns.store.migrate import migrate
from campaigns.store.users.users import list_users
from devstack.ports import LOOPBACK
from devstack.server import DevstackError
from devstack.stack import Stack, await_http, stop_on_sigterm

# The data in this folder stay between runs. The folder is in .gitignore.
FOLDER = Path(".revoada")


def run() -> int:
    """Run until Ctrl-C and return 0; return 1 if a role ends although nothing stopped it. Raises SettingsError."""
    _forget_own_servers(FOLDER.resolve(), os.environ)
    warn_of_overridden()
    settings = read_settings()
    stop_on_sigterm()
    console = make_console()
    try:
        _require(settings)
        with _lock(FOLDER.resolve()), Stack(FOLDER.resolve(), os.environ) as stack:
            stack.refuse_taken_ports()
            if settings.database_url is None:
                postgres = stack.start_postgres()
                is_new = not (FOLDER / "postgres" / "made").exists()
                url = postgres.create_database("revoada") if is_new else postgres.database_url("revoada")
                (FOLDER / "postgres" / "made").touch()
                stack.environment["DATABASE_URL"] = url
            if settings.redis_url is None:
                stack.environment["REDIS_URL"] = stack.start_valkey(appendonly=True).url
            for name in migrate(stack.environment["DATABASE_URL"]):
                console.print(_("Applied {name}.", name=name))
            stack.start_roles()
            await_http(f"{stack.webhooks_url}/readyz", stack, role="webhooks")
            await_http(f"{stack.console_url}/readyz", stack, role="console")
            console.print(
                _(
                    """Running, until Ctrl-C, against {url}:
  webhooks   {webhooks}/webhooks/whatsapp   (Meta needs a public https address in front of it)
  console    {console}
  Flower     {flower}
  logs       {logs}
In another terminal:
  . {environment}
  revoada account list""",
                    url=settings.graph_api_url,
                    webhooks=stack.webhooks_url,
                    console=stack.console_url,
                    flower=stack.flower_url,
                    logs=stack.folder / "logs",
                    environment=stack.write_environment(),
                ),
                soft_wrap=True,
            )
            if not _has_users(stack.environment["DATABASE_URL"]):
                console.print(
                    _("Nobody can sign in to the console yet: `revoada user add NAME --role admin` adds you.")
                )
            try:
                is_told = False
                while True:
                    time.sleep(1)
                    stack.check_alive()
                    if not is_told and (flower := stack.find_dead()):
                        console.print(
                            _(
                                "Flower has ended, and all else goes on without it. Its log says why: {log}.",
                                log=flower.log_path,
                            ),
                            soft_wrap=True,
                        )
                        is_told = True
            except KeyboardInterrupt:
                console.print("\n" + _("Stopping: the worker waits for replies to its requests first."))
                return 0
            except DevstackError as error:  # told before the other roles are stopped, which takes up to half a minute
                return _tell(error)
    except DevstackError as error:
        return _tell(error)


def _require(settings: Settings) -> None:
    """Raise DevstackError if none of the needed settings is set, and SettingsError if only some are missing."""
    needed = ("meta_app_secret", "meta_verify_token", "secret_key")
    if all(getattr(settings, name) is None for name in needed):
        text = _(
            "META_APP_SECRET, META_VERIFY_TOKEN and REVOADA_SECRET_KEY are not set. Write them into the file .env:"
            " .env.example says what each of them is, and `revoada keygen --env-file .env` makes the key."
        )
        raise DevstackError(text)
    settings.require(*needed)


def _tell(error: DevstackError) -> int:
    print(f"revoada up: {error}", file=sys.stderr, flush=True)  # noqa: T201
    return 1


def _forget_own_servers(folder: Path, environment: MutableMapping[str, str]) -> None:
    """Remove the addresses of the embedded servers of this folder, which a person has loaded from the file `env`.

    Else `revoada up` would take them for servers that somebody else starts, and nobody would start them.
    """
    for variable, name in (("DATABASE_URL", "postgres"), ("REDIS_URL", "valkey")):
        path = folder / f"{name}.port"
        if path.exists() and f"@{LOOPBACK}:{path.read_text('ascii').strip()}/" in environment.get(variable, ""):
            del environment[variable]


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Lock the folder, so that a second `revoada up` changes neither the kept ports nor the settings of the first.

    Raises DevstackError if the folder is locked. The kernel frees the lock when the process ends.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "up.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = _(
                "another `revoada up` runs in this folder. Stop that one with Ctrl-C, or start this one in another"
                " folder."
            )
            raise DevstackError(text) from None
        yield


def _has_users(url: str) -> bool:
    database = Database(url, max_connections=1, name="revoada up")
    database.open()
    try:
        return bool(database.run(list_users))
    finally:
        database.close()
