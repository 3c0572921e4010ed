from __future__ import annotations

import pytest

from campaigns.worker.watchdog import Look, count_misses


@pytest.mark.parametrize("misses", [0, 7])
def test_only_a_worker_that_could_have_taken_its_probe_and_did_not_has_missed_it(misses):
    left = Look(has_consumed=False, is_full=False, has_probe=True)
    assert count_misses(misses, left) == misses + 1


@pytest.mark.parametrize(
    "look",
    [
        Look(has_consumed=True, is_full=False, has_probe=True),
        Look(has_consumed=True, is_full=False, has_probe=False),
        Look(has_consumed=False, is_full=True, has_probe=True),
        Look(has_consumed=False, is_full=False, has_probe=False),
    ],
)
def test_a_task_a_full_worker_and_a_broker_that_took_no_probe_begin_the_count_anew(look):
    assert count_misses(7, look) == 0
