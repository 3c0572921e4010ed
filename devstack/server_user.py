"""Decides which user a server runs as, and how this user gets access to files of the user who starts it.

Postgres refuses to run as root, and Valkey does not need to. If root starts them, they run as `nobody`, who cannot
enter many of root's directories (/root, the temporary directories of pytest). The permissions of these directories stay
as they are. Instead, the server inherits an open descriptor of its data directory, or is started in that directory. If
it cannot run the installed binaries, it runs temporary copies of them.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from campaigns.cli.hints import _
from devstack.server import DevstackError

_PROGRAMS = ("postgres", "initdb")


@dataclass(frozen=True, kw_only=True)
class ServerUser:
    """The user that a server runs as. `uid` and `gid` are None if that is the user who starts the server."""

    uid: int | None = None
    gid: int | None = None

    def give_ownership(self, file: int | Path) -> None:
        """Make this user the owner of a file, given by a descriptor or a path."""
        if self.uid is not None and self.gid is not None:
            os.chown(file, self.uid, self.gid)

    def find_path(self, directory: Path, fd: int) -> str:
        """Return the path by which this user reaches a directory whose descriptor it inherits."""
        return str(directory) if self.uid is None else f"/proc/self/fd/{fd}"

    def run(
        self, command: list[str], *, env: Mapping[str, str], kept_fds: tuple[int, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - no shell, and arguments of our own
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


def find_server_user() -> ServerUser:
    if os.geteuid() != 0:
        return ServerUser()
    nobody = pwd.getpwnam("nobody")  # initdb needs a user that exists
    return ServerUser(uid=nobody.pw_uid, gid=nobody.pw_gid)


def find_runnable_install(install: Path, user: ServerUser) -> tuple[Path, Path | None]:
    """Return a Postgres that this user can run. If it is a copy, return also the directory to remove in the end."""
    return _find_runnable(install, user, _copy_install, lambda place: [place / "bin" / name for name in _PROGRAMS])


def find_runnable_binary(binary: Path, user: ServerUser) -> tuple[Path, Path | None]:
    """Return a server's binary that this user can run. If it is a copy, return also the directory to remove."""
    return _find_runnable(binary, user, _copy_binary, lambda place: [place])


def _find_runnable(
    source: Path,
    user: ServerUser,
    copy: Callable[[Path, Path], Path],
    list_programs: Callable[[Path], list[Path]],
) -> tuple[Path, Path | None]:
    if _can_run(list_programs(source), user):
        return source, None
    for place in (tempfile.gettempdir(), "/tmp", "/var/tmp"):  # noqa: S108 - mkdtemp makes a directory of its own
        scratch = Path(tempfile.mkdtemp(prefix="revoada-server-", dir=place))
        copied = copy(source, scratch)
        for path in (scratch, *scratch.rglob("*")):
            path.chmod(0o755)
        if _can_run(list_programs(copied), user):
            return copied, scratch
        shutil.rmtree(scratch)
    text = _(
        "User {user} can run a server neither from {folder} nor from a copy below /tmp", user=user.uid, folder=source
    )
    raise DevstackError(text)


def _copy_binary(binary: Path, scratch: Path) -> Path:
    return Path(shutil.copyfile(binary, scratch / binary.name))


def _copy_install(install: Path, scratch: Path) -> Path:
    """Copy the files of a server in the layout of site-packages, where the binaries find their libraries."""
    package = install.parent
    copy = scratch / package.name / install.name
    (copy / "bin").mkdir(parents=True)
    for name in _PROGRAMS:
        shutil.copyfile(install / "bin" / name, copy / "bin" / name)
    for name in ("lib", "share"):
        shutil.copytree(install / name, copy / name)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, scratch / libraries.name)
    return copy


def _can_run(programs: list[Path], user: ServerUser) -> bool:
    try:
        return all(user.run([str(program), "--version"], env={}).returncode == 0 for program in programs)
    except PermissionError:
        return False
