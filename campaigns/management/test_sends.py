"""Sends tests: messages with the variables of a campaign's first recipients go to a few other phones."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from campaigns.domain.message import OPEN
from campaigns.domain.phone.person import invalid_phone, recipient_key
from campaigns.domain.statement import Hint, HintAction, Kind, Refusal, Sentence
from campaigns.domain.users.actor import Act, Actor
from campaigns.management.lifecycle import cancel_campaigns
from campaigns.management.reports import find_campaign
from campaigns.privacy.forgotten_people import find_forgotten
from campaigns.store import campaigns as store
from campaigns.store.campaigns import TestMessage
from campaigns.store.database import Connection, Database
from campaigns.store.optouts.suppressions import find_suppressed
from campaigns.store.people import lock_forgotten
from campaigns.store.users.audit import write_audit

MAX_PHONES = 50

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class TestResult:
    """A test as it is now, with its messages in the order in which the phones were given."""

    __test__ = False  # pytest would take the class for a test

    test: store.CampaignListing
    messages: Sequence[TestMessage]

    @property
    def is_done(self) -> bool:
        """Whether no message is pending or in flight."""
        return not any(message.status in OPEN for message in self.messages)


def start_test(
    database: Database,
    campaign_id: int,
    phones: Sequence[str],
    *,
    actor: Actor,
    secret_key: str | None = None,
    known_count: int | None = None,
    word: str = "test",
) -> int:
    """Make and start a test of a campaign; return the id of the test. The caller enqueues the test.

    A test is a campaign of its own, so it is sent, throttled, settled, counted and shown like any other campaign.
    `known_count`: the number of tests that the person saw; if there are more, the test is refused, because the person
    may have clicked twice. None: the number is not checked. `word`: the word for a test in the person's language.

    Raises Refusal if one of the phones belongs to a suppressed person. Forgotten people are suppressed too; they are
    recognised by `secret_key`.
    """
    if not phones or len(phones) > MAX_PHONES:
        raise Refusal("test_phones_out_of_range", "A test goes to 1 to {most} phones.", most=MAX_PHONES)
    if wrong := [phone for phone in phones if not _E164.fullmatch(phone)]:
        raise invalid_phone(wrong[0])
    return database.run(_start, campaign_id, phones, secret_key, actor, known_count=known_count, word=word)


def look_at_test(database: Database, test_id: int) -> TestResult:
    """Return a test and its messages as they are now. Raises Refusal if there is no such test."""

    def look(connection: Connection) -> TestResult:
        found = store.list_campaigns(connection, [test_id])
        if not found or found[0].test_of is None:
            raise Refusal("test_missing", "Campaign {id} is not a test of a campaign.", kind=Kind.MISSING, id=test_id)
        return TestResult(found[0], store.list_test_messages(connection, test_id))

    return database.run(look)


def await_test(database: Database, test_id: int, *, seconds: float) -> list[TestMessage]:
    """Wait until no message of a test is pending or in flight, for at most `seconds`; return the messages."""
    deadline = time.monotonic() + seconds
    while True:
        result = look_at_test(database, test_id)
        if time.monotonic() >= deadline or result.is_done:
            return [*result.messages]
        time.sleep(_LOOK_SECONDS)


def withdraw_test(database: Database, test_id: int, *, actor: Actor) -> list[TestMessage]:
    """Cancel the messages of a test that no worker has claimed, so that they do not leave later; return all messages.

    The messages in flight keep their status until Meta's reply settles them.
    """
    result = look_at_test(database, test_id)
    if result.is_done:
        return [*result.messages]
    with suppress(Refusal):  # the test has just been completed
        cancel_campaigns(database, [test_id], actor=actor)
    return database.run(store.list_test_messages, test_id)


def _start(
    connection: Connection,
    campaign_id: int,
    phones: Sequence[str],
    secret_key: str | None,
    actor: Actor,
    *,
    known_count: int | None,
    word: str,
) -> int:
    campaign = find_campaign(connection, campaign_id)
    if known_count is not None:
        _demand_known(connection, campaign, known_count)
    if campaign.test_of is not None:
        text = "Campaign {id} ({name}) is a test itself: test campaign {tested} instead."
        values = {"id": campaign_id, "name": campaign.name, "tested": campaign.test_of}
        raise Refusal("test_of_test", text, kind=Kind.CONFLICT, **values)
    lock_forgotten(connection)
    keys = [recipient_key(phone) for phone in phones]
    unwilling = find_suppressed(connection, keys) | find_forgotten(connection, keys, secret_key=secret_key)
    if wrong := [phone for phone, key in zip(phones, keys, strict=True) if key in unwilling]:
        raise Refusal(
            "phone_suppressed",
            "{phone} must not be messaged, not even by a test: {list_suppressions} says why, {lift} lifts it.",
            kind=Kind.FORBIDDEN,
            phone=wrong[0],
            list_suppressions=Hint(HintAction.LIST_SUPPRESSIONS),
            lift=Hint(HintAction.LIFT_SUPPRESSION),
        )
    test_id = store.insert_test(connection, campaign_id, phones, word)
    if not store.list_test_messages(connection, test_id):  # there are no recipients, or their data are erased
        text = "Campaign {id} ({name}) has no recipients to take the variables from. {instead}"
        instead = (
            Sentence(
                "Their data are erased, so make a new campaign: {create}.", create=Hint(HintAction.CREATE_CAMPAIGN)
            )
            if campaign.recipient_count
            else Sentence("{add} adds some.", add=Hint(HintAction.IMPORT_RECIPIENTS, campaign_id))
        )
        values = {"id": campaign_id, "name": campaign.name, "instead": instead}
        raise Refusal("test_without_recipients", text, kind=Kind.CONFLICT, **values)
    after = {"test_id": test_id, "phone_count": len(phones)}
    write_audit(connection, actor, Act.CAMPAIGN_TEST, campaign_id, after=after)
    return test_id


def _demand_known(connection: Connection, campaign: store.CampaignListing, known_count: int) -> None:
    """Raise Refusal if a campaign has more than `known_count` tests. A second click waits for the first at the lock."""
    store.lock_campaigns(connection, [campaign.id])
    tests = store.list_tests(connection, campaign.id)
    if len(tests) > known_count:
        raise Refusal(
            "test_started_meanwhile",
            "A test of campaign {id} ({name}) was started after you opened the page: {show} shows it. Nothing was sent"
            " a second time.",
            kind=Kind.CONFLICT,
            id=campaign.id,
            name=campaign.name,
            show=Hint(HintAction.SHOW_CAMPAIGN, tests[-1].id),
        )
