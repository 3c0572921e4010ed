"""The files that people upload, stored in pieces of at most 1 MiB."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.rows import class_row

from campaigns.store.database import Connection, allow_long_statements, insert_row, query

MAX_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """A file. `size`: the number of bytes stored so far. `sha256` is None while pieces are missing."""

    id: int
    name: str
    created_by: str
    created_at: dt.datetime
    size: int
    sha256: bytes | None


def insert_upload(connection: Connection, name: str, *, created_by: str) -> int:
    return insert_row(connection, "insert_upload", {"name": name, "created_by": created_by})


def find_upload(connection: Connection, upload_id: int) -> Upload | None:
    return _read(connection, "find_upload", upload_id)


def lock_upload(connection: Connection, upload_id: int) -> Upload | None:
    return _read(connection, "lock_upload", upload_id)


def add_piece(connection: Connection, upload_id: int, number: int, data: bytes) -> bool:
    """Add the piece with this number (from 1). Return False if it is not the next one. The caller has the lock."""
    parameters = {"upload_id": upload_id, "number": number, "data": data, "size": len(data)}
    is_added = connection.execute(query("add_upload_piece"), parameters).rowcount == 1
    if is_added:
        connection.execute(query("grow_upload"), parameters)
    return is_added


def has_piece(connection: Connection, upload_id: int, number: int) -> bool:
    row = connection.execute(query("has_upload_piece"), {"upload_id": upload_id, "number": number}).fetchone()
    assert row is not None
    return bool(row[0])


def end_upload(connection: Connection, upload_id: int, sha256: bytes) -> None:
    connection.execute(query("end_upload"), {"upload_id": upload_id, "sha256": sha256})


def read_pieces(connection: Connection, upload_id: int) -> Iterator[bytes]:
    """Yield the pieces of a file in their order. One piece at a time is in memory."""
    number = 1
    while row := connection.execute(query("read_upload_piece"), {"upload_id": upload_id, "number": number}).fetchone():
        yield row[0]
        number += 1


def delete_upload(connection: Connection, upload_id: int) -> None:
    """Delete a file and the jobs that read it."""
    connection.execute(query("delete_upload"), {"upload_id": upload_id})


def erase_files(connection: Connection) -> tuple[int, int]:
    """Delete the exports and uploads that are too old; return the number of exports and of uploads."""
    upload_ids = [row[0] for row in connection.execute(query("lock_idle_uploads"))]
    return _delete(connection, "erase_files", {"upload_ids": upload_ids})


def forget_files(connection: Connection) -> tuple[int, int]:
    """Delete all exports and uploads; return the number of exports and of uploads.

    The caller has called `stop_file_work`.
    """
    return _delete(connection, "forget_files")


def _delete(connection: Connection, statement: str, parameters: Mapping[str, Any] | None = None) -> tuple[int, int]:
    allow_long_statements(connection)
    row = connection.execute(query(statement), parameters).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def _read(connection: Connection, statement: str, upload_id: int) -> Upload | None:
    with connection.cursor(row_factory=class_row(Upload)) as cursor:
        return cursor.execute(query(statement), {"upload_id": upload_id}).fetchone()
