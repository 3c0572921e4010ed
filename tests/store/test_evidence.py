import datetime as dt
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from campaigns.domain.message import Status, Write
from campaigns.store.events import find_messages
from campaigns.store.messages import EvidenceRow, merge_evidence
from campaigns.whatsapp.callback import CallbackData
from tests.store.rows import (
    add_account,
    add_campaign,
    add_message,
    allowing_only,
    find_wrong_counters,
    read_message,
    say,
)
from webhooks.applier.evidence import Evidence
from webhooks.applier.match import match_evidence, split_rounds
from webhooks.applier.merge import merge

NOON = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC)
US = "0badcafe"
WEBHOOKS = (Status.SENT, Status.DELIVERED, Status.READ, Status.FAILED)


def at(seconds):
    return NOON + dt.timedelta(seconds=seconds)


@pytest.fixture(scope="module")
def database(shared):
    return shared


@pytest.fixture(scope="module")
def campaign_id(database):
    return database.run(add_campaign)


@pytest.fixture(scope="module")
def account_id(database):
    return database.run(add_account)


@pytest.fixture
def apply(database, campaign_id):
    """Merges rows of evidence one by one into a new message, and returns what it became."""

    def apply_all(status, *rows, **columns):
        message_id = database.run(add_message, campaign_id, status, **columns)
        for row in rows:
            database.run(merge_evidence, [say(message_id, **row)])
        return read_message(database, message_id)

    return apply_all


SENT = {"status": "sent", "wamid": "wamid.a", "sent_at": at(1)}
DELIVERED = {"status": "delivered", "wamid": "wamid.a", "sent_at": at(5), "delivered_at": at(5)}
READ = {"status": "read", "wamid": "wamid.a", "sent_at": at(9), "read_at": at(9)}
FAILED = {"status": "failed", "wamid": "wamid.a", "failed_at": at(3), "error_code": 131026, "error_title": "No"}
UNCERTAIN = {"status": "uncertain", "error_title": "timeout"}


def test_each_evidence_climbs_the_ladder(apply):
    row = apply("sending", SENT, DELIVERED, READ)
    assert (row["status"], row["wamid"]) == ("read", "wamid.a")
    assert (row["sent_at"], row["delivered_at"], row["read_at"]) == (at(1), at(5), at(9))


def test_late_sent_never_downgrades_read_and_still_brings_its_time(apply):
    row = apply("sending", READ, SENT)
    assert (row["status"], row["sent_at"]) == ("read", at(1))


def test_failed_stores_code_title_and_details(apply):
    row = apply("sent", FAILED | {"error_details": "not on WhatsApp"})
    assert (row["status"], row["failed_at"], row["error_code"]) == ("failed", at(3), 131026)
    assert (row["error_title"], row["error_details"]) == ("No", "not on WhatsApp")


def test_delivered_beats_failed_and_keeps_the_reason(apply):
    for order in ((FAILED, DELIVERED), (DELIVERED, FAILED)):
        row = apply("sending", *order)
        assert (row["status"], row["failed_at"], row["error_code"]) == ("delivered", at(3), 131026)


def test_failed_of_an_earlier_send_says_nothing_of_the_last(apply):
    row = apply("sent", FAILED, send_no=2, attempts=2)
    assert (row["status"], row["failed_at"], row["error_code"]) == ("sent", None, None)


def test_delivered_of_an_earlier_send_settles_the_message(apply):
    assert apply("sending", DELIVERED, send_no=2, attempts=2)["status"] == "delivered"


def test_evidence_of_a_send_that_was_never_made_changes_nothing(apply):
    assert apply("sending", READ | {"send_no": 2})["status"] == "sending"


def test_a_released_message_is_not_settled_by_a_late_sent_of_the_refused_send(apply):
    row = apply("pending", SENT, send_no=1, attempts=1, account_id=1, claimed_at=NOON, not_before=at(60))
    assert (row["status"], row["not_before"], row["wamid"]) == ("pending", at(60), None)


def test_a_released_message_that_was_delivered_is_not_sent_again(apply):
    row = apply("pending", DELIVERED, send_no=1, attempts=1, account_id=1, claimed_at=NOON, not_before=at(60))
    assert (row["status"], row["not_before"]) == ("delivered", None)


def test_evidence_ends_uncertain_and_its_reason(apply):
    row = apply("sending", UNCERTAIN, SENT)
    assert (row["status"], row["error_title"]) == ("sent", None)


def test_uncertain_after_stronger_evidence_changes_nothing(apply):
    row = apply("sending", SENT, UNCERTAIN)
    assert (row["status"], row["error_title"]) == ("sent", None)


def test_held_is_between_uncertain_and_sent(apply):
    held = {"status": "held", "wamid": "wamid.a"}
    assert apply("sending", UNCERTAIN, held)["status"] == "held"
    assert apply("sending", held, SENT)["status"] == "sent"


def test_evidence_about_an_unknown_message_is_told_by_its_absence(database):
    assert database.run(merge_evidence, [say(987_654_321, "read")]) == set()


def test_a_late_failed_of_an_earlier_send_keeps_the_reason_of_an_uncertain_message(apply):
    row = apply("uncertain", FAILED, send_no=2, attempts=2, error_title="timeout")
    assert (row["status"], row["error_title"]) == ("uncertain", "timeout")


def test_a_copy_of_the_refusal_leaves_a_released_message_its_reason(apply):
    row = apply("pending", FAILED, send_no=1, attempts=1, account_id=1, claimed_at=NOON, error_title="why it waits")
    assert row["error_title"] == "why it waits"


def test_a_late_sent_of_a_refused_send_does_not_settle_the_next_one_that_waits(apply):
    """Send 1 was refused by webhook, send 2 throttled: nobody has sent it, and `sent` of send 1 is no proof of it."""
    refused = {"refused_by": [1], "send_no": 2, "attempts": 1, "account_id": 2, "claimed_at": NOON}
    assert apply("pending", SENT, not_before=at(60), **refused)["status"] == "pending"


# Any order, any copies, any batches.


def settle(send_no, kind):
    changes = {
        "sent": {"wamid": f"wamid.{send_no}", "sent_at": at(send_no + 0.5)},
        "held": {"wamid": f"wamid.{send_no}"},
        "uncertain": {"error_title": "timeout"},
        "failed": {"failed_at": at(send_no + 0.5), "error_code": 131008, "error_title": "Parameter missing"},
    }
    return say(0, kind, send_no, **changes[kind])


def webhook(send_no, status, seconds, code):
    is_failed = status is Status.FAILED
    return Evidence(
        status=status,
        wamid=f"wamid.{send_no}",
        at=at(seconds),
        phone_number_id="",
        waba_id="300",
        callback=CallbackData(US, 1, send_no),
        error_code=code if is_failed else None,
        error_title=f"title {code}" if is_failed else "",
        pricing_category="marketing",
    )


def proofs(send_no, *, codes):
    replies = st.sampled_from(["sent", "held", "uncertain", "failed"]).map(lambda kind: [settle(send_no, kind)])
    webhooks = st.builds(webhook, st.just(send_no), st.sampled_from(WEBHOOKS), st.integers(0, 3), codes)
    return st.tuples(st.one_of(st.just([]), replies), st.lists(webhooks, max_size=4)).map(
        lambda both: [*both[0], *both[1]]
    )


def merge_batch(connection, message_id, batch):
    """Apply one batch as its writer does: a reply's row as it is, webhooks merged by send."""
    for row in batch:
        if isinstance(row, EvidenceRow):
            merge_evidence(connection, [say(message_id, **row_changes(row))])
    ours = [
        Evidence(**{field: getattr(each, field) for field in Evidence.__dataclass_fields__ if field != "callback"},
                 callback=CallbackData(US, message_id, each.callback.send_no))
        for each in batch
        if isinstance(each, Evidence)
    ]  # fmt: skip
    matched = match_evidence(merge(ours), find_messages(connection, [message_id], []), installation=US)
    for rows in split_rounds(matched.matches):
        merge_evidence(connection, rows)


def merge_batches(connection, message_id, batches):
    for batch in batches:
        merge_batch(connection, message_id, batch)


def row_changes(row):
    return {field: getattr(row, field) for field in EvidenceRow.__dataclass_fields__ if field != "message_id"}


def split(items: Sequence, cuts: Sequence[int]):
    edges = [0, *sorted(cut % (len(items) + 1) for cut in cuts), len(items)]
    return [items[start:end] for start, end in pairwise(edges) if start < end]


def end_in_the_same_row(database, campaign_id, account_id, proven, data):
    sends = max(
        (each.send_no if isinstance(each, EvidenceRow) else each.callback.send_no for each in proven), default=1
    )
    again = data.draw(st.permutations(proven))
    doubled = data.draw(st.lists(st.sampled_from(proven), max_size=4)) if proven else []
    cuts = data.draw(st.lists(st.integers(0, 12), max_size=3))
    columns = {"send_no": sends, "attempts": sends, "account_id": account_id}
    rows = []
    for order in (split(proven, [1, 2, 3, 4, 5, 6, 7]), split([*again, *doubled], cuts)):
        message_id = database.run(add_message, campaign_id, "sending", **columns)
        database.run(merge_batches, message_id, order)
        row = read_message(database, message_id)
        rows.append({key: value for key, value in row.items() if key not in {"id", "phone", "recipient_key"}})
    assert rows[0] == rows[1]


any_order = settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # to shrink against a database takes longer than to read
)


@given(proofs(1, codes=st.sampled_from([131026, 131049])), st.data())
@any_order
def test_any_order_copies_and_batches_of_one_send_end_in_the_same_row(database, campaign_id, account_id, proven, data):
    end_in_the_same_row(database, campaign_id, account_id, proven, data)


@given(
    proofs(1, codes=st.sampled_from([131026, 131049])), proofs(2, codes=st.sampled_from([131026, 131049])), st.data()
)
@any_order
def test_any_order_copies_and_batches_of_two_sends_end_in_the_same_row(  # noqa: PLR0917
    database, campaign_id, account_id, first, second, data
):
    end_in_the_same_row(database, campaign_id, account_id, [*first, *second], data)


@pytest.mark.parametrize("codes", [(None, 131026), (131049, 131026), (131026, 131026)])
def test_failures_of_one_second_end_in_the_same_row_together_or_apart(database, campaign_id, account_id, codes):
    one, other = (webhook(1, Status.FAILED, 3, code) for code in codes)
    other = Evidence(**{f: getattr(other, f) for f in Evidence.__dataclass_fields__} | {"error_title": "another"})
    rows = []
    for batches in ([[one, other]], [[one], [other]], [[other], [one]]):
        message_id = database.run(add_message, campaign_id, "sent", account_id=account_id)
        for batch in batches:
            database.run(merge_batch, message_id, batch)
        rows.append([read_message(database, message_id)[key] for key in ("error_code", "error_title")])
    assert rows[0] == rows[1] == rows[2]


def test_evidence_moves_a_status_only_as_the_table_says(database, campaign_id):
    with allowing_only(database, Write.EVIDENCE):
        for old in Status:
            for new in (UNCERTAIN, SENT, FAILED, DELIVERED, READ):
                message_id = database.run(add_message, campaign_id, old, send_no=1, account_id=1, claimed_at=NOON)
                database.run(merge_evidence, [say(message_id, **new)])
    assert find_wrong_counters(database) == []
