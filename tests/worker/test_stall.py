from __future__ import annotations

import pytest

from campaigns.worker.watchdog import Observation, count_misses


@pytest.mark.parametrize("misses", [0, 7])
def test_only_a_worker_that_could_have_taken_its_probe_and_did_not_has_missed_it(misses):
    left = Observation(has_consumed=False, is_full=False, has_probe=True)
    assert count_misses(misses, left) == misses + 1


@pytest.mark.parametrize(
    "observation",
    [
        Observation(has_consumed=True, is_full=False, has_probe=True),
        Observation(has_consumed=True, is_full=False, has_probe=False),
        Observation(has_consumed=False, is_full=True, has_probe=True),
        Observation(has_consumed=False, is_full=False, has_probe=False),
    ],
)
def test_a_task_a_full_worker_and_a_broker_that_took_no_probe_begin_the_count_anew(observation):
    assert count_misses(7, observation) == 0
