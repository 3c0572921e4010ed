"""The console while Postgres or the broker is away, with pages open."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
import redis

from campaigns.config import Settings
from campaigns.domain.users.rights import Role
from campaigns.management.users.users import add_user
from campaigns.sending.schedule import mark_due
from devstack.proxy import Proxy
from tests.console.conftest import WORDS
from tests.simulator.far_end import PATIENCE_SECONDS, wait_for
from tests.store.rows import add_account, add_campaign, add_messages, fetch
from tests.support.actors import TESTER
from tests.support.console_role import run_console, send_form, sign_in


@pytest.fixture
def campaign_id(database):
    add_user(database, "maria", actor=TESTER, role=Role.OPERATOR, password=WORDS, time_zone="UTC")

    def work(connection):
        campaign_id = add_campaign(connection, "running", accounts=[add_account(connection)])
        add_messages(connection, campaign_id, 7)
        return campaign_id

    return database.run(work)


def through(proxy, url):
    return url.replace(f":{urlsplit(url).port}", f":{proxy.port}")


def read_until(lines, words):
    """The lines of a stream up to the one with these words."""
    found = []
    for line in lines:
        found.append(line)
        if words in line:
            return found
    raise AssertionError(f"the stream ended before {words}")


def test_while_postgres_is_away_open_pages_keep_their_numbers_and_then_go_on(
    database, database_url, project, campaign_id
):
    with Proxy(urlsplit(database_url).port) as proxy, run_console(project, through(proxy, database_url)) as (url, _):
        browser = sign_in(url, "maria")
        stream = browser.get(f"{url}/live/campaign?ids={campaign_id}", stream=True, timeout=PATIENCE_SECONDS)
        lines = stream.iter_lines(chunk_size=1, decode_unicode=True)
        read_until(lines, "The numbers are live.")
        proxy.refuse()
        shown = read_until(lines, "The database does not answer.")
        assert re.search(r"The numbers are those of \d\d:\d\d:\d\d\.", shown[-1])
        page = browser.get(f"{url}/campaigns/{campaign_id}", timeout=PATIENCE_SECONDS)
        assert (page.status_code, page.headers["Retry-After"]) == (503, "10")
        assert "The database does not answer. Your campaigns are safe." in page.text
        database.run(add_messages, campaign_id, 5)
        proxy.accept()
        shown = read_until(lines, "The numbers are live.")
        assert not any(re.search(r'<td class="num">0<', line) for line in shown if "queue" in line)
        shown += read_until(lines, ">12<")
        # The stream and a page may be served by different processes.
        wait_for(lambda: browser.get(f"{url}/campaigns/{campaign_id}", timeout=PATIENCE_SECONDS).ok)
        stream.close()


def test_a_change_while_the_broker_is_away_is_kept_and_the_next_tick_enqueues(
    database, database_url, project, valkey, campaign_id
):
    fetch(database, "UPDATE campaigns SET enqueued_at = now(), started_at = now() RETURNING 1")
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
        with (
            Proxy(urlsplit(valkey.url).port) as proxy,
            run_console(project, database_url, redis_url=through(proxy, valkey.url)) as (url, _),
        ):
            browser = sign_in(url, "maria")
            proxy.refuse()
            for command, status in (("pause", "paused"), ("resume", "running")):
                answer = send_form(browser, f"{url}/campaigns/{campaign_id}/{command}", {}, allow_redirects=False)
                assert answer.status_code == 302
                assert fetch(database, "SELECT status::text FROM campaigns") == [status]
            assert fetch(database, "SELECT enqueued_at FROM campaigns") == [None]
            assert mark_due(database, Settings()) == [campaign_id]
            proxy.accept()
            for command in ("pause", "resume"):
                send_form(browser, f"{url}/campaigns/{campaign_id}/{command}", {}, allow_redirects=False)
            assert client.llen("campaigns") == 1
            assert fetch(database, "SELECT enqueued_at IS NOT NULL FROM campaigns") == [True]
