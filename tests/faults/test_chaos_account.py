"""The comparison at the end of a chaos run finds each error."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from benchmarks.chaos.faults import FAULTS, Fault
from benchmarks.chaos.hosts import HOST_FAULTS
from benchmarks.chaos.people import LEFT, NO_REPLY, InjectedFault, PeopleResult, UncertainSend, compare_people
from benchmarks.chaos.schedule import plan_rounds
from campaigns.store.leases import LEFT_BEHIND

ANA = "+5521900000001"
KILL = InjectedFault("worker killed", 100.0, 101.0, frozenset({LEFT}))
UNCERTAIN = UncertainSend(ANA, 1, claimed_at=99.0, at=107.0, reason=LEFT_BEHIND)


def account(status: str = "sent", count: int = 1, *, arrived: int = 1, **books: list) -> PeopleResult:
    books = {"uncertain_sends": [], "faults": []} | books
    return compare_people([ANA], statuses={ANA: status}, accepted={ANA: count}, arrived={ANA: arrived}, **books)


def test_a_message_accepted_once_and_known_to_be_is_good() -> None:
    for status in ("held", "sent", "delivered", "read", "failed"):
        assert account(status).is_good, status
        assert account(status).once == 1


def test_two_acceptances_are_a_duplicate_whatever_we_believe() -> None:
    for status in ("sent", "uncertain", "failed"):
        assert not account(status, 2).is_good
        assert len(account(status, 2).twice) == 1


def test_who_got_nothing_and_is_neither_refused_nor_uncertain_is_lost() -> None:
    for status in ("pending", "sending", "cancelled", "suppressed", "expired", "missing"):
        assert len(account(status, 0).lost) == 1
        assert not account(status, 0).is_good


def test_a_person_without_a_row_is_lost() -> None:
    found = compare_people([ANA], statuses={}, accepted={}, arrived={}, uncertain_sends=[], faults=[])
    assert found.lost == [f"{ANA}: missing, and never accepted"]


def test_believing_what_the_far_end_does_not_know_is_wrong() -> None:
    assert account("sent", 0).wrong
    assert account("pending", 1).wrong
    assert account("uncertain", 1, uncertain_sends=[UNCERTAIN], faults=[KILL]).wrong, (
        "its webhook should have settled it"
    )


def test_a_refused_message_is_neither_lost_nor_uncertain() -> None:
    assert account("failed", 0).is_good
    assert account("failed", 0).refused == 1


def test_an_uncertain_message_is_explained_by_a_fault_between_its_claim_and_its_discovery() -> None:
    found = account("uncertain", 0, uncertain_sends=[UNCERTAIN], faults=[KILL])
    assert found.is_good
    assert (found.never, found.doubts, found.doubts_on_the_wire) == (1, 1, 1)


def test_an_uncertain_message_is_not_explained_by_a_fault_before_its_claim_or_after_its_discovery() -> None:
    for fault in (
        InjectedFault("worker killed", 90.0, 91.0, KILL.explains),
        InjectedFault("worker killed", 110.0, 111.0, KILL.explains),
    ):
        assert account("uncertain", 0, uncertain_sends=[UNCERTAIN], faults=[fault]).unexplained


def test_an_uncertain_message_is_not_explained_by_a_fault_of_another_kind() -> None:
    wire = InjectedFault("API hangs", 100.0, 101.0, frozenset({NO_REPLY}))
    harmless = InjectedFault("events killed", 100.0, 101.0)
    assert account("uncertain", 0, uncertain_sends=[UNCERTAIN], faults=[wire, harmless]).unexplained


def test_an_uncertain_message_that_a_webhook_settled_must_be_explained_too() -> None:
    found = account("delivered", 1, uncertain_sends=[UNCERTAIN])
    assert found.unexplained
    assert found.doubts_settled == 1


def test_a_claim_that_never_arrived_whole_is_counted_apart() -> None:
    found = account("uncertain", 0, arrived=0, uncertain_sends=[UNCERTAIN], faults=[KILL])
    assert (found.doubts_on_the_wire, found.doubts_never_on_the_wire) == (0, 1)


def test_an_uncertain_message_without_a_record_is_wrong() -> None:
    assert account("uncertain", 0).wrong


def test_the_same_seed_gives_the_same_faults() -> None:
    def kinds(seed: int) -> list[tuple[str, ...]]:
        rounds = islice(plan_rounds(random.Random(seed)), 50)
        return [tuple(fault.kind for fault in faults) for _, faults in rounds]

    assert kinds(7) == kinds(7)
    assert kinds(7) != kinds(8)


def test_every_kind_comes_before_any_comes_again() -> None:
    drawn: list[str] = []
    for _, faults in plan_rounds(random.Random(3)):
        drawn += [fault.kind for fault in faults]
        if len(drawn) >= len(FAULTS):
            break
    assert len(set(drawn[: len(FAULTS) - 2])) == len(FAULTS) - 2


@pytest.mark.parametrize("kinds", [FAULTS, HOST_FAULTS])
def test_two_faults_at_once_are_of_different_servers_or_hosts(kinds: tuple[Fault, ...]) -> None:
    for _, faults in islice(plan_rounds(random.Random(3), kinds), 500):
        touched = [fault.touches for fault in faults if fault.touches]
        assert len(touched) == len(set(touched))


def test_every_host_has_every_fault_of_a_link() -> None:
    kinds = {(fault.host, fault.kind) for fault in HOST_FAULTS if fault.host}
    assert len({kind for _, kind in kinds}) == 7
    assert kinds == {(f"host{number}", kind) for number in (1, 2, 3) for _, kind in kinds}


def test_without_root_or_programs_the_run_on_hosts_says_what_is_missing(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.chaos.hosts"],
        env={**os.environ, "PATH": ""},
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"chaos-hosts: (Network namespaces need root|A program is missing): .*\.\n", done.stderr)
