"""A draft is discarded without a trace, unless it was tested."""

from __future__ import annotations

from campaigns.management import lifecycle
from campaigns.management.drafts.discards import _discard, discard_draft
from campaigns.management.test_sends import start_test
from campaigns.store.campaigns import insert_test
from tests.management.drafts.lists import DORA
from tests.store.rows import Beside, await_blocked, fetch, hold
from tests.support.actors import TESTER
from tests.support.campaigns import list_phones, refusal


def test_a_discarded_draft_leaves_no_row(house, sale, draft):
    other_id = draft()
    discard_draft(house, sale, actor=TESTER)
    assert fetch(house, "SELECT id FROM campaigns") == [other_id]
    for table in ("messages", "tallies", "imports", "import_errors", "campaign_zones"):
        assert fetch(house, f"SELECT campaign_id FROM {table}") == [], table
    for table in ("leases", "campaign_accounts"):
        assert fetch(house, f"SELECT campaign_id FROM {table}") == [other_id], table


def test_a_draft_that_was_tested_is_kept_and_can_be_cancelled(house, sale):
    test_id = start_test(house, sale, [DORA], actor=TESTER)
    assert refusal(discard_draft, house, sale, actor=TESTER) == "discard_with_tests"
    assert fetch(house, "SELECT id FROM campaigns ORDER BY id") == [sale, test_id]
    assert lifecycle.cancel_campaigns(house, [sale], actor=TESTER)[0].new == "cancelled"


def test_a_test_that_is_made_at_the_same_time_is_kept(house, sale):
    testing, may_commit = hold(house, insert_test, sale, [DORA], "test")
    discarding = Beside(discard_draft, house, sale, actor=TESTER)
    await_blocked(house)
    may_commit.set()
    test_id = testing.result()
    assert refusal(discarding.result) == "discard_with_tests"
    assert list_phones(house, test_id) == [DORA]


def test_a_test_of_a_draft_that_is_being_discarded_is_refused(house, sale):
    discarding, may_commit = hold(house, _discard, sale, TESTER)
    testing = Beside(start_test, house, sale, [DORA], actor=TESTER)
    await_blocked(house)
    may_commit.set()
    discarding.result()
    assert refusal(testing.result) == "campaign_missing"
