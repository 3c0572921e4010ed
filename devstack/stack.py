"""Runs a whole installation on this machine: embedded servers, and the roles of the Procfile with one environment."""

from __future__ import annotations

import shlex
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from campaigns.cli.hints import _
from campaigns.config import list_variables
from devstack.ports import LOOPBACK, free_port, is_free, keep_port
from devstack.postgres import Postgres, start_postgres
from devstack.roles import Role, start_process, start_role
from devstack.server import DevstackError, read_password, wait_until
from devstack.valkey import Valkey, start_valkey

ROLES = ("webhooks", "console", "events", "worker", "files", "beat", "flower")
_STOP_ORDER = (("beat", "flower", "worker", "files", "console"), ("events", "webhooks"))
# The roles with a port, and the setting of each port.
_PORT_SETTINGS = {"webhooks": "PORT", "console": "CONSOLE_PORT", "flower": "FLOWER_PORT"}
_READY_SECONDS = 120.0


class Stack:
    """Servers and roles. When the `with` block ends, the roles are stopped first, and then the servers."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Keep data and logs below `folder`; start the roles with `environment`.

        Empty variables are not passed to the roles, because some programs do not take them for unset. Flower, for
        example, denies access to everybody if FLOWER_BASIC_AUTH is empty.
        """
        self.folder = folder
        self.environment = {name: value for name, value in environment.items() if value}
        self.roles: list[Role] = []
        self._servers: list[Postgres | Valkey] = []
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)  # the folder has settings with secrets, lists of people, and logs
        (folder / "logs").mkdir(exist_ok=True)

    def start_postgres(self, *, fsync: bool = True, settings: Mapping[str, str] | None = None) -> Postgres:
        """Start Postgres, on a port that stays the same between runs; `settings` are settings of postgresql.conf."""
        port = keep_port(self.folder / "postgres.port")
        server = start_postgres(self.folder / "postgres", port=port, fsync=fsync, settings=settings)
        self._servers.append(server)
        return server

    def start_valkey(self, *, appendonly: bool = False) -> Valkey:
        """Start Valkey, with a port and a password that stay the same between runs."""
        port = keep_port(self.folder / "valkey.port")
        password = read_password(self.folder / "valkey.password")
        server = start_valkey(self.folder / "valkey", port=port, appendonly=appendonly, password=password)
        self._servers.append(server)
        return server

    def start_role(
        self,
        name: str,
        *options: str,
        role: str | None = None,
        environment: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> Role:
        """Start a role of the Procfile. `name` is the name of its log; `options` are appended to its command.

        `environment`: the variables that differ from those of the other roles. `prefix`: a program that runs the role,
        and the options of that program.
        """
        log_path = self.folder / "logs" / f"{name}.log"
        variables = {**self.environment, **(environment or {})}
        self.roles.append(start_role(name, variables, log_path, options=options, role=role, prefix=prefix))
        return self.roles[-1]

    def start_process(self, name: str, command: Sequence[str]) -> Role:
        log_path = self.folder / "logs" / f"{name}.log"
        self.roles.append(start_process(name, f"exec {shlex.join(command)}", self.environment, log_path))
        return self.roles[-1]

    def start_beat(self, name: str = "beat", environment: Mapping[str, str] | None = None) -> Role:
        return self.start_role(name, role="beat", environment=environment)

    def start_roles(self) -> None:
        """Start one process of each role, on loopback and on ports that stay the same between runs."""
        self.environment |= {
            "HOST": LOOPBACK,
            "PORT": str(self._choose_port("PORT", "webhooks", 8000)),
            "FLOWER_HOST": LOOPBACK,
            "FLOWER_PORT": str(self._choose_port("FLOWER_PORT", "flower", 5555)),
            "CONSOLE_PORT": str(self._choose_port("CONSOLE_PORT", "console", 8080)),
        }
        metrics_port = int(self.environment.get("REVOADA_METRICS_PORT", "0"))
        for place, name in enumerate(ROLES):
            # Each role serves its metrics on a port of its own.
            own = {"REVOADA_METRICS_PORT": str(metrics_port + place)} if metrics_port else {}
            if name == "beat":
                self.start_beat(environment=own)
            elif name == "console":
                own |= {"PORT": self.environment["CONSOLE_PORT"], "REVOADA_FLOWER_URL": self.flower_url}
                self.start_role(name, environment=own)
            else:
                self.start_role(name, environment=own)

    def refuse_taken_ports(self) -> None:
        """Raise DevstackError if a setting gives a role a port that another program uses."""
        for role, variable in _PORT_SETTINGS.items():
            if (given := self.environment.get(variable)) and not is_free(int(given)):
                raise _port_taken(role, given)

    def _choose_port(self, variable: str, role: str, first: int) -> int:
        """Return the port that the environment names, or else the port that this folder keeps."""
        if given := self.environment.get(variable):
            return free_port(int(given))
        return keep_port(self.folder / f"{role}.port", first)

    @property
    def webhooks_url(self) -> str:
        return f"http://{LOOPBACK}:{self.environment['PORT']}"

    @property
    def console_url(self) -> str:
        return f"http://localhost:{self.environment['CONSOLE_PORT']}"

    @property
    def flower_url(self) -> str:
        return f"http://{LOOPBACK}:{self.environment['FLOWER_PORT']}"

    def write_environment(self) -> Path:
        """Write a shell file for commands in another terminal; return its path.

        The file sets the settings of this stack, and puts the folder of `revoada` and `celery` in front of PATH.
        """
        path = self.folder / "env"
        names = set(list_variables()) & self.environment.keys()
        path.touch(mode=0o600)
        path.chmod(0o600)
        lines = [f"export {name}={shlex.quote(self.environment[name])}\n" for name in sorted(names)]
        lines.append(f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"\n')
        path.write_text("".join(lines), encoding="utf-8")
        return path

    def find_dead(self) -> Role | None:
        """Return a role that has ended although nothing stopped it, Flower only if no other has; None if all run."""
        roles = sorted(self.roles, key=lambda role: role.kind == "flower")
        return next((role for role in roles if not role.is_running()), None)

    def check_alive(self) -> None:
        """Raise DevstackError, with the last log lines, if a role has ended although nothing stopped it.

        Flower may end, because no message depends on it.
        """
        if (dead := self.find_dead()) and dead.kind != "flower":
            port = self.environment.get(_PORT_SETTINGS.get(dead.kind, ""), "0")
            if not is_free(int(port)):
                raise _port_taken(dead.kind, port)
            text = _(
                "{role} has ended, so all other processes are stopped, too: a part of the work would stay undone"
                " without it. The last lines of its log, {log}:",
                role=dead.name,
                log=dead.log_path,
            )
            raise DevstackError(f"{text}\n{dead.last_lines()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # First stop the roles that enqueue and send, then the receiver and `events`. The simulator comes last, because
        # the workers wait for its replies before they end.
        ranks = {role: rank for rank, roles in enumerate(_STOP_ORDER) for role in roles}
        for _rank, together in groupby(
            sorted(self.roles, key=lambda role: ranks.get(role.kind, len(ranks))),
            key=lambda role: ranks.get(role.kind, len(ranks)),
        ):
            group = list(together)
            for role in group:
                role.begin_stop()
            for role in group:
                role.stop()
        for server in reversed(self._servers):
            server.stop()


def stop_on_sigterm() -> None:
    """Let SIGTERM end this process as Ctrl-C does, so that it stops its servers and roles in order."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def _port_taken(role: str, port: str) -> DevstackError:
    text = _(
        "{role} cannot start, because another program uses its port {port}, so nothing runs. Stop that program, or give"
        " {role} another port in .env: {setting}",
        role=role,
        port=port,
        setting=f"{_PORT_SETTINGS[role]}={free_port()}",
    )
    return DevstackError(text)


def await_http(url: str, stack: Stack, *, role: str | None = None, seconds: float = _READY_SECONDS) -> None:
    """Wait until `url` answers 200. Raises DevstackError after `seconds`, or if a role has ended.

    `role`: the role that must answer, because another program may have taken its port.
    """
    waited = [each for each in stack.roles if each.name == role]
    port = urlsplit(url).port or 0

    def is_answered() -> bool:
        stack.check_alive()
        if not all(each.listens_on(port) for each in waited):
            return False
        try:
            with urllib.request.urlopen(url, timeout=10):  # noqa: S310  our own http:// address
                return True
        except (urllib.error.URLError, OSError):
            return False

    if not wait_until(is_answered, seconds):
        raise DevstackError(_("{url} did not answer within {seconds:.0f} s", url=url, seconds=seconds))
