"""Replies that belong to other requests: nobody gets two messages, nothing is `sent` that was not accepted."""

from __future__ import annotations

import itertools
import threading
from types import SimpleNamespace

import pytest

from campaigns.alerts import Alerts
from campaigns.domain.failures import STRAY_REPLY
from campaigns.management.reports import show_errors
from campaigns.sending.run import run_slice
from campaigns.sending.start import begin_slice
from campaigns.store.events import insert_events
from tests.faults.stray_replies import ReplyFault, make_authority, serve_stray_replies
from tests.simulator.far_end import PATIENCE_SECONDS, wait_for
from tests.store.rows import add_campaign, add_message, fetch
from tests.webhooks.webhook_bodies import PHONE_NUMBER_ID
from webhooks.applier.apply import apply_events

PEOPLE = 40
SETTINGS = {
    "window_limit": 6, "settle_count": 4, "settle_seconds": 0.02, "retry_seconds": 0.1,
    "slice_seconds": 20.0, "tick_seconds": 1.0, "lease_seconds": 30.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def send(database, make_tools, add_sender, authority, monkeypatch):
    """`send(fault, …)` sends two campaigns to the same people through a far end, and returns the results."""
    context, file = authority
    monkeypatch.setattr("certifi.where", lambda: str(file))

    def send(fault, *, is_tls=False, has_webhooks=False, people=PEOPLE, total_timeout=3):
        with serve_stray_replies(fault, context if is_tls else None) as far:
            tools = make_tools(f"{far.url}/v24.0", total_timeout=total_timeout, **SETTINGS)
            account_id = add_sender(PHONE_NUMBER_ID)
            campaigns = [database.run(add_campaign, accounts=[account_id]) for _ in range(2)]
            for each, number in itertools.product(campaigns, range(people)):
                database.run(add_message, each, phone=f"+5511{900000000 + number}")
            over = threading.Event()
            threads = [threading.Thread(target=run_to_the_end, args=(each, tools)) for each in campaigns]
            webhooks = threading.Thread(target=report, args=(far, database, tools.settings, over))
            if has_webhooks:
                webhooks.start()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            # A stray reply can settle a message before the far end has read its request. So the far end finishes first:
            # it has read all requests of a connection that is closed.
            tools.transport.close()
            wait_for(lambda: far.open_count == 0)
            over.set()
            if has_webhooks:
                webhooks.join()
        return SimpleNamespace(memory=far.memory, rows=load_rows(database, far.memory))

    return send


def run_to_the_end(campaign_id, tools):
    pause = threading.Event()
    while fetch(tools.database, "SELECT status::text FROM campaigns WHERE id = %s", campaign_id) == ["running"]:
        begun = begin_slice(campaign_id, tools)
        if begun is None:
            pause.wait(0.05)
        else:
            run_slice(begun, tools)


def report(far, database, settings, over):
    """Store and apply the webhooks of the far end until `over` is set and none is left.

    A body whose rows another transaction has locked is given back, and is due again some seconds later.
    """

    def apply_all():
        if bodies := far.take_webhooks():
            database.run(insert_events, bodies)
        apply_events(database, settings, Alerts(None))
        return fetch(database, "SELECT count(*) FROM webhook_events WHERE status = 'stored'") == [0]

    while not over.wait(0.02):
        apply_all()
    wait_for(apply_all)


def load_rows(database, memory):
    """Return each message's status, wamid and code, with the far end's acceptances and wamid of it."""
    (installation,) = fetch(database, "SELECT id FROM installation")
    rows = fetch(database, "SELECT id, status::text, wamid, error_code FROM messages ORDER BY id")
    keys = [f"r1.{installation}.{row[0]}" for row in rows]
    return [
        SimpleNamespace(
            status=status, wamid=wamid, code=code, accepted=memory.accepted[key], right=memory.wamids.get(key)
        )
        for key, (_, status, wamid, code) in zip(keys, rows, strict=True)
    ]


def assert_true(result, *, has_webhooks):
    rows = result.rows
    assert [row for row in rows if row.accepted > 1] == [], "sent twice"
    assert [row for row in rows if row.status == "sent" and not row.accepted] == [], "sent, but nobody accepted it"
    assert [row for row in rows if row.wamid and row.wamid != row.right] == [], "the wamid of another"
    assert {row.status for row in rows} <= {"sent", "uncertain", "failed"}
    if has_webhooks:
        assert [row for row in rows if row.accepted and row.status != "sent"] == [], "its webhook has settled it"
    assert result.memory.stray_count >= 10


DELAYS = [0, 0.003, 0.05, 0.5]
FAULTS = [
    *(ReplyFault("repeat", delay) for delay in DELAYS),
    *(ReplyFault("error repeat", delay) for delay in DELAYS),
    *(ReplyFault("late error", delay) for delay in DELAYS),
    *(ReplyFault(kind, delay) for kind in ("half", "half head", "half error") for delay in (0, 0.003)),
    ReplyFault("swapped"),
    # Without contacts only the wamid identifies the reply.
    *(ReplyFault("repeat", delay, names_contacts=False) for delay in (0, 0.003)),
    *(ReplyFault("late error", delay, is_chunked=True) for delay in (0, 0.003)),
]


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain, without webhooks", "TLS, with webhooks"])
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_reply_that_belongs_to_another_request_settles_nothing(send, fault, is_tls):
    """What belongs to which request is decided before TLS or webhooks could matter, so the two go together."""
    assert_true(send(fault, is_tls=is_tls, has_webhooks=is_tls), has_webhooks=is_tls)


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "TLS"])
def test_replies_that_come_as_they_should_leave_nobody_uncertain(send, is_tls):
    result = send(ReplyFault(), is_tls=is_tls, total_timeout=PATIENCE_SECONDS)
    assert {row.status for row in result.rows} == {"sent"}
    assert all(row.accepted == 1 and row.wamid == row.right for row in result.rows)


def test_a_person_sees_how_many_replies_went_astray(send, database, caplog):
    result = send(ReplyFault("swapped"))
    count = sum(row.status == "uncertain" for row in result.rows)
    assert count
    errors = {id_: show_errors(database, id_).errors for id_ in (1, 2)}
    assert sum(each.reason.count for found in errors.values() for each in found) == count
    for campaign_id, found in errors.items():
        for each in found:
            assert each.reason.error_code == STRAY_REPLY.code
            assert str(each.advice) == str(STRAY_REPLY.advice.aim(campaign=[campaign_id]))
    warned = [record for record in caplog.records if getattr(record, "event", "") == "stray_reply"]
    assert {record.levelname for record in warned} == {"WARNING"}
    assert sum(len(record.messages) for record in warned) == count
    assert "5511" not in caplog.text, "no phone in a log line"
