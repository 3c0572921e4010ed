"""Rows for the tests, inserted as the program would write them, and functions that read them.

Each builder takes a connection first, so that `database.run(add_campaign, …)` commits it.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace

from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from campaigns.alerts import Alerts
from campaigns.config import Settings
from campaigns.domain.continuity import ClaimCount
from campaigns.domain.message import Status, can_become
from campaigns.domain.phone.person import recipient_key
from campaigns.store.accounts import load_accounts
from campaigns.store.continuity import load_identity
from campaigns.store.events import insert_events
from campaigns.store.leases import take_lease
from campaigns.store.messages import EvidenceRow, claim_messages, lock_caps
from tests.simulator.far_end import PATIENCE_SECONDS, wait_for
from tests.webhooks.webhook_bodies import AT, make_body, make_status, make_value
from webhooks.applier.apply import apply_events

_numbers = itertools.count(1)
# A pool that is not one of the roles' own, and that waits as long as the tests do.
PATIENT = {"name": "a test", "wait_seconds": PATIENCE_SECONDS, "statement_seconds": PATIENCE_SECONDS}
_OUT = {"account_id": 1, "claimed_at": "2026-10-01T11:59Z", "send_no": 1, "attempts": 1}
_ACCEPTED = _OUT | {"wamid": "wamid.settled", "sent_at": "2026-10-01T12:00Z"}
_COLUMNS = {
    "pending": {},
    "suppressed": {},
    "cancelled": {},
    "expired": {},
    "sending": _OUT,
    "uncertain": _OUT | {"error_title": "the reply was lost"},
    "held": _OUT | {"wamid": "wamid.settled"},
    "sent": _ACCEPTED,
    "failed": _OUT | {"failed_at": "2026-10-01T12:00Z", "error_code": 131026, "error_title": "Undeliverable"},
    "delivered": _ACCEPTED,
    "read": _ACCEPTED,
}
# What a migrated database holds before anybody has used it.
_KEPT_TABLES = ("installation", "schema_migrations")


def empty(database):
    """Leave nothing of the tests before, and let all ids begin again."""

    def work(connection):
        delete_rows(connection)
        connection.execute("SELECT setval(seqrelid, 1, false) FROM pg_sequence")
        connection.execute("UPDATE installation SET ticked_at = NULL, recovered_at = NULL, reviews_told_at = NULL")

    database.run(work)


def delete_rows(connection, *, kept=()):
    """Delete all rows, past triggers and foreign keys: a TRUNCATE would make a new file of each table and index."""
    tables = connection.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        " AND relname <> ALL (%s)",
        ([*_KEPT_TABLES, *kept],),
    )
    deletes = "; ".join(f"DELETE FROM {table}" for (table,) in tables)
    connection.execute(f"SET LOCAL session_replication_role = replica; {deletes}")


def fetch(database, text, *parameters):
    """All rows of a statement, as tuples; those of one column as values."""

    def work(connection):
        cursor = connection.execute(text, parameters)
        rows = cursor.fetchall() if cursor.description else []
        return [row[0] if len(row) == 1 else row for row in rows]

    return database.run(work)


def _insert(connection, table, columns):
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING id").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(sql.Placeholder() * len(columns)),
    )
    return connection.execute(statement, list(columns.values())).fetchone()[0]


def add_account(connection, **columns):
    number = next(_numbers)
    row = {"name": f"account {number}", "phone_number_id": str(500_000 + number), "waba_id": "300", "token": b"t"}
    return _insert(connection, "accounts", row | columns)


def deactivate_category(connection, account_id, category="MARKETING", code=131063):
    connection.execute(
        "INSERT INTO account_categories"
        " (account_id, category, activated_at, inactive_since, inactive_reason, inactive_code)"
        " SELECT id, %s, activated_at, now(), %s, %s FROM accounts WHERE id = %s",
        (category, f"5 consecutive send failures: {code} Marketing is off", code, account_id),
    )


def add_template(connection, **columns):
    row = {"name": f"promo_{next(_numbers)}", "language": "en", "components": Jsonb([{"type": "BODY", "text": "Hi"}])}
    return _insert(connection, "templates", row | columns)


def add_campaign(connection, status="running", *, accounts=(), **columns):
    """A campaign with its lease, nobody running it."""
    row = {"name": "Sale", "status": status, "time_zone": "UTC"} | columns
    if "template_id" not in row:
        row["template_id"] = add_template(connection)
    if status in {"running", "paused", "completed"}:
        row.setdefault("started_at", "2026-10-01T11:00Z")
    if status == "completed":
        row.setdefault("completed_at", "2026-10-01T13:00Z")
    campaign_id = _insert(connection, "campaigns", row)
    connection.execute("INSERT INTO leases (campaign_id) VALUES (%s)", (campaign_id,))
    for account_id in accounts:
        connection.execute("INSERT INTO campaign_accounts VALUES (%s, %s)", (campaign_id, account_id))
    return campaign_id


def add_message(connection, campaign_id, status="pending", **columns):
    row = {"campaign_id": campaign_id, "status": status, "phone": f"+55119{next(_numbers):08}"}
    row |= _COLUMNS[status] | columns
    return _insert(connection, "messages", {"recipient_key": recipient_key(row["phone"])} | row)


def add_messages(connection, campaign_id, count, status="pending", **columns):
    return [add_message(connection, campaign_id, status, **columns) for _ in range(count)]


def add_crowd(connection, campaign_id, count):
    """Add pending messages to `count` people, in one statement."""
    connection.execute(
        "INSERT INTO messages (campaign_id, phone, recipient_key) SELECT %s, '+55119' || 10000000 + n, n::text"
        " FROM generate_series(1, %s) n",
        (campaign_id, count),
    )


def take(connection, campaign_id, *, lease_seconds=3600.0, horizon_seconds=0.0, epoch=None):
    seconds = {"lease_seconds": lease_seconds, "horizon_seconds": horizon_seconds}
    return take_lease(connection, campaign_id, owner="me", epoch=epoch, **seconds)


def claim(connection, campaign_id, epoch, *, accounts, cursor=0, active=None):
    """Claim with one token per entry of `accounts`, as a capped campaign does."""
    lock_caps(connection)
    claims = count_claims(connection, campaign_id, epoch)
    return claim_messages(
        connection, claims, cursor=cursor, tokens=Counter(accounts), active=sorted(set(active or accounts))
    )


def count_claims(connection, campaign_id, epoch):
    """The claims of a campaign so far, as the holder of the lease with this epoch knows them."""
    ((count,),) = connection.execute("SELECT claim_count FROM leases WHERE campaign_id = %s", (campaign_id,))
    return ClaimCount(campaign_id, epoch, count)


def say(message_id, status, send_no=1, **changes):
    return replace(EvidenceRow(message_id, send_no, Status(status)), **changes)


def activated_at(connection, account_id):
    return load_accounts(connection, [account_id])[0].activated_at


def read_message(database, message_id):
    """One message with all its columns, but for when it was claimed."""

    def work(connection):
        with connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute("SELECT * FROM messages WHERE id = %s", (message_id,)).fetchone()

    return database.run(work)


def read_statuses(database, campaign_id):
    return fetch(database, "SELECT status::text FROM messages WHERE campaign_id = %s ORDER BY id", campaign_id)


def find_wrong_counters(database):
    """Return the counters that differ from a recount."""
    return fetch(
        database,
        "SELECT * FROM (SELECT * FROM tallies WHERE count <> 0 OR replied_count <> 0) t FULL JOIN"
        " (SELECT campaign_id, status, count(*) AS recount, count(replied_at) AS replied_recount"
        " FROM messages GROUP BY 1, 2) m USING (campaign_id, status)"
        " WHERE (t.count, t.replied_count) IS DISTINCT FROM (m.recount, m.replied_recount)",
    )


@contextmanager
def allowing_only(database, *writes):
    """Fails if a status changes meanwhile in a way that the table of the domain gives to none of `writes`."""
    fetch(database, "CREATE TABLE changes (old text, new text)")
    fetch(
        database,
        "CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO changes VALUES (old.status, new.status); RETURN NULL; END'",
    )
    fetch(
        database,
        "CREATE TRIGGER noting AFTER UPDATE ON messages FOR EACH ROW WHEN (old.status <> new.status)"
        " EXECUTE FUNCTION note_change()",
    )
    try:
        yield
        changes = set(fetch(database, "SELECT old, new FROM changes"))
    finally:
        fetch(database, "DROP TRIGGER noting ON messages")
        fetch(database, "DROP FUNCTION note_change")
        fetch(database, "DROP TABLE changes")
    refused = {
        (old, new) for old, new in changes if not any(can_become(Status(old), Status(new), each) for each in writes)
    }
    assert not refused
    assert changes, "nothing was written at all"


class Beside:
    """Work in a thread of its own; `result` waits for it and raises what it raised."""

    def __init__(self, work, *arguments, **named):
        self._answer = None
        self._error = None

        def run():
            try:
                self._answer = work(*arguments, **named)
            except Exception as error:  # noqa: BLE001 - raised again by `result`
                self._error = error

        self._thread = threading.Thread(target=run)
        self._thread.start()

    def result(self):
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()
        if self._error is not None:
            raise self._error
        return self._answer


def await_blocked(database, *, count=1):
    """Return once at least `count` sessions of this database wait for a lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    wait_for(lambda: fetch(database, waiting)[0] >= count)


def hold(database, work, *arguments):
    """Run `work(connection, …)` in a transaction that waits before it commits.

    Return it, a `Beside`, and the event that lets it commit.
    """
    done, may_commit = threading.Event(), threading.Event()

    def run(connection):
        try:
            answer = work(connection, *arguments)
        finally:
            done.set()
        assert may_commit.wait(PATIENCE_SECONDS)
        return answer

    held = Beside(database.run, run)
    assert done.wait(PATIENCE_SECONDS)
    return held, may_commit


def read_clock(database):
    """Return the time on the clock of Postgres."""
    return fetch(database, "SELECT clock_timestamp()")[0]


def receive(database, *bodies):
    """Store webhook bodies and apply what is due."""
    if bodies:
        database.run(insert_events, bodies)
    return apply_events(database, Settings(), Alerts(None))


def make_report(database, message_id, status="delivered", send_no=1, *, seconds=0, **changes):
    """A status of a message as Meta would report it, with our callback data."""
    installation = database.run(load_identity).installation
    phone = fetch(database, "SELECT coalesce(phone, '') FROM messages WHERE id = %s", message_id)
    ours = {
        "recipient_id": "".join(phone).removeprefix("+") or None,
        "id": f"wamid.{message_id}.{send_no}",
        "biz_opaque_callback_data": f"r1.{installation}.{message_id}.{send_no}",
    }
    return make_status(status=status, timestamp=str(AT + seconds), **ours | changes)


def make_reports(*statuses, number="500600700"):
    """One body with these statuses of messages that one number sent."""
    return make_body(make_value(*statuses) | {"metadata": {"phone_number_id": number}})
