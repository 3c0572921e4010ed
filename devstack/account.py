"""Decides as which user Postgres runs, and how that user reaches files that are ours.

Postgres refuses uid 0. Started by root it runs as `nobody`, to whom many of root's directories are closed (/root,
pytest's). They stay so: the server inherits a descriptor of its data, and gets a scratch copy of binaries that it
cannot run.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devstack.server import DevstackError


@dataclass(frozen=True, kw_only=True)
class Account:
    """The server's user; None where it is the owner's own."""

    uid: int | None = None
    gid: int | None = None

    def give(self, fd: int) -> None:
        if self.uid is not None and self.gid is not None:
            os.fchown(fd, self.uid, self.gid)

    def path_of(self, directory: Path, fd: int) -> str:
        """How this user names a directory whose descriptor it inherits."""
        return str(directory) if self.uid is None else f"/proc/self/fd/{fd}"

    def run(
        self, command: list[str], *, env: Mapping[str, str], kept_fds: tuple[int, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - no shell, our own words
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=env,
            pass_fds=kept_fds,
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
        )


def server_account() -> Account:
    if os.geteuid() != 0:
        return Account()
    nobody = pwd.getpwnam("nobody")  # initdb wants a user that exists
    return Account(uid=nobody.pw_uid, gid=nobody.pw_gid)


def runnable_install(install: Path, account: Account) -> tuple[Path, Path | None]:
    """Return where the account can run Postgres, and the scratch directory to remove later where that is a copy."""
    if _can_run(install, account):
        return install, None
    for place in (tempfile.gettempdir(), "/tmp", "/var/tmp"):  # noqa: S108 - mkdtemp makes a directory of its own
        scratch = Path(tempfile.mkdtemp(prefix="revoada-postgres-", dir=place))
        copy = _copy_install(install, scratch)
        if _can_run(copy, account):
            return copy, scratch
        shutil.rmtree(scratch)
    raise DevstackError(f"User {account.uid} can run Postgres neither in {install} nor in a copy below /tmp")


def _copy_install(install: Path, scratch: Path) -> Path:
    """Copy what runs a server, laid out as in site-packages: binaries look for libraries beside their package."""
    package = install.parent
    copy = scratch / package.name / install.name
    (copy / "bin").mkdir(parents=True)
    for name in ("postgres", "initdb"):
        shutil.copyfile(install / "bin" / name, copy / "bin" / name)
    for name in ("lib", "share"):
        shutil.copytree(install / name, copy / name)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, scratch / libraries.name)
    for path in (scratch, *scratch.rglob("*")):
        path.chmod(0o755)
    return copy


def _can_run(install: Path, account: Account) -> bool:
    commands = [[str(install / "bin" / name), "--version"] for name in ("initdb", "postgres")]
    try:
        return all(account.run(command, env={}).returncode == 0 for command in commands)
    except PermissionError:
        return False
