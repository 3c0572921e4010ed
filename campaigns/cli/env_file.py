"""Reads the file `.env` for every command, and writes keys into it for `revoada keygen --env-file`."""

from __future__ import annotations

import fcntl
import io
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

from dotenv import dotenv_values, load_dotenv
from dotenv.parser import Binding, parse_stream

from campaigns.cli.csv_files import explain_unwritten
from campaigns.cli.hints import _
from campaigns.cli.output import say
from campaigns.cli.session import UP_ENVIRONMENT, CommandError
from campaigns.config import Settings, read_secret_keys

_KEY = "REVOADA_SECRET_KEY"
_OTHERS = 0o077
# The addresses of the servers that `revoada up` starts.
_OF_UP = {"DATABASE_URL", "REDIS_URL"}
_BOM = "\ufeff"
_BEFORE_KEY = re.compile(r"\s*(?:export[^\S\r\n]+)?")
_COMMENT_AND_END = re.compile(r"(?:[^\S\r\n]+#[^\r\n]*)?(?:\r\n|\n|\r|\Z)\Z")


def load_env_file() -> None:
    """Read `.env` in the working directory, if the file exists.

    Environment variables have precedence over the file. Warn if other users of the machine may read the file.
    """
    path = Path(".env")
    if not path.is_file():
        return
    if stat.S_IMODE(path.stat().st_mode) & _OTHERS:
        text = _("Warning: other users of this machine may read .env and its secrets: `chmod 600 .env`.")
        say(text, is_warning=True)
    try:
        load_dotenv(path, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(_("The file .env cannot be read: {error}.", error=error)) from None


def warn_of_overridden() -> None:
    """Warn of settings that the terminal has and that `.env` has with another value or does not have any more.

    A person who has changed `.env` expects its new values, but the terminal keeps those that were loaded into it.
    """
    if not Path(".env").is_file():
        return
    # `up` gives a value to an empty address.
    in_file = {
        name: value or ""
        for name, value in dotenv_values(".env", interpolate=False).items()
        if value or name not in _OF_UP
    }
    loaded = {
        name: value for name, value in dotenv_values(UP_ENVIRONMENT, interpolate=False).items() if name not in _OF_UP
    }
    names = [spec.metadata["variable"] for spec in fields(Settings) if spec.metadata["variable"] in os.environ]
    names = [
        name
        for name in names
        if (os.environ[name] != in_file[name] if name in in_file else os.environ[name] == loaded.get(name))
    ]
    if names:
        text = _(
            "Warning: settings of this terminal differ from .env, and those of the terminal count: {names}. To use"
            " those of .env, open a new terminal, start `revoada up` there, and load {environment} again in the other"
            " terminals that you open.",
            names=names,
            environment=UP_ENVIRONMENT,
        )
        say(text, is_warning=True)


def write_key(name: str, key: str, *, rotates: bool = False) -> bool:
    """Put REVOADA_SECRET_KEY into a file of settings. Return whether other users could read the file before.

    The file is created if it is missing. Without `rotates`, CommandError is raised if the file has a key already, and
    the file stays as it is. With `rotates`, the file must have a key, and the new key is put in front of it. A new file
    with mode 0600 replaces the old file atomically. If `name` is a symbolic link, the file to which the link leads is
    replaced.
    """
    path = Path(os.path.realpath(name))
    if not path.parent.is_dir():
        raise CommandError(_("{name}: there is no folder {folder}.", name=name, folder=path.parent))
    try:
        with _alone_in(path.parent):
            before = path.stat() if path.exists() else None
            # `realpath` follows all links, so the path is still a link only if the links form a circle.
            if path.is_symlink() or (before is not None and not stat.S_ISREG(before.st_mode)):
                raise CommandError(_("{name} is not a file.", name=name))
            text = _read(name, path) if before is not None else ""
            text = _rotate(name, text, key) if rotates else _fill(name, text, key)
            _replace(name, path, text, before)
    except OSError as error:
        raise explain_unwritten(error, path) from None
    return before is not None and bool(stat.S_IMODE(before.st_mode) & _OTHERS)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Lock a folder, so that two `keygen` processes do not overwrite each other's keys."""
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
        raise CommandError(_("{name} is not text in UTF-8: nothing was written.", name=name)) from None


def _fill(name: str, text: str, key: str) -> str:
    """Return `text` with the key in it: in place of an empty key if there is one, else at the end."""
    bom, bindings = _parse(name, text)
    if filled := _list_filled(name, bindings):
        raise CommandError(
            _(
                "{name} has a REVOADA_SECRET_KEY already, in line {line}. It stays as it is: access tokens that were"
                " stored with it cannot be read with another. To put a new key in front of it, use --rotate.",
                name=name,
                line=_line(filled[0]),
            )
        )
    parts = [binding.original.string for binding in bindings]
    line_end = _line_end(text)
    empty = [number for number, binding in enumerate(bindings) if binding.key == _KEY]
    if empty:  # if several lines have an empty key, only the last line counts
        parts[empty[-1]] = _assign(parts[empty[-1]], key, line_end)
    else:
        gap = line_end if text.removeprefix(_BOM) and not text.endswith(("\n", "\r")) else ""
        parts.append(f"{gap}{_KEY}={key}{line_end}")
    return bom + "".join(parts)


def _rotate(name: str, text: str, key: str) -> str:
    """Return `text` with the new key in front of the keys that `text` has."""
    bom, bindings = _parse(name, text)
    filled = _list_filled(name, bindings)
    if not filled:
        raise CommandError(_("{name} has no REVOADA_SECRET_KEY to rotate: leave --rotate out.", name=name))
    if bindings.index(filled[0]) < max(number for number, each in enumerate(bindings) if each.key == _KEY):
        raise CommandError(
            _(
                "{name} has an empty REVOADA_SECRET_KEY below the one in line {line}: delete the empty one.",
                name=name,
                line=_line(filled[0]),
            )
        )
    try:
        keys = read_secret_keys(f"{key},{filled[0].value}")
    except ValueError:
        text = _(
            "{name}: REVOADA_SECRET_KEY in line {line} is not a key. Nothing was written.",
            name=name,
            line=_line(filled[0]),
        )
        raise CommandError(text) from None
    return bom + "".join(
        _assign(each.original.string, keys, _line_end(text)) if each is filled[0] else each.original.string
        for each in bindings
    )


def _parse(name: str, text: str) -> tuple[str, list[Binding]]:
    """Return the byte order mark and the bindings. Raise CommandError if a line with the key cannot be parsed."""
    bom, text = (_BOM, text[1:]) if text.startswith(_BOM) else ("", text)
    bindings = list(parse_stream(io.StringIO(text, newline="")))
    for binding in bindings:
        if binding.error and _KEY in binding.original.string:
            raise CommandError(
                _(
                    "{name}: REVOADA_SECRET_KEY in line {line} cannot be read: correct or delete that line first.",
                    name=name,
                    line=_line(binding),
                )
            )
    return bom, bindings


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _assign(part: str, value: str, line_end: str) -> str:
    """Return the text of a binding with another value. An `export` before the name, and a comment at the end, stay."""
    before, after = _BEFORE_KEY.match(part), _COMMENT_AND_END.search(part)
    end = after[0] if after else ""
    return f"{before[0] if before else ''}{_KEY}={value}{end if end.strip(' ') else line_end}"


def _list_filled(name: str, bindings: list[Binding]) -> list[Binding]:
    """Return the binding that has a key, as a list of one, or []. Raise CommandError if there are several."""
    filled = [binding for binding in bindings if binding.key == _KEY and (binding.value or "").strip()]
    if len(filled) > 1:
        raise CommandError(
            _(
                "{name} has more than one REVOADA_SECRET_KEY, in lines {lines}; only the last one counts. Delete those"
                " that did not encrypt your access tokens.",
                name=name,
                lines=[_line(each) for each in filled],
            )
        )
    return filled


def _line(binding: Binding) -> int:
    """Return the line number of a binding. The parser counts blank lines before a binding as a part of the binding."""
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
        text = _("{name} belongs to another user: nothing was written. Run this as its owner.", name=name)
        raise CommandError(text) from None
