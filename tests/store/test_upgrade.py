"""A database of the first version: `revoada migrate` keeps its rows, and this version sends its campaigns."""

from collections import Counter

import psycopg

from campaigns.store import migrate as store
from campaigns.store.campaigns import list_campaigns, load_counters
from campaigns.store.database import Database
from campaigns.store.migrate import list_migrations, migrate
from tests.store.rows import (
    PATIENT,
    add_account,
    add_campaign,
    add_messages,
    claim,
    fetch,
    find_wrong_counters,
    make_report,
    make_reports,
    read_message,
    receive,
    take,
)

STATUSES = ("pending", "uncertain", "held", "sent", "failed", "delivered", "read", "suppressed", "expired", "cancelled")


def read_rows(connection, tables):
    """The rows of tables, by the columns that a first reading found."""
    return {
        table: connection.execute(f"SELECT ROW({', '.join(columns)})::text FROM {table} ORDER BY 1").fetchall()
        for table, columns in tables.items()
    }


def find_columns(connection):
    found = connection.execute(
        "SELECT table_name, array_agg(column_name::text ORDER BY ordinal_position) FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name <> 'schema_migrations' GROUP BY 1"
    )
    return dict(found.fetchall())


def test_a_database_of_the_first_version_keeps_its_rows_and_goes_on_sending(postgres, monkeypatch):
    url = postgres.create_database("upgrade_of_the_first")
    with monkeypatch.context() as patch:
        patch.setattr(store, "list_migrations", lambda: ["0001_core"])
        assert migrate(url) == ["0001_core"]
    with psycopg.connect(url) as connection:
        account_id = add_account(connection)
        running = add_campaign(connection, accounts=[account_id])
        for status in STATUSES:
            add_messages(connection, running, 2, status)
        add_messages(connection, add_campaign(connection, "completed", accounts=[account_id]), 3, "read")
        connection.execute("INSERT INTO suppressions VALUES ('5511999990000', 'word', true, now(), 'SAIR')")
        connection.commit()
        columns = find_columns(connection)
        before = read_rows(connection, columns)

    assert migrate(url) == list_migrations()[1:]

    with psycopg.connect(url) as connection:
        there = find_columns(connection)
        kept = {table: [name for name in names if name in there[table]] for table, names in columns.items()}
        assert {table for table in columns if kept[table] != columns[table]} == set(), "no column is gone"
        assert read_rows(connection, columns) == before
    database = Database(url, **PATIENT)
    database.open()
    try:
        assert find_wrong_counters(database) == []
        assert database.run(load_counters, running) == dict.fromkeys(STATUSES, 2)
        assert Counter(row.status for row in database.run(list_campaigns)) == {"running": 1, "completed": 1}
        epoch = database.run(take, running).epoch
        claimed = database.run(claim, running, epoch, accounts=[account_id] * 5).messages
        assert len(claimed) == 2
        sent = fetch(database, "SELECT id FROM messages WHERE campaign_id = %s AND status = 'sent'", running)
        [number] = fetch(database, "SELECT phone_number_id FROM accounts")
        receive(database, make_reports(make_report(database, sent[0], id="wamid.settled"), number=number))
        assert read_message(database, sent[0])["status"] == "delivered"
    finally:
        database.close()
