"""Bodies: the cost of one signed body of 3 MB beside that of ten bodies of 0.3 MB, for bodies of several shapes.

An attacker with the app secret, or a fault at Meta, may send any body of up to 3 MB. Its cost must grow with its size
only. The benchmark's own process reads and applies each body, with an embedded Postgres. If the cost grows linearly,
the ratio of the two costs is near 1; if it grows quadratically, the ratio is near 10. The size is BODY_BYTES
(3,000,000).
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.frame import read_size
from benchmarks.report import Report
from campaigns.alerts import Alerts
from campaigns.config import Settings
from campaigns.store.database import Database
from campaigns.store.events import insert_events
from campaigns.store.migrate import migrate
from devstack.postgres import start_postgres
from webhooks.applier.apply import apply_events

BYTES = read_size("BODY_BYTES", 3_000_000)
PARTS = 10
GOAL = 2.0
_AT = "1790000000"
_Value = tuple[str, dict[str, Any]]  # the name of a list in a change's value, and one item of that list


def list_statuses(n: int) -> Iterator[_Value]:
    yield "statuses", {"id": f"wamid.{n}", "status": "read", "timestamp": _AT}


def list_refusals(n: int) -> Iterator[_Value]:
    yield "messages", {"from": str(5511900000000 + n), "type": "text", "text": {"body": "STOP"}, "timestamp": _AT}


def list_refusals_of_one_person(n: int) -> Iterator[_Value]:
    yield "messages", {"from_user_id": "BR.1", "type": "text", "text": {"body": "STOP"}, "timestamp": _AT}
    yield "contacts", {"wa_id": str(5511900000000 + n), "user_id": "BR.1"}


def list_refusals_by_user_ids(n: int) -> Iterator[_Value]:
    yield "messages", {"from_user_id": f"BR.{n}", "type": "text", "text": {"body": "STOP"}, "timestamp": _AT}
    yield "contacts", {"wa_id": str(5511900000000 + n), "user_id": f"BR.{n}"}


def list_changes_of_one_person(n: int) -> Iterator[_Value]:
    yield "user_id_update", {"user_id": {"previous": f"BR.{n}", "current": f"BR.{n + 1}"}, "timestamp": _AT}


def list_texts(n: int) -> Iterator[_Value]:
    yield "messages", {"from": str(5511900000000 + n), "type": "text", "text": {"body": "não quero " * 400}}


def list_unreadable(n: int) -> Iterator[_Value]:
    yield "statuses", {"id": f"wamid.{n}", "status": None}


SHAPES: tuple[Callable[[int], Iterator[_Value]], ...] = (
    list_statuses, list_refusals, list_refusals_of_one_person, list_refusals_by_user_ids, list_changes_of_one_person,
    list_texts, list_unreadable,
)  # fmt: skip


def main() -> int:
    report = Report("bodies", f"one body of {BYTES:,} bytes beside {PARTS} of {BYTES // PARTS:,}", bytes=BYTES)
    with tempfile.TemporaryDirectory() as folder, start_postgres(Path(folder)) as postgres:
        for shape in SHAPES:
            measure(postgres.create_database(shape.__name__), shape, report)
    return report.finish()


def measure(url: str, shape: Callable[[int], Iterator[_Value]], report: Report) -> None:
    migrate(url)
    database = Database(url, max_connections=2)
    database.open()
    name = shape.__name__.removeprefix("list_").replace("_", " ")
    try:
        numbers = count()
        seconds = [
            apply(database, [make_body(shape, BYTES // size, numbers) for _ in range(size)]) for size in (PARTS, 1)
        ]
        bytes_left = database.run(lambda connection: connection.execute(
            "SELECT coalesce(sum(length(body)), 0) FROM webhook_events"
        ).fetchone())  # fmt: skip
    finally:
        database.close()
    ratio = seconds[1] / seconds[0]
    report.add(name, seconds_of_ten=seconds[0], seconds_of_one=seconds[1], ratio=ratio)
    report.goal(f"{name}: one large body costs at most {GOAL:g} times as much", ratio <= GOAL)
    assert bytes_left is not None
    report.check(f"{name}: stored pieces take at most 8 times the bytes", bytes_left[0] <= 8 * 2 * BYTES)


def make_body(shape: Callable[[int], Iterator[_Value]], size: int, numbers: Iterator[int]) -> bytes:
    """Return a body of about this many bytes."""
    value: dict[str, Any] = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": "1"}}
    written = 0
    while written < size:
        for name, item in shape(next(numbers)):
            value.setdefault(name, []).append(item)
            written += len(json.dumps(item)) + 2
    return json.dumps({"entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]}).encode()


def apply(database: Database, bodies: list[bytes]) -> float:
    """Store and apply bodies; return the seconds."""
    database.run(insert_events, bodies)
    began = time.perf_counter()
    while apply_events(database, Settings(), Alerts(None)).is_more_left:
        pass
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
