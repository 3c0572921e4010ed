import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from campaigns.domain.message import LADDER, Status
from campaigns.whatsapp.callback import CallbackData
from webhooks.applier.evidence import Evidence
from webhooks.applier.merge import group_key, merge

NOON = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC)


def at(seconds):
    return NOON + dt.timedelta(seconds=seconds)


def say(status, seconds=0, **changes):
    facts = {
        "wamid": "wamid.a",
        "phone_number_id": "500",
        "waba_id": "300",
        "callback": CallbackData("0badcafe", 34, 1),
        **changes,
    }
    return Evidence(status=status, at=at(seconds), **facts)


def merge_one(*evidence):
    (merged,) = merge(evidence)
    return merged


def test_late_sent_never_downgrades_read():
    merged = merge_one(say(Status.READ, 9), say(Status.SENT, 20))
    assert merged.status is Status.READ
    assert (merged.sent_at, merged.delivered_at, merged.read_at) == (at(20), None, at(9))


def test_delivered_wins_over_failed_and_the_failure_is_kept():
    merged = merge_one(say(Status.DELIVERED), say(Status.FAILED, 5, error_code=131026))
    assert (merged.status, merged.failed_at, merged.error_code) == (Status.DELIVERED, at(5), 131026)


def test_failed_wins_over_sent():
    assert merge_one(say(Status.FAILED), say(Status.SENT, 9)).status is Status.FAILED


def test_each_time_is_the_earliest_of_its_kind():
    assert merge_one(say(Status.SENT, 5), say(Status.SENT, 3), say(Status.SENT, 4)).sent_at == at(3)


def test_the_error_is_that_of_the_earliest_failure_then_of_the_smallest_code():
    late = say(Status.FAILED, 9, error_code=1, error_title="late")
    early = say(Status.FAILED, 3, error_code=131_049, error_title="early", error_details="d")
    equal = say(Status.FAILED, 3, error_code=131_026, error_title="equal")
    nameless = say(Status.FAILED, 3)
    assert merge_one(late, early).error_details == "d"
    assert merge_one(late, early, nameless, equal).error_title == "equal"


def test_pricing_is_kept_whichever_status_brought_it():
    merged = merge_one(
        say(Status.DELIVERED), say(Status.SENT, pricing_category="marketing", pricing_model="PMP", is_billable=False)
    )
    assert (merged.pricing_category, merged.pricing_model, merged.is_billable) == ("marketing", "PMP", False)


def test_sends_numbers_installations_and_wamids_do_not_mix():
    evidence = [
        say(Status.SENT),
        say(Status.SENT, callback=CallbackData("0badcafe", 34, 2)),
        say(Status.SENT, callback=CallbackData("0badcafe", 35, 1)),
        say(Status.SENT, callback=CallbackData("feedf00d", 34, 1)),
        say(Status.SENT, phone_number_id="501"),
        say(Status.SENT, callback=None),
        say(Status.SENT, callback=None, wamid="wamid.b"),
    ]
    assert len(merge(evidence)) == len(evidence)


def test_the_key_of_a_group_finds_what_it_was_made_of():
    evidence = [say(Status.SENT), say(Status.READ, callback=None)]
    assert {merged.key for merged in merge(evidence)} == {group_key(one) for one in evidence}


callbacks = st.none() | st.builds(CallbackData, st.just("0badcafe"), st.integers(1, 2), st.integers(1, 2))
evidences = st.builds(
    Evidence,
    status=st.sampled_from([Status.SENT, Status.FAILED, Status.DELIVERED, Status.READ]),
    wamid=st.sampled_from(["wamid.a", "wamid.b"]),
    at=st.integers(0, 3).map(at),
    phone_number_id=st.sampled_from(["", "500", "501"]),
    waba_id=st.sampled_from(["", "300", "301"]),
    callback=callbacks,
    error_code=st.sampled_from([None, 0, 131026, 131049]),
    error_title=st.sampled_from(["", "a", "b"]),
    error_details=st.sampled_from(["", "c"]),
    pricing_category=st.sampled_from(["", "marketing", "utility"]),
    pricing_model=st.sampled_from(["", "PMP"]),
    is_billable=st.sampled_from([None, False, True]),
)
lists = st.lists(evidences, max_size=12)


@given(lists, st.data())
def test_any_order_and_any_duplicates_end_in_the_same(evidence, data):
    again = data.draw(st.permutations(evidence))
    doubled = data.draw(st.lists(st.sampled_from(evidence), max_size=5)) if evidence else []
    assert merge([*doubled, *again]) == merge(evidence)


@given(lists, st.data())
def test_any_split_into_batches_ends_in_the_same(evidence, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(evidence)), max_size=3)))
    batches = [evidence[start:end] for start, end in zip([0, *cuts], [*cuts, len(evidence)], strict=True)]
    of_merges = merge(merged for batch in data.draw(st.permutations(batches)) for merged in merge(batch))
    one_by_one = []
    for batch in batches:
        one_by_one = merge([*one_by_one, *batch])
    assert of_merges == merge(evidence) == one_by_one


@given(lists)
def test_the_status_is_the_strongest_that_was_seen(evidence):
    for merged in merge(evidence):
        seen = [one.status for one in evidence if group_key(one) == merged.key]
        assert merged.status == max(seen, key=LADDER.index)
