"""History: the costs of acts of people and of sending, without and with HISTORY_MESSAGES (1,000,000) old messages.

SQL writes the old campaigns, of HISTORY_OLD_PEOPLE (10,000) people each, which ended one to twelve months ago. The
measured campaigns have HISTORY_PEOPLE (100,000) people. One of them is made before the old campaigns ("older"), so that
all old messages have greater ids than its own, and one afterwards ("newer"). Each round sends HISTORY_SEND (20,000)
messages, which are delivered and read. The servers with the old messages are deleted at the end.

The costs are counted in pages. A page is 8 kB of a table or of an index that Postgres touches, in memory or on the
disk. The number of pages does not depend on the load of the machine.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from benchmarks.frame import ACTOR, APP_SECRET, TEMPLATE, World, read_size, write_people
from benchmarks.report import Report
from benchmarks.whole import await_read
from campaigns.alerts import Alerts
from campaigns.broker.queues import BrokerFacts
from campaigns.config import Settings, read_settings
from campaigns.doctor.diagnose import diagnose
from campaigns.management.campaigns import CampaignChanges, create_campaign
from campaigns.management.exports import export_campaign
from campaigns.management.listings.pages import page_campaigns
from campaigns.management.listings.people import show_person
from campaigns.management.listings.recipients import RecipientFilter, page_recipients
from campaigns.management.preview import preview_campaign
from campaigns.management.recipients import find_overlaps
from campaigns.management.reports import show_campaign, show_errors
from campaigns.management.suppressions import lift_phones, suppress_phones
from campaigns.sending import samples, schedule
from campaigns.store.campaigns import list_campaigns
from campaigns.store.database import Connection
from campaigns.store.history.charges import find_due_count
from campaigns.store.messages import retry_messages, retry_uncertain

MESSAGES = read_size("HISTORY_MESSAGES", 1_000_000)
OLD_PEOPLE = read_size("HISTORY_OLD_PEOPLE", 10_000)
PEOPLE = read_size("HISTORY_PEOPLE", 100_000)
SEND = read_size("HISTORY_SEND", 20_000)
LATENCY_MS = read_size("LATENCY_MS", 150)
ACCOUNTS = 10

# With ten times the rows an index has at most one more level.
_MOST_TIMES = 2.0
# Below these numbers of pages a ratio says nothing, because a page may have one row of a campaign or many rows, and a
# lookup by an index reads three or four pages.
_FEW = 100
_FEW_OF_CAMPAIGN = PEOPLE
_FEW_OF_LOOKUPS = 5 * PEOPLE
# The acts that list all campaigns, or read something of each campaign, grow with the number of campaigns.
_FEW_OF_CAMPAIGNS = 8 * (_FEW + MESSAGES // OLD_PEOPLE)
# This number of old campaigns exists from the beginning, so that a page of the list is full in each round.
_FIRST_OLD = 60
_FIRST_OLD_PEOPLE = 10
_WARM_UP_PEOPLE = 1_000
# The size of a page of a retry. A command takes 20,000 messages at once.
_RETRIED = 2_000
_FAILED_CODE = 131000
_PHONE = "+5511910000007"

# Every tenth old campaign has an uncertain message that nothing has settled.
_OLD_CAMPAIGNS = """
WITH added AS (
    INSERT INTO campaigns (name, template_id, time_zone, status, created_at, started_at, completed_at, recipient_count,
        uncertain_told_at)
    SELECT 'Old ' || n, template_id, 'UTC', 'completed', e.at - interval '2 hours', e.at - interval '1 hour', e.at,
        %(people)s, e.at + interval '2 hours'
    FROM campaigns c, generate_series(1, %(count)s) n
    CROSS JOIN LATERAL (SELECT now() - interval '30 days' - n %% 335 * interval '1 day' AS at) e
    WHERE c.id = %(model_id)s
    RETURNING id, completed_at
), leased AS (
    INSERT INTO leases (campaign_id) SELECT id FROM added
), used AS (
    INSERT INTO campaign_accounts (campaign_id, account_id)
    SELECT a.id, o.account_id FROM added a, campaign_accounts o WHERE o.campaign_id = %(model_id)s
), received AS (
    INSERT INTO receipt_positions (campaign_id, hours, due_at) SELECT id, 24, NULL FROM added
), charged AS (
    INSERT INTO charge_counts (campaign_id, counted_at, seconds, people, categories, first_day)
    SELECT id, completed_at + interval '4 days', 1, '{}', '{}', completed_at::date FROM added
)
SELECT id FROM added ORDER BY id
"""
_OLD_MESSAGES = """
INSERT INTO messages (campaign_id, phone, recipient_key, variables, status, account_id, claimed_at, send_no, attempts,
    wamid, sent_at, delivered_at, read_at, failed_at, error_code, error_title)
SELECT c.id, '+55119' || (10000000 + n), '+55119' || (10000000 + n), '{Ana,20%%}', s.status::message_status,
    1, e.at, 1, 1,
    CASE WHEN s.status IN ('delivered', 'read') THEN 'wamid.' || c.id || '.' || n END,
    CASE WHEN s.status IN ('delivered', 'read') THEN e.at END,
    CASE WHEN s.status IN ('delivered', 'read') THEN e.at END,
    CASE WHEN s.status = 'read' THEN e.at END, CASE WHEN s.status = 'failed' THEN e.at END,
    CASE WHEN s.status = 'failed' THEN 131026 END, CASE WHEN s.status IN ('failed', 'uncertain') THEN 'an error' END
FROM (SELECT * FROM campaigns WHERE id = ANY (%(ids)s::bigint[])) c, generate_series(1, %(people)s) n
CROSS JOIN LATERAL (SELECT c.completed_at - interval '30 minutes' AS at) e
CROSS JOIN LATERAL (SELECT CASE WHEN n = 1 AND c.id %% 10 = 0 THEN 'uncertain' WHEN n %% 20 = 0 THEN 'failed'
    WHEN n %% 3 = 0 THEN 'delivered' ELSE 'read' END) s (status)
ORDER BY c.id, n
"""
# Of ten messages of a measured campaign, four have failed, two are uncertain, three are delivered, and one waits.
_MIXED_MESSAGES = """
INSERT INTO messages (campaign_id, phone, recipient_key, variables, status, account_id, claimed_at, send_no, attempts,
    wamid, sent_at, delivered_at, failed_at, error_code, error_title)
SELECT %(campaign_id)s, '+55119' || (10000000 + n), '+55119' || (10000000 + n), '{Ana,20%%}', s.status::message_status,
    CASE WHEN s.status <> 'pending' THEN 1 END, CASE WHEN s.status <> 'pending' THEN now() END,
    (s.status <> 'pending')::int, (s.status <> 'pending')::int,
    CASE WHEN s.status = 'delivered' THEN 'wamid.' || %(campaign_id)s || '.' || n END,
    CASE WHEN s.status = 'delivered' THEN now() END, CASE WHEN s.status = 'delivered' THEN now() END,
    CASE WHEN s.status = 'failed' THEN now() END, CASE WHEN s.status = 'failed' THEN %(code)s END,
    CASE WHEN s.status IN ('failed', 'uncertain') THEN 'an error' END
FROM generate_series(1, %(people)s) n
CROSS JOIN LATERAL (SELECT CASE WHEN n %% 10 < 4 THEN 'failed' WHEN n %% 10 < 6 THEN 'uncertain'
    WHEN n %% 10 < 9 THEN 'delivered' ELSE 'pending' END) s (status)
"""
# Makes the campaigns of a round as old as the old campaigns.
_RETIRE = """
WITH retired AS (
    UPDATE campaigns SET status = 'completed', created_at = e.at, started_at = e.at, completed_at = e.at,
        uncertain_told_at = e.at + interval '2 hours', waiting_reason = NULL, due_at = NULL
    FROM (SELECT now() - interval '60 days' AS at) e
    WHERE name LIKE 'bench%%' AND id <> ALL (%s::bigint[])
    RETURNING id
), received AS (
    UPDATE receipt_positions SET due_at = NULL WHERE campaign_id IN (SELECT id FROM retired)
)
SELECT id FROM retired
"""
_COUNTED = """
SELECT query, sum(shared_blks_hit + shared_blks_read)::bigint FROM pg_stat_statements
WHERE query NOT LIKE '%%pg_stat_statements%%' GROUP BY query
"""


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one act costs. `pages`: by statement. `few`: below this number of pages a ratio says nothing."""

    seconds: float
    pages: dict[str, int]
    few: int = _FEW

    @property
    def page_count(self) -> int:
        return sum(self.pages.values())


@dataclass(frozen=True, slots=True)
class Subject:
    """Campaigns that a round uses: one that was sent in part, a draft, and one that is sent in the round."""

    mixed_id: int
    draft_id: int
    sent_id: int

    @property
    def ids(self) -> list[int]:
        return [self.mixed_id, self.draft_id, self.sent_id]


Act = Callable[[], object]
Round = dict[str, Cost]


def main() -> int:
    report = Report(
        "history", "with the messages of old campaigns and without", messages=MESSAGES, old_people=OLD_PEOPLE,
        people=PEOPLE, send=SEND, latency_ms=LATENCY_MS,
    )  # fmt: skip
    after = [100, 1000]
    webhooks = {
        "app_secret": APP_SECRET, "batch_size": 50, "batch_ms": 200, "read_probability": 1,
        "sent_after_ms": after, "delivered_after_ms": after, "read_after_ms": after,
    }  # fmt: skip
    with World({"latency_ms": LATENCY_MS, "webhooks": webhooks}) as world:
        accounts = world.add_accounts(ACCOUNTS)
        model_id = world.add_campaign(accounts, people=range(1))
        write_old(world, model_id, campaigns=_FIRST_OLD, people=_FIRST_OLD_PEOPLE)
        measure_round(world, report, "warm-up", make_subject(world, accounts, people=_WARM_UP_PEOPLE, send=SEND // 10))
        retire(world, [])
        without = measure_round(world, report, "without", make_subject(world, accounts, people=PEOPLE, send=SEND))
        older_subject = make_subject(world, accounts, people=PEOPLE, send=SEND)
        retire(world, older_subject.ids)
        began = time.monotonic()
        write_old(world, model_id, campaigns=MESSAGES // OLD_PEOPLE, people=OLD_PEOPLE)
        report.note(f"The old messages were written in {time.monotonic() - began:.0f} s.")
        vacuum(world)
        older = measure_round(world, report, "older", older_subject)
        retire(world, [])
        newer = measure_round(world, report, "newer", make_subject(world, accounts, people=PEOPLE, send=SEND))
        ((table, indexes),) = world.ask("SELECT pg_table_size('messages'), pg_indexes_size('messages')")
        report.note(f"The table of messages has {table / 1e9:.1f} GB, and its indexes {indexes / 1e9:.1f} GB.")
    for what in without:
        add_row(report, what, without[what], older[what], newer[what])
    return report.finish()


def add_row(report: Report, what: str, without: Cost, older: Cost, newer: Cost) -> None:
    """Add the costs of one act in the three rounds, a goal for their ratio, and what grew if the goal is missed."""
    most = max((older, newer), key=lambda cost: cost.page_count)
    times = max(most.page_count, without.few) / max(without.page_count, without.few)
    report.add(
        what, pages_without=without.page_count, pages_older=older.page_count, pages_newer=newer.page_count, times=times,
        without_ms=1000 * without.seconds, older_ms=1000 * older.seconds, newer_ms=1000 * newer.seconds,
    )  # fmt: skip
    report.goal_ratio(f"{what}: at most {_MOST_TIMES:g} times the pages", times, most=_MOST_TIMES)
    if times > _MOST_TIMES:
        grown = max(most.pages, key=lambda text: most.pages[text] - without.pages.get(text, 0))
        report.note(f"{what}: {without.pages.get(grown, 0):,} to {most.pages[grown]:,} pages: {grown[:150]}")


# the rows


def write_old(world: World, model_id: int, *, campaigns: int, people: int) -> None:
    """Write old campaigns, a few at a time. Then VACUUM and ANALYZE do what autovacuum would have done."""
    step = max(100_000 // people, 1)
    for first in range(0, campaigns, step):
        parameters = {"model_id": model_id, "count": min(step, campaigns - first), "people": people}

        def write(connection: Connection, parameters: dict[str, int] = parameters) -> None:
            ids = [row[0] for row in connection.execute(_OLD_CAMPAIGNS, parameters).fetchall()]
            connection.execute(_OLD_MESSAGES, {"ids": ids, "people": parameters["people"]})
            connection.execute(
                "UPDATE campaigns c SET cursor = (SELECT max(id) FROM messages m WHERE m.campaign_id = c.id)"
                " WHERE id = ANY (%s)",
                [ids],
            )

        world.database.run(write)
    vacuum(world)


def retire(world: World, kept_ids: list[int]) -> None:
    """Make the campaigns of earlier rounds old, so that no round finds more recent campaigns than another."""
    world.ask(_RETIRE, kept_ids)


def vacuum(world: World) -> None:
    with world.connect() as connection:
        connection.execute("VACUUM (ANALYZE)")


def make_subject(world: World, accounts: list[str], *, people: int, send: int) -> Subject:
    mixed_id = world.add_campaign(accounts, people=range(1))
    parameters = {"campaign_id": mixed_id, "people": people - 1, "code": _FAILED_CODE}
    world.database.run(lambda connection: connection.execute(_MIXED_MESSAGES, parameters))
    world.ask(
        "UPDATE campaigns SET status = 'paused', started_at = now(), recipient_count = %s,"
        " cursor = (SELECT max(id) FROM messages WHERE campaign_id = %s) WHERE id = %s RETURNING id",
        people, mixed_id, mixed_id,
    )  # fmt: skip
    draft_id = world.add_campaign(accounts, people=range(people))
    return Subject(mixed_id, draft_id, world.add_campaign(accounts, people=range(send)))


# the rounds


def measure_round(world: World, report: Report, name: str, subject: Subject) -> Round:
    """Do each act once, in an order in which no act changes the rows of another."""
    settings = read_settings(world.stack.environment)
    costs = {
        what: replace(measure(world, act)[1], few=few)
        for few, acts in list_acts(world, settings, subject).items()
        for what, act in acts.items()
    }
    for what, retry in (("campaign retry", retry_messages_page), ("campaign retry-uncertain", retry_uncertain_page)):
        costs |= measure_retry(world, what, partial(retry, subject.mixed_id))
    costs["1,000 messages sent, delivered and read"] = measure_sending(world, report, name, subject.sent_id)
    return costs


def list_acts(world: World, settings: Settings, subject: Subject) -> dict[int, dict[str, Act]]:
    """Return the acts by the number of pages below which their ratio says nothing."""
    database, mixed_id, draft_id = world.database, subject.mixed_id, subject.draft_id
    people = write_people(world.folder / "people.csv", range(PEOPLE // 10))
    changes = CampaignChanges(name="bench", template=TEMPLATE, accounts=["account-0"])
    find_causes = partial(diagnose, database, settings, BrokerFacts(), actor=ACTOR, explain=str)
    return {
        _FEW: {
            "a tick": lambda: schedule.mark_due(database, settings),
            "campaigns.reconcile": lambda: schedule.reconcile(database, settings, Alerts(None)),
            "campaigns.sample": lambda: samples.sample(database, settings),
            "the next campaign whose costs are due": lambda: database.run(find_due_count),
            "a page of the list of campaigns": lambda: page_campaigns(database),
            "a page of the people of a campaign": lambda: page_recipients(database, mixed_id, RecipientFilter()),
            "an opt-out": lambda: suppress_phones(database, [_PHONE], actor=ACTOR, reason=None),
            "the end of an opt-out": lambda: lift_phones(
                database, [_PHONE], actor=ACTOR, secret_key=settings.secret_key
            ),
        },
        _FEW_OF_CAMPAIGNS: {
            "campaign list (all campaigns)": lambda: database.run(list_campaigns),
            "the page of one person": lambda: show_person(database, _PHONE, secret_key=settings.secret_key),
        },
        _FEW_OF_CAMPAIGN: {
            "campaign show": lambda: show_campaign(database, mixed_id),
            "campaign errors": lambda: show_errors(database, mixed_id),
            "campaign preview": lambda: preview_campaign(database, draft_id, rows=3),
            "campaign export": lambda: sum(map(len, export_campaign(database, mixed_id, actor=ACTOR).pages)),
            "doctor of a campaign": lambda: find_causes(mixed_id),
            "doctor": lambda: find_causes(None),
            "campaign create (a tenth of the people)": lambda: create_campaign(
                database, changes, people, actor=ACTOR, time_zone="UTC"
            ),
        },
        _FEW_OF_LOOKUPS: {
            "campaign show: who is in other campaigns": lambda: find_overlaps(
                database, draft_id, days=settings.overlap_days
            ),
        },
    }


def measure(world: World, act: Callable[[], T]) -> tuple[T, Cost]:
    world.ask("SELECT 1 FROM pg_stat_statements_reset()")
    began = time.monotonic()
    result = act()
    return result, Cost(time.monotonic() - began, count_pages(world))


def count_pages(world: World) -> dict[str, int]:
    """Return the pages of each statement, which is named by its text without comments."""
    return {
        " ".join(re.sub(r"--.*", "", text).split()): int(pages)
        for text, pages in world.ask(_COUNTED)
        if not text.startswith(("VACUUM", "ANALYZE"))
    }


def measure_retry(world: World, what: str, retry: Callable[[Connection, int], tuple[int, int]]) -> Round:
    """Retry all messages of a campaign page by page, as a command does; return the costs of the first and last page."""
    costs: list[Cost] = []
    count, after = _RETRIED, 0
    while count == _RETRIED:
        (count, after), cost = measure(world, partial(world.database.run, retry, after))
        if count == _RETRIED or not costs:
            costs.append(cost)
    return {f"{what}: the first page": costs[0], f"{what}: the last page": costs[-1]}


def retry_messages_page(campaign_id: int, connection: Connection, after: int) -> tuple[int, int]:
    found = retry_messages(connection, campaign_id, {_FAILED_CODE: 0.0}, after=after, limit=_RETRIED)
    return sum(row.count for row in found), max((row.last_id for row in found), default=after)


def retry_uncertain_page(campaign_id: int, connection: Connection, after: int) -> tuple[int, int]:
    return retry_uncertain(connection, campaign_id, after=after, limit=_RETRIED)


def measure_sending(world: World, report: Report, name: str, campaign_id: int) -> Cost:
    """Send the campaign, and wait until all its messages are read; return the costs of 1,000 messages."""
    ((count,),) = world.ask("SELECT recipient_count FROM campaigns WHERE id = %s", campaign_id)
    read = world.ask("SELECT coalesce(sum(count), 0)::bigint FROM tallies WHERE status = 'read'")[0][0]
    world.call_simulator("reset?keep=script", {})
    world.start_roles("webhooks", "events", "worker")
    world.call_simulator("script", {"webhooks": {"callback_url": f"{world.stack.webhooks_url}/webhooks/whatsapp"}})
    world.ask("SELECT 1 FROM pg_stat_statements_reset()")
    began = time.monotonic()
    with world.measure() as usage:
        world.start_campaigns([campaign_id])
        world.await_completed([campaign_id])
        is_read = await_read(world, read + count)
    cost = Cost((time.monotonic() - began) * 1000 / count,
                {text: pages * 1000 // count for text, pages in count_pages(world).items()})  # fmt: skip
    world.stop_roles("webhooks", "events", "worker")
    report.add(f"sending, {name}", messages=count, **usage.cpu_ms_per_1000(count))
    stats = world.call_simulator("stats")
    report.check(f"{name}: all are read, nobody twice", is_read and stats["max_accepted_per_recipient"] == 1)
    return cost


if __name__ == "__main__":
    sys.exit(main())
