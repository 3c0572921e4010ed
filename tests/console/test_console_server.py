"""The console as its role runs it: gunicorn with greenlets, and its end while browsers hold streams open."""

from __future__ import annotations

import re
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg
import pytest
import requests

from campaigns.domain.users.rights import Role
from campaigns.management.users.users import add_user
from campaigns.store.recovery import find_active_processes
from devstack.ports import LOOPBACK
from tests.console.conftest import WORDS, read_text
from tests.simulator.far_end import PATIENCE_SECONDS, wait_for
from tests.store.rows import add_campaign, add_messages
from tests.support.actors import TESTER
from tests.support.console_role import run_console, sign_in


@pytest.fixture
def server(database_url, project):
    """The role of the Procfile on a free port; its address and its process."""
    with run_console(project, database_url) as server:
        yield server


def test_a_person_signs_in_and_streams_end_when_the_server_stops(server, database):
    url, process = server
    add_user(database, "maria", actor=TESTER, role=Role.OPERATOR, password=WORDS, time_zone="UTC")
    campaign = database.run(add_campaign, "running")
    database.run(add_messages, campaign, 3)
    browser = sign_in(url, "maria")
    address = f"{url}/live/campaign?ids={campaign}"
    opened = [browser.get(address, stream=True, timeout=PATIENCE_SECONDS) for _ in range(4)]
    blocks = [each.iter_lines(chunk_size=1, decode_unicode=True) for each in opened]
    for lines in blocks:
        assert any("In our queue" in line for line in lines)
    idle = sign_in(url, "maria")  # its connection stays open
    process.send_signal(signal.SIGTERM)
    for lines in blocks:
        assert not [line for line in lines if line.startswith("event")]  # a cut stream would raise an error here
    log = process.stderr.read()
    assert process.wait(timeout=PATIENCE_SECONDS) == 0
    assert "Traceback" not in log, log
    idle.close()
    # After its time of grace, gunicorn kills a worker that has connections left; such a worker does not log its end.
    assert log.count("Worker exiting") == 2, log


def test_a_process_answers_others_while_a_statement_waits(server, database, database_url):
    """If psycopg did not wait as gevent does, a process would stop at the first statement that waits."""
    url, _ = server
    add_user(database, "maria", actor=TESTER, role=Role.OPERATOR, password=WORDS, time_zone="UTC")
    cookies = sign_in(url, "maria").cookies

    def look():
        return requests.get(f"{url}/campaigns", cookies=cookies, timeout=PATIENCE_SECONDS)

    with ThreadPoolExecutor(8) as browsers:
        with psycopg.connect(database_url) as connection:
            connection.execute("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
            pages = [browsers.submit(look) for _ in range(8)]
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'sessions'::regclass"
            wait_for(lambda: connection.execute(waiting).fetchone()[0] > 2)
        assert [each.result().status_code for each in pages] == [200] * 8


def test_a_recovery_notices_the_console(project, database_url):
    """The console can start campaigns, so it must be stopped before a database is recovered."""
    with psycopg.connect(database_url, autocommit=True, application_name="a command") as connection:
        # The connections of the tests before end soon.
        wait_for(lambda: find_active_processes(connection).connection_count == 0)
        with run_console(project, database_url):
            assert find_active_processes(connection).connection_count > 0


HEAD = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
SLOW = [
    HEAD + b"Content-Length: 50000\r\n\r\nname=",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n",
    b"",
    b"GET /lo",
]


@pytest.mark.parametrize("beginnings", [SLOW[:2], SLOW[2:], SLOW], ids=["bodies", "heads", "both"])
def test_more_slow_clients_than_there_are_connections_hold_nobody_up(project, database_url, monkeypatch, beginnings):
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--worker-connections 20 --keep-alive 1000")
    with run_console(project, database_url) as (url, process), ExitStack() as opened:
        port = int(url.rpartition(":")[2])
        for beginning in 100 // len(beginnings) * beginnings:
            slow = socket.create_connection((LOOPBACK, port), timeout=PATIENCE_SECONDS)
            opened.enter_context(slow).sendall(beginning)
        for _ in range(4):
            assert requests.get(f"{url}/login", timeout=PATIENCE_SECONDS).status_code == 200
        process.send_signal(signal.SIGTERM)
        log = process.stderr.read()
        assert process.wait(timeout=PATIENCE_SECONDS) == 0
    assert "too slow" in log or beginnings != SLOW[:2]
    assert "Traceback" not in log, log


@pytest.mark.parametrize("is_there", [True, False])
def test_the_system_page_asks_the_real_broker(project, database, database_url, valkey, is_there):
    add_user(database, "maria", actor=TESTER, role=Role.OPERATOR, password=WORDS, time_zone="UTC")
    with run_console(project, database_url, **({"redis_url": valkey.url} if is_there else {})) as (url, _process):
        browser = sign_in(url, "maria")
        for query in ("", "?ask=processes"):

            def is_told(query=query):
                """The console waits for the broker for two seconds, which a busy machine may need for itself."""
                answer = browser.get(f"{url}/system{query}", timeout=PATIENCE_SECONDS)
                assert answer.status_code == 200
                text = read_text(answer.text)
                return (
                    bool(re.search(r"campaigns worker [\d,]+", text)) == is_there  # other tests have left tasks there
                    and ("The broker does not answer" in text) == (not is_there)
                    and ("No worker answers for the queue" in text) == (is_there and bool(query))
                )

            wait_for(is_told)
