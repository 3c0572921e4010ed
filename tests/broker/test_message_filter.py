"""kombu with the filtering transport, against a real Valkey that refuses commands or holds invalid messages."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import suppress

import kombu
import pytest
import redis
from celery import Celery
from celery.exceptions import ImproperlyConfigured
from kombu.transport import redis as kombu_redis

from campaigns.broker import message_filter
from campaigns.valkey import find_error_reply
from devstack.proxy import Proxy
from devstack.sentinel import Sentinel, start_sentinel
from devstack.valkey import Valkey, start_valkey
from tests.simulator.far_end import PATIENCE_SECONDS
from tests.support.refusing import REFUSALS, read_only, wrong_type

MASTER = "revoada"
QUEUE = kombu.Queue("campaigns", kombu.Exchange("campaigns"), routing_key="campaigns")
OPTIONS = {
    "socket_timeout": PATIENCE_SECONDS,
    "socket_connect_timeout": PATIENCE_SECONDS,
    "connect_retries_timeout": 1,
    "master_name": MASTER,
}


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A Valkey that these tests may break."""
    with start_valkey(tmp_path_factory.mktemp("message-filter")) as server:
        yield server


@pytest.fixture
def server(spoiled: Valkey) -> Valkey:
    with redis.Redis.from_url(spoiled.url) as client:
        client.flushall()
    return spoiled


@pytest.fixture(scope="module")
def sentinel(spoiled: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinel]:
    """A Sentinel that names the server, and does not notice what these tests do with it."""
    folder = tmp_path_factory.mktemp("sentinel")
    with start_sentinel(folder, master_name=MASTER, primary_port=spoiled.port, down_after_ms=3_600_000) as one:
        yield one


@pytest.fixture(params=["redis", "sentinel"])
def url(request: pytest.FixtureRequest, server: Valkey) -> str:
    """The URL of the broker in each form."""
    if request.param == "redis":
        return server.url
    return f"sentinel://127.0.0.1:{request.getfixturevalue('sentinel').port}/0"


def connect(url: str) -> message_filter.Connection:
    message_filter.install()
    return message_filter.Connection(url, transport_options=OPTIONS)


def publish(connection: kombu.Connection) -> None:
    with connection.Producer() as producer:
        producer.publish([[1], {}, {}], exchange=QUEUE.exchange, routing_key="campaigns", declare=[QUEUE])


def receive(connection: kombu.Connection, *, count: int = 1, seconds: float = PATIENCE_SECONDS) -> list[object]:
    """Return the bodies of the next tasks; raises TimeoutError when they do not come."""
    found: list[object] = []

    def take(body: object, message: kombu.Message) -> None:
        found.append(body)
        message.ack()

    with connection.Consumer(QUEUE, callbacks=[take]):
        while len(found) < count:
            connection.drain_events(timeout=seconds)
    return found


@pytest.mark.parametrize("code", [*REFUSALS, "WRONGTYPE"])
def test_every_refusal_is_an_error_of_the_connection_and_passes(server: Valkey, url: str, code: str) -> None:
    refuse = REFUSALS.get(code, wrong_type)
    with connect(url) as sending, connect(url) as receiving:
        publish(sending)
        assert receive(receiving) == [[[1], {}, {}]]
        with refuse(server):
            with pytest.raises(message_filter.BrokerUnavailable) as caught:
                publish(sending)
            assert find_error_reply(caught.value), caught.value
            # A worker reconnects after these errors, and ends after others. Some refusals affect writes only.
            with suppress(receiving.connection_errors):
                receive(receiving, seconds=3)
    with connect(url) as sending, connect(url) as receiving:
        publish(sending)
        assert receive(receiving) == [[[1], {}, {}]]


def test_an_acknowledgement_that_is_refused_is_an_error_of_the_connection(server: Valkey, url: str) -> None:
    with connect(url) as connection:
        publish(connection)
        taken: list[kombu.Message] = []
        with connection.Consumer(QUEUE, callbacks=[lambda _body, message: taken.append(message)]):
            connection.drain_events(timeout=PATIENCE_SECONDS)
        with read_only(server), pytest.raises(connection.connection_errors):
            taken[0].ack()
        taken[0].ack()


def test_a_task_that_cannot_be_returned_stays_unacknowledged(server: Valkey, url: str) -> None:
    """A connection closes before its task is acknowledged; any other worker gives the task back later."""
    connection = connect(url)
    publish(connection)
    with connection.Consumer(QUEUE, callbacks=[lambda _body, _message: None]):
        connection.drain_events(timeout=PATIENCE_SECONDS)
    with read_only(server), suppress(connection.connection_errors):
        connection.close()
    with redis.Redis.from_url(server.url) as client:
        assert client.hlen("unacked") == 1


def test_a_producer_finds_the_new_primary_behind_the_same_name(server: Valkey, tmp_path) -> None:
    with start_valkey(tmp_path) as new_primary, Proxy(server.port) as name:
        with connect(new_primary.url) as connection:
            assert receive(connection, count=0) == []  # so that the queue is known there
        with connect(server.url.replace(str(server.port), str(name.port))) as connection:
            publish(connection)
            with read_only(server):
                name.upstream_port = new_primary.port
                with pytest.raises(message_filter.BrokerUnavailable):
                    publish(connection)
                publish(connection)
        with redis.Redis.from_url(new_primary.url) as client:
            assert client.llen("campaigns") == 1


def test_an_error_of_the_handler_is_not_taken_for_a_message_that_cannot_be_read(server: Valkey) -> None:
    """Both raise errors of the same types. Errors of the handler are bugs, and must be raised."""

    def fail(_body: object, _message: kombu.Message) -> None:
        raise TypeError("a bug")

    with connect(server.url) as connection:
        publish(connection)
        with connection.Consumer(QUEUE, callbacks=[fail]), pytest.raises(TypeError, match="a bug"):
            connection.drain_events(timeout=PATIENCE_SECONDS)


@pytest.mark.parametrize("error", [KeyError, TypeError, AttributeError])
def test_an_error_in_a_check_is_logged_in_full_and_refuses_the_message(
    server: Valkey, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: type[Exception]
) -> None:
    """kombu takes a KeyError for a lost connection: without a guard a worker would reconnect, with a warning only."""

    def fail(envelope: object) -> str:
        if isinstance(envelope, dict) and envelope.get("headers", {}).get("is_evil"):
            raise error("a bug")
        return ""

    monkeypatch.setattr(message_filter, "find_flaw", fail)
    with connect(server.url) as connection, connection.Producer() as producer:
        options = {"exchange": QUEUE.exchange, "routing_key": "campaigns", "declare": [QUEUE]}
        producer.publish([[2], {}, {}], headers={"is_evil": True}, **options)
        publish(connection)
        assert receive(connection) == [[[1], {}, {}]]
    (record,) = [each for each in caplog.records if each.levelname == "ERROR"]
    assert record.exc_info is not None and record.exc_info[0] is error
    with redis.Redis.from_url(server.url) as client:
        assert client.llen("campaigns") == client.hlen("unacked") == 0


@pytest.mark.parametrize("depth", [20, 100, 500, 900, 980, 100_000])
def test_a_message_that_is_nested_too_deep_is_dropped_wherever_the_depth_is(server: Valkey, depth: int) -> None:
    """Such a message is dropped even if it can be read: kombu could not store it until it is acknowledged."""
    nested = "[" * depth + "]" * depth
    properties = {"delivery_info": {"exchange": "campaigns", "routing_key": "campaigns"}, "body_encoding": "base64"}
    message = {
        "body": base64.b64encode(b"[[1], {}, {}]").decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"nested": "NESTED"},
        "properties": {"delivery_tag": "1", **properties},
    }
    text = json.dumps(message)
    with connect(server.url) as connection, redis.Redis.from_url(server.url) as client:
        client.lpush("campaigns", text.replace('"NESTED"', nested), nested, text)
        assert receive(connection) == [[[1], {}, {}]]
        assert client.llen("campaigns") == client.hlen("unacked") == 0


def test_every_command_of_celery_and_flower_is_accepted(server: Valkey) -> None:
    """Celery's own client writes each message, so that the test fails if a new version writes it differently."""
    app = Celery("client", broker=server.url, set_as_current=False)
    control, inspect = app.control, app.control.inspect(timeout=0.01)
    with redis.Redis.from_url(server.url) as client, client.pubsub() as listener:
        listener.subscribe("/0.celery.pidbox")
        assert listener.get_message(timeout=PATIENCE_SECONDS)["type"] == "subscribe"
        for ask in (inspect.active, inspect.active_queues, inspect.conf, inspect.ping, inspect.registered):
            ask()
        for ask in (inspect.report, inspect.reserved, inspect.revoked, inspect.scheduled, inspect.stats, inspect.clock):
            ask()
        inspect.query_task("one", "two")
        control.ping(timeout=0.01, destination=["worker@here"])
        control.enable_events()
        control.disable_events()
        control.heartbeat()
        control.revoke(["one", "two"], terminate=True, signal="SIGTERM")
        control.terminate("one")
        control.rate_limit("campaigns.run", "10/m")
        control.time_limit("campaigns.run", soft=5, hard=10)
        control.add_consumer("campaigns")
        control.cancel_consumer("campaigns")
        control.pool_grow(1)
        control.pool_shrink(1)
        control.autoscale(5, 1)
        control.shutdown()
        client.publish("/0.celery.pidbox", b"the end")
        sent = (message["data"] for message in listener.listen())
        commands = list(iter(lambda: next(sent), b"the end"))
    assert len(commands) == 26
    assert [each for each in commands if message_filter._is_refused(each, "celery.pidbox")] == []


@pytest.mark.parametrize(
    ("library", "name"),
    [
        (kombu_redis.Channel, "_get_client"),
        (kombu_redis.Channel, "_connparams"),
        (kombu_redis.QoS, "restore_by_tag"),
        (kombu.Connection, "_init_params"),
        (kombu.Connection, "_ensure_connection"),
        (redis.connection.AbstractConnection, "on_connect_check_health"),
    ],
)
def test_a_library_without_an_overridden_name_is_refused(monkeypatch, library: type, name: str) -> None:
    monkeypatch.delattr(library, name)
    with pytest.raises(RuntimeError, match=rf"cannot be used: they lack .*\.{name}\b"):
        message_filter.install()


@pytest.mark.parametrize("url", ["amqp://guest@127.0.0.1//", "memory://", "127.0.0.1", ""])
def test_a_connection_to_another_kind_of_broker_is_refused(url: str) -> None:
    """Celery takes the URL from the option -b and from CELERY_BROKER_URL, too, which no setting of ours checks."""
    message_filter.install()
    with pytest.raises(ImproperlyConfigured, match="must begin with redis, rediss, sentinel"):
        message_filter.Connection(url)
