"""Slices of campaigns whose account may not send, or may not send one category."""

from __future__ import annotations

import pytest

from campaigns.config import Settings
from campaigns.domain.failures import UNKNOWN_NUMBER
from campaigns.management.accounts import activate_account
from campaigns.management.test_sends import start_test
from campaigns.sending.run import run_slice
from campaigns.sending.start import begin_slice
from campaigns.store.events import write_template_details
from tests.store.rows import add_campaign, add_message, add_messages, add_template, fetch
from tests.support.actors import TESTER

OFF = "error:131063"


@pytest.fixture
def tools(make_tools, far):
    far.script(limits={"messages_per_second": 0})
    return make_tools(f"{far.url}/v24.0", retry_seconds=0.01)


@pytest.fixture
def start(database, far):
    """Adds a running campaign of a category, which is `known_as` at Meta; returns its id."""
    registered = []

    def start_one(category, *account_ids, people=20, known_as=None):
        name = f"template_{len(registered)}"
        registered.append({"name": name, "category": known_as or category})
        far.script(templates=registered)
        template_id = database.run(add_template, name=name, category=category)
        campaign_id = database.run(add_campaign, accounts=account_ids, template_id=template_id)
        database.run(add_messages, campaign_id, people)
        return campaign_id

    return start_one


@pytest.fixture
def run(tools, database):
    """Runs slices of a campaign until it waits or has ended; returns its status and its reason to wait."""

    def run_all(campaign_id):
        while (context := begin_slice(campaign_id, tools)) is not None:
            if not run_slice(context, tools):
                break
        return fetch(database, "SELECT status::text, waiting_reason FROM campaigns WHERE id = %s", campaign_id)[0]

    return run_all


def refuse(far, number, outcome=OFF):
    far.script(accounts={number: {"category_outcomes": {"MARKETING": outcome}}})


def read_categories(database):
    return fetch(database, "SELECT category, inactive_since IS NULL FROM account_categories ORDER BY category")


@pytest.mark.parametrize("code", [131063, 131064, 134102])
def test_marketing_waits_and_utility_by_the_same_account_is_sent(database, far, add_sender, start, run, code):  # noqa: PLR0917
    account_id = add_sender()
    refuse(far, "1", f"error:{code}")
    marketing = start("MARKETING", account_id)
    assert run(marketing) == ("running", "no_active_account")
    assert fetch(database, "SELECT DISTINCT status::text FROM messages") == ["pending"]
    assert fetch(database, "SELECT active, consecutive_failures FROM accounts") == [(True, 0)]
    assert run(start("UTILITY", account_id)) == ("completed", None)
    refuse(far, "1", "ok")
    fetch(database, "UPDATE campaigns SET due_at = NULL")
    assert run(marketing) == ("running", "no_active_account")  # until an operator activates the account again
    activate_account(database, "1", actor=TESTER)
    assert run(marketing) == ("completed", None)
    assert far.stats()["max_accepted_per_recipient"] == 1


def test_no_message_uses_up_its_attempts_before_an_account_is_deactivated(database, far, add_sender, start, run):
    refuse(far, "1")
    assert run(start("UTILITY", add_sender(), people=300, known_as="MARKETING")) == ("running", "no_active_account")
    assert fetch(database, "SELECT DISTINCT status::text FROM messages") == ["pending"]
    assert fetch(database, "SELECT max(attempts) FROM messages")[0] < Settings().max_attempts
    assert fetch(database, "SELECT category FROM templates") == ["MARKETING"]


def test_an_account_that_sends_some_of_a_category_keeps_it(database, far, add_sender, start, run):
    """Refusals for some people come between successes, so they are not consecutive."""
    account_id = add_sender()
    campaign_id = start("MARKETING", account_id, people=0)
    fetch(database, "UPDATE campaigns SET interval_seconds = 0.001")  # one at a time
    for number in range(12):
        ending = "131063" if number % 2 else "000000"
        database.run(add_message, campaign_id, phone=f"+551198{number:02}{ending}")
    far.script(built_in_suffixes=False, suffixes={"131063": ["error:131063*1", "ok"]})
    assert run(campaign_id) == ("completed", None)
    assert read_categories(database) == [("MARKETING", True)]


def test_another_category_of_the_template_counts_from_the_next_slice_on(database, far, add_sender, start, run):
    account_id = add_sender()
    refuse(far, "1")
    assert run(start("MARKETING", account_id)) == ("running", "no_active_account")
    campaign_id = start("UTILITY", account_id)
    database.run(write_template_details, "22", "template_1", "en", category="MARKETING", at=None)
    assert run(campaign_id) == ("running", "no_active_account")
    assert far.stats()["accepted"] == 0
    database.run(write_template_details, "22", "template_1", "en", category="UTILITY", at=None)
    fetch(database, "UPDATE campaigns SET due_at = NULL")
    assert run(campaign_id) == ("completed", None)


def test_a_test_send_waits_like_its_campaign(database, far, add_sender, start, run):
    account_id = add_sender()
    refuse(far, "1")
    campaign_id = start("MARKETING", account_id)
    assert run(campaign_id) == ("running", "no_active_account")
    fetch(database, "UPDATE campaigns SET recipient_count = 20")
    test_id = start_test(database, campaign_id, ["+5511987654321"], actor=TESTER)
    assert run(test_id) == ("running", "no_active_account")
    assert fetch(database, "SELECT attempts FROM messages WHERE campaign_id = %s", test_id) == [0]


def test_an_account_with_an_unknown_number_keeps_the_code_that_names_the_cause(database, far, add_sender, start, run):
    """Meta's code 100 alone would mean that a variable is wrong."""
    far.script(accept_unknown_accounts=False, accounts={"2": {}})
    assert run(start("UTILITY", add_sender())) == ("running", "no_active_account")
    (failures,) = fetch(database, "SELECT failures FROM accounts")
    assert {each["code"] for each in failures} == {UNKNOWN_NUMBER.code}
