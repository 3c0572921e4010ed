"""The ports on which the roles serve their metrics."""

import os
import signal
import socket

import psutil
import pytest
import requests

from campaigns.metrics.port import MAX_CONNECTIONS
from campaigns.store.migrate import migrate
from devstack.ports import LOOPBACK, free_port
from devstack.stack import Stack, await_http
from tests.metrics.reading import find, scrape
from tests.simulator.far_end import PATIENCE_SECONDS, wait_for
from tests.webhooks.receiver.test_webhook_service import post
from tests.webhooks.webhook_bodies import APP_SECRET


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with Stack(tmp_path_factory.mktemp("service"), {}) as stack:
        url = stack.start_postgres(fsync=False).create_database("revoada")
        migrate(url)
        stack.environment |= {
            "DATABASE_URL": url,
            "REDIS_URL": stack.start_valkey().url,
            "META_APP_SECRET": APP_SECRET,
            "META_VERIFY_TOKEN": "a verify token",
            "REVOADA_SECRET_KEY": "MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=",
            "REVOADA_INBOX_WAIT_SECONDS": str(PATIENCE_SECONDS),
            "HOST": LOOPBACK,
            "PORT": str(free_port()),
        }
        yield stack


def start(stack, role, **environment):
    """Start a role; return it and the port of its metrics."""
    port = free_port()
    started = stack.start_role(role, environment={"REVOADA_METRICS_PORT": str(port)} | environment)
    return started, port


def stop(stack, role):
    role.stop()
    stack.roles.remove(role)


def is_served(port):
    try:
        return bool(scrape(port))
    except requests.RequestException:
        return False


def test_a_killed_process_of_the_receiver_loses_no_count(stack):
    role, port = start(stack, "webhooks")
    await_http(f"{stack.webhooks_url}/healthz", stack)
    assert find(scrape(port), "revoada_webhook_requests_total", outcome="stored") == 0
    assert [post(stack, b"{}").status_code for _ in range(3)] == [200] * 3
    assert post(stack, b"{}", secret="another").status_code == 401
    (worker,) = psutil.Process(role.pid).children()
    os.kill(worker.pid, signal.SIGKILL)
    wait_for(lambda: is_served(port) and worker not in psutil.Process(role.pid).children())
    await_http(f"{stack.webhooks_url}/healthz", stack)
    assert post(stack, b"{}").status_code == 200
    samples = scrape(port)
    assert find(samples, "revoada_webhook_requests_total", outcome="stored") == 4
    assert find(samples, "revoada_webhook_requests_total", outcome="unsigned") == 1
    assert find(samples, "revoada_webhook_request_seconds_count") == 5
    # Nobody on the internet reads the metrics, and the port of the metrics takes no webhook.
    assert requests.get(f"{stack.webhooks_url}/metrics", timeout=PATIENCE_SECONDS).status_code == 404
    assert requests.post(f"http://{LOOPBACK}:{port}/webhooks/whatsapp", timeout=PATIENCE_SECONDS).status_code == 404
    stop(stack, role)


def test_the_console_serves_the_state_beside_its_pages(stack):
    role, port = start(stack, "console")
    await_http(f"{stack.webhooks_url}/healthz", stack)
    wait_for(lambda: is_served(port))
    samples = scrape(port)
    assert find(samples, "revoada_database_up") == 1
    assert find(samples, "revoada_broker_up") == 1
    assert find(samples, "revoada_queue_tasks", queue="campaigns") == 0
    assert find(samples, "revoada_http_requests_total", surface="page", route="healthz", status="2xx") >= 1
    assert find(samples, "revoada_live_viewers") == 0
    page = requests.get(f"{stack.webhooks_url}/metrics", timeout=PATIENCE_SECONDS)
    assert page.status_code == 404
    stop(stack, role)


@pytest.mark.parametrize(("role", "name"), [("worker", "revoada_claimed_total"), ("events", "revoada_ticks_total")])
def test_a_worker_serves_its_counts(stack, role, name):
    started, port = start(stack, role)
    wait_for(lambda: is_served(port))
    samples = scrape(port)
    assert find(samples, name) == 0
    assert (("revoada_requests_in_flight", ()) in samples) == (role == "worker")
    assert requests.get(f"http://{LOOPBACK}:{port}/", timeout=PATIENCE_SECONDS).status_code == 404
    stop(stack, started)


@pytest.mark.parametrize("role", ["webhooks", "events"])
def test_clients_that_send_nothing_keep_prometheus_not_away_and_few_connections_open(stack, role):
    started, port = start(stack, role)
    wait_for(lambda: is_served(port))
    before = count_connections(started, port)
    idle = [socket.create_connection((LOOPBACK, port), timeout=PATIENCE_SECONDS) for _ in range(40)]
    for each in idle[::2]:
        each.send(b"GET /metr")
    assert scrape(port)
    assert count_connections(started, port) - before <= MAX_CONNECTIONS
    for each in idle:
        each.close()
    assert scrape(port)
    stop(stack, started)


def count_connections(role, port):
    """Count the connections to the port that the processes of a role have open."""
    process = psutil.Process(role.pid)
    found = {
        each.raddr
        for one in [process, *process.children(recursive=True)]
        for each in one.net_connections("tcp4")
        if each.laddr.port == port and each.raddr and each.status == psutil.CONN_ESTABLISHED
    }
    return len(found)


def test_a_taken_port_stops_no_role(stack):
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = str(taken.getsockname()[1])
        role = stack.start_role("webhooks", environment={"REVOADA_METRICS_PORT": port})
        await_http(f"{stack.webhooks_url}/healthz", stack)
        assert "metrics_unserved" in role.log_path.read_text()
        stop(stack, role)
