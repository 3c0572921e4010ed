"""Audiences: how fast a draft gets the people of an earlier campaign who fit conditions.

The size is AUDIENCE_PEOPLE (1,000,000 people of the earlier campaign; nine of ten fit). The yardstick is one statement
that copies the same people.
"""

from __future__ import annotations

import sys
import time

from benchmarks.frame import ACTOR, TEMPLATE, World, read_size
from benchmarks.report import Report
from campaigns.management.campaigns import CampaignChanges
from campaigns.management.drafts.audiences import Audience, count_audience, create_from_audience

PEOPLE = read_size("AUDIENCE_PEOPLE", 1_000_000)

_WHO = "delivered before 1 day, no reply"
# Every tenth person has answered.
_INSERT = """
    INSERT INTO messages (campaign_id, phone, recipient_key, variables, status, account_id, claimed_at, send_no,
        attempts, wamid, sent_at, delivered_at, replied_at)
    SELECT %s, '+55119' || 10000000 + n, '+55119' || 10000000 + n, '{Ana,20%%}', 'delivered', 1, old.at, 1, 1,
        'wamid.' || n, old.at, old.at, CASE WHEN n %% 10 = 0 THEN now() END
    FROM generate_series(1, %s) n, (SELECT now() - interval '3 days' AS at) old
    RETURNING 1
"""
_COPY = """
    INSERT INTO messages (campaign_id, phone, recipient_key, variables)
    SELECT %s, phone, recipient_key, variables FROM messages WHERE campaign_id = %s AND replied_at IS NULL
    ORDER BY id
    ON CONFLICT DO NOTHING
    RETURNING 1
"""


def main() -> int:
    report = Report("audiences", "people of an earlier campaign", people=PEOPLE)
    with World() as world:
        (account,) = world.add_accounts(1)
        source_id = world.add_campaign([account], people=range(1))
        world.ask("DELETE FROM messages RETURNING 1")
        world.ask(f"WITH made AS ({_INSERT}) SELECT count(*) FROM made", source_id, PEOPLE)
        world.ask("UPDATE campaigns SET status = 'running', started_at = now() RETURNING 1")
        began = time.monotonic()
        found = count_audience(world.database, source_id, _WHO)
        report.add("count", took_seconds=time.monotonic() - began)
        changes = CampaignChanges(name="again", template=TEMPLATE, accounts=[account])
        began = time.monotonic()
        with world.measure() as usage:
            made = create_from_audience(
                world.database, changes, Audience(source_id, _WHO), actor=ACTOR, time_zone="UTC"
            )
        seconds = time.monotonic() - began
        report.add(
            "campaign create --from",
            people_per_second=made.copied_count / seconds,
            took_seconds=seconds,
            postgres_cpu=usage.cpu_ms_per_1000(made.copied_count)["postgres_cpu"],
        )
        bare_id = world.add_campaign([account], people=range(1))
        began = time.monotonic()
        world.ask(f"WITH made AS ({_COPY}) SELECT count(*) FROM made", bare_id, source_id)
        bare_seconds = time.monotonic() - began
        report.add("one statement", people_per_second=made.copied_count / bare_seconds, took_seconds=bare_seconds)
        report.check("nine of ten people fit", found.count == made.copied_count == PEOPLE - PEOPLE // 10)
    report.goal_ratio("at most 3 times the time of one statement", seconds / bare_seconds, most=3)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
