"""Stores an upload in pieces, and writes it to a temporary file on the machine that reads it."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from campaigns.domain.controls import escape_controls
from campaigns.domain.statement import Kind, Refusal
from campaigns.domain.users.actor import Act, Actor
from campaigns.store.database import Connection, Database, allow_long_statements
from campaigns.store.files import uploads as store
from campaigns.store.files.uploads import MAX_PIECE_BYTES, Upload
from campaigns.store.users.audit import write_audit

_READ_BYTES = 256 * 1024
_MAX_NAME_BYTES = 200  # file systems take 255


def store_upload(database: Database, name: str, pieces: Iterable[bytes], *, max_bytes: int, actor: Actor) -> Upload:
    """Store a whole file. Raises Refusal if it is empty or too large. A file that does not arrive whole is deleted."""
    upload_id = begin_upload(database, name, actor=actor)
    try:
        for number, piece in enumerate(pieces, start=1):
            add_piece(database, upload_id, number, piece, max_bytes=max_bytes)
        return end_upload(database, upload_id, actor=actor)
    except Exception as error:
        if not isinstance(error, Refusal) or error.code != "upload_too_large":  # such an upload is deleted already
            discard_upload(database, upload_id, actor=actor)
        raise


def cut_pieces(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yield a stream in pieces for `store_upload`. `read`: returns at most that many of the next bytes, b"" at the end.

    It is called for a part of a piece at a time, so that a process with greenlets serves other requests meanwhile.
    """
    buffer = bytearray()
    while data := read(_READ_BYTES):
        buffer += data
        if len(buffer) >= MAX_PIECE_BYTES:
            yield bytes(buffer[:MAX_PIECE_BYTES])
            del buffer[:MAX_PIECE_BYTES]
    if buffer:
        yield bytes(buffer)


def begin_upload(database: Database, name: str, *, actor: Actor) -> int:
    """Make an upload without pieces; return its id. `name`: the name of the file, perhaps with folders before it."""
    return database.run(store.insert_upload, _clean_name(name), created_by=actor.name)


def add_piece(database: Database, upload_id: int, number: int, data: bytes, *, max_bytes: int) -> None:
    """Add the next piece of an upload. `number`: 1 for the first piece. `max_bytes`: the largest size of a whole file.

    A piece that is given again is ignored, so a program may repeat it. Raises Refusal if the file is too large, or if a
    piece before this one is missing.
    """
    if not database.run(_add_piece, upload_id, number, data, max_bytes):
        raise refuse_large(max_bytes)


def refuse_large(max_bytes: int) -> Refusal:
    return Refusal(
        "upload_too_large",
        "The file has more than {most} MB. Leave out the columns that the text does not need, or split the list into"
        " two campaigns.",
        most=max_bytes // 1_000_000,
    )


def end_upload(database: Database, upload_id: int, *, actor: Actor) -> Upload:
    """Mark an upload as whole. Raises Refusal if it is empty."""
    return database.run(_end, upload_id, actor)


def find_upload(database: Database, upload_id: int) -> Upload:
    """Return an upload. Raises Refusal if there is none, for example because it was deleted after 7 days."""
    upload = database.run(store.find_upload, upload_id)
    if upload is None:
        raise _missing()
    return upload


def discard_upload(database: Database, upload_id: int, *, actor: Actor) -> None:
    """Delete an upload. Raises Refusal if there is no such upload."""

    def work(connection: Connection) -> None:
        upload = _lock(connection, upload_id)
        store.delete_upload(connection, upload_id)
        write_audit(connection, actor, Act.UPLOAD_DISCARD, upload_id, before={"name": upload.name})

    database.run(work)


@contextmanager
def spooled(connection: Connection, upload: Upload) -> Iterator[Path]:
    """Yield the path of a temporary file with the upload. The path ends with the name of the upload.

    On Linux the path is a link to the open file, which has no name on the disk. So the kernel deletes the personal data
    also when the process is killed. Other systems have no path of an open file.
    """
    with tempfile.TemporaryDirectory(prefix="revoada-") as folder:
        path, open_files = Path(folder) / upload.name, Path(f"/proc/{os.getpid()}/fd")
        with path.open("wb") as file:
            if open_files.is_dir():
                path.unlink()
                path.symlink_to(open_files / str(file.fileno()))
            for piece in store.read_pieces(connection, upload.id):
                file.write(piece)
            file.flush()
            yield path


def _add_piece(connection: Connection, upload_id: int, number: int, data: bytes, max_bytes: int) -> bool:
    """Add the next piece. If the file is too large, delete the upload and return False."""
    if not 1 <= len(data) <= MAX_PIECE_BYTES:
        raise Refusal("piece_size", "A piece of a file has 1 to {most:,} bytes.", most=MAX_PIECE_BYTES)
    upload = _lock(connection, upload_id)
    if store.has_piece(connection, upload_id, number):
        return True
    if upload.size + len(data) > max_bytes:
        store.delete_upload(connection, upload_id)
        return False
    if not store.add_piece(connection, upload_id, number, data):
        raise Refusal(
            "piece_missing",
            "A piece of the file is missing before piece {number}. Upload the file again.",
            kind=Kind.CONFLICT,
            number=number,
        )
    return True


def _end(connection: Connection, upload_id: int, actor: Actor) -> Upload:
    allow_long_statements(connection)
    upload = _lock(connection, upload_id)
    if upload.size == 0:
        raise Refusal("upload_empty", "The file is empty: its first row must name the columns.")
    if upload.sha256 is None:
        digest = hashlib.sha256()
        for piece in store.read_pieces(connection, upload_id):
            digest.update(piece)
        store.end_upload(connection, upload_id, digest.digest())
        write_audit(connection, actor, Act.UPLOAD_ADD, upload_id, after={"name": upload.name, "bytes": upload.size})
    return _lock(connection, upload_id)


def _lock(connection: Connection, upload_id: int) -> Upload:
    upload = store.lock_upload(connection, upload_id)
    if upload is None:
        raise _missing()
    return upload


def _clean_name(name: str) -> str:
    """Return the last part of a path, without control characters. Old browsers send the whole path."""
    last = escape_controls(name.replace("\\", "/").rsplit("/", 1)[-1].strip())
    if last in {"", ".", ".."}:
        return "list"
    ending = Path(last).suffix
    return _cut(_cut(last.removesuffix(ending), _MAX_NAME_BYTES - len(ending.encode())) + ending, _MAX_NAME_BYTES)


def _cut(text: str, most: int) -> str:
    """Return the beginning of a text that has at most that many bytes in UTF-8."""
    return text.encode()[: max(most, 0)].decode(errors="ignore")


def _missing() -> Refusal:
    return Refusal(
        "upload_missing",
        "The uploaded file does not exist any more: files are deleted after 7 days. Upload it again.",
        kind=Kind.MISSING,
    )
