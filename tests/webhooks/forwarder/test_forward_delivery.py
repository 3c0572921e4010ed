"""From the receiver's INSERT to the target: order, failures, later tries, and what a killed process leaves."""

from __future__ import annotations

import ipaddress
import json
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from campaigns import egress
from campaigns.config import Settings
from campaigns.management.forwards.send import sign_body
from campaigns.management.forwards.targets import add_forward, disable_forward, enable_forward, remove_forward
from campaigns.secrets import make_key
from campaigns.store.events import insert_events
from campaigns.store.forwards.forwards import has_forward_work, lease_forwards, list_forwards, take_due_bodies
from tests.simulator.far_end import Receiver
from tests.store.rows import Beside, await_blocked, fetch, hold
from tests.support.actors import TESTER
from tests.support.serving import serving
from tests.support.tls import Authority, TlsFront
from webhooks.forwarder import deliver
from webhooks.forwarder.deliver import LEASE_SECONDS, send_waiting
from webhooks.forwarder.route import _route_set, route_bodies

SETTINGS = Settings(
    meta_app_secret="s3cret", secret_key=make_key(), egress_networks=(ipaddress.ip_network("127.0.0.0/8"),)
)
SALES, SUPPORT = "500600700", "500600701"
DEAD = "http://127.0.0.1:9/"


@pytest.fixture
def target():
    with serving(Receiver()) as server:
        yield server


@pytest.fixture
def add(database, target):
    def add_one(url=target.url, **chosen):
        return add_forward(database, url, settings=SETTINGS, actor=TESTER, **chosen).id

    return add_one


def make_body(text, *numbers, field="messages"):
    changes = [
        {"field": field, "value": {"metadata": {"phone_number_id": n}, "text": text}} for n in numbers or [SALES]
    ]
    return json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]}).encode()


def receive(database, *bodies):
    for body in bodies:
        database.run(insert_events, [body])


def work(database, *, settings=SETTINGS, stop=None):
    """Do what the task does, with the targets one after the other; return the targets that were tried."""
    route_bodies(database)
    leased = database.run(lease_forwards, lease_seconds=LEASE_SECONDS)
    for each in leased:
        send_waiting(each, database, settings, stop or threading.Event())
    return [each.id for each in leased]


def end_waits(database):
    """Let the time of all waits pass."""
    fetch(database, "UPDATE forwards SET paused_until = now() - interval '1 s' WHERE paused_until IS NOT NULL")
    fetch(database, "UPDATE forward_bodies SET next_try_at = now() WHERE next_try_at > now()")


def end_pause(database):
    fetch(database, "UPDATE forwards SET paused_until = now() - interval '1 s' WHERE paused_until IS NOT NULL")


def read_texts(target):
    return [value["text"] for value in target.values()]


def show(database):
    return database.run(list_forwards)[0]


def test_without_an_enabled_forward_nothing_is_copied(database, add):
    receive(database, make_body("early"))
    assert not database.run(has_forward_work)
    forward_id = add()
    disable_forward(database, forward_id, actor=TESTER)
    receive(database, make_body("disabled"))
    assert fetch(database, "SELECT count(*) FROM forward_inbox") == [0]
    assert fetch(database, "SELECT count(*) FROM webhook_events") == [2]


def test_a_body_arrives_byte_by_byte_with_metas_own_signature(database, add, target):
    add()
    body = (
        b'{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":"Ol\\u00e1 \\/"}]} ]}'
    )
    receive(database, body)
    assert database.run(has_forward_work)
    assert work(database) == [1]
    ((headers, got, _),) = target.posts
    assert got == body
    assert headers["X-Hub-Signature-256"] == sign_body(body, "s3cret")
    assert headers["Content-Type"] == "application/json"
    assert fetch(database, "SELECT count(*) FROM forward_bodies") == [0]
    assert fetch(database, "SELECT count(*) FROM webhook_events") == [1]  # it still waits to be applied
    assert (show(database).delivered_count, show(database).failing_since) == (1, None)
    assert not database.run(has_forward_work)


def test_a_target_with_a_secret_of_its_own_gets_its_signature(database, add, target):
    add(secret="of the CRM")
    assert fetch(database, "SELECT position('CRM' IN encode(secret, 'escape')) FROM forwards") == [0]
    receive(database, make_body("a"))
    work(database)
    ((headers, body, _),) = target.posts
    assert headers["X-Hub-Signature-256"] == sign_body(body, "of the CRM")


def test_each_target_gets_what_it_has_chosen(database, add, target):
    add(numbers=[SALES])
    with serving(Receiver()) as other:
        add(other.url, fields=["calls"])
        receive(database, make_body("a", SALES, SUPPORT), make_body("b", SUPPORT, field="calls"), make_body("c"))
        assert work(database) == [1, 2]
        assert read_texts(target) == ["a", "c"]
        assert read_texts(other) == ["b"]


def test_the_bodies_of_a_number_arrive_in_their_order(database, add, target):
    add()
    texts = [f"{number} {i}" for i in range(60) for number in ("a", "b")]
    numbers = {"a": SALES, "b": SUPPORT}
    receive(database, *(make_body(text, numbers[text[0]]) for text in texts))
    receive(database, make_body("to both", SALES, SUPPORT), make_body("a last"), make_body("b last", SUPPORT))
    work(database)
    got = read_texts(target)
    for name in numbers:
        own = [text for text in texts if text[0] == name]
        assert [text for text in got if text[0] == name] == [*own, f"{name} last"]
    assert got[120:122] == ["to both", "to both"]
    assert sorted(got[122:]) == ["a last", "b last"]


def test_a_newer_body_is_never_routed_before_an_older_one(database, add):
    """While a process routes the first body, another one waits for it, although a newer body has arrived."""
    add()
    receive(database, make_body("a"))
    first, may_commit = hold(database, _route_set)
    receive(database, make_body("b"))
    second = Beside(route_bodies, database)
    await_blocked(database)
    assert fetch(database, "SELECT count(*) FROM forward_bodies") == [0]
    may_commit.set()
    first.result()
    second.result()
    route_bodies(database)
    assert fetch(database, "SELECT inbox_id FROM forward_bodies ORDER BY 1") == [1, 2]


def test_two_processes_never_send_to_the_same_target(database, add):
    add()
    receive(database, make_body("a"))
    route_bodies(database)
    first, may_commit = hold(database, lambda connection: lease_forwards(connection, lease_seconds=LEASE_SECONDS))
    second = Beside(database.run, lease_forwards, lease_seconds=LEASE_SECONDS)
    await_blocked(database)
    may_commit.set()
    assert [len(each.result()) for each in (first, second)] == [1, 0]


def test_a_refused_body_is_tried_later_while_newer_ones_arrive(database, add, target):
    target.answers = [400]
    add()
    receive(database, make_body("a"), make_body("b"))
    work(database)
    assert read_texts(target) == ["a", "b"]
    assert fetch(database, "SELECT attempts FROM forward_bodies") == [1]
    work(database)
    assert len(target.posts) == 2  # the wait of five seconds is not over
    end_waits(database)
    work(database)
    assert read_texts(target) == ["a", "b", "a"]
    assert fetch(database, "SELECT count(*) FROM forward_bodies") == [0]


def test_a_target_that_is_away_for_a_while_gets_all_in_order(database, add, target):
    target.answers = [503, 503]
    add()
    receive(database, *map(make_body, "abc"))
    work(database)
    assert show(database).failing_since is not None
    assert show(database).last_error == "HTTP 503"
    receive(database, make_body("d"))
    assert work(database) == []  # it pauses, and nothing is tried
    assert read_texts(target) == ["a"]
    end_pause(database)
    work(database)
    assert read_texts(target) == ["a", "a"]  # only one body is tried while the target is away
    end_pause(database)
    work(database)
    assert read_texts(target) == ["a", "a", *"abcd"]
    assert show(database).failing_since is None


def test_a_body_without_an_answer_gives_way_after_three_tries_and_comes_first_once_the_target_answers(
    database, add, target
):
    target.answers = [503] * 4
    add()
    receive(database, *map(make_body, "abc"))
    for _ in range(4):
        work(database)
        end_pause(database)
    assert read_texts(target) == [*"aaa", "b"]
    assert fetch(database, "SELECT attempts FROM forward_bodies ORDER BY inbox_id") == [3, 1, 0]
    work(database)
    assert read_texts(target)[4:] == [*"bac"]
    assert fetch(database, "SELECT count(*) FROM forward_bodies") == [0]


def test_the_pause_is_five_seconds_and_then_five_minutes(database, add):
    add(DEAD)
    receive(database, make_body("a"))
    for least, most in ((5, 6), (300, 360), (300, 360)):
        work(database)
        seconds = "extract(epoch FROM paused_until - failing_since)::float8"
        end = "UPDATE forwards SET failing_since = clock_timestamp(), paused_until = NULL RETURNING old.paused_until"
        assert fetch(database, f"SELECT {seconds} >= 0 FROM forwards") == [True]
        ((is_least, is_most),) = database.run(
            lambda connection, least=least, most=most: connection.execute(
                "SELECT paused_until > clock_timestamp() + make_interval(secs => %s - 15),"
                " paused_until < clock_timestamp() + make_interval(secs => %s) FROM forwards",
                (least, most),
            ).fetchall()
        )
        assert (is_least, is_most) == (True, True)
        fetch(database, end)
    assert show(database).last_error == "no_connection"


def test_after_its_last_try_a_body_is_given_up_and_counted(database, add, target, caplog):
    target.answers = [500]
    add()
    receive(database, make_body("a"))
    route_bodies(database)
    fetch(database, "UPDATE forward_bodies SET attempts = 9")
    work(database)
    assert fetch(database, "SELECT count(*) FROM forward_bodies") == [0]
    assert show(database).given_up_count == 1
    assert "forward_given_up" in [each.event for each in caplog.records]


def test_a_dead_target_does_not_stop_another(database, add, target):
    add(DEAD)
    add()
    receive(database, make_body("a"))
    assert work(database) == [1, 2]
    assert read_texts(target) == ["a"]
    assert fetch(database, "SELECT forward_id FROM forward_bodies") == [1]


def test_no_connection_is_held_while_a_target_hangs(database, add, open_database):
    """The deliverer has one connection, and another piece of code gets it during the POST."""
    only = open_database(max_connections=1)
    arrived, answer = threading.Event(), threading.Event()

    class Hanging(Receiver):
        def process_request(self, request, client_address):
            arrived.set()
            answer.wait(30)
            super().process_request(request, client_address)

    with serving(Hanging()) as hanging:
        add(hanging.url)
        receive(database, make_body("a"))
        thread = threading.Thread(target=work, args=(only,))
        thread.start()
        try:
            assert arrived.wait(30)
            receive(only, make_body("b"))
            assert fetch(only, "SELECT count(*) FROM forward_bodies") == [1]
        finally:
            answer.set()
            thread.join(30)
        assert not thread.is_alive()


def test_another_process_goes_on_once_the_lease_has_ended(database, add, target):
    add()
    receive(database, *map(make_body, "ab"))
    route_bodies(database)
    (gone,) = database.run(lease_forwards, lease_seconds=LEASE_SECONDS)
    assert work(database) == []
    fetch(database, "UPDATE forwards SET leased_until = now() - interval '1 s'")
    assert work(database) == [1]
    assert read_texts(target) == ["a", "b"]
    assert database.run(take_due_bodies, gone, lease_seconds=LEASE_SECONDS) == []


_PROGRAM = """
import ipaddress, sys, threading
from campaigns.config import Settings
from campaigns.store.database import Database
from campaigns.store.forwards.forwards import lease_forwards
from webhooks.forwarder.deliver import send_waiting
database = Database(sys.argv[1])
database.open()
settings = Settings(meta_app_secret="s3cret", egress_networks=(ipaddress.ip_network("127.0.0.0/8"),))
for leased in database.run(lease_forwards, lease_seconds=60):
    send_waiting(leased, database, settings, threading.Event())
"""


def test_a_killed_process_loses_nothing_and_repeats_at_most_what_was_under_way(database, database_url, add, target):
    add()
    bodies = [make_body(f"{i}", number) for i in range(300) for number in (SALES, SUPPORT)]
    for start in range(0, len(bodies), 100):
        database.run(insert_events, bodies[start : start + 100])
    route_bodies(database)
    kills = 0
    while fetch(database, "SELECT count(*) FROM forward_bodies") != [0]:
        seen = len(target.posts)
        process = subprocess.Popen([sys.executable, "-c", _PROGRAM, database_url])
        until = time.monotonic() + 60
        while len(target.posts) < seen + 200 and process.poll() is None and time.monotonic() < until:
            time.sleep(0.005)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait(30)
        fetch(database, "UPDATE forwards SET leased_until = NULL")
    assert kills >= 1
    got = [(value["metadata"]["phone_number_id"], int(value["text"])) for value in target.values()]
    for number in (SALES, SUPPORT):
        own = [text for each, text in got if each == number]
        assert sorted(set(own)) == list(range(300))
        # One body of each number was under way when the process was killed.
        assert len(own) <= 300 + kills
        assert own == sorted(own)


def test_a_round_ends_in_time_and_the_next_one_goes_on(database, add, target, monkeypatch):
    monkeypatch.setattr(deliver, "_ROUND_SECONDS", 0.0)
    monkeypatch.setattr(deliver, "_TURN_SECONDS", 0.05)
    add()
    receive(database, make_body("a"))
    work(database)
    assert target.posts == []
    assert fetch(database, "SELECT leased_until FROM forwards") == [None]
    monkeypatch.undo()
    work(database)
    assert read_texts(target) == ["a"]


def test_a_process_that_stops_gives_the_target_back(database, add, target):
    add()
    receive(database, make_body("a"))
    stop = threading.Event()
    stop.set()
    work(database, stop=stop)
    assert target.posts == []
    assert work(database) == [1]


def test_a_disabled_forward_keeps_what_waits(database, add, target):
    forward_id = add()
    receive(database, make_body("a"))
    route_bodies(database)
    disable_forward(database, forward_id, actor=TESTER)
    assert work(database) == []
    enable_forward(database, forward_id, actor=TESTER)
    assert work(database) == [forward_id]
    assert read_texts(target) == ["a"]


def test_a_removed_forward_takes_what_waits_with_it(database, add):
    forward_id = add(DEAD)
    receive(database, make_body("a"))
    work(database)
    remove_forward(database, forward_id, actor=TESTER)
    assert fetch(database, "SELECT count(*) FROM forward_bodies") == [0]


def test_a_secret_that_cannot_be_read_is_a_failure_of_this_forward(database, add, target, caplog):
    add()
    receive(database, make_body("a"))
    work(database, settings=Settings(egress_networks=SETTINGS.egress_networks))
    assert target.posts == []
    assert "META_APP_SECRET" in show(database).last_error
    assert [each.event for each in caplog.records] == ["forward_failing"]
    end_pause(database)
    work(database)
    assert read_texts(target) == ["a"]


def test_an_address_that_is_not_allowed_any_more_gets_nothing(database, add, target):
    add()
    receive(database, make_body("a"))
    work(database, settings=Settings(meta_app_secret="s3cret"))
    assert target.posts == []
    assert show(database).last_error == str(egress.PostError.ADDRESS_REFUSED)


def test_the_certificate_of_a_target_may_be_of_an_authority_of_our_own(database, add, target, tmp_path):
    authority = Authority(tmp_path / "authority")
    with serving(TlsFront(target.server_address[1], authority.issue("localhost"))) as front:
        add(f"https://localhost:{front.port}/")
        receive(database, make_body("a"))
        work(database, settings=replace(SETTINGS, ca_file=str(authority.path)))
    assert len(target.posts) == 1
