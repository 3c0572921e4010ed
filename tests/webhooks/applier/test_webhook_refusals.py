"""What Meta's `failed` does beyond the row: another account's turn, the second streak, an opt-out."""

import pytest

from campaigns.domain.message import Write
from campaigns.store.accounts import activate_account, load_campaign_accounts
from campaigns.store.events import find_usable_accounts
from tests.store.rows import (
    add_account,
    add_campaign,
    add_message,
    add_template,
    allowing_only,
    claim,
    fetch,
    find_wrong_counters,
    make_report,
    make_reports,
    read_message,
    receive,
    take,
)
from tests.webhooks.webhook_bodies import make_status

BROKE = [{"code": 131042, "title": "Payment issue"}]
NUMBER, OTHER_NUMBER = "500600700", "500600701"


@pytest.fixture
def account_id(database):
    return database.run(add_account, phone_number_id=NUMBER, activated_at="2020-01-01T00:00Z")


@pytest.fixture
def other_id(database):
    return database.run(add_account, phone_number_id=OTHER_NUMBER, activated_at="2020-01-01T00:00Z")


@pytest.fixture
def campaign_id(database, account_id, other_id):
    campaign_id = database.run(add_campaign, accounts=[account_id, other_id])
    database.run(take, campaign_id)
    return campaign_id


@pytest.fixture
def add(database, account_id, campaign_id):
    return lambda status="sent", **columns: database.run(
        add_message, campaign_id, status, **{"account_id": account_id} | columns
    )


@pytest.fixture
def tell(database):
    """Stores and applies one report of a message."""

    def tell_one(message_id, status="failed", errors=BROKE, send_no=1, number=NUMBER, **changes):
        report = make_report(database, message_id, status, send_no, errors=errors, **changes)
        return receive(database, make_reports(report, number=number))

    return tell_one


def read_account(database, account_id):
    return fetch(database, "SELECT consecutive_reported, active FROM accounts WHERE id = %s", account_id)[0]


@pytest.mark.parametrize("status", ["sending", "uncertain", "held", "sent"])
def test_a_fault_of_the_account_moves_the_message_to_another(database, add, tell, account_id, other_id, status):  # noqa: PLR0917
    message_id = add(status)
    with allowing_only(database, Write.RUNNER):
        assert tell(message_id).counts["moved"] == 1
    row = read_message(database, message_id)
    assert (row["status"], row["refused_by"], row["error_code"]) == ("pending", [account_id], 131042)
    claimed = database.run(claim, row["campaign_id"], 1, accounts=[account_id, other_id])
    assert [(message.account_id, message.send_no) for message in claimed.messages] == [(other_id, 2)]
    assert find_wrong_counters(database) == []


@pytest.mark.parametrize("status", ["delivered", "read", "failed", "cancelled"])
def test_what_is_settled_better_is_not_moved(database, add, tell, account_id, status):
    message_id = add(status)
    assert tell(message_id).counts["moved"] == 0
    assert read_message(database, message_id)["status"] == status
    assert read_account(database, account_id) == (0, True)


def test_a_refusal_that_comes_twice_moves_and_counts_once(database, add, tell, account_id):
    message_id = add(wamid="wamid.one")
    tell(message_id, id="wamid.one")
    before = read_message(database, message_id)
    assert tell(message_id, id="wamid.one").counts["moved"] == 0
    assert read_account(database, account_id) == (1, True)
    assert read_message(database, message_id) == before


def test_two_copies_in_one_body_count_once(database, add, account_id):
    report = make_report(database, add(), "failed", errors=BROKE)
    receive(database, make_reports(report, report))
    assert read_account(database, account_id) == (1, True)


def test_a_late_copy_does_not_move_the_next_send(database, add, tell, campaign_id, account_id, other_id):  # noqa: PLR0917
    message_id = add()
    tell(message_id)
    database.run(claim, campaign_id, 1, accounts=[other_id], active=[account_id, other_id])
    tell(message_id)
    row = read_message(database, message_id)
    assert (row["status"], row["send_no"], row["account_id"]) == ("sending", 2, other_id)


def test_a_late_copy_without_callback_data_does_not_move_the_next_send(database, account_id):
    """With one account the round starts again: the second send is on the wire when the copy of the first comes."""
    alone = database.run(add_campaign, accounts=[account_id])
    database.run(take, alone)
    message_id = database.run(add_message, alone, "sent", account_id=account_id, wamid="wamid.first")
    refusal = make_status(id="wamid.first", status="failed", errors=BROKE, biz_opaque_callback_data=None)
    receive(database, make_reports(refusal))
    fetch(database, "UPDATE messages SET not_before = clock_timestamp()")
    database.run(claim, alone, 1, accounts=[account_id])
    receive(database, make_reports(refusal))
    row = read_message(database, message_id)
    assert (row["status"], row["send_no"]) == ("sending", 2)


def test_a_late_sent_of_the_refused_send_does_not_settle_the_message(database, add, tell):
    message_id = add()
    tell(message_id)
    tell(message_id, "sent")
    assert read_message(database, message_id)["status"] == "pending"


def test_a_late_sent_of_the_refused_send_does_not_settle_the_next(database, add, tell, campaign_id, other_id):
    """Else the next send, throttled by Meta, is never tried again: its person is skipped in silence."""
    message_id = add()
    tell(message_id)
    database.run(claim, campaign_id, 1, accounts=[other_id])
    tell(message_id, "sent")
    assert read_message(database, message_id)["status"] == "sending"


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_in_a_campaign_that_is_over_a_refusal_is_a_failure(database, account_id, tell, status):
    campaign_id = database.run(add_campaign, status, accounts=[account_id])
    message_id = database.run(add_message, campaign_id, "sent", account_id=account_id)
    with allowing_only(database, Write.EVIDENCE):
        assert tell(message_id).counts["moved"] == 0
    assert read_message(database, message_id)["status"] == "failed"
    assert read_account(database, account_id) == (1, True)


def test_the_last_attempt_is_not_moved_but_failed(database, add, tell):
    message_id = add(attempts=5, send_no=5)
    tell(message_id, send_no=5)
    row = read_message(database, message_id)
    assert (row["status"], row["error_code"], row["error_title"]) == ("failed", 131042, "Payment issue")


def test_without_an_active_account_the_message_waits_for_one(database, add, tell):
    message_id = add()
    fetch(database, "UPDATE accounts SET active = false, inactive_reason = 'a person'")
    tell(message_id)
    row = read_message(database, message_id)
    assert (row["status"], row["attempts"]) == ("pending", 0)


def test_the_limit_deactivates_with_an_event_that_keeps_the_errors(database, add, tell, account_id):
    for number in range(5):
        assert read_account(database, account_id) == (number, True)
        tell(add())
    assert read_account(database, account_id) == (5, False)
    ((kind, details),) = fetch(database, "SELECT kind, details FROM account_events")
    assert (kind, details["source"]) == ("deactivated", "webhooks")
    assert [error["code"] for error in details["errors"]] == [131042] * 5


def test_five_in_one_body_deactivate_as_well(database, add, account_id):
    receive(database, make_reports(*(make_report(database, add(), "failed", errors=BROKE) for _ in range(7))))
    assert read_account(database, account_id) == (5, False)


@pytest.mark.parametrize("status", ["sent", "delivered"])
def test_good_news_of_a_message_resets_the_streak(database, add, tell, account_id, status):
    tell(add())
    tell(add(), status)
    assert read_account(database, account_id) == (0, True)


def test_a_fault_of_the_recipient_neither_counts_nor_resets(database, add, tell, account_id):
    tell(add())
    tell(add(), errors=[{"code": 131026, "title": "Undeliverable"}])
    assert read_account(database, account_id) == (1, True)


def test_a_late_sent_of_a_refused_message_does_not_reset(database, add, tell, account_id):
    """Meta's `sent` and `failed` of one message count the same in any order and in any batch."""
    message_id = add()
    tell(message_id, seconds=1)
    tell(message_id, "sent", seconds=0)
    assert read_account(database, account_id) == (1, True)


@pytest.mark.parametrize("status", ["failed", "sent"])
def test_messages_sent_before_the_last_activation_do_not_count(database, add, tell, account_id, status):
    old = add()
    fetch(database, "UPDATE accounts SET activated_at = clock_timestamp() WHERE id = %s", account_id)
    tell(add(claimed_at="2099-01-01T00:00Z"))
    tell(old, status)
    assert read_account(database, account_id) == (1, True)


def test_an_activated_account_starts_from_zero(database, add, tell, account_id):
    for _ in range(5):
        tell(add())
    database.run(activate_account, account_id)
    tell(add())
    assert read_account(database, account_id) == (0, True)


def test_the_other_account_is_not_counted_against(database, add, tell, other_id):
    tell(add())
    assert read_account(database, other_id) == (0, True)


def test_who_wants_no_more_is_suppressed(database, add, tell):
    message_id = add()
    tell(message_id, errors=[{"code": 131050, "title": "Opted out"}])
    row = read_message(database, message_id)
    assert row["status"] == "failed"
    suppressed = fetch(database, "SELECT recipient_key, source, detail, is_active, at FROM suppressions")
    assert suppressed == [(row["recipient_key"], "meta", "131050", True, row["failed_at"])]


# refusals about one category of the account's templates

OFF = [{"code": 131063, "title": "Marketing is off"}]


@pytest.fixture
def start(database, account_id):
    """Starts a campaign whose template has this category; returns its id."""

    def start_one(category, *others, **template):
        template_id = database.run(add_template, category=category, **template)
        campaign_id = database.run(add_campaign, accounts=[account_id, *others], template_id=template_id)
        database.run(take, campaign_id)
        return campaign_id

    return start_one


@pytest.fixture
def refuse(database, account_id):
    """Adds messages that the account sent, and lets Meta refuse them all in one body."""

    def refuse_some(campaign_id, count=6, code=131063):
        ids = [database.run(add_message, campaign_id, "sent", account_id=account_id) for _ in range(count)]
        errors = [{"code": code, "title": "Marketing is off"}]
        receive(database, make_reports(*(make_report(database, each, "failed", errors=errors) for each in ids)))
        return ids

    return refuse_some


def read_categories(database):
    statement = "SELECT category, jsonb_array_length(reported), inactive_code FROM account_categories ORDER BY category"
    return fetch(database, statement)


def find_usable(database, campaign_id):
    return database.run(find_usable_accounts, [campaign_id])[campaign_id]


@pytest.mark.parametrize("code", [131063, 131064, 134102])
def test_six_refusals_of_marketing_end_marketing_by_the_account_and_not_the_account(
    database, account_id, start, refuse, code
):
    marketing, utility = start("MARKETING"), start("UTILITY")
    ids = refuse(marketing, code=code)
    assert read_account(database, account_id) == (0, True)
    assert read_categories(database) == [("MARKETING", 5, code)]
    assert {read_message(database, each)["status"] for each in ids} == {"pending"}
    assert find_usable(database, marketing) == set()
    assert find_usable(database, utility) == {account_id}


def test_a_refused_category_goes_by_another_account(database, other_id, start, refuse):
    campaign_id = start("MARKETING", other_id)
    ids = refuse(campaign_id)
    assert find_usable(database, campaign_id) == {other_id}
    # A plan of Postgres decides which of them is released first.
    claimed = database.run(claim, campaign_id, 1, accounts=[other_id] * len(ids))
    assert {message.id for message in claimed.messages} == {*ids}


def test_without_an_account_for_the_category_a_refused_message_waits_and_loses_no_attempt(database, start, refuse):
    campaign_id = start("MARKETING")
    refuse(campaign_id)
    (late,) = refuse(campaign_id, count=1)
    assert (read_message(database, late)["status"], read_message(database, late)["attempts"]) == ("pending", 0)


def test_utility_that_arrives_does_not_reset_the_streak_of_marketing(database, account_id, start, refuse, tell):
    marketing, utility = start("MARKETING"), start("UTILITY")
    refuse(marketing, count=4)
    tell(database.run(add_message, utility, "sent", account_id=account_id), "delivered")
    assert read_categories(database) == [("MARKETING", 4, None)]
    tell(database.run(add_message, marketing, "sent", account_id=account_id), "delivered")
    assert read_categories(database) == [("MARKETING", 0, None)]


def test_good_and_bad_news_of_a_category_in_one_body_count_in_their_order(database, account_id, start):
    campaign_id = start("MARKETING")
    good, bad, worse = (database.run(add_message, campaign_id, "sent", account_id=account_id) for _ in range(3))
    receive(
        database,
        make_reports(
            make_report(database, worse, "failed", errors=OFF, seconds=3),
            make_report(database, good, "delivered", seconds=2),
            make_report(database, bad, "failed", errors=OFF, seconds=1),
        ),
    )
    assert read_categories(database) == [("MARKETING", 1, None)]


def test_a_failure_of_the_account_leaves_the_streak_of_the_category(database, account_id, start, refuse, tell):
    campaign_id = start("MARKETING")
    refuse(campaign_id, count=2)
    tell(database.run(add_message, campaign_id, "sent", account_id=account_id))
    assert read_account(database, account_id) == (1, True)
    assert read_categories(database) == [("MARKETING", 2, None)]


def test_a_template_whose_category_nobody_knows_counts_as_marketing(database, start, refuse):
    campaign_id = start("")
    refuse(campaign_id)
    assert read_categories(database) == [("MARKETING", 5, 131063)]
    assert find_usable(database, campaign_id) == set()


@pytest.mark.parametrize("code", [131063, 134102])
def test_a_code_about_marketing_says_that_the_template_is_marketing(database, account_id, start, refuse, code, caplog):  # noqa: PLR0917
    """Otherwise every message would be tried in vain, and the failures would count against utility campaigns."""
    renamed, utility = start("UTILITY", name="news"), start("UTILITY")
    refuse(renamed, code=code)
    assert fetch(database, "SELECT category FROM templates ORDER BY name") == ["MARKETING", "UTILITY"]
    assert read_categories(database) == [("MARKETING", 5, code)]
    assert find_usable(database, renamed) == set()
    assert find_usable(database, utility) == {account_id}
    (record,) = [each for each in caplog.records if getattr(each, "event", "") == "template_recategorised"]
    assert record.getMessage() == f"Template news:en is MARKETING now, was UTILITY: Meta refused it with {code}"


def test_a_limit_for_wrong_categories_is_about_the_category_of_the_refused_template(database, start, refuse):
    campaign_id = start("UTILITY")
    refuse(campaign_id, code=131064)
    assert read_categories(database) == [("UTILITY", 5, 131064)]
    assert fetch(database, "SELECT DISTINCT category FROM templates") == ["UTILITY"]


def test_the_category_is_that_of_the_template_in_the_accounts_own_waba(database, account_id, start):
    campaign_id = start("UTILITY", name="news")
    assert database.run(load_campaign_accounts, [campaign_id]) == {campaign_id: {account_id: "UTILITY"}}
    database.run(add_template, name="news", waba_id="300", category="MARKETING")
    assert database.run(load_campaign_accounts, [campaign_id]) == {campaign_id: {account_id: "MARKETING"}}


def test_it_is_told_which_account_which_category_why_and_what_to_do(database, account_id, start, refuse, caplog):
    refuse(start("MARKETING"))
    (record,) = [each for each in caplog.records if getattr(each, "event", "") == "account_category_deactivated"]
    assert (record.levelname, record.account_id, record.category, record.code) == (
        "WARNING", account_id, "MARKETING", 131063,
    )  # fmt: skip
    told = record.getMessage()
    assert "sends no MARKETING templates any more, after 5 consecutive send failures: 131063 marketing over the" in told
    assert 'WhatsApp Manager, Account settings. Then "activate account account' in told


BLAMES = (
    "SELECT account_id, sum(failed_account), sum(failed_recipient), sum(failed_unknown) FROM account_samples GROUP BY 1"
)


def test_failures_that_webhooks_report_are_counted_once_by_account_and_blame(database, add, tell, account_id, other_id):
    away = [{"code": 131026, "title": "Undeliverable"}]
    moved, failed, named_none = add(), add(), add()
    for _ in range(2):
        tell(moved)
        tell(failed, errors=away)
        tell(named_none, errors=[])
        tell(add("delivered"), errors=away)
        tell(add(account_id=other_id), "sent", number=OTHER_NUMBER)
    assert fetch(database, BLAMES) == [(account_id, 1, 1, 1)]
