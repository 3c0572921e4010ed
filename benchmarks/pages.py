"""Pages: how long the server takes for pages of the console, with PAGES_CAMPAIGNS (10,000) and a campaign of a million.

The campaign has PAGES_PEOPLE (1,000,000) messages, half of them sent, and 48 hours of samples. Each page is asked 20
times, one after the other, by one connection. At the end a person cancels the campaign, while another one asks for
pages.
"""

from __future__ import annotations

import re
import secrets
import sys
import threading
import time

import requests

from benchmarks.frame import World, percentile, read_size
from benchmarks.report import Report
from campaigns.store.database import Connection
from campaigns.store.history.samples import sample_campaigns
from campaigns.store.users.sessions import Credentials, open_session
from campaigns.store.users.users import insert_user

CAMPAIGNS = read_size("PAGES_CAMPAIGNS", 10_000)
PEOPLE = read_size("PAGES_PEOPLE", 1_000_000)

_TRIES = 20
_LIMIT_MS = 100.0
_COPIES = """
WITH added AS (
    INSERT INTO campaigns (name, template_id, time_zone, status, started_at, completed_at, created_at)
    SELECT 'Campaign ' || n, template_id, 'UTC', s.status::campaign_status,
        CASE WHEN s.status <> 'paused' THEN now() END, CASE WHEN s.status = 'completed' THEN now() END,
        now() - n * interval '1 minute'
    FROM campaigns c, generate_series(1, %(count)s) n
    CROSS JOIN LATERAL (
        SELECT CASE WHEN n <= 20 THEN 'running' WHEN n %% 10 = 0 THEN 'paused' ELSE 'completed' END) s (status)
    WHERE c.id = %(campaign_id)s
    RETURNING id
), leased AS (
    INSERT INTO leases (campaign_id) SELECT id FROM added
)
INSERT INTO tallies (campaign_id, status, count)
SELECT id, status, 100 FROM added, unnest('{pending,sent,delivered,read,failed}'::message_status[]) status
"""
_MESSAGES = """
INSERT INTO messages (campaign_id, phone, recipient_key, variables, status, account_id, claimed_at, send_no, attempts,
    wamid, sent_at)
SELECT %(campaign_id)s, '+55119' || (10000000 + n), '+55119' || (10000000 + n), '{Ana,20%%}',
    CASE WHEN n %% 2 = 0 THEN 'sent' ELSE 'pending' END::message_status, CASE WHEN n %% 2 = 0 THEN 1 END,
    CASE WHEN n %% 2 = 0 THEN now() END, (n + 1) %% 2, (n + 1) %% 2, CASE WHEN n %% 2 = 0 THEN 'wamid.' || n END,
    CASE WHEN n %% 2 = 0 THEN now() END
FROM generate_series(1, %(people)s) n
"""
_SAMPLES = """
INSERT INTO campaign_samples (campaign_id, step, at, read_at, counts, done_count, rate)
SELECT %(campaign_id)s, 'minute', at, at, '{"sent": 100, "pending": 100}', n, n
FROM generate_series(1, 2880) n
CROSS JOIN LATERAL (SELECT date_trunc('minute', now()) - n * interval '1 minute' AS at) g
"""


def main() -> int:
    report = Report("pages", "the console's pages, one request at a time", campaigns=CAMPAIGNS, people=PEOPLE)
    with World() as world:
        accounts = world.add_accounts(10)
        campaign_id = world.add_campaign(accounts, people=range(1), name="A large one")
        world.database.run(lambda connection: fill(connection, campaign_id))
        browser = sign_in(world)
        world.start_roles("console")
        root = world.stack.console_url
        paths = {
            "now": "/",
            "the list": "/campaigns",
            "the list, filtered by text": "/campaigns?text=campaign+99",
            "the large campaign": f"/campaigns/{campaign_id}",
            "its numbers": f"/numbers/campaign?ids={campaign_id}",
            "its errors": f"/campaigns/{campaign_id}/errors",
            "the question before a cancel": f"/campaigns/{campaign_id}/cancel",
        }
        for what, path in paths.items():
            found = [measure(browser, f"{root}{path}") for _ in range(_TRIES)][1:]
            report.add(what, median_ms=percentile(found, 0.5), p95_ms=percentile(found, 0.95))
            if what != "its errors":
                report.goal(f"{what}: less than {_LIMIT_MS:g} ms", percentile(found, 0.5) < _LIMIT_MS)
        begun_at = time.monotonic()
        world.database.run(sample_campaigns)
        report.add("a sample of the running campaigns", median_ms=1000 * (time.monotonic() - begun_at))
        measure_cancel(world, report, browser, campaign_id)
    return report.finish()


def fill(connection: Connection, campaign_id: int) -> None:
    parameters = {"campaign_id": campaign_id, "count": CAMPAIGNS, "people": PEOPLE}
    for statement in (_COPIES, _MESSAGES, _SAMPLES):
        connection.execute(statement, parameters)
    connection.execute(
        "UPDATE campaigns SET status = 'running', started_at = now(), recipient_count = %s WHERE id = %s",
        (PEOPLE + 1, campaign_id),
    )
    connection.execute("ANALYZE")


def sign_in(world: World) -> requests.Session:
    token = secrets.token_urlsafe()

    def work(connection: Connection) -> None:
        columns = {"role": "operator", "language": "pt_BR", "time_zone": "America/Sao_Paulo"}
        user_id = insert_user(connection, "maria", password_hash="$argon2id$of-a-benchmark", **columns)
        credentials = Credentials(user_id, "maria", "$argon2id$of-a-benchmark", is_disabled=False)
        open_session(connection, token, credentials, network="127.0.0.1")

    world.database.run(work)
    browser = requests.Session()
    browser.cookies.set("revoada", token)
    return browser


def measure(browser: requests.Session, url: str) -> float:
    """Return the milliseconds until the answer has arrived whole."""
    begun_at = time.monotonic()
    answer = browser.get(url, timeout=60)
    elapsed = 1000 * (time.monotonic() - begun_at)
    answer.raise_for_status()
    return elapsed


def measure_cancel(world: World, report: Report, browser: requests.Session, campaign_id: int) -> None:
    """Cancel the campaign by its page, and ask for the list meanwhile; then let the task cancel the rest."""
    url = f"{world.stack.console_url}/campaigns/{campaign_id}/cancel"
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', browser.get(url, timeout=60).text)
    assert token is not None
    other, is_over, found = connect_again(browser), threading.Event(), list[float]()

    def ask() -> None:
        while not is_over.is_set():
            found.append(measure(other, f"{world.stack.console_url}/campaigns"))

    asking = threading.Thread(target=ask)
    asking.start()
    begun_at = time.monotonic()
    answer = browser.post(url, data={"csrf_token": token[1], "name": "A large one"}, timeout=300, allow_redirects=False)
    seconds = time.monotonic() - begun_at
    is_over.set()
    asking.join()
    report.add("a cancel", answer_seconds=seconds)
    report.add("the list during a cancel", median_ms=percentile(found, 0.5), p95_ms=percentile(found, 0.95))
    report.check(
        "the campaign is cancelled",
        world.ask("SELECT status::text FROM campaigns WHERE id = %s", campaign_id) == [("cancelled",)],
    )
    left = count_pending(world, campaign_id)
    begun_at = time.monotonic()
    world.start_roles("events", "beat")
    while count_pending(world, campaign_id):
        world.stack.check_alive()
        time.sleep(0.2)
    report.add("the rest by the task", messages=left, seconds=time.monotonic() - begun_at)
    report.goal("a cancel: less than 5 s", seconds < 5)
    report.check("answered by the page of the campaign", answer.status_code == 302)


def connect_again(browser: requests.Session) -> requests.Session:
    """Return another connection with the same login."""
    other = requests.Session()
    other.cookies.update(browser.cookies)
    return other


def count_pending(world: World, campaign_id: int) -> int:
    rows = world.ask("SELECT count FROM tallies WHERE campaign_id = %s AND status = 'pending'", campaign_id)
    return int(rows[0][0]) if rows else 0


if __name__ == "__main__":
    sys.exit(main())
