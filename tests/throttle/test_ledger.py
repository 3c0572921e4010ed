"""The ledger in Valkey. A database that lacks claims sends nothing, because messages of these claims may have left."""

from __future__ import annotations

from dataclasses import replace

import pytest
import redis

from campaigns.domain.continuity import ClaimCount, DatabaseIdentity
from campaigns.throttle.bucket import Ask, ClaimRefusedError, NextClaim, Throttle
from campaigns.throttle.ledger import KEYS, Ledger

FIRST = DatabaseIdentity("00000001", "7.00000001.5.16", 1_000, "", None)
PROMOTED = DatabaseIdentity("00000001", "7.00000002.5.16", 900, "", None)
CAMPAIGN, EPOCH = 34, 7


@pytest.fixture
def client(valkey):
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def ledger(client):
    """A ledger that knows FIRST, where the campaign has had three claims."""
    ledger = Ledger(client)
    assert compare(ledger, FIRST, [count(3)]).behind == []
    return ledger


@pytest.fixture
def throttle(client):
    return Throttle(client)


def count(number, *, campaign_id=CAMPAIGN, epoch=EPOCH):
    return ClaimCount(campaign_id, epoch, number)


def compare(ledger, identity, counts):
    return ledger.compare(identity, counts, before=ledger.read())


def claim(throttle, number, *, identity=FIRST, epoch=EPOCH):
    """Take a token before the claim with this number."""
    throttle.grant(
        CAMPAIGN, [Ask(1, rate=80, want=1)], claim=NextClaim(identity.incarnation, count(number, epoch=epoch))
    )


def test_the_first_database_of_an_empty_ledger_is_known_at_once(client):
    ledger = Ledger(client)
    assert not ledger.check(FIRST, count(3))
    assert compare(ledger, FIRST, [count(3)]).behind == []
    assert ledger.check(FIRST, count(3))
    assert ledger.check(FIRST, None)


def test_a_promoted_replica_with_every_claim_is_known(ledger, throttle):
    claim(throttle, 4)
    assert not ledger.check(PROMOTED, count(4))
    assert compare(ledger, PROMOTED, [count(4)]).behind == []
    assert ledger.check(PROMOTED, count(4))


def test_a_promoted_replica_without_the_last_claim_is_not(ledger, throttle):
    claim(throttle, 4)
    assert not ledger.check(PROMOTED, count(3))
    assert compare(ledger, PROMOTED, [count(3)]).behind == [CAMPAIGN]
    assert not ledger.check(PROMOTED, count(3))


def test_it_is_known_once_the_process_says_that_the_claim_did_not_take_place(ledger, throttle):
    claim(throttle, 4)
    assert compare(ledger, PROMOTED, [count(3)]).behind == [CAMPAIGN]
    ledger.finish(count(3))
    assert compare(ledger, PROMOTED, [count(3)]).behind == []


def test_a_campaign_that_the_database_does_not_have_is_missing(ledger):
    assert compare(ledger, PROMOTED, []).behind == [CAMPAIGN]


def test_another_campaign_that_lacks_claims_puts_the_whole_database_in_doubt(ledger, throttle):
    other = count(0, campaign_id=35, epoch=1)
    assert ledger.check(FIRST, other)
    claim(throttle, 4)
    assert not ledger.check(PROMOTED, other)
    assert compare(ledger, PROMOTED, [count(3), other]).behind == [CAMPAIGN]
    assert not ledger.check(PROMOTED, other)


def test_while_a_database_is_in_doubt_no_claim_gets_a_token(ledger, throttle):
    claim(throttle, 4)
    compare(ledger, PROMOTED, [count(3)])
    for identity in (FIRST, PROMOTED):
        with pytest.raises(ClaimRefusedError, match="older"):
            claim(throttle, 5, identity=identity)


def test_a_worker_of_the_old_primary_gets_no_token_once_the_new_one_is_known(ledger, throttle):
    compare(ledger, PROMOTED, [count(3)])
    with pytest.raises(ClaimRefusedError):
        claim(throttle, 4)
    claim(throttle, 4, identity=PROMOTED)


def test_the_old_primary_is_known_again_if_it_has_every_claim(ledger, throttle):
    claim(throttle, 4)
    compare(ledger, PROMOTED, [count(3)])
    assert not ledger.check(FIRST, count(4))
    assert compare(ledger, FIRST, [count(4)]).behind == []
    claim(throttle, 5)


def test_a_process_that_died_before_its_claim_is_no_sign_of_an_older_database(ledger, throttle):
    claim(throttle, 4)
    assert ledger.check(FIRST, count(3, epoch=EPOCH + 1))


@pytest.mark.parametrize("last", [3, 4])
def test_the_same_server_with_fewer_claims_is_in_doubt(ledger, throttle, last):
    """A copy of the files was put back: neither the timeline nor the identifier has changed."""
    claim(throttle, 4)
    claim(throttle, 5)
    ledger.finish(count(last + 1))
    assert not ledger.check(FIRST, count(last))
    assert compare(ledger, FIRST, [count(last)]).behind == [CAMPAIGN]


def test_a_position_that_another_process_has_overtaken_is_checked_against_the_one_before_it(ledger):
    position = ledger.read_position()
    assert ledger.check(replace(FIRST, position=FIRST.position + 10), None)  # a process that read later, and was faster
    late = replace(FIRST, position=FIRST.position + 5)
    assert not ledger.check(late, count(3))
    assert ledger.check(late, count(3), position_before=position)
    assert ledger.read_position() == str(FIRST.position + 10)
    assert not ledger.check(replace(FIRST, position=FIRST.position - 1), count(3), position_before=position)


def test_claims_that_are_noted_while_the_database_is_read_are_not_missing(ledger, throttle):
    before = ledger.read()
    claim(throttle, 4)  # these claims are committed after the counts were read
    claim(throttle, 5)
    assert ledger.compare(FIRST, [count(3)], before=before).behind == []
    claim(throttle, 6)
    assert ledger.compare(FIRST, [count(3)], before=ledger.read()).behind == [CAMPAIGN]


def test_another_database_is_compared_with_what_the_ledger_has_by_then(ledger, throttle):
    before = ledger.read()
    claim(throttle, 4)
    assert ledger.compare(PROMOTED, [count(3)], before=before).behind == [CAMPAIGN]


def test_a_log_that_went_back_is_compared(ledger):
    earlier = DatabaseIdentity(FIRST.installation, FIRST.incarnation, FIRST.position - 1, "", None)
    assert not ledger.check(earlier, count(3))
    assert compare(ledger, earlier, [count(2)]).behind == [CAMPAIGN]
    assert compare(ledger, earlier, [count(3)]).behind == []


def test_a_recovered_database_is_known_and_what_it_lacks_is_forgotten(ledger, throttle):
    claim(throttle, 4)
    assert compare(ledger, PROMOTED, [count(3)]).behind == [CAMPAIGN]
    recovered = DatabaseIdentity(PROMOTED.installation, PROMOTED.incarnation, 950, "2026-11-28 10:00:00.000000", None)
    assert compare(ledger, recovered, [count(3)]).behind == []
    claim(throttle, 4, identity=PROMOTED)
    # That recovery says nothing of the next restore.
    assert compare(ledger, recovered, [count(3)]).behind == []
    claim(throttle, 5, identity=PROMOTED)
    again = DatabaseIdentity(PROMOTED.installation, "8.00000003.5.16", 940, recovered.recovered_at, None)
    assert compare(ledger, again, [count(3)]).behind == [CAMPAIGN]


def test_a_worker_that_lost_its_lease_gets_no_token_and_notes_nothing(ledger, throttle):
    assert ledger.check(FIRST, count(3, epoch=EPOCH + 1))
    claim(throttle, 4, epoch=EPOCH + 1)
    with pytest.raises(ClaimRefusedError, match="lease"):
        claim(throttle, 4)
    ledger.finish(count(3))
    assert compare(ledger, PROMOTED, [count(3)]).behind == [CAMPAIGN]


def test_a_ledger_that_was_lost_is_filled_from_the_database(client, ledger):
    client.delete(*KEYS)
    assert compare(ledger, FIRST, [count(3)]).behind == []
    assert compare(ledger, PROMOTED, [count(2)]).behind == [CAMPAIGN]


def test_the_age_of_a_doubt_is_told(ledger, throttle, client):
    claim(throttle, 4)
    assert compare(ledger, PROMOTED, [count(3)]).seconds == 0
    seconds, microseconds = client.time()
    client.hset(KEYS[0], "changed_at", seconds + microseconds / 1e6 - 60)
    assert compare(ledger, PROMOTED, [count(3)]).seconds == pytest.approx(60, abs=30)
