"""Refused requests make one log line a second."""

from __future__ import annotations

import logging

from tests.simulator.far_end import wait_for
from webhooks.receiver.refusals import Refusals


def read_lines(caplog):
    return [record for record in caplog.records if getattr(record, "event", "") == "webhook_refused"]


def test_many_refusals_are_one_line_with_the_number_of_each_kind(caplog):
    refusals = Refusals(gap_seconds=0.2)
    for number in range(10_000):
        refusals.add("too large" if number % 4 else "with a wrong signature")
    wait_for(lambda: sum(line.refused for line in read_lines(caplog)) == 10_000)
    first = read_lines(caplog)[0]
    assert first.levelno == logging.WARNING
    assert first.getMessage().startswith(f"Refused {first.refused} webhook requests: ")
    assert len(read_lines(caplog)) < 100


def test_a_refusal_after_a_line_makes_another_line(caplog):
    refusals = Refusals(gap_seconds=0.01)
    for number in (1, 2):
        refusals.add("too slow", 3)
        wait_for(lambda: len(read_lines(caplog)) == number)  # noqa: B023  called at once
    assert [line.getMessage() for line in read_lines(caplog)] == ["Refused 3 webhook requests: 3 too slow"] * 2
