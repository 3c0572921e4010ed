import json

import pytest
from psycopg import errors

from campaigns.domain.message import Write
from campaigns.domain.phone.person import recipient_key
from campaigns.domain.recipients import Choice
from campaigns.domain.settlement import Release
from campaigns.domain.statement import Refusal
from campaigns.management.accounts import add_account as add_real_account
from campaigns.management.accounts import add_template
from campaigns.management.campaigns import CampaignChanges, create_campaign
from campaigns.management.drafts.imports import add_recipients
from campaigns.management.recipients import Reading
from campaigns.management.suppressions import lift_phones, suppress_phones
from campaigns.privacy.erasure import forget
from campaigns.privacy.forgotten_people import ForgettingError
from campaigns.secrets import PersonHasher, make_key
from campaigns.store.events import DeferredEvent, EventStatus, defer_events, insert_events
from campaigns.store.hooks.hooks import insert_hook
from campaigns.store.messages import ReleaseRow, merge_evidence, release_messages
from tests.store.rows import (
    Beside,
    add_account,
    add_campaign,
    add_message,
    allowing_only,
    await_blocked,
    claim,
    fetch,
    find_wrong_counters,
    hold,
    make_report,
    make_reports,
    read_clock,
    read_message,
    read_statuses,
    receive,
    say,
    take,
)
from tests.support.actors import TESTER
from tests.webhooks.webhook_bodies import make_body, make_status, make_value

KEY = make_key()
ANA, ANA_ID, BIA = "+5511987650001", "551187650001", "+5511987650002"


@pytest.fixture
def draft(database, tmp_path):
    """Makes a draft of a list of phones."""
    add_real_account(database, "sales", phone_number_id="1", waba_id="1", token="t", secret_key=KEY, actor=TESTER)
    add_template(database, "promo", language="en", body="Hi {{1}}!", actor=TESTER)
    file = tmp_path / "people.csv"

    def make(*phones, key=KEY):
        file.write_text("phone,name,consent\n" + "".join(f"{phone},Someone,shop\n" for phone in phones))
        changes = CampaignChanges(name="Sale", template="promo:en", accounts=["sales"])
        return create_campaign(database, changes, file, time_zone="UTC", secret_key=key, actor=TESTER).id

    return make


def dump(database):
    """Everything that the database holds, as text."""
    tables = fetch(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    rows = [str(row) for table in tables for row in fetch(database, f'SELECT t::text FROM "{table}" t')]
    bodies = fetch(database, "SELECT encode(body, 'escape') FROM webhook_events")
    return "\n".join(rows + bodies)


def test_what_is_held_of_a_person_is_gone_in_every_form_of_the_number(database):
    details = json.dumps([{"code": 1, "details": f"to {ANA_ID}", "message_id": 1}])
    account_id = database.run(add_account, failures=details)
    fetch(
        database,
        "INSERT INTO account_events (account_id, kind, details) VALUES (%s, 'deactivated', %s)",
        account_id,
        json.dumps({"errors": [{"details": ANA}]}),
    )
    fetch(
        database,
        "INSERT INTO account_categories (account_id, category, activated_at, failures)"
        " VALUES (%s, 'UTILITY', now(), %s)",
        account_id,
        details,
    )
    ids = []
    for status in ("sent", "failed", "pending", "uncertain", "read"):
        campaign_id = database.run(add_campaign)
        test_id = database.run(add_campaign, "completed", test_of=campaign_id)
        about = {"variables": ["Ana Silva"], "error_details": f"to {ANA_ID}", "error_title": "No"}
        about["consent"] = "signed by A. Silva"
        ids.append(database.run(add_message, campaign_id, status, phone=ANA, **about))
        database.run(add_message, campaign_id, status, phone=BIA, variables=["Bia"])
        database.run(add_message, test_id, "sent", phone="+5511900000000", variables=["Ana Silva"])
    fetch(database, "UPDATE messages SET wamid = 'wamid.of.ana' WHERE id = %s", ids[0])
    pieces = [make_reports(make_status(recipient_id=ANA_ID)), make_reports(make_status(id="wamid.of.ana"))]
    deferred = [
        DeferredEvent(EventStatus.UNMATCHED, "?", read_clock(database), pieces[0]),
        DeferredEvent(EventStatus.SET_ASIDE, "?", read_clock(database), pieces[1]),
    ]
    deferred.append(
        DeferredEvent(
            EventStatus.UNMATCHED, "?", read_clock(database), make_reports(make_status(recipient_id="551187650002"))
        )
    )
    database.run(defer_events, deferred, retry_seconds=1)
    fetch(database, "INSERT INTO stop_replies (phone_number_id, phone, received_at) VALUES ('1', %s, now())", ANA)
    suppress_phones(database, [ANA], reason="asked", actor=TESTER)
    with allowing_only(database, Write.OPERATOR):
        done = forget(database, "+" + ANA_ID, secret_key=KEY, actor=TESTER)
    assert (done.suppressed_count, done.erased.message_count, done.erased.event_count) == (1, 5, 2)
    held = dump(database)
    for trace in (ANA[1:], ANA_ID, "Ana Silva", "A. Silva", "wamid.of.ana"):
        assert trace not in held
    assert held.count(BIA) == 10  # phone and key of each of hers
    statuses = [read_message(database, each)["status"] for each in ids]
    assert statuses == ["sent", "failed", "suppressed", "uncertain", "read"]
    assert find_wrong_counters(database) == []


def test_what_was_pending_is_never_sent(database):
    campaign_id = database.run(add_campaign)
    database.run(add_message, campaign_id, phone=ANA)
    database.run(take, campaign_id)
    forget(database, ANA, secret_key=KEY, actor=TESTER)
    assert database.run(claim, campaign_id, 1, accounts=[1]).messages == []
    assert read_statuses(database, campaign_id) == ["suppressed"]


def test_a_message_on_the_wire_is_waited_for_and_not_tried_again(database):
    campaign_id = database.run(add_campaign)
    database.run(take, campaign_id)
    message_id = database.run(add_message, campaign_id, "sending", phone=ANA)
    with pytest.raises(Refusal, match="in flight: try again in a minute"):
        forget(database, ANA, secret_key=KEY, actor=TESTER)
    assert read_message(database, message_id)["phone"] == ANA
    row = ReleaseRow(message_id, 1, Release(0.0, refunds=True, code=2, title="busy"))
    assert database.run(release_messages, [row], campaign_ids=[campaign_id]) == {message_id}
    claimed = database.run(claim, campaign_id, 1, accounts=[1])
    assert (claimed.messages, claimed.suppressed_count) == ([], 1)
    assert forget(database, ANA, secret_key=KEY, actor=TESTER).erased.message_count == 1


def test_a_webhook_that_is_not_applied_yet_is_waited_for(database):
    database.run(insert_events, [make_reports(make_status(recipient_id=ANA_ID))])
    with pytest.raises(Refusal, match="not applied yet"):
        forget(database, ANA, secret_key=KEY, actor=TESTER)


def test_what_comes_back_from_the_wire_meanwhile_is_seen(database):
    """The release commits after `forget` has looked for pending messages, and before it erases."""
    campaign_id = database.run(add_campaign)
    message_id = database.run(add_message, campaign_id, "sending", phone=ANA)

    def release(connection):
        row = ReleaseRow(message_id, 1, Release(0.0, refunds=True, code=2, title="busy"))
        release_messages(connection, [row], campaign_ids=[campaign_id])

    releasing, may_commit = hold(database, release)
    forgetting = Beside(forget, database, ANA, secret_key=KEY, actor=TESTER)
    may_commit.set()
    releasing.result()
    try:
        forgetting.result()
    except Refusal:
        assert read_message(database, message_id)["phone"] == ANA
    else:
        assert read_message(database, message_id)["phone"] is None
    assert read_statuses(database, campaign_id) != ["sending"]
    database.run(take, campaign_id)
    assert database.run(claim, campaign_id, 1, accounts=[1]).messages == []


def test_late_webhooks_still_climb_and_bring_nothing_back(database):
    account_id = database.run(add_account, phone_number_id="500600700")
    campaign_id = database.run(add_campaign, accounts=[account_id])
    message_id = database.run(add_message, campaign_id, "sent", phone=ANA, account_id=account_id)
    forget(database, ANA, secret_key=KEY, actor=TESTER)
    receive(database, make_reports(make_report(database, message_id, "read")))
    row = read_message(database, message_id)
    assert (row["status"], row["wamid"], row["phone"]) == ("read", f"erased.{message_id}", None)


def test_a_late_refusal_does_not_send_an_erased_message_again(database):
    accounts = [database.run(add_account, phone_number_id=number) for number in ("500600700", "500600701")]
    campaign_id = database.run(add_campaign, accounts=accounts)
    message_id = database.run(add_message, campaign_id, "sent", phone=ANA, account_id=accounts[0])
    forget(database, ANA, secret_key=KEY, actor=TESTER)
    errors_ = [{"code": 131031, "title": "Locked", "error_data": {"details": f"to {ANA_ID}"}}]
    receive(database, make_body(make_value(make_report(database, message_id, "failed", errors=errors_))))
    row = read_message(database, message_id)
    assert (row["status"], row["error_code"], row["error_details"]) == ("failed", 131031, None)


def test_only_what_has_ended_may_be_erased(database):
    message_id = database.run(add_message, database.run(add_campaign))
    with pytest.raises(errors.CheckViolation):
        fetch(database, "UPDATE messages SET phone = NULL, recipient_key = NULL WHERE id = %s", message_id)


def test_a_new_list_does_not_bring_a_forgotten_person_back(database, draft):
    forget(database, ANA, secret_key=KEY, actor=TESTER)
    campaign_id = draft(f"+{ANA_ID}", BIA)
    rows = fetch(database, "SELECT status::text, phone, variables FROM messages ORDER BY id")
    assert rows == [("suppressed", None, []), ("pending", BIA, ["Someone"])]
    assert ANA_ID not in dump(database)
    assert find_wrong_counters(database) == []
    assert campaign_id


def test_nor_does_a_list_that_is_added_later(database, draft, tmp_path):
    campaign_id = draft(BIA)
    forget(database, ANA, secret_key=KEY, actor=TESTER)
    (tmp_path / "more.csv").write_text(f"phone,name\n{ANA},Ana\n")
    add_recipients(
        database,
        campaign_id,
        tmp_path / "more.csv",
        Reading(choice=Choice(mapping={"1": "name"})),
        secret_key=KEY,
        actor=TESTER,
    )
    assert read_statuses(database, campaign_id) == ["pending", "suppressed"]


def test_a_list_that_is_read_at_that_moment_does_not_either(database, draft, monkeypatch):
    """The import has inserted its rows, uncommitted, when the person is forgotten."""
    from campaigns.management import campaigns  # noqa: PLC0415

    real, forgetting = campaigns.suppress_forgotten, []

    def forget_meanwhile(connection, campaign_id, *, secret_key):
        forgetting.append(Beside(forget, database, ANA, secret_key=KEY, actor=TESTER))
        forgetting[0].result()
        return real(connection, campaign_id, secret_key=secret_key)

    monkeypatch.setattr(campaigns, "suppress_forgotten", forget_meanwhile)
    assert read_statuses(database, draft(ANA, BIA)) == ["suppressed", "pending"]
    assert ANA not in dump(database)


def test_who_is_forgotten_right_after_an_import_looked_waits_for_it(database, draft, monkeypatch):
    from campaigns.management import campaigns  # noqa: PLC0415

    real, forgetting = campaigns.suppress_forgotten, []

    def forget_after(connection, campaign_id, *, secret_key):
        count = real(connection, campaign_id, secret_key=secret_key)
        forgetting.append(Beside(forget, database, ANA, secret_key=KEY, actor=TESTER))
        await_blocked(database)
        return count

    monkeypatch.setattr(campaigns, "suppress_forgotten", forget_after)
    campaign_id = draft(ANA, BIA)
    assert forgetting[0].result().erased.message_count == 1
    assert read_statuses(database, campaign_id) == ["suppressed", "pending"]
    assert ANA not in dump(database)


def test_only_a_hash_is_kept_and_it_needs_the_key(database):
    suppress_phones(database, [ANA], reason=None, actor=TESTER)
    forget(database, ANA, secret_key=KEY, actor=TESTER)
    forget(database, ANA, secret_key=KEY, actor=TESTER)
    (hasher,) = PersonHasher.list_all(KEY)
    kept = fetch(database, "SELECT person, key_id, source FROM forgotten")
    assert [(bytes(person), bytes(key_id), source) for person, key_id, source in kept] == [
        (hasher.hash(recipient_key(ANA)), hasher.key_id, "manual")
    ]
    assert fetch(database, "SELECT count(*) FROM suppressions") == [0]
    assert PersonHasher.list_all(make_key())[0].hash(recipient_key(ANA)) != hasher.hash(recipient_key(ANA))


def test_under_another_key_a_list_is_refused_rather_than_not_checked(database, draft):
    draft(ANA, key=None)  # nobody was forgotten yet: no key is needed
    forget(database, ANA, secret_key=KEY, actor=TESTER)
    with pytest.raises(ForgettingError, match="under another REVOADA_SECRET_KEY"):
        draft(BIA, key=make_key())
    with pytest.raises(ForgettingError, match="REVOADA_SECRET_KEY is not set"):
        draft(BIA, key=None)
    with pytest.raises(ForgettingError, match="under another"):
        forget(database, BIA, secret_key=make_key(), actor=TESTER)
    assert fetch(database, "SELECT count(*) FROM campaigns") == [1]


def test_a_person_who_wants_back_is_taken_back(database, draft):
    forget(database, ANA, secret_key=KEY, actor=TESTER)
    assert lift_phones(database, [ANA, BIA], secret_key=KEY, actor=TESTER) == [True, False]
    assert read_statuses(database, draft(ANA)) == ["pending"]


def test_evidence_of_a_reply_leaves_no_wamid_on_an_erased_message(database):
    message_id = database.run(add_message, database.run(add_campaign), "uncertain", phone=ANA)
    forget(database, ANA, secret_key=KEY, actor=TESTER)
    database.run(merge_evidence, [say(message_id, "sent", wamid="wamid.x", sent_at="2026-10-01T12:00Z")])
    row = read_message(database, message_id)
    assert row["wamid"] != "wamid.x"


def test_a_forgotten_person_still_counts_for_the_daily_limit_without_a_name(database):
    fetch(database, "INSERT INTO portfolios (name, daily_limit) VALUES ('company', 10)")
    row = "INSERT INTO portfolio_people (portfolio_id, recipient_key, until) VALUES (1, %s, now() + interval '1 day')"
    fetch(database, row, recipient_key(ANA))
    fetch(database, row, recipient_key(BIA))
    campaign_id = database.run(add_campaign)
    database.run(add_message, campaign_id, "sent", phone=ANA)
    forget(database, ANA, secret_key=KEY, actor=TESTER)
    keys = fetch(database, "SELECT recipient_key FROM portfolio_people ORDER BY 1")
    assert (keys[0], keys[1].split(".")[0]) == (recipient_key(BIA), "erased")
    assert fetch(database, "SELECT people_count FROM portfolios") == [2]


def test_an_event_for_a_hook_loses_the_phone(database):
    database.run(insert_hook, "https://example.com/", types=["person.opted_out"], secret=b"sealed")
    suppress_phones(database, [ANA], actor=TESTER, reason=None)
    assert ANA in dump(database)
    forget(database, ANA, actor=TESTER, secret_key=KEY)
    assert ANA not in dump(database)
    assert set(fetch(database, "SELECT type FROM hook_events")) == {"person.opted_out"}
