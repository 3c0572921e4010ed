"""The keeper of a worker's leases, and when it asks its slices to make room."""

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
def test_slices_make_room_only_where_all_slots_were_taken(database: Database, was_full: bool) -> None:
    """A campaign that was rung and not taken yet may only be on its way to a slot that is free."""
    held, waiting = database.run(add_campaign), database.run(add_campaign)
    epoch = database.run(take, held).epoch
    rung = "UPDATE campaigns SET enqueued_at = clock_timestamp() - interval '1 h' WHERE id = %s"
    fetch(database, rung, waiting)
    looked = threading.Semaphore(0)

    def tell() -> bool:
        looked.release()
        return was_full

    keeper = LeaseKeeper(database, Settings(), was_full=tell)
    keeper.keep(Lease(held, epoch, keeper.deadline_from(clock())), [])
    for _ in range(2):  # what follows the first is over when it asks again
        assert looked.acquire(timeout=PATIENCE_SECONDS)
    keeper.close()
    assert keeper.is_slot_wanted is was_full
