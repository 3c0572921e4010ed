"""The lease keeper of a worker, and when it tells slices to leave their slot."""

from __future__ import annotations

import threading

import pytest

from campaigns.clock import clock
from campaigns.config import Settings
from campaigns.sending.leases import Lease, LeaseKeeper
from campaigns.store.database import Database
from tests.simulator.far_end import PATIENCE_SECONDS
from tests.store.rows import add_campaign, fetch, take


@pytest.mark.parametrize("was_full", [False, True])
def test_slices_leave_their_slot_only_if_all_slots_were_taken(database: Database, was_full: bool) -> None:
    """If a slot is free, a campaign that is enqueued and does not run yet will soon take it."""
    held, waiting = database.run(add_campaign), database.run(add_campaign)
    epoch = database.run(take, held).epoch
    mark_enqueued = "UPDATE campaigns SET enqueued_at = clock_timestamp() - interval '1 h' WHERE id = %s"
    fetch(database, mark_enqueued, waiting)
    polled = threading.Semaphore(0)

    def was_full_since_the_last_poll() -> bool:
        polled.release()
        return was_full

    keeper = LeaseKeeper(database, Settings(), was_full=was_full_since_the_last_poll)
    keeper.add(Lease(held, epoch, keeper.deadline_from(clock())), [])
    for _ in range(2):  # the second call proves that the first poll is complete
        assert polled.acquire(timeout=PATIENCE_SECONDS)
    keeper.close()
    assert keeper.is_slot_wanted is was_full
