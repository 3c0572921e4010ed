"""The task that erases what is old: a step that fails does not stop the others."""

from __future__ import annotations

import pytest

from campaigns import tasks
from campaigns.config import Settings
from tests.store.rows import add_campaign, add_message, fetch

SETTINGS = Settings(retention_days=30, audit_days=400)


@pytest.fixture
def old(database):
    campaign_id = database.run(add_campaign, "completed", completed_at="2025-01-01T00:00Z")
    database.run(add_message, campaign_id, "sent")
    fetch(
        database,
        "INSERT INTO campaign_samples (campaign_id, step, at, read_at, counts, done_count)"
        " VALUES (1, 'day', now() - interval '800 days', now(), '{}', 0)",
    )


@pytest.mark.usefixtures("old")
@pytest.mark.parametrize("number", range(9))
def test_a_step_that_fails_does_not_stop_the_others(database, caplog, number):
    def fail(_database):
        raise ZeroDivisionError

    steps = tasks._list_retention_steps(SETTINGS)
    assert len(steps) == 9
    steps.insert(number, fail)
    with pytest.raises(tasks.RetentionFailedError, match="ZeroDivisionError"):
        tasks._run_each(steps, database)
    assert fetch(database, "SELECT count(phone) FROM messages") == [0]
    assert fetch(database, "SELECT count(*) FROM campaign_samples") == [0]
    assert [each.event for each in caplog.records if each.levelname == "ERROR"] == ["retain_error"]


@pytest.mark.usefixtures("old")
def test_the_data_of_people_are_erased_before_the_samples(database):
    first, *_others, last = tasks._list_retention_steps(SETTINGS)
    first(database)
    assert fetch(database, "SELECT count(phone) FROM messages") == [0]
    assert fetch(database, "SELECT count(*) FROM campaign_samples") == [1]
    last(database)
    assert fetch(database, "SELECT count(*) FROM campaign_samples") == [0]
