from __future__ import annotations

import datetime as dt
import hashlib

import pytest

from campaigns.store.optouts.reviews import Answer, open_reviews
from campaigns.store.optouts.suppressions import find_suppressed
from tests.store.rows import add_account, add_campaign, add_message, claim, fetch, take

ANA, BIA = "+5511999990001", "+5511999990002"
NOON = dt.datetime(2026, 11, 28, 12, tzinfo=dt.UTC)


@pytest.fixture
def add(revoada, database):
    """Opens a review; returns its id."""

    def add_one(text="não sei", key=ANA, minutes=0, message_id=None):
        digest = hashlib.sha256(f"{key}{text}{minutes}".encode()).digest()
        said_at = NOON + dt.timedelta(minutes=minutes)
        answer = Answer(key, digest, "word", "sei", text, said_at, "1065", message_id)
        ((review_id, _),) = database.run(open_reviews, [answer])
        return str(review_id)

    return add_one


def test_nothing_to_decide_is_said_in_a_sentence(revoada):
    assert revoada.ok("optouts", "review") == "No answer waits for a decision.\n"
    assert revoada.json("optouts", "review") == []


def test_answers_are_listed_with_what_a_person_needs_to_decide(revoada, add, database):
    account_id = database.run(add_account, name="sales", phone_number_id="1065")
    campaign_id = database.run(add_campaign)
    message_id = database.run(add_message, campaign_id, "sent", account_id=account_id, phone=ANA)
    add("quem é?", message_id=message_id)
    newest = add("talvez pare", minutes=5)
    other = add("hmm", BIA)
    output = revoada.ok("optouts", "review", REVOADA_TIMEZONE="America/Sao_Paulo")
    lines = output.splitlines()
    row = next(line for line in lines if "+5511…01" in line).split()
    assert row[:7] == [newest, "+5511…01", "2026-11-28", "09:05:00", "-03", "sales", str(campaign_id)]
    assert row[7:] == ["quem", "é?", "/", "talvez", "pare"]
    assert next(line for line in lines if "+5511…02" in line).split()[0] == other
    assert lines[-1].startswith("2 reviews to decide, no marketing until then: revoada optouts accept ID")
    rows = revoada.json("optouts", "review")
    assert [(row["id"], row["person"], row["answer_count"]) for row in rows] == [
        (int(newest), "+5511…01", 2),
        (int(other), "+5511…02", 1),
    ]
    assert (rows[0]["said_at"], rows[0]["text"]) == ("2026-11-28T12:05:00+00:00", "quem é? / talvez pare")
    assert ANA[1:] not in output


def test_a_terminal_obeys_nothing_that_a_person_wrote(revoada, add):
    add("\x1b[31mpare\x1b]0;x\x07\r\x9b2J\u202etalvez")
    for arguments in (("optouts", "review"), ("optouts", "review", "--json")):
        output = revoada.ok(*arguments)
        assert not [each for each in output if not each.isprintable() and each != "\n"]
        assert "pare" in output


def test_somebody_known_by_a_user_id_is_listed_too(revoada, add):
    add("hmm", "US.13491208655302741918")
    assert "US.13…18" in revoada.ok("optouts", "review")


def test_accepting_suppresses(revoada, add, database):
    ids = [add(), add("chega", BIA)]
    output = revoada.ok("optouts", "accept", *ids)
    assert output == "2 people suppressed as of the answer (2 answers).\n"
    assert database.run(find_suppressed, [ANA, BIA]) == {ANA, BIA}
    assert [row["since"] if "since" in row else row["at"] for row in revoada.json("suppress", "list")] == [
        "2026-11-28T12:00:00+00:00"
    ] * 2


def test_dismissing_says_what_goes_again_and_what_does_not_and_rings(revoada, add, database):
    review_id = add()
    running, ended = database.run(add_campaign), database.run(add_campaign)
    for campaign_id in (running, ended):
        database.run(add_message, campaign_id, phone=ANA)
        database.run(take, campaign_id)
        database.run(claim, campaign_id, 1, accounts=[1])
    fetch(database, "UPDATE campaigns SET status = 'completed', completed_at = now() WHERE id = %s", ended)
    assert revoada.ok("optouts", "dismiss", review_id) == (
        "1 person may get marketing again (1 answer). 1 skipped message will be sent after all."
        " 1 message of campaigns that have ended stays unsent.\n"
    )
    assert revoada.enqueued == [running]


def test_a_second_decision_is_refused_in_a_sentence(revoada, add):
    review_id = add()
    revoada.ok("optouts", "dismiss", review_id)
    line = revoada.refusal("optouts", "accept", review_id)
    assert line.startswith(f"Review {review_id} was dismissed at ")
    assert line.endswith(" UTC. Nothing was changed.")
    assert revoada.refusal("optouts", "dismiss", "77") == "Review 77 does not exist. Nothing was changed."


def test_a_decision_about_answers_that_were_not_read_is_refused(revoada, add):
    shown = add("talvez")
    newest = add("me tira disso", minutes=5)
    for decision in ("accept", "dismiss"):
        line = revoada.refusal("optouts", decision, shown)
        assert line.startswith(f"The author of review {shown} has a newer answer, which you may not have read.")
        assert line.endswith("look again with `revoada optouts review`.")
    assert revoada.ok("optouts", "dismiss", newest) == "1 person may get marketing again (2 answers).\n"


def test_the_reason_is_shown_with_its_campaign(revoada, add, database):
    add()
    campaign_id = database.run(add_campaign)
    database.run(add_message, campaign_id, phone=ANA)
    database.run(take, campaign_id)
    database.run(claim, campaign_id, 1, accounts=[1])
    assert "it waits for review" in revoada.ok("campaign", "show", str(campaign_id))
    output = revoada.ok("campaign", "errors", str(campaign_id))
    assert "1 message suppressed: -2 an answer of this person may be an opt-out; it waits for review" in output
    assert "revoada optouts review" in output


def test_who_stopped_by_a_user_id_is_listed_until_a_number_is_known(revoada, database):
    fetch(database, "INSERT INTO suppressions VALUES ('US.1', 'word', true, now()), ('US.2', 'word', true, now()),"
                    " (%s, 'word', true, now())", ANA)  # fmt: skip
    fetch(database, "INSERT INTO user_ids VALUES ('US.2', %s, now())", ANA)
    assert {row["recipient_key"] for row in revoada.json("suppress", "list")} == {"US.1", ANA}


def test_the_text_of_an_old_answer_is_erased_and_its_author_still_gets_no_marketing(revoada, add, database):
    old, new = add("quem é?"), add("não sei", BIA)
    fetch(database, "UPDATE optout_reviews SET said_at = now() WHERE id = %s", int(new))
    fetch(database, "UPDATE optout_reviews SET said_at = now() - interval '31 days' WHERE id = %s", int(old))
    shown = revoada.ok("retention", "--days", "30", "--dry-run")
    assert "The text of 1 answer that waits for a decision would be erased." in shown
    assert "quem é?" in revoada.ok("optouts", "review")
    assert "The text of 1 answer that waits for a decision is erased." in revoada.ok("retention", "--days", "30")
    output = revoada.ok("optouts", "review")
    assert "quem é?" not in output
    assert "não sei" in output
    assert "(erased, because nobody decided in time)" in output
    assert fetch(database, "SELECT count(*) FROM optout_reviews WHERE decided_at IS NULL") == [2]
    assert "answer" not in revoada.ok("retention", "--days", "30")
    revoada.ok("optouts", "accept", old)
    assert database.run(find_suppressed, [ANA, BIA]) == {ANA}
