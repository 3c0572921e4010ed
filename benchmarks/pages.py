"""Pages: how long the server takes for pages of the console, with PAGES_CAMPAIGNS (10,000) and a campaign of a million.

The campaign has PAGES_PEOPLE (1,000,000) messages, half of them not sent yet, and 48 hours of samples. There are
PAGES_ACCOUNTS (200) accounts, each with 24 hours of samples and 100 events; each campaign uses five of them. Another
campaign has ended, and has a tenth of the messages. Each page is asked 20 times, one after the other, by one
connection. Only the page of errors may read the whole table of messages. At the end a person cancels the campaign,
while another one asks for pages. The yardstick of the pages is the page of the login, which reads no rows.
"""

from __future__ import annotations

import re
import secrets
import sys
import threading
import time

import requests

from benchmarks.frame import World, cpu_seconds, percentile, read_size
from benchmarks.report import Report
from campaigns.store.database import Connection
from campaigns.store.history.samples import sample_campaigns
from campaigns.store.users.sessions import Credentials, open_session
from campaigns.store.users.users import insert_user

CAMPAIGNS = read_size("PAGES_CAMPAIGNS", 10_000)
PEOPLE = read_size("PAGES_PEOPLE", 1_000_000)
ACCOUNTS = read_size("PAGES_ACCOUNTS", 200)

_TRIES = 20
_MOST_TIMES = 40.0
_MOST_CANCEL_SECONDS = 2.0  # the time that a request gives to the messages before it leaves the rest to a task
# Postgres reads a small table as a whole even if there is an index.
_LARGE = 100_000
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
), used AS (
    INSERT INTO campaign_accounts (campaign_id, account_id)
    SELECT a.id, ids[1 + (a.id + step) %% cardinality(ids)]
    FROM added a, (SELECT array_agg(id ORDER BY id) FROM accounts) x (ids),
        generate_series(0, least(5, cardinality(ids)) - 1) step
), made AS (
    INSERT INTO audit_events (actor, actor_kind, surface, what, target_id)
    SELECT CASE WHEN id %% 2 = 0 THEN 'maria' ELSE 'joao' END, 'user', 'console', what, id
    FROM added, unnest('{campaign.create,campaign.change,campaign.start}'::text[]) what
)
INSERT INTO tallies (campaign_id, status, count)
SELECT id, status, 100 FROM added, unnest('{pending,sent,delivered,read,failed}'::message_status[]) status
"""
# Of twenty messages, ten are pending, one is failed, one is uncertain, and the others are sent. A campaign that has
# ended has sent the ten, too.
_MESSAGES = """
INSERT INTO messages (campaign_id, phone, recipient_key, variables, status, account_id, claimed_at, send_no, attempts,
    wamid, sent_at, failed_at, error_code, error_title)
SELECT %(campaign_id)s, '+55119' || (10000000 + n), '+55119' || (10000000 + n), '{Ana,20%%}', s.status::message_status,
    CASE WHEN status <> 'pending' THEN 1 END, CASE WHEN status <> 'pending' THEN now() END,
    (status <> 'pending')::integer, (status <> 'pending')::integer,
    CASE WHEN status = 'sent' THEN 'wamid.%(campaign_id)s.' || n END, CASE WHEN status = 'sent' THEN now() END,
    CASE WHEN status = 'failed' THEN now() END, CASE WHEN status = 'failed' THEN 131026 + n / 20 %% 5 END,
    CASE WHEN status IN ('failed', 'uncertain') THEN 'an error' END
FROM generate_series(1, %(people)s) n
CROSS JOIN LATERAL (SELECT CASE WHEN n %% 2 = 1 THEN CASE WHEN %(has_ended)s THEN 'sent' ELSE 'pending' END
    WHEN n %% 20 = 0 THEN 'failed' WHEN n %% 20 = 2 THEN 'uncertain' ELSE 'sent' END) s (status)
"""
_SAMPLES = """
INSERT INTO campaign_samples (campaign_id, step, at, read_at, counts, done_count, rate)
SELECT %(campaign_id)s, 'minute', at, at, '{"sent": 100, "pending": 100}', n, n
FROM generate_series(1, 2880) n
CROSS JOIN LATERAL (SELECT date_trunc('minute', now()) - n * interval '1 minute' AS at) g
"""
_ACCOUNT_SAMPLES = """
INSERT INTO account_samples (account_id, step, at, accepted, failed_recipient, rate, quality)
SELECT id, 'minute', date_trunc('minute', now()) - n * interval '1 minute', 4000, n, 80, 'GREEN'
FROM accounts, generate_series(1, 1440) n
"""
_ACCOUNT_EVENTS = """
INSERT INTO account_events (account_id, at, kind, details)
SELECT id, now() - n * interval '10 minutes', 'blocked', '{"reason": "throttled", "seconds": 30}'
FROM accounts, generate_series(1, 100) n
"""
# Every tenth account has been deactivated, so the first page names it.
_ACCOUNTS = "UPDATE accounts SET active = false, inactive_reason = 'a benchmark' WHERE id %% 10 = 0"


def main() -> int:
    report = Report(
        "pages", "the console's pages, one request at a time", campaigns=CAMPAIGNS, people=PEOPLE, accounts=ACCOUNTS
    )
    with World() as world:
        accounts = world.add_accounts(ACCOUNTS)
        campaign_id = world.add_campaign(accounts[:10], people=range(1), name="A large one")
        ended_id = world.add_campaign(accounts[:10], people=range(1), name="An ended one")
        world.database.run(lambda connection: fill(connection, campaign_id, ended_id))
        browser = sign_in(world)
        world.start_roles("console")
        scans = count_scans(world)
        login_ms = measure_login(world, report)
        for what, path in list_paths(campaign_id, ended_id).items():
            measure_page(world, report, browser, login_ms, what=what, path=path)
        if PEOPLE >= _LARGE:
            report.check("no page so far has read the whole table of messages", count_scans(world) == scans)
        path = f"/campaigns/{campaign_id}/errors"
        first = measure(browser, f"{world.stack.console_url}{path}")
        report.add("the errors of the large campaign, read for the first time", ms=first)
        measure_page(world, report, browser, login_ms, what="the errors of the large campaign", path=path)
        begun_at = time.monotonic()
        world.database.run(sample_campaigns)
        report.add("a sample of the running campaigns", median_ms=1000 * (time.monotonic() - begun_at))
        measure_cancel(world, report, browser, campaign_id)
    return report.finish()


def list_paths(campaign_id: int, ended_id: int) -> dict[str, str]:
    campaign = f"/campaigns/{campaign_id}"
    return {
        "now": "/",
        "the list": "/campaigns",
        "the list, filtered by status": "/campaigns?status=paused",
        "the list, filtered by text": "/campaigns?text=campaign+99",
        "the list, filtered by an account": "/campaigns?account=account-1",
        "the list, filtered by its maker": "/campaigns?mine=yes",
        "the large campaign": campaign,
        "the numbers of the large campaign": f"/numbers/campaign?ids={campaign_id}",
        "the people of the large campaign": f"{campaign}/people",
        "those of them who failed": f"{campaign}/people?group=failed&code=131026",
        "the question before its cancellation": f"{campaign}/cancel",
        "the ended campaign": f"/campaigns/{ended_id}",
        "accounts": "/accounts",
        "an account over 24 hours": "/accounts/1",
        "an account over a year": "/accounts/1?span=year",
        "the audit": "/audit",
        "the audit of the large campaign": f"/audit?campaign={campaign_id}",
        "opt-outs": "/optouts",
        "downloads": "/downloads",
    }


def measure_login(world: World, report: Report) -> float:
    """Return the median time of the login page, in milliseconds."""
    stranger, url = requests.Session(), f"{world.stack.console_url}/login"
    measure(stranger, url)
    median = percentile([measure(stranger, url) for _ in range(_TRIES)], 0.5)
    report.add("the login", median_ms=median)
    return median


def measure_page(
    world: World, report: Report, browser: requests.Session, login_ms: float, *, what: str, path: str
) -> None:
    """Ask for a page: its time, and the CPU time that the console and Postgres use for it."""
    url = f"{world.stack.console_url}{path}"
    measure(browser, url)
    pids = {name: pid for name, pid in world.pids().items() if name in {"console", "postgres"}}
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    found = [measure(browser, url) for _ in range(_TRIES)]
    used = {f"{name}_cpu_ms": 1000 * (cpu_seconds(pid) - before[name]) / _TRIES for name, pid in pids.items()}
    median = percentile(found, 0.5)
    report.add(what, {"median_ms": median, "p95_ms": percentile(found, 0.95), **used})
    report.goal_ratio(f"{what}: at most {_MOST_TIMES:g} times the login", median / login_ms, most=_MOST_TIMES)


def count_scans(world: World) -> int:
    """Return how often a statement has read the whole table of messages.

    A session of Postgres reports its numbers a second after its transaction at the latest.
    """
    time.sleep(1.5)
    return int(world.ask("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'messages'")[0][0])


def fill(connection: Connection, campaign_id: int, ended_id: int) -> None:
    parameters = {"campaign_id": campaign_id, "count": CAMPAIGNS, "people": PEOPLE, "has_ended": False}
    for statement in (_COPIES, _MESSAGES, _SAMPLES, _ACCOUNT_SAMPLES, _ACCOUNT_EVENTS, _ACCOUNTS):
        connection.execute(statement, parameters)
    # With the person of its list it has the most messages from which a page reads why messages failed.
    ended = {"campaign_id": ended_id, "people": PEOPLE // 10 - 1, "has_ended": True}
    connection.execute(_MESSAGES, ended)
    connection.execute(
        "UPDATE campaigns SET status = CASE WHEN id = %(ended)s THEN 'completed' ELSE 'running' END::campaign_status,"
        " started_at = now(), completed_at = CASE WHEN id = %(ended)s THEN now() END, recipient_count = %(people)s"
        " WHERE id IN (%(ended)s, %(campaign_id)s)",
        parameters | {"ended": ended_id},
    )
    connection.execute("ANALYZE")


def sign_in(world: World) -> requests.Session:
    token = secrets.token_urlsafe()

    def work(connection: Connection) -> None:
        columns = {"role": "admin", "language": "pt_BR", "time_zone": "America/Sao_Paulo"}
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
    what = f"a cancel: the answer takes at most twice its {_MOST_CANCEL_SECONDS:g} s for the messages"
    report.goal_ratio(what, seconds / _MOST_CANCEL_SECONDS, most=2)
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
