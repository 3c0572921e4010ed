"""The file `.env`: read for every command, and given its key by `revoada keygen --env-file`."""

from __future__ import annotations

import fcntl
import io
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from dotenv import load_dotenv
from dotenv.parser import Binding, parse_stream

from campaigns.cli.session import Refusal

_KEY = "REVOADA_SECRET_KEY"
_OTHERS = 0o077
_BOM = "\ufeff"
_BEFORE_KEY = re.compile(r"\s*(?:export[^\S\r\n]+)?")
_COMMENT_AND_END = re.compile(r"(?:[^\S\r\n]+#[^\r\n]*)?(?:\r\n|\n|\r|\Z)\Z")


def load_env_file() -> None:
    """Read `.env` of the working directory, if there; environment variables win. Warn if other users may read it."""
    path = Path(".env")
    if not path.is_file():
        return
    if stat.S_IMODE(path.stat().st_mode) & _OTHERS:
        click.echo("Warning: other users of this machine may read .env and its secrets: `chmod 600 .env`.", err=True)
    try:
        load_dotenv(path, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(f"The file .env cannot be read: {error}.") from None


def write_key(name: str, key: str) -> bool:
    """Put REVOADA_SECRET_KEY into a file of settings. Return whether other users could read the file before.

    The file is created if it is missing. A file that has a key already raises Refusal and stays as it is. The new file
    has mode 0600 and replaces the old one atomically; if `name` is a symbolic link, the file it leads to is replaced.
    """
    path = Path(os.path.realpath(name))
    if not path.parent.is_dir():
        raise Refusal(f"{name}: there is no folder {path.parent}.")
    with _alone_in(path.parent):
        before = path.stat() if path.exists() else None
        # `realpath` follows all links, so the path is still a link only if the links form a circle.
        if path.is_symlink() or (before is not None and not stat.S_ISREG(before.st_mode)):
            raise Refusal(f"{name} is not a file.")
        text = _fill(name, _read(name, path) if before is not None else "", key)
        _replace(name, path, text, before)
    return before is not None and bool(stat.S_IMODE(before.st_mode) & _OTHERS)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Lock a folder against other `keygen` processes: each would overwrite the key of the other."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _read(name: str, path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal(f"{name} is not text in UTF-8: nothing was written.") from None


def _fill(name: str, text: str, key: str) -> str:
    """Return `text` with the key in it: in place of an empty key, or else at the end."""
    bom, text = (_BOM, text[1:]) if text.startswith(_BOM) else ("", text)
    bindings = list(parse_stream(io.StringIO(text, newline="")))
    _refuse_others(name, bindings)
    parts = [binding.original.string for binding in bindings]
    line_end = "\r\n" if "\r\n" in text else "\n"
    empty = [number for number, binding in enumerate(bindings) if binding.key == _KEY]
    if empty:  # of several lines the last one counts
        part = parts[empty[-1]]
        before, after = _BEFORE_KEY.match(part), _COMMENT_AND_END.search(part)
        end = after[0] if after else ""
        parts[empty[-1]] = f"{before[0] if before else ''}{_KEY}={key}{end if end.strip(' ') else line_end}"
    else:
        gap = line_end if text and not text.endswith(("\n", "\r")) else ""
        parts.append(f"{gap}{_KEY}={key}{line_end}")
    return bom + "".join(parts)


def _refuse_others(name: str, bindings: list[Binding]) -> None:
    """Raise Refusal if the file has a key already, or names the key in a line that cannot be parsed."""
    for binding in bindings:
        if binding.error and _KEY in binding.original.string:
            raise Refusal(f"{name}: {_KEY} in line {_line(binding)} cannot be read: correct or delete that line first.")
    lines = [_line(binding) for binding in bindings if binding.key == _KEY and (binding.value or "").strip()]
    if len(lines) == 1:
        raise Refusal(
            f"{name} has a {_KEY} already, in line {lines[0]}. It stays as it is: access tokens that were stored with"
            " it cannot be read with another."
        )
    if lines:
        raise Refusal(
            f"{name} has more than one {_KEY}, in lines {', '.join(map(str, lines))}; only the last one counts. Delete"
            " those that did not encrypt your access tokens."
        )


def _line(binding: Binding) -> int:
    """Return the line number of a binding. The parser counts the blank lines before a binding as part of it."""
    text = binding.original.string
    blank = text[: len(text) - len(text.lstrip())]
    return binding.original.line + len(re.findall(r"\r\n|\n|\r", blank))


def _replace(name: str, path: Path, text: str, before: os.stat_result | None) -> None:
    handle, temporary = tempfile.mkstemp(prefix=".env.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8"))
            file.flush()
            if before is not None and (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                _keep_owner(name, file.fileno(), before)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _keep_owner(name: str, handle: int, before: os.stat_result) -> None:
    try:
        os.fchown(handle, before.st_uid, before.st_gid)
    except PermissionError:
        raise Refusal(f"{name} belongs to another user: nothing was written. Run this as its owner.") from None
