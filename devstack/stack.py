"""Everything on one machine: embedded servers, the roles of the Procfile, and the environment that they share."""

from __future__ import annotations

import shlex
import signal
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Self

from campaigns.config import Settings
from devstack.ports import LOOPBACK, free_port
from devstack.postgres import Postgres, start_postgres
from devstack.roles import Role, start_process, start_role
from devstack.server import DevstackError, wait_until
from devstack.valkey import Valkey, start_valkey

ROLES = ("webhooks", "events", "worker", "beat", "flower")
_STOP_ORDER = (("beat", "flower", "worker"), ("events", "webhooks"))
_READY_SECONDS = 120.0


class Stack:
    """Servers and roles, stopped in the reverse order of their start when the `with` block ends."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Keep data and logs below `folder`; `environment` is what the roles get."""
        self.folder = folder
        self.environment = dict(environment)
        self.roles: list[Role] = []
        self._servers: list[Postgres | Valkey] = []
        (folder / "logs").mkdir(parents=True, exist_ok=True)

    def start_postgres(self, *, fsync: bool = True, settings: Mapping[str, str] | None = None) -> Postgres:
        """Start one; `settings` are postgresql.conf names."""
        server = start_postgres(self.folder / "postgres", port=free_port(), fsync=fsync, settings=settings)
        self._servers.append(server)
        return server

    def start_valkey(self, *, appendonly: bool = False) -> Valkey:
        server = start_valkey(self.folder / "valkey", port=free_port(), appendonly=appendonly)
        self._servers.append(server)
        return server

    def start_role(self, name: str, *options: str, role: str | None = None) -> Role:
        """Start a role of the Procfile; `name` names its log, `options` are appended to its command."""
        log_path = self.folder / "logs" / f"{name}.log"
        self.roles.append(start_role(name, self.environment, log_path, options=options, role=role))
        return self.roles[-1]

    def start_process(self, name: str, command: Sequence[str]) -> Role:
        log_path = self.folder / "logs" / f"{name}.log"
        self.roles.append(start_process(name, f"exec {shlex.join(command)}", self.environment, log_path))
        return self.roles[-1]

    def start_beat(self, name: str = "beat") -> Role:
        return self.start_role(name, role="beat")

    def start_roles(self) -> None:
        """Start one process of each role, on loopback and on free ports."""
        self.environment |= {
            "HOST": LOOPBACK,
            "PORT": str(free_port(int(self.environment.get("PORT", "8000")))),
            "FLOWER_HOST": LOOPBACK,
            "FLOWER_PORT": str(free_port(int(self.environment.get("FLOWER_PORT", "5555")))),
        }
        for name in ROLES:
            if name == "beat":
                self.start_beat()
            else:
                self.start_role(name)

    @property
    def webhooks_url(self) -> str:
        return f"http://{LOOPBACK}:{self.environment['PORT']}"

    @property
    def flower_url(self) -> str:
        return f"http://{LOOPBACK}:{self.environment['FLOWER_PORT']}"

    def write_environment(self) -> Path:
        """Write what another terminal needs to talk to this stack; return the file."""
        path = self.folder / "env"
        names = {spec.metadata["variable"] for spec in fields(Settings)} & self.environment.keys()
        path.touch(mode=0o600)
        lines = [f"export {name}={shlex.quote(self.environment[name])}\n" for name in sorted(names)]
        path.write_text("".join(lines), encoding="utf-8")
        return path

    def find_dead(self) -> Role | None:
        """Return a role that has ended by itself, if one has."""
        return next((role for role in self.roles if not role.is_running()), None)

    def check_alive(self) -> None:
        """Raise DevstackError with the last lines of a role that has ended by itself."""
        if dead := self.find_dead():
            raise DevstackError(f"{dead.name} has ended, see {dead.log_path}\n{dead.last_lines()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Who rings and sends first, then who takes in, then the far end, which still answers what is on the wire.
        ranks = {role: rank for rank, roles in enumerate(_STOP_ORDER) for role in roles}
        for _, together in groupby(
            sorted(self.roles, key=lambda role: ranks.get(role.kind, len(ranks))),
            key=lambda role: ranks.get(role.kind, len(ranks)),
        ):
            leaving = list(together)
            for role in leaving:
                role.begin_stop()
            for role in leaving:
                role.stop()
        for server in reversed(self._servers):
            server.stop()


def stop_on_sigterm() -> None:
    """Let SIGTERM end this process as Ctrl-C does: in order, and with nothing left behind."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def await_http(url: str, stack: Stack, *, seconds: float = _READY_SECONDS) -> None:
    """Wait until `url` answers 200. Raises DevstackError when it does not, or when a role has ended."""

    def answers() -> bool:
        stack.check_alive()
        try:
            with urllib.request.urlopen(url, timeout=10):  # noqa: S310  our own http:// address
                return True
        except (urllib.error.URLError, OSError):
            return False

    if not wait_until(answers, seconds):
        raise DevstackError(f"{url} did not answer within {seconds:g} s")
