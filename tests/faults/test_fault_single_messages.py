"""Programs post single messages, each three times, while the API, the worker and Postgres are killed."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
import requests
from fixtures import installed, make_redis_url
from harness import PATIENCE_SECONDS, Flow, wait_for

from campaigns.domain.users.rights import Role
from campaigns.domain.users.scopes import Scope
from campaigns.management.accounts import add_template
from campaigns.management.users.tokens import add_token
from campaigns.management.users.users import add_user
from campaigns.store.database import Database
from campaigns.store.migrate import migrate
from devstack.ports import LOOPBACK, free_port
from devstack.postgres import Postgres
from devstack.stack import Stack, await_http
from devstack.valkey import Valkey
from tests.store.rows import PATIENT
from tests.support.actors import TESTER

TIMES, PROGRAMS = 3, 6
WAIT_SECONDS = 600.0
# A server that dies closes the connection before its answer, or in the middle of it, or is not there yet.
LOST = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, requests.Timeout)
SCALED = {
    "tick_seconds": 1,
    "reconcile_seconds": 1,
    "lease_seconds": 6,
    "renew_seconds": 1,
    "http_timeout_seconds": 3,
    "connect_timeout_seconds": 1,
    "api_messages_per_second": 1_000_000,
}
_WORKERS = (f"worker{number}" for number in itertools.count(1))


class Shop:
    """An installation with the API, on a Postgres with fsync, and programs that post until they are answered."""

    def __init__(self, flow: Flow, postgres: Postgres, token: str, port: int) -> None:
        self.flow, self.postgres, self.port = flow, postgres, port
        self.headers = {"Authorization": f"Bearer {token}"}
        self.answered: dict[str, set[str]] = {}
        self._lock = threading.Lock()
        self._posts: queue.SimpleQueue[int] = queue.SimpleQueue()

    def start_api(self) -> None:
        self.flow.stack.start_role("console", environment={"HOST": LOOPBACK, "PORT": str(self.port)})

    def start_worker(self) -> str:
        name = next(_WORKERS)
        self.flow.start(name)
        return name

    def post_all(self, pool: ThreadPoolExecutor, count: int) -> list[Future[None]]:
        """Post `count` messages, each `TIMES` times, by several programs at once."""
        for number in [number for number in range(count) for _ in range(TIMES)]:
            self._posts.put(number)
        return [pool.submit(self._post_next) for _ in range(PROGRAMS)]

    def _post_next(self) -> None:
        with requests.Session() as session:
            session.headers.update(self.headers)
            while True:
                try:
                    number = self._posts.get_nowait()
                except queue.Empty:
                    return
                self._post_until_answered(session, number)

    def _post_until_answered(self, session: requests.Session, number: int) -> None:
        body = {
            "key": f"order-{number}",
            "person": write_phone(number),
            "values": {"1": "Ana"},
            "account": "shop",
            "template": {"name": "order_paid", "language": "pt_BR"},
        }
        while True:
            with suppress(*LOST):
                url = f"http://{LOOPBACK}:{self.port}/api/v1/messages"
                answer = session.post(url, json=body, timeout=PATIENCE_SECONDS)
                if answer.status_code == 202:
                    with self._lock:
                        self.answered.setdefault(body["key"], set()).add(answer.json()["id"])
                    return
                assert answer.status_code == 503 or answer.json()["code"] == "campaign_busy", answer.text


def write_phone(number: int) -> str:
    return f"+55219{80_000_000 + number}"


@pytest.fixture
def shop(request: pytest.FixtureRequest, tmp_path: Path, simulator_url: str, valkey: Valkey) -> Iterator[Shop]:
    with Stack(tmp_path / "server", {}) as server:
        postgres = server.start_postgres(fsync=True)
        url = postgres.create_database("revoada")
        migrate(url)
        urls = {"database_url": url, "redis_url": make_redis_url(valkey), "simulator_url": simulator_url}
        with installed(request, tmp_path, **urls) as flow:
            flow.far.script(latency_ms=[50, 200], webhooks={"retry_ms": 500})
            flow.add_account("shop", rate=1000)
            database = Database(url, **PATIENT)
            database.open()
            add_template(database, "order_paid", language="pt_BR", body="Oi {{1}}!", actor=TESTER)
            add_user(database, "maria", actor=TESTER, role=Role.OPERATOR, password=None, time_zone="UTC")
            added = add_token(database, "shop", owner="maria", scopes={Scope.CAMPAIGNS_SEND}, days=1, actor=TESTER)
            database.close()
            flow.start("webhooks", "events", "beat", **SCALED)
            one = Shop(flow, postgres, added.secret, free_port())
            one.start_api()
            await_http(f"http://{LOOPBACK}:{one.port}/readyz", flow.stack, seconds=PATIENCE_SECONDS)
            yield one


@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    ("count", "kills"), [(700, 3), pytest.param(20_000, 12, marks=pytest.mark.nightly)], ids=["short", "long"]
)
def test_each_key_is_one_row_and_leaves_at_most_once(shop: Shop, count: int, kills: int) -> None:
    flow = shop.flow
    with ThreadPoolExecutor(PROGRAMS) as pool:
        programs = shop.post_all(pool, count)
        kill_often(shop, programs, count=count, kills=kills)
        for program in programs:
            program.result()

    assert len(shop.answered) == count
    assert {key: ids for key, ids in shop.answered.items() if len(ids) != 1} == {}
    wait_for(lambda: is_settled(flow), "no message waits", seconds=WAIT_SECONDS)
    rows = {str(message_id): phone for message_id, phone in flow.query("SELECT id, phone FROM messages")}
    assert rows == {ids.copy().pop(): write_phone(int(key.partition("-")[2])) for key, ids in shop.answered.items()}
    assert flow.query("SELECT count(*), count(DISTINCT key_sha256) FROM message_keys") == [(count, count)]
    assert flow.query("SELECT is_standing, recipient_count FROM campaigns") == [(True, count)]
    # Only of a message that was in flight at a kill nobody knows whether it arrived.
    arrived = {f"+{each['to']}" for each in flow.far.accepted()}
    uncertain = flow.query("SELECT phone FROM messages WHERE status = 'uncertain'")
    assert set(rows.values()) - arrived <= {phone for (phone,) in uncertain}
    assert len(arrived) > count / 2
    flow.assert_nobody_got_two()
    flow.assert_counters_equal_rows()


def is_settled(flow: Flow) -> bool:
    """Whether no message waits or is in flight. Postgres may have just come back, with connections that are dead."""
    with suppress(psycopg.Error):
        return flow.query("SELECT FROM messages WHERE status IN ('pending', 'sending')") == []
    return False


def kill_often(shop: Shop, programs: list[Future[None]], *, count: int, kills: int) -> None:
    """Kill the API, the worker and Postgres at once, again and again while programs post, and start them again."""
    flow, worker = shop.flow, shop.start_worker()

    def is_far(share: float) -> bool:
        for program in programs:
            if program.done():
                program.result()  # a program that was refused has ended
        return len(shop.answered) >= share * count

    for kill in range(kills):
        wait_for(lambda kill=kill: is_far((kill + 1) / (kills + 2)), "posts are answered", seconds=WAIT_SECONDS)
        for name in ("console", worker):
            role = flow.role(name)
            flow.forget_role(name)
            role.kill()
        shop.postgres.kill()
        shop.postgres.restart()
        shop.start_api()
        worker = shop.start_worker()
