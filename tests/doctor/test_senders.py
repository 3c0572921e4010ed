"""Whether a worker sends campaigns, by the reports in Postgres and the answers over the broker."""

from __future__ import annotations

import datetime as dt

import pytest

from campaigns.doctor.system_checks import judge_senders
from campaigns.store.installation import WorkerRow

NOW = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)


def worker(name):
    return WorkerRow(
        owner=name,
        name=name,
        queues=["campaigns"],
        slots=1,
        running_count=0,
        started_at=NOW,
        seen_at=NOW,
        consumed_at=NOW,
        seen_seconds=0,
        consumed_seconds=0,
        stalled_seconds=None,
        skew_seconds=0,
        descriptor_limit=None,
        memory_limit_mb=None,
    )


@pytest.mark.parametrize(
    ("workers", "consumed", "code"),
    [
        ("", None, "no_worker"),
        ("a", {"a": {"campaigns"}}, None),
        ("a", {"a": set()}, "changed_consumers"),
        ("ab", {"a": set(), "b": {"campaigns"}}, None),
        ("ab", {"a": set(), "b": {"health"}}, "changed_consumers"),
        ("ab", {"a": set()}, None),  # one worker has not answered
        ("a", None, None),  # the broker does not serve
        ("a", {}, "no_worker"),
        ("ab", {}, "no_worker"),
    ],
)
def test_a_worker_that_sends_is_found(workers, consumed, code):
    found = judge_senders([worker(name) for name in workers], consumed)
    assert [each.code for each in found] == ([code] if code else [])
