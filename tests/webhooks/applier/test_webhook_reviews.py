"""An answer that may be an opt-out waits for a decision; until then its author gets no marketing."""

import datetime as dt
import logging

import pytest

from campaigns.alerts import Alerts
from campaigns.config import Settings
from campaigns.domain.failures import UNDER_REVIEW
from campaigns.domain.message import Write
from campaigns.domain.optout.recognition import Source
from campaigns.domain.phone.person import recipient_key
from campaigns.domain.statement import Hint, HintAction, Kind, Refusal
from campaigns.management import reviews
from campaigns.management.exports import export_campaign
from campaigns.management.reports import show_errors
from campaigns.management.suppressions import lift_phones
from campaigns.privacy.erasure import forget
from campaigns.secrets import make_key
from campaigns.sending.schedule import reconcile
from campaigns.store.leases import complete_campaign
from campaigns.store.optouts.reviews import count_reviews, list_reviews
from campaigns.store.optouts.suppressions import SuppressionEvent, find_suppressed, write_suppressions
from tests.store.rows import (
    Beside,
    add_account,
    add_campaign,
    add_message,
    add_template,
    allowing_only,
    await_blocked,
    claim,
    fetch,
    find_wrong_counters,
    hold,
    read_message,
    receive,
    take,
)
from tests.support.actors import TESTER
from tests.webhooks.webhook_bodies import AT, PHONE_NUMBER_ID, make_body, make_status, make_value
from webhooks.applier.apply_optouts import write_optouts
from webhooks.applier.optouts import OptOut
from webhooks.applier.people import People

ANA, ANA_ID, BIA = "+5511987650001", "551187650001", "+5511987650002"
ID = "BR.13491208655302741918"
NOON = dt.datetime.fromtimestamp(AT, dt.UTC)


def say(database, text="não sei se quero", seconds=0, number=ANA_ID, *, is_certain=False, **changes):
    """Apply one answer, read by the classifier."""
    told = {
        "source": Source.WORD,
        "is_active": True,
        "at": NOON + dt.timedelta(seconds=seconds),
        "detail": "quero",
        "number": number,
        "phone_number_id": PHONE_NUMBER_ID,
        "is_certain": is_certain,
        "text": text,
        "answer_id": f"wamid.in.{seconds}.{text}",
    }
    optout = OptOut(**told | changes)
    return database.run(write_optouts, {1: [optout]}, People(), has_stop_reply=True, secret_key=None)


def pair(user_id=ID, number=ANA_ID):
    told = make_status(recipient_id=number, recipient_user_id=user_id)
    return make_body({"statuses": [told]}, field="calls")


def read_reviews(database):
    return database.run(list_reviews)


def is_suppressed(database, phone=ANA):
    return bool(database.run(find_suppressed, [recipient_key(phone)]))


def start(database, *phones, category="MARKETING", **columns):
    """A running campaign with a message to each phone, and an account."""
    database.run(add_account)
    template_id = database.run(add_template, category=category)
    campaign_id = database.run(add_campaign, template_id=template_id, **columns)
    ids = [database.run(add_message, campaign_id, phone=phone) for phone in phones or (ANA,)]
    database.run(take, campaign_id)
    return campaign_id, ids


def claim_all(database, campaign_id):
    (account_id,) = fetch(database, "SELECT max(id) FROM accounts")
    return database.run(claim, campaign_id, 1, accounts=[account_id] * 3)


# opening


def test_an_unsure_answer_suppresses_nobody_and_waits(database):
    leaving = say(database, "não sei se quero", context_wamid="wamid.ours")
    assert (leaving.kept_count, leaving.review_count) == (0, 1)
    assert not is_suppressed(database)
    (row,) = read_reviews(database)
    assert (row.recipient_key, row.text, row.said_at, row.answer_count) == (ANA, "não sei se quero", NOON, 1)
    assert (row.account, row.campaign_id) == (PHONE_NUMBER_ID, None)
    assert fetch(database, "SELECT count(*) FROM stop_replies") == [0]


def test_the_campaign_that_was_answered_is_told(database):
    account_id = database.run(add_account, name="sales", phone_number_id=PHONE_NUMBER_ID)
    campaign_id = database.run(add_campaign)
    database.run(add_message, campaign_id, "sent", account_id=account_id, phone=ANA, wamid="wamid.ours")
    say(database, context_wamid="wamid.ours")
    (row,) = read_reviews(database)
    assert (row.account, row.campaign_id) == ("sales", campaign_id)


def test_a_second_answer_joins_the_first_and_a_copy_changes_nothing(database):
    say(database, "talvez")
    say(database, "chega", 5)
    assert say(database, "talvez").review_count == 0
    (row,) = read_reviews(database)
    assert (row.text, row.answer_count, row.said_at) == ("talvez\nchega", 2, NOON + dt.timedelta(seconds=5))
    assert database.run(count_reviews)[0] == 1


def test_a_copy_asks_nobody_again_and_new_words_do(database):
    say(database, "talvez")
    reviews.dismiss(database, [read_reviews(database)[0].id], actor=TESTER)
    say(database, "talvez")
    assert read_reviews(database) == []
    say(database, "talvez", 60)
    assert [row.text for row in read_reviews(database)] == ["talvez"]


def test_who_has_opted_out_by_word_is_not_asked_about(database):
    say(database, "SAIR", is_certain=True)
    say(database, "chega")
    assert read_reviews(database) == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_certain_stop_closes_the_review_as_accepted(database, order):
    for number in order:
        say(database, ("chega", "SAIR")[number], number, is_certain=bool(number))
    assert read_reviews(database) == []
    assert is_suppressed(database)
    assert fetch(database, "SELECT decision, text FROM optout_reviews") in ([], [("accepted", "")])


def test_what_whatsapp_passes_on_closes_it_for_good(database):
    say(database, "chega")
    say(database, "", 1, is_certain=True, source=Source.META, detail="user_preferences", phone_number_id="")
    say(database, "", 2, is_certain=True, source=Source.META, is_active=False, phone_number_id="")
    assert read_reviews(database) == []
    assert is_suppressed(database)  # by the answer


def test_somebody_known_by_a_user_id_waits_for_a_number(database):
    campaign_id, _ = start(database)
    say(database, number="", user_ids=(ID,))
    assert [row.recipient_key for row in read_reviews(database)] == [ID]
    receive(database, pair())
    assert [row.recipient_key for row in read_reviews(database)] == [ANA]
    assert claim_all(database, campaign_id).messages == []


def test_a_pair_that_came_before_is_known(database):
    receive(database, pair())
    say(database, number="", user_ids=(ID,))
    assert [row.recipient_key for row in read_reviews(database)] == [ANA]


def test_an_answer_to_an_unknown_message_by_nobody_known_waits_as_a_webhook(database):
    leaving = say(database, number="", context_wamid="wamid.ours")
    assert (leaving.unmatched, leaving.review_count) == ({1: [0]}, 0)


def test_the_log_tells_of_a_review_without_number_and_text(database, caplog):
    caplog.set_level(logging.INFO)
    for tell in say(database, "segredo").to_report:
        tell(None)
    (record,) = caplog.records
    assert (record.event, record.review_id) == ("optout_review_opened", read_reviews(database)[0].id)
    assert "+5511…01 may have opted out" in record.getMessage()
    assert "segredo" not in caplog.text


# claims


@pytest.mark.parametrize(
    ("category", "is_sent"),
    [("MARKETING", False), ("", False), ("marketing", False), ("UTILITY", True), ("AUTHENTICATION", True)],
)
def test_only_marketing_is_held_back(database, category, is_sent):
    say(database)
    campaign_id, (message_id, other_id) = start(database, ANA, BIA, category=category)
    with allowing_only(database, Write.RUNNER):
        claimed = claim_all(database, campaign_id)
    assert [each.id for each in claimed.messages] == ([message_id, other_id] if is_sent else [other_id])
    row = read_message(database, message_id)
    assert row["status"] == ("sending" if is_sent else "suppressed")
    if not is_sent:
        assert (row["error_code"], row["error_title"]) == (UNDER_REVIEW.code, UNDER_REVIEW.meaning)
    assert find_wrong_counters(database) == []


def test_the_category_is_that_of_the_template_in_the_wabas_of_the_accounts(database):
    """Meta may give the template another category in one of them."""
    say(database)
    utility = database.run(add_template, name="promo", category="UTILITY", waba_id="301")
    database.run(add_template, name="promo", category="MARKETING", waba_id="302")
    campaign_id = database.run(add_campaign, template_id=utility)
    database.run(add_message, campaign_id, phone=ANA)
    database.run(take, campaign_id)
    first, second = (database.run(add_account, waba_id=waba_id) for waba_id in ("301", "302"))
    assert database.run(claim, campaign_id, 1, accounts=[second]).messages == []
    reviews.dismiss(database, [read_reviews(database)[0].id], actor=TESTER)
    say(database, "talvez", 60)
    assert [each.account_id for each in database.run(claim, campaign_id, 1, accounts=[first]).messages] == [first]


def test_what_is_in_doubt_stays_uncertain(database):
    say(database)
    campaign_id, (message_id,) = start(database)
    fetch(database, "UPDATE messages SET doubted = '{[1,1]}', send_no = 1, claimed_at = now(), account_id = 1,"
                    " error_title = 'the reply was lost'")  # fmt: skip
    claim_all(database, campaign_id)
    row = read_message(database, message_id)
    assert (row["status"], row["error_code"], row["error_title"]) == ("uncertain", None, "the reply was lost")
    done = reviews.dismiss(database, [read_reviews(database)[0].id], actor=TESTER)
    assert done.restored_count == 0


def test_who_is_suppressed_anyway_is_not_told_to_wait(database):
    say(database)
    database.run(write_suppressions, [SuppressionEvent(ANA, Source.MANUAL, True, NOON)])
    campaign_id, (message_id,) = start(database)
    claim_all(database, campaign_id)
    assert read_message(database, message_id)["error_code"] is None


def test_the_reason_stands_in_the_export_and_among_the_errors(database):
    say(database)
    campaign_id, _ = start(database)
    claim_all(database, campaign_id)
    (error,) = show_errors(database, campaign_id).errors
    assert (error.reason.status, error.reason.count, error.meaning) == ("suppressed", 1, UNDER_REVIEW.meaning)
    assert error.advice.hint == Hint(HintAction.REVIEW_OPTOUTS)
    ((row,),) = export_campaign(database, campaign_id, actor=TESTER).pages
    assert UNDER_REVIEW.meaning in row


# decisions


def test_accepting_suppresses_as_the_word_would_at_the_time_of_the_answer(database):
    say(database, "chega", 7)
    campaign_id, (message_id,) = start(database)
    claim_all(database, campaign_id)
    done = reviews.accept(database, [read_reviews(database)[0].id], actor=TESTER)
    assert (done.person_count, done.answer_count) == (1, 1)
    rows = fetch(database, "SELECT recipient_key, source, is_active, at, detail FROM suppressions")
    assert rows == [(ANA, "word", True, NOON + dt.timedelta(seconds=7), "quero")]
    assert fetch(database, "SELECT decision, text FROM optout_reviews") == [("accepted", "")]
    row = read_message(database, message_id)
    assert (row["status"], row["error_code"], row["error_title"]) == ("suppressed", None, None)


def test_an_accepted_answer_of_a_user_id_reaches_the_number_later(database):
    say(database, number="", user_ids=(ID,))
    reviews.accept(database, [read_reviews(database)[0].id], actor=TESTER)
    receive(database, pair())
    assert is_suppressed(database)


def test_an_accepted_answer_reaches_the_numbers_of_its_author_that_come_later(database):
    say(database, user_ids=(ID,))
    reviews.accept(database, [read_reviews(database)[0].id], actor=TESTER)
    receive(database, pair(number="5511987650002"))
    assert is_suppressed(database, ANA) and is_suppressed(database, BIA)


@pytest.mark.parametrize("ends", ["stop", "lift"])
def test_a_message_does_not_wait_for_a_review_that_another_way_has_ended(database, ends):
    say(database)
    campaign_id, (message_id,) = start(database)
    claim_all(database, campaign_id)
    if ends == "stop":
        say(database, "SAIR", 5, is_certain=True)
    else:
        lift_phones(database, [ANA], secret_key=None, actor=TESTER)
    row = read_message(database, message_id)
    assert (row["status"], row["error_code"], row["error_title"]) == ("suppressed", None, None)


def test_dismissing_brings_back_what_was_skipped_in_campaigns_that_go_on(database):
    say(database)
    campaign_id, (message_id, other_id) = start(database, ANA, BIA)
    ended_id, (ended_message,) = start(database)
    for each in (campaign_id, ended_id):
        claim_all(database, each)
    assert database.run(complete_campaign, ended_id, 1) is not None
    with allowing_only(database, Write.OPERATOR):
        done = reviews.dismiss(database, [read_reviews(database)[0].id], actor=TESTER)
    assert (done.restored_count, done.left_count, done.to_enqueue) == (1, 1, [campaign_id])
    row = read_message(database, message_id)
    assert (row["status"], row["error_code"], row["error_title"]) == ("pending", None, None)
    assert read_message(database, ended_message)["status"] == "suppressed"
    assert [each.id for each in claim_all(database, campaign_id).messages] == [message_id]
    assert read_message(database, other_id)["send_no"] == 1
    assert find_wrong_counters(database) == []


def test_dismissing_wakes_a_campaign_that_waits(database):
    say(database)
    campaign_id, _ = start(database)
    claim_all(database, campaign_id)
    fetch(database, "UPDATE campaigns SET due_at = 'infinity', waiting_reason = 'retry'")
    assert reviews.dismiss(database, [read_reviews(database)[0].id], actor=TESTER).to_enqueue == [campaign_id]
    assert fetch(database, "SELECT due_at, enqueued_at IS NOT NULL FROM campaigns") == [(None, True)]


def test_a_paused_campaign_gets_its_message_back_and_is_not_rung(database):
    say(database)
    campaign_id, (message_id,) = start(database)
    claim_all(database, campaign_id)
    fetch(database, "UPDATE campaigns SET status = 'paused'")
    done = reviews.dismiss(database, [read_reviews(database)[0].id], actor=TESTER)
    assert (done.restored_count, done.to_enqueue) == (1, [])
    assert read_message(database, message_id)["status"] == "pending"


def test_dismissing_brings_back_nobody_who_has_opted_out_meanwhile(database):
    say(database)
    campaign_id, (message_id,) = start(database)
    claim_all(database, campaign_id)
    database.run(write_suppressions, [SuppressionEvent(ANA, Source.MANUAL, True, NOON)])
    assert reviews.dismiss(database, [read_reviews(database)[0].id], actor=TESTER).restored_count == 0
    assert read_message(database, message_id)["status"] == "suppressed"


def test_what_evidence_has_raised_meanwhile_is_left_alone(database):
    say(database)
    campaign_id, (message_id,) = start(database)
    claim_all(database, campaign_id)
    fetch(database, "UPDATE messages SET status = 'delivered', wamid = 'w', sent_at = now(), account_id = 1,"
                    " claimed_at = now(), send_no = 1")  # fmt: skip
    assert reviews.dismiss(database, [read_reviews(database)[0].id], actor=TESTER).restored_count == 0
    assert read_message(database, message_id)["status"] == "delivered"


def test_one_decision_is_about_all_answers_of_the_person(database):
    say(database, "talvez")
    say(database, "chega", 5)
    say(database, "hum", number="5511987650002")
    first, other = read_reviews(database)
    done = reviews.accept(database, [first.id], actor=TESTER)
    assert (done.person_count, done.answer_count) == (1, 2)
    assert read_reviews(database) == [other]


@pytest.mark.parametrize("decide", [reviews.accept, reviews.dismiss])
def test_a_decision_is_refused_if_its_author_has_written_again_since(database, decide):
    say(database, "talvez")
    say(database, "hum", number="5511987650002")
    shown = read_reviews(database)
    say(database, "me tira disso", 5)
    with pytest.raises(Refusal, match=rf"^The author of review {shown[0].id} has a newer answer") as caught:
        decide(database, [each.id for each in shown], actor=TESTER)
    assert (caught.value.code, caught.value.kind) == ("review_changed", Kind.CONFLICT)
    again = read_reviews(database)
    assert [each.text for each in again] == ["talvez\nme tira disso", "hum"]
    assert decide(database, [each.id for each in again], actor=TESTER).answer_count == 3


def test_what_is_unknown_or_decided_refuses_all(database):
    say(database)
    (row,) = read_reviews(database)
    with pytest.raises(Refusal, match=r"^Review 99 does not exist\. Nothing was changed\.$"):
        reviews.accept(database, [row.id, 99], actor=TESTER)
    assert read_reviews(database) == [row]
    reviews.dismiss(database, [row.id], actor=TESTER)
    with pytest.raises(Refusal, match=rf"^Review {row.id} was dismissed at .* UTC\. Nothing was changed\.$"):
        reviews.accept(database, [row.id], actor=TESTER)
    assert not is_suppressed(database)


@pytest.mark.parametrize("decide", [reviews.accept, reviews.dismiss])
def test_of_two_who_decide_at_once_the_second_is_told(database, decide):
    say(database)
    (row,) = read_reviews(database)
    first, go_on = hold(database, reviews._dismiss, [row.id], TESTER)
    second = Beside(decide, database, [row.id], actor=TESTER)
    await_blocked(database)
    go_on.set()
    first.result()
    with pytest.raises(Refusal, match="changed by somebody else"):
        second.result()
    assert not is_suppressed(database)


def test_a_removed_suppression_ends_the_wait_too(database):
    say(database)
    lift_phones(database, [ANA], secret_key=None, actor=TESTER)
    assert read_reviews(database) == []
    campaign_id, _ = start(database)
    assert len(claim_all(database, campaign_id).messages) == 1


def test_forgetting_erases_the_answer(database):
    receive(database, pair())
    say(database, "segredo")
    say(database, "segredo", 1, number="", user_ids=(ID,))
    forget(database, ANA, secret_key=make_key(), actor=TESTER)
    assert fetch(database, "SELECT count(*) FROM optout_reviews") == [0]


# a claim beside a decision


def claim_one(connection, campaign_id):
    return claim(connection, campaign_id, 1, accounts=[1])


def test_a_dismissal_finds_what_a_claim_is_just_skipping(database):
    say(database)
    campaign_id, (message_id,) = start(database)
    claiming, go_on = hold(database, claim_one, campaign_id)
    dismissing = Beside(reviews.dismiss, database, [read_reviews(database)[0].id], actor=TESTER)
    await_blocked(database)
    go_on.set()
    assert claiming.result().suppressed_count == 1
    assert dismissing.result().restored_count == 1
    assert read_message(database, message_id)["status"] == "pending"


def test_a_claim_sees_a_dismissal_that_is_just_being_made(database):
    say(database)
    campaign_id, _ = start(database)
    dismissing, go_on = hold(database, reviews._dismiss, [read_reviews(database)[0].id], TESTER)
    claiming = Beside(claim_all, database, campaign_id)
    await_blocked(database)
    go_on.set()
    dismissing.result()
    assert len(claiming.result().messages) == 1


def test_a_claim_does_not_pass_between_an_answer_and_its_acceptance(database):
    say(database)
    campaign_id, _ = start(database)
    accepting, go_on = hold(database, reviews._accept, [read_reviews(database)[0].id], TESTER)
    claiming = Beside(claim_all, database, campaign_id)
    await_blocked(database)
    go_on.set()
    accepting.result()
    claimed = claiming.result()
    assert (claimed.messages, claimed.suppressed_count) == ([], 1)


# telling


def report(database, caplog):
    caplog.clear()
    caplog.set_level(logging.INFO)
    reconcile(database, Settings(), Alerts(None))
    return [record.getMessage() for record in caplog.records if record.event == "optout_reviews_waiting"]


def test_somebody_is_told_when_the_first_waits_and_once_a_day(database, caplog):
    assert report(database, caplog) == []
    say(database)
    say(database, "chega", 1)
    (text,) = report(database, caplog)
    assert text.startswith("1 person waits since ")
    say(database, "hum", number="5511987650002")
    assert report(database, caplog) == []
    fetch(database, "UPDATE installation SET reviews_told_at = reviews_told_at - interval '25 hours'")
    (text,) = report(database, caplog)
    assert text.startswith("2 people wait since ")


def test_somebody_is_told_again_when_the_next_first_one_waits(database, caplog):
    say(database)
    assert report(database, caplog)
    reviews.dismiss(database, [read_reviews(database)[0].id], actor=TESTER)
    assert report(database, caplog) == []
    say(database, "chega", 1)
    assert len(report(database, caplog)) == 1


# from the webhook on


def test_an_answer_that_is_near_is_read_and_kept_with_its_text(database):
    message = {"from": ANA_ID, "from_user_id": ID, "id": "wamid.in", "timestamp": str(AT), "type": "text"}
    body = make_body(make_value(messages=[message | {"text": {"body": "talvez eu queira sair da lista"}}]))
    assert receive(database, body, body).counts == {"answers to review": 1}
    assert [(row.recipient_key, row.text) for row in read_reviews(database)] == [
        (ANA, "talvez eu queira sair da lista")
    ]
    assert not is_suppressed(database)


@pytest.mark.parametrize("decide", [reviews.accept, reviews.dismiss])
def test_a_decision_about_no_answer_is_refused(database, decide):
    with pytest.raises(Refusal) as caught:
        decide(database, [], actor=TESTER)
    assert caught.value.code == "reviews_missing"
