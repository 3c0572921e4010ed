"""An opt-out that names only a user id is kept, and reaches every number of that person."""

import datetime as dt
import itertools
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.alerts import Alerts
from campaigns.config import read_settings
from campaigns.domain.optout.recognition import Source
from campaigns.domain.phone.person import recipient_key
from campaigns.domain.statement import Refusal
from campaigns.management.suppressions import lift_phones
from campaigns.privacy.erasure import forget
from campaigns.secrets import make_key
from campaigns.store import people
from campaigns.store.events import DeferredEvent, EventStatus, defer_events, insert_events
from campaigns.store.optouts.suppressions import SuppressionEvent, find_suppressed, write_suppressions
from tests.store.rows import (
    Beside,
    add_account,
    add_campaign,
    add_message,
    await_blocked,
    claim,
    empty,
    fetch,
    hold,
    make_report,
    read_clock,
    receive,
    take,
)
from tests.support.actors import TESTER
from tests.webhooks.webhook_bodies import AT, PHONE_NUMBER_ID, make_body, make_status, make_value
from webhooks.applier.apply import apply_events

ANA, ANA_ID = "+5511987650001", "551187650001"  # Meta's form of her number has no ninth digit
NEW = "+5511977770001"
ID, NEW_ID = "BR.13491208655302741918", "BR.24817305912873645029"
NOON = dt.datetime.fromtimestamp(AT, dt.UTC)


def stop(seconds=0, user_id=ID, text="SAIR", **changes):
    message = {
        "from_user_id": user_id,
        "id": f"wamid.in.{seconds}.{text}",
        "timestamp": str(AT + seconds),
        "type": "text",
        "text": {"body": text},
    }
    contacts = [{"profile": {"name": "Ana"}, "user_id": user_id}]
    return make_body(make_value(messages=[message | changes], contacts=contacts))


def prefer(word="stop", seconds=0, user_id=ID):
    said = {"user_id": user_id, "category": "marketing_messages", "value": word, "timestamp": AT + seconds}
    return make_body({"user_preferences": [said]}, field="user_preferences")


def pair(user_id=ID, number=ANA_ID, seconds=0):
    """A status of another sender's message, with both the number and the user id."""
    told = make_status(recipient_id=number, recipient_user_id=user_id, timestamp=str(AT + seconds),
                       biz_opaque_callback_data="other")  # fmt: skip
    return make_body({"contacts": [{"wa_id": number, "user_id": user_id}], "calls": [told]}, field="calls")


def change(old=ID, new=NEW_ID, **more):
    told = {"type": "user_changed_user_id", "previous_user_id": old, "user_id": new}
    message = {"id": "wamid.sys", "timestamp": str(AT), "type": "system", "system": told} | more
    return make_body(make_value(messages=[message]))


def is_suppressed(database, phone=ANA):
    return bool(database.run(find_suppressed, [recipient_key(phone)]))


def read_pairs(database):
    return fetch(database, "SELECT user_id, recipient_key, at FROM user_ids ORDER BY 1, 2")


def count_parked(database):
    return fetch(database, "SELECT count(*) FROM webhook_events")[0]


def load_case(project, name):
    path = project.parent / "shared/cases/webhooks" / f"{name}.json"
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    return path.read_bytes()


def send_ours(database, phone="+16505551234"):
    account_id = database.run(add_account, phone_number_id="106540352242922")
    campaign_id = database.run(add_campaign, accounts=[account_id])
    database.run(add_message, campaign_id, "sent", account_id=account_id, phone=phone, wamid="wamid.ours")


@pytest.mark.parametrize("name", ["optout_b_text_stop_bsuid_context", "optout_d_from_is_bsuid_stop_context"])
def test_an_answer_to_a_message_of_ours_is_of_the_person_it_went_to(database, project, name):
    send_ours(database)
    assert receive(database, load_case(project, name)).counts == {"opt-outs": 1, "replies": 1}
    assert is_suppressed(database, "+16505551234")
    assert fetch(database, "SELECT user_id, recipient_key FROM user_ids") == [
        ("US.13491208655302741918", "+16505551234")
    ]
    assert count_parked(database) == 0


def test_a_pair_and_a_preference_in_one_body_find_each_other(database, project):
    receive(database, load_case(project, "optout_c_status_pair_then_pref_bsuid"))
    assert is_suppressed(database, "+16505551234")


def test_a_stop_without_any_number_waits_for_one(database, project):
    assert receive(database, load_case(project, "optout_a_text_stop_bsuid_no_context")).counts == {"opt-outs": 1}
    assert (is_suppressed(database, "+16505551234"), count_parked(database)) == (False, 0)
    receive(database, pair("US.13491208655302741918", "16505551234"))
    assert is_suppressed(database, "+16505551234")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("kept", [stop(), stop(type="button", button={"payload": "STOP", "text": "x"}), prefer()])
def test_a_stop_and_a_pair_meet_in_any_order_and_number(database, order, together, kept):
    bodies = [(kept, pair())[each] for each in order] * 2
    if together:
        receive(database, *bodies)
    else:
        for body in bodies:
            receive(database, body)
    assert is_suppressed(database)
    assert count_parked(database) == 0
    assert len(read_pairs(database)) == 1


def test_a_resume_by_the_user_id_ends_what_was_told_to_whatsapp(database):
    receive(database, prefer("stop"), pair())
    receive(database, prefer("resume", 1))
    assert not is_suppressed(database)
    receive(database, prefer("stop", 2))
    assert is_suppressed(database)


def test_a_resume_lifts_no_word(database):
    receive(database, stop(), pair(), prefer("resume", 5))
    assert is_suppressed(database)


def test_who_stops_by_a_user_id_is_not_claimed_any_more(database):
    campaign_id = database.run(add_campaign)
    database.run(add_message, campaign_id, phone=ANA)
    database.run(take, campaign_id)
    receive(database, stop())
    receive(database, pair())
    claimed = database.run(claim, campaign_id, 1, accounts=[1])
    assert (claimed.messages, claimed.suppressed_count) == ([], 1)


def test_a_stop_is_kept_for_ever(database):
    receive(database, stop())
    fetch(database, "UPDATE webhook_events SET expires_at = now() - interval '1 day'")
    assert fetch(database, "SELECT recipient_key, is_active, at FROM suppressions") == [(ID, True, NOON)]


def test_an_answer_to_a_message_that_nobody_knows_yet_is_kept_and_tried_again(database):
    body = stop(context={"id": "wamid.ours"})
    assert receive(database, body).counts == {"unmatched": 1}
    send_ours(database, ANA)
    fetch(database, "UPDATE webhook_events SET next_try_at = clock_timestamp()")
    assert receive(database).counts == {"opt-outs": 1, "replies": 1}
    assert is_suppressed(database)
    assert count_parked(database) == 0


def test_an_answer_to_a_message_that_is_never_known_waits_for_a_pair_and_no_longer(database):
    receive(database, stop(context={"id": "wamid.ours"}))
    receive(database, pair())
    assert is_suppressed(database)
    fetch(database, "UPDATE webhook_events SET next_try_at = clock_timestamp()")
    assert receive(database).counts == {"opt-outs": 1}
    assert count_parked(database) == 0


def test_a_stop_reaches_every_number_that_the_person_has_had(database):
    receive(database, pair(number=NEW[1:], seconds=5), stop(), pair(number=ANA_ID))
    assert (is_suppressed(database), is_suppressed(database, NEW)) == (True, True)


def test_the_newest_word_tells_the_present_number(database):
    def present():
        (person,) = database.run(people.find_people, [ID]).values()
        return person.recipient_keys[0]

    receive(database, pair(seconds=3))
    receive(database, pair(number=NEW[1:], seconds=2))
    assert present() == ANA
    receive(database, pair(number=NEW[1:], seconds=4))
    assert present() == NEW
    receive(database, pair(seconds=5), pair(seconds=1))
    assert present() == ANA


def test_a_new_user_id_is_the_same_person(database):
    bodies = [stop(), change(), pair(NEW_ID, NEW[1:])]
    for order in itertools.permutations(bodies):
        empty(database)
        for body in order:
            receive(database, body)
        assert is_suppressed(database, NEW)


def test_a_changed_number_takes_the_opt_out_along(database):
    database.run(write_suppressions, [SuppressionEvent(ANA, Source.MANUAL, True, NOON)])
    told = {"type": "user_changed_number", "wa_id": NEW[1:]}
    message = {"from": ANA_ID, "id": "wamid.sys", "timestamp": str(AT), "type": "system", "system": told}
    receive(database, make_body(make_value(messages=[message])))
    assert is_suppressed(database, NEW)


def test_a_bad_user_id_is_set_aside_and_one_beside_a_number_costs_nothing(database):
    assert receive(database, stop(user_id="x" * 600)).counts == {"set aside": 1}
    assert receive(database, stop(user_id="x" * 600, **{"from": ANA_ID})).counts == {"opt-outs": 1}
    assert is_suppressed(database)


def test_a_pair_that_is_known_writes_nothing(database):
    receive(database, pair())
    before = fetch(database, "SELECT ctid::text, xmin::text, at FROM user_ids")
    receive(database, pair(), pair(seconds=50), pair(seconds=-50))
    assert fetch(database, "SELECT ctid::text, xmin::text, at FROM user_ids") == before


def test_a_time_of_tomorrow_is_no_later_than_now(database):
    receive(database, pair(seconds=10**9))
    assert fetch(database, "SELECT at <= clock_timestamp() FROM user_ids") == [True]


def test_a_removed_opt_out_does_not_come_back_by_another_number(database):
    receive(database, stop(), pair())
    assert lift_phones(database, [ANA], secret_key=None, actor=TESTER) == [True]
    receive(database, stop(), pair(number=NEW[1:]))
    assert (is_suppressed(database), is_suppressed(database, NEW)) == (False, False)


def give_number_to_somebody_else(database):
    """Ana has opted out, and has another number now; her old one is Bia's."""
    receive(database, pair(), stop())
    receive(database, pair(number=NEW[1:], seconds=60))
    receive(database, pair(user_id=NEW_ID, seconds=120))


def test_lifting_a_number_lifts_nothing_of_its_previous_owner(database):
    give_number_to_somebody_else(database)
    assert lift_phones(database, [ANA], secret_key=None, actor=TESTER) == [True]
    receive(database, pair(number="5511966660001", seconds=180))
    suppressed = [is_suppressed(database, phone) for phone in (ANA, NEW, "+5511966660001")]
    assert suppressed == [False, True, True]


def test_forgetting_a_number_forgets_nothing_of_its_previous_owner(database):
    give_number_to_somebody_else(database)
    forget(database, ANA, secret_key=make_key(), actor=TESTER)
    assert fetch(database, "SELECT user_id, recipient_key FROM user_ids") == [(ID, NEW)]
    assert is_suppressed(database, NEW)
    assert fetch(database, "SELECT is_active FROM suppressions WHERE recipient_key = %s", ID) == [True]


def test_a_confirmation_goes_to_the_number(database):
    now = int((dt.datetime.now(dt.UTC) - NOON).total_seconds())
    chosen = read_settings({"REVOADA_STOP_REPLY": "Done."})
    for body in (pair(), stop(now)):
        database.run(insert_events, [body])
        apply_events(database, chosen, Alerts(None))
    assert fetch(database, "SELECT phone_number_id, phone FROM stop_replies") == [(PHONE_NUMBER_ID, ANA)]


def test_the_log_tells_each_person_once(database, caplog):
    caplog.set_level(logging.INFO)
    receive(database, stop())
    receive(database, pair())
    lines = [record.getMessage() for record in caplog.records if getattr(record, "event", "") == "opted_out"]
    assert lines == ["BR.13…18 opted out (word)", "+5511…01 opted out (word)"]


# two at once


def hold_pair(database):
    """Start a transaction that writes a pair and waits to commit; return it, and the event that lets it go on."""

    def work(connection):
        people.lock_people(connection, is_shared=True)
        people.add_pairs(connection, [people.UserIdPair(ID, ANA, NOON)])

    return hold(database, work)


def test_a_stop_waits_for_a_pair_that_is_being_written(database):
    pairing, go_on = hold_pair(database)
    stopping = Beside(receive, database, stop())
    await_blocked(database)
    go_on.set()
    pairing.result()
    stopping.result()
    assert is_suppressed(database)


def test_a_pair_waits_for_a_stop_that_is_being_written(database):

    def work(connection):
        people.lock_people(connection)
        write_suppressions(connection, [SuppressionEvent(ID, Source.WORD, True, NOON)])

    stopping, go_on = hold(database, work)
    pairing = Beside(receive, database, pair())
    await_blocked(database)
    go_on.set()
    stopping.result()
    pairing.result()
    assert is_suppressed(database)


def test_pairs_do_not_wait_for_each_other(database):
    pairing, go_on = hold_pair(database)
    receive(database, pair("BR.2", NEW[1:]))
    go_on.set()
    pairing.result()
    assert len(read_pairs(database)) == 2


def test_many_at_once_end_with_everybody_suppressed(database):
    named = [(f"BR.{number}", f"55119{80000000 + number}") for number in range(40)]
    bodies = [body for user_id, number in named for body in (stop(user_id=user_id), pair(user_id, number))]
    halves = [bodies[::2], bodies[1::2]]

    def apply(half):
        for body in half:
            receive(database, body)

    for thread in [Beside(apply, half) for half in halves]:
        thread.result()
    assert all(is_suppressed(database, f"+{number}") for _, number in named)


# forgetting


def test_who_is_forgotten_leaves_no_user_id_behind(database):
    key = make_key()
    receive(database, stop(), pair(), change(), pair(NEW_ID, NEW[1:]))
    deferred = [
        DeferredEvent(EventStatus.UNMATCHED, "?", read_clock(database), stop(user_id=each, context={"id": "w"}))
        for each in (ID, NEW_ID)
    ]
    database.run(defer_events, deferred, retry_seconds=1)
    forget(database, ANA, secret_key=key, actor=TESTER)
    for table in ("user_ids", "user_id_changes", "webhook_events"):
        assert fetch(database, f"SELECT count(*) FROM {table}") == [0], table
    assert fetch(database, "SELECT recipient_key FROM suppressions") == [NEW]


def test_a_webhook_that_names_the_user_id_is_waited_for(database):
    receive(database, pair())
    database.run(insert_events, [stop()])
    with pytest.raises(Refusal, match="not applied yet"):
        forget(database, ANA, secret_key=make_key(), actor=TESTER)


def test_a_pair_of_somebody_forgotten_is_not_kept(database):
    key = make_key()
    forget(database, ANA, secret_key=key, actor=TESTER)
    chosen = read_settings({"REVOADA_SECRET_KEY": key})
    for body in (pair(), stop(**{"from": ANA_ID})):
        database.run(insert_events, [body])
        apply_events(database, chosen, Alerts(None))
    assert read_pairs(database) == []
    assert fetch(database, "SELECT count(*) FROM suppressions") == [0]


def test_a_pair_that_comes_while_its_person_is_forgotten_is_erased_or_refused(database):
    pairing, go_on = hold_pair(database)
    forgetting = Beside(forget, database, ANA, secret_key=make_key(), actor=TESTER)
    await_blocked(database)
    go_on.set()
    pairing.result()
    forgetting.result()
    assert read_pairs(database) == []


# any order


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["stop", "prefer", "resume", "pair", "new pair", "change", "new stop"]), st.integers(0, 3)
    ),
    min_size=1,
    max_size=7,
)


def make_event(kind, seconds):
    return {
        "stop": stop(seconds),
        "prefer": prefer("stop", seconds),
        "resume": prefer("resume", seconds),
        "pair": pair(seconds=seconds),
        "new pair": pair(NEW_ID, NEW[1:], seconds),
        "change": change(),
        "new stop": stop(seconds, NEW_ID),
    }[kind]


def expect(events):
    """Return whether the old and the new person are suppressed after all events, computed without their order."""
    kinds = {kind for kind, _ in events}

    def newest(which):
        said = [(seconds, kind == "prefer") for kind, seconds in events if kind in which]
        return max(said, default=(0, False))[1]

    linked = "change" in kinds
    old = ("pair" in kinds) and (newest({"prefer", "resume"}) or "stop" in kinds or (linked and "new stop" in kinds))
    new = ("new pair" in kinds) and (
        "new stop" in kinds or (linked and ("stop" in kinds or newest({"prefer", "resume"})))
    )
    return old, new


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS, chance=st.randoms(use_true_random=False))
def test_any_order_grouping_and_copies_end_alike(shared, events, chance):
    for _ in range(2):
        empty(shared)
        told = events + chance.sample(events, len(events) // 2)
        chance.shuffle(told)
        middle = chance.randint(0, len(told))
        for part in (told[:middle], told[middle:]):
            receive(shared, *(make_event(*each) for each in part))
        assert (is_suppressed(shared), is_suppressed(shared, NEW)) == expect(events)


def test_a_status_of_a_message_of_ours_teaches_the_pair(database):
    account_id = database.run(add_account, phone_number_id=PHONE_NUMBER_ID)
    campaign_id = database.run(add_campaign, accounts=[account_id])
    message_id = database.run(add_message, campaign_id, "sent", account_id=account_id, phone=ANA)
    told = make_report(database, message_id, "delivered", recipient_user_id=ID)
    receive(database, make_body(make_value(told)))
    assert [row[:2] for row in read_pairs(database)] == [(ID, ANA)]
