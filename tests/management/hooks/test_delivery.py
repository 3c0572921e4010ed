"""POSTs to hooks: a receiver verifies them, failures are tried again, and no event is lost or gets a second id."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from campaigns.config import Settings
from campaigns.domain.hooks.events import DeliveryState, DisabledReason, EventType
from campaigns.domain.statement import Refusal
from campaigns.management.hooks import delivery, hooks
from campaigns.management.rekey import rekey
from campaigns.secrets import TokenError, make_key
from campaigns.store.hooks import outbox
from tests.simulator.far_end import Receiver
from tests.store.rows import Beside, fetch
from tests.support.actors import TESTER
from tests.support.serving import serving
from tests.support.tls import Authority, TlsFront

KEY = make_key()
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
SETTINGS = Settings(secret_key=KEY, egress_networks=LOOPBACK)


@pytest.fixture
def receiver():
    with serving(Receiver()) as server:
        yield server


@pytest.fixture
def alerts():
    """Notes alerts in place of posting them."""
    sent = []
    return SimpleNamespace(send=lambda kind, text, **bound: sent.append((kind, text, bound)), sent=sent)


@pytest.fixture
def hook(database, receiver):
    return add(database, receiver.url)


@pytest.fixture
def run(database, alerts):
    """Does what the two tasks do, once; `key`: the setting REVOADA_SECRET_KEY; `changes`: other settings."""

    def work(key=KEY, **changes):
        settings = replace(SETTINGS, secret_key=key, **changes)
        for hook_id in delivery.plan(database):
            delivery.deliver(hook_id, database=database, settings=settings, alerts=alerts, stop=threading.Event())

    return work


def add(database, url, *types):
    return hooks.add_hook(
        database, url, types=types or [EventType.CAMPAIGN_PAUSED], networks=LOOPBACK, actor=TESTER, secret_key=KEY
    )


def write(database, count=1):
    def work(connection):
        for number in range(count):
            outbox.write_event(connection, EventType.CAMPAIGN_PAUSED, {"campaign_id": str(number)})

    database.run(work)


def make_due(database):
    fetch(database, "UPDATE hook_deliveries SET due_at = now() WHERE due_at IS NOT NULL RETURNING hook_id")


def deliveries(database, hook_id, **options):
    return database.run(outbox.list_deliveries, hook_id, limit=1000, **options)


def verify(secret, headers, body):
    """What the specification of Standard Webhooks demands of a receiver, written without the code of the sender."""
    key = base64.b64decode(secret.split("_", 1)[1])
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert abs(time.time() - int(headers["webhook-timestamp"])) < 300
    given = [each.split(",", 1) for each in headers["webhook-signature"].split(" ")]
    return any(version == "v1" and hmac.compare_digest(value, wanted) for version, value in given)


def lower(headers):
    return {name.lower(): value for name, value in headers.items()}


def test_a_receiver_can_verify_each_event(database, receiver, hook, run):
    write(database, 2)
    run()
    assert len(receiver.posts) == 2
    for headers, body, _ in receiver.posts:
        assert verify(hook.secret, lower(headers), body)
        assert not verify(hook.secret, lower(headers), body + b" ")
        assert lower(headers)["content-type"] == "application/json"
    bodies = [json.loads(body) for _, body, _ in receiver.posts]
    assert {each["data"]["campaign_id"] for each in bodies} == {"0", "1"}
    assert {each["type"] for each in bodies} == {"campaign.paused"}
    assert [each.state for each in deliveries(database, hook.hook.id)] == [DeliveryState.DELIVERED] * 2
    assert hooks.load_hook(database, hook.hook.id).succeeded_at is not None


def test_many_events_share_a_few_connections(database, receiver, hook, run):
    write(database, 150)
    run()
    assert len(receiver.posts) == 150
    assert receiver.connection_count <= 8


def test_a_second_run_sends_nothing_again(database, receiver, hook, run):
    write(database)
    run()
    run()
    assert len(receiver.posts) == 1


def test_a_hook_gets_its_types_only_and_each_hook_its_own_copy(database, receiver, run):
    first, other = add(database, receiver.url), add(database, receiver.url, EventType.EXPORT_READY)
    second = add(database, receiver.url)
    write(database)
    run()
    assert [len(deliveries(database, each.hook.id)) for each in (first, other, second)] == [1, 0, 1]
    assert len({lower(headers)["webhook-id"] for headers, _, _ in receiver.posts}) == 1
    assert [verify(each.secret, lower(receiver.posts[0][0]), receiver.posts[0][1]) for each in (first, second)].count(
        True
    ) == 1


def test_a_failure_is_tried_again_with_the_same_id(database, receiver, hook, run):
    receiver.answers = [500, 302, 200]
    write(database)
    waits = []
    for _ in range(3):
        run()
        (row,) = deliveries(database, hook.hook.id)
        waits += fetch(database, "SELECT extract(epoch FROM due_at - tried_at)::float8 FROM hook_deliveries")
        make_due(database)
    assert 5 <= waits[0] <= 6
    assert 300 <= waits[1] <= 360
    assert waits[2] is None
    assert (row.state, row.try_count, row.status) == (DeliveryState.DELIVERED, 3, 200)
    assert len(receiver.posts) == 3
    assert len({lower(headers)["webhook-id"] for headers, _, _ in receiver.posts}) == 1


def test_after_ten_tries_an_event_is_given_up_and_may_be_sent_again(database, receiver, hook, run, caplog):
    receiver.answers = [500] * 10
    write(database)
    for _ in range(10):
        run()
        make_due(database)
    (row,) = deliveries(database, hook.hook.id)
    assert (row.state, row.try_count, row.due_at) == (DeliveryState.GIVEN_UP, 10, None)
    assert hooks.load_hook(database, hook.hook.id).given_up_count == 1
    assert "hook_given_up" in {getattr(record, "event", "") for record in caplog.records}
    hooks.resend_delivery(database, hook.hook.id, row.event_id, actor=TESTER)
    run()
    assert [each.state for each in deliveries(database, hook.hook.id)] == [DeliveryState.DELIVERED]


def test_a_receiver_that_is_gone_disables_its_hook(database, receiver, hook, run, alerts):
    receiver.answers = [410]
    write(database)
    run()
    assert hooks.load_hook(database, hook.hook.id).disabled_reason == "gone"
    assert [(kind, bound) for kind, _, bound in alerts.sent] == [
        ("hook_disabled", {"hook_id": hook.hook.id, "reason": "gone"})
    ]
    assert "?x=1" not in alerts.sent[0][1]
    make_due(database)
    write(database)
    run()
    assert len(receiver.posts) == 1


def test_five_days_without_a_success_disable_a_hook_and_less_does_not(database, receiver, hook, run, alerts):
    receiver.answers = [500] * 9
    write(database)
    run()
    for days, reason in ((4, None), (5, "failing")):
        fetch(database, "UPDATE hooks SET failing_since = now() - make_interval(days => %s) RETURNING id", days)
        make_due(database)
        run()
        assert hooks.load_hook(database, hook.hook.id).disabled_reason == reason
    assert len(alerts.sent) == 1


def test_a_success_ends_the_five_days(database, receiver, hook, run):
    write(database)
    fetch(database, "UPDATE hooks SET failing_since = now() - interval '9 days' RETURNING id")
    run()
    found = hooks.load_hook(database, hook.hook.id)
    assert (found.failing_since, found.disabled_at) == (None, None)


def test_an_enabled_hook_gets_what_waited_and_a_replay_the_rest(database, receiver, hook, run):
    receiver.answers = [500]
    write(database)
    run()
    hooks.disable_hook(database, hook.hook.id, actor=TESTER)
    write(database)
    run()
    hooks.enable_hook(database, hook.hook.id, actor=TESTER)
    make_due(database)
    run()
    assert len(receiver.posts) == 2
    assert hooks.replay_hook(database, hook.hook.id, from_id=2, actor=TESTER) == 1
    run()
    assert [each.state for each in deliveries(database, hook.hook.id)] == [DeliveryState.DELIVERED] * 2


def test_a_replay_from_a_time_repeats_the_ids(database, receiver, hook, run):
    write(database, 2)
    run()
    (since,) = fetch(database, "SELECT at FROM hook_events WHERE id = 2")
    assert hooks.replay_hook(database, hook.hook.id, from_time=since, actor=TESTER) == 1
    run()
    ids = [lower(headers)["webhook-id"] for headers, _, _ in receiver.posts]
    assert (len(ids), len(set(ids))) == (3, 2)


def test_during_a_rotation_both_secrets_verify_and_later_only_the_new_one(database, receiver, hook, run):
    new = hooks.rotate_hook(database, hook.hook.id, actor=TESTER, secret_key=KEY)
    for is_over in (False, True):
        write(database)
        run()
        headers, body, _ = receiver.posts[-1]
        assert verify(new.secret, lower(headers), body)
        assert verify(hook.secret, lower(headers), body) is not is_over
        fetch(database, "UPDATE hooks SET old_secret_until = now() RETURNING id")


def test_a_test_event_goes_to_its_hook_only(database, receiver, run):
    first, _ = add(database, receiver.url), add(database, receiver.url)
    hooks.test_hook(database, first.hook.id, actor=TESTER)
    run()
    ((_, body, _),) = receiver.posts
    assert json.loads(body)["type"] == "hook.test"


def test_a_receiver_that_is_away_holds_up_no_other_hook_and_loses_nothing(database, receiver, run):
    away = add(database, "http://127.0.0.1:9/")
    near = add(database, receiver.url)
    write(database, 3)
    run()
    assert len(receiver.posts) == 3
    rows = deliveries(database, away.hook.id)
    assert [(each.state, each.error) for each in rows] == [(DeliveryState.WAITING, "no_connection")] * 3
    assert hooks.load_hook(database, near.hook.id).failing_since is None


def test_an_address_that_is_not_allowed_gets_nothing(database, receiver, hook, alerts):
    write(database)
    (hook_id,) = delivery.plan(database)
    settings = Settings(secret_key=KEY)
    delivery.deliver(hook_id, database=database, settings=settings, alerts=alerts, stop=threading.Event())
    assert receiver.posts == []
    assert [each.error for each in deliveries(database, hook_id)] == ["address_refused"]


def test_while_a_receiver_fails_a_backlog_does_not_use_up_its_tries(database, receiver, hook, run):
    receiver.answers = [500] * 200
    write(database, 200)
    for _ in range(3):
        run()
    assert sum(each.try_count for each in deliveries(database, hook.hook.id)) == 64 + 8 + 8


def test_a_large_backlog_arrives_whole(database, receiver, hook, run):
    write(database, 1000)
    run()
    ids = [lower(headers)["webhook-id"] for headers, _, _ in receiver.posts]
    assert (len(ids), len(set(ids))) == (1000, 1000)


def test_one_process_at_a_time_delivers_to_a_hook_and_a_dead_one_is_replaced(database, receiver, hook, run):
    write(database)
    delivery.plan(database)
    taken = database.run(outbox.take_hook, hook.hook.id, seconds=600.0)
    run()
    assert receiver.posts == []
    # The process is killed: its time ends.
    fetch(database, "UPDATE hooks SET busy_until = now() RETURNING id")
    run()
    assert len(receiver.posts) == 1
    assert database.run(outbox.take_hook, hook.hook.id, seconds=600.0, held=taken.busy_until) is not None


def test_a_late_failure_does_not_undo_a_success(database, receiver, hook, run):
    write(database)
    delivery.plan(database)
    (due,) = database.run(outbox.list_due_deliveries, hook.hook.id, limit=9)
    run()
    late = outbox.Try(due, is_success=False, wait_seconds=5.0, status=500, error=None, answer=None, seconds=1.0)
    database.run(outbox.write_tries, hook.hook.id, [late], is_gone=False)
    assert [each.state for each in deliveries(database, hook.hook.id)] == [DeliveryState.DELIVERED]


def test_a_process_that_stops_begins_no_post(database, receiver, hook, alerts):
    write(database)
    (hook_id,) = delivery.plan(database)
    stop = threading.Event()
    stop.set()
    delivery.deliver(hook_id, database=database, settings=SETTINGS, alerts=alerts, stop=stop)
    assert receiver.posts == []
    assert delivery.plan(database) == [hook_id]


def test_two_processes_plan_each_event_once(database, hook):
    write(database, 100)
    other = Beside(delivery.plan, database)
    delivery.plan(database)
    other.result()
    assert len(deliveries(database, hook.hook.id)) == 100


def test_a_hook_goes_on_with_the_newest_key(database, receiver, hook, run):
    hooks.rotate_hook(database, hook.hook.id, actor=TESTER, secret_key=KEY)
    newest = make_key()
    done = rekey(database, actor=TESTER, secret_key=f"{newest},{KEY}")
    assert (done.token_count, done.is_complete) == (1, True)
    write(database)
    run(newest)
    assert verify(hook.secret, lower(receiver.posts[0][0]), receiver.posts[0][1])
    assert rekey(database, actor=TESTER, secret_key=make_key()).unreadable_hooks == (hook.hook.id,)


def test_a_secret_that_no_key_can_read_is_a_failure_of_the_hook(database, receiver, hook, run, alerts):
    write(database)
    with pytest.raises(TokenError):
        run(make_key())
    assert hooks.load_hook(database, hook.hook.id).failing_since is not None
    five_days = "failing_since = now() - interval '5 days 1 minute', busy_until = '-infinity'"
    fetch(database, f"UPDATE hooks SET {five_days} RETURNING id")
    with pytest.raises(TokenError):
        run(make_key())
    assert hooks.load_hook(database, hook.hook.id).disabled_reason == DisabledReason.FAILING
    assert [kind for kind, _, _ in alerts.sent] == ["hook_disabled"]
    hooks.enable_hook(database, hook.hook.id, actor=TESTER)
    fetch(database, "UPDATE hooks SET busy_until = '-infinity' RETURNING id")
    run()
    assert (len(receiver.posts), hooks.load_hook(database, hook.hook.id).failing_since) == (1, None)


@pytest.mark.parametrize("work", [hooks.test_hook, hooks.replay_hook])
def test_a_disabled_hook_is_sent_nothing_by_hand(database, hook, work):
    hooks.disable_hook(database, hook.hook.id, actor=TESTER)
    with pytest.raises(Refusal) as refused:
        work(database, hook.hook.id, actor=TESTER)
    assert refused.value.code == "hook_not_enabled"


def test_each_change_is_in_the_audit_without_the_secret_and_the_path(database, receiver, hook, run):
    hook_id = hook.hook.id
    secret = hooks.rotate_hook(database, hook_id, actor=TESTER, secret_key=KEY).secret
    hooks.test_hook(database, hook_id, actor=TESTER)
    run()
    hooks.resend_delivery(database, hook_id, 1, actor=TESTER)
    hooks.replay_hook(database, hook_id, from_id=1, actor=TESTER)
    for change in (hooks.disable_hook, hooks.disable_hook, hooks.enable_hook, hooks.enable_hook, hooks.remove_hook):
        change(database, hook_id, actor=TESTER)
    rows = fetch(database, "SELECT what, e::text FROM audit_events e ORDER BY id")
    assert [what.removeprefix("hook.") for what, _ in rows] == [
        "add", "rotate", "test", "replay", "replay", "disable", "enable", "remove",
    ]  # fmt: skip
    for _, text in rows:
        assert "x=1" not in text
        assert hook.secret not in text
        assert secret not in text


def test_a_removed_hook_leaves_nothing(database, receiver, hook, run):
    write(database)
    delivery.plan(database)
    hooks.remove_hook(database, hook.hook.id, actor=TESTER)
    run()
    assert receiver.posts == []
    assert fetch(database, "SELECT hook_id FROM hook_deliveries") == []
    with pytest.raises(Refusal) as refused:
        hooks.load_hook(database, hook.hook.id)
    assert refused.value.code == "hook_missing"


def test_the_secret_is_stored_encrypted(database, hook):
    (stored,) = fetch(database, "SELECT secret FROM hooks")
    assert hook.secret.encode() not in bytes(stored)


def test_the_certificate_of_a_receiver_may_be_of_an_authority_of_our_own(database, receiver, run, tmp_path):
    authority = Authority(tmp_path / "authority")
    with serving(TlsFront(receiver.server_address[1], authority.issue("localhost"))) as front:
        hook_id = add(database, f"https://localhost:{front.port}/").hook.id
        write(database)
        run(ca_file=str(authority.path))
    assert len(receiver.posts) == 1
    (delivered,) = hooks.list_deliveries(database, hook_id, limit=9)
    assert (delivered.state, delivered.error) == (DeliveryState.DELIVERED, None)
