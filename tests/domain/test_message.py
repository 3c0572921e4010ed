from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.domain.message import ACCEPTED, LADDER, OPEN, TRANSITIONS, Status, Write, can_become

statuses = st.sampled_from(Status)
PROVABLE = [Status.UNCERTAIN, Status.HELD, Status.SENT, Status.FAILED, Status.DELIVERED, Status.READ]


def test_the_statuses_are_those_of_postgres_in_its_order(project):
    schema = (project / "campaigns/store/schema.sql").read_text(encoding="utf-8")
    (words,) = re.findall(r"CREATE TYPE message_status AS ENUM\s*\(([^)]*)\)", schema)
    assert re.findall(r"'(\w+)'", words) == [str(status) for status in LADDER]


@given(old=statuses, new=statuses)
def test_evidence_only_climbs_and_proves_nothing_less_than_uncertain(old, new):
    climbs = LADDER.index(new) > LADDER.index(old) and new in PROVABLE
    assert can_become(old, new, Write.EVIDENCE) == climbs


@given(evidence=st.lists(st.sampled_from(PROVABLE), max_size=12), data=st.data())
def test_evidence_in_any_order_ends_in_the_same_status(evidence, data):
    def climb(order):
        status = Status.SENDING
        for new in order:
            status = new if can_become(status, new, Write.EVIDENCE) else status
        return status

    shuffled = data.draw(st.permutations(evidence))
    assert climb(evidence) == climb(shuffled) == max([Status.SENDING, *evidence], key=LADDER.index)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (Status.READ, Status.SENT),  # a late `sent`
        (Status.DELIVERED, Status.FAILED),
        (Status.READ, Status.DELIVERED),
        (Status.SENT, Status.SENT),
        (Status.FAILED, Status.SENT),
    ],
)
def test_late_evidence_never_downgrades(old, new):
    assert not can_become(old, new, Write.EVIDENCE)


@pytest.mark.parametrize("status", [Status.FAILED, Status.UNCERTAIN, Status.CANCELLED, Status.PENDING])
def test_proof_of_delivery_is_believed_over_all_we_knew(status):
    assert can_become(status, Status.DELIVERED, Write.EVIDENCE)


@given(old=statuses)
def test_a_message_that_a_person_has_is_never_put_back(old):
    if old in {Status.DELIVERED, Status.READ, Status.CANCELLED, Status.EXPIRED}:
        assert not any(can_become(old, new, write) for new in OPEN for write in Write)


def test_only_a_person_brings_a_skipped_message_back():
    assert [write for write in Write for new in OPEN if can_become(Status.SUPPRESSED, new, write)] == [Write.OPERATOR]


@pytest.mark.parametrize("old", Status)
def test_only_a_pending_message_is_claimed(old):
    assert can_become(old, Status.SENDING, Write.RUNNER) == (old is Status.PENDING)
    assert not can_become(old, Status.SENDING, Write.OPERATOR)


@pytest.mark.parametrize("old", Status)
def test_an_operator_touches_only_what_may_not_have_left_or_has_failed(old):
    touched = {Status.PENDING, Status.SENDING, Status.UNCERTAIN, Status.FAILED, Status.SUPPRESSED}
    assert bool(TRANSITIONS[Write.OPERATOR].get(old)) == (old in touched)


def test_what_a_restore_may_have_forgotten_becomes_uncertain_and_nothing_weaker():
    assert TRANSITIONS[Write.OPERATOR][Status.SENDING] == {Status.UNCERTAIN}


def test_only_a_person_sends_again_what_has_failed():
    assert [write for write in Write if can_become(Status.FAILED, Status.PENDING, write)] == [Write.OPERATOR]


@given(old=statuses, write=st.sampled_from(Write))
def test_no_write_turns_a_status_into_itself(old, write):
    assert not can_become(old, old, write)


def test_accepted_and_open_have_nothing_in_common():
    assert not ACCEPTED & OPEN
    assert Status.FAILED not in ACCEPTED
    assert Status.UNCERTAIN not in ACCEPTED | OPEN
