"""If Meta refuses one category of templates from an account, the account still sends the other categories."""

from __future__ import annotations

import pytest
from harness import Account, Campaign, Flow, wait_for

BODY = "Oi {{1}}, hoje {{2}}."
ADVICE = "Allow marketing over the Cloud API: WhatsApp Manager, Account settings."


def give_categories(flow: Flow, *categories: str) -> None:
    """Set the categories of the campaigns' templates, in order, in our database and in the simulator."""
    templates = []
    for number, category in enumerate(categories, start=1):
        name = f"template_{number}"
        templates.append({"name": name, "language": "pt_BR", "body": BODY, "category": category})
        flow.execute(f"UPDATE templates SET category = '{category}' WHERE name = '{name}'")
    flow.far.script(templates=templates)


def refuse_marketing(flow: Flow, account: Account, outcome: str) -> None:
    flow.far.script(accounts={account.number: {"category_outcomes": {"MARKETING": outcome}}})


def activate(flow: Flow, account: Account) -> None:
    done = flow.run_command("revoada", "account", "activate", account.name)
    assert done.returncode == 0, done.stderr


def statuses(flow: Flow, account: Account) -> tuple[bool, list[tuple[str, int]]]:
    """Return whether the account is active, and its deactivated categories with Meta's codes."""
    ((active,),) = flow.query("SELECT active FROM accounts WHERE id = %s", account.id)
    rows = flow.query("SELECT category, inactive_code FROM account_categories WHERE inactive_since IS NOT NULL")
    return active, [(category, code) for category, code in rows]


def assert_told_once(flow: Flow, account: Account) -> None:
    """The event, the log and the alert name the account, the category, the code and what to do."""
    ((details,),) = flow.query("SELECT details FROM account_events WHERE kind = 'category_deactivated'")
    assert details["category"] == "MARKETING"
    assert [error["code"] for error in details["errors"]] == [131063] * 5
    (told,) = flow.events("account_category_deactivated", account_id=account.id)
    assert (told["level"], told["category"], told["code"]) == ("WARNING", "MARKETING", 131063)
    assert ADVICE in told["message"]
    wait_for(lambda: "account_category_deactivated" in flow.alerts.kinds(), "the alert is posted")
    (alert,) = [each for each in flow.alerts.alerts if each["kind"] == "account_category_deactivated"]
    assert (alert["account"], alert["category"], alert["code"]) == (account.name, "MARKETING", 131063)
    assert flow.events("account_deactivated") == []


@pytest.mark.parametrize("outcome", ["error:131063", "failed:131063"])
def test_marketing_that_is_switched_off_does_not_touch_utility_by_the_same_account(flow: Flow, outcome: str) -> None:
    flow.receive_webhooks()
    account = flow.add_account("Vendas")
    marketing = flow.add_campaign("Black Friday", [account], people=40)
    utility = flow.add_campaign("Boletos", [account], people=200)
    give_categories(flow, "MARKETING", "UTILITY")
    refuse_marketing(flow, account, outcome)

    flow.start_campaigns(marketing, utility)
    flow.await_status("completed", utility)
    flow.await_status("running", marketing, reason="no_active_account")
    flow.await_arrival(utility)

    assert statuses(flow, account) == (True, [("MARKETING", 131063)])
    wait_for(lambda: flow.counts(marketing) == {"pending": 40}, "all of marketing has come back")
    flow.assert_everybody_got_one(utility)
    assert_told_once(flow, account)
    doctor = flow.run_command("revoada", "doctor", str(marketing.id)).stdout
    assert "Account Vendas sends no MARKETING templates since" in doctor
    assert "account activate Vendas" in doctor

    refuse_marketing(flow, account, "ok")
    activate(flow, account)
    flow.await_status("completed", marketing)
    flow.await_arrival(marketing)
    assert statuses(flow, account) == (True, [])
    assert_nobody_got_two(flow, marketing, outcome)
    flow.assert_counters_equal_rows()


def assert_nobody_got_two(flow: Flow, campaign: Campaign, outcome: str) -> None:
    """Assert that nobody got two messages. A message that Meta refused by webhook was accepted and never arrived."""
    if outcome.startswith("error"):
        flow.assert_everybody_got_one(campaign)
        flow.assert_nobody_got_two()
    arrived = "SELECT count(DISTINCT wamid) FROM messages WHERE campaign_id = %s AND status IN ('delivered', 'read')"
    assert flow.query(arrived, campaign.id) == [(len(campaign.phones),)]


def test_marketing_goes_by_an_account_for_which_it_is_not_switched_off(flow: Flow) -> None:
    refused, healthy = flow.add_account("Vendas"), flow.add_account("Novidades")
    campaign = flow.add_campaign("Black Friday", [refused, healthy], people=150)
    give_categories(flow, "MARKETING")
    refuse_marketing(flow, refused, "error:131063")

    flow.start_campaigns(campaign)
    flow.await_status("completed", campaign)
    flow.assert_everybody_got_one(campaign)
    assert {each["account"] for each in flow.far.accepted(campaign)} == {healthy.number}
    assert statuses(flow, refused) == (True, [("MARKETING", 131063)])
    assert flow.counts(campaign) == {"sent": 150}


def test_a_template_that_meta_takes_for_marketing_does_not_burn_the_attempts_of_its_campaign(flow: Flow) -> None:
    """We store the template as utility. Meta's refusals name marketing, so the campaign waits as one of marketing."""
    account = flow.add_account("Vendas")
    renamed = flow.add_campaign("Pesquisa", [account], people=300)
    utility = flow.add_campaign("Boletos", [account], people=100)
    give_categories(flow, "MARKETING", "UTILITY")
    flow.execute("UPDATE templates SET category = 'UTILITY'")
    refuse_marketing(flow, account, "error:131063")

    flow.start_campaigns(renamed, utility)
    flow.await_status("completed", utility)
    flow.await_status("running", renamed, reason="no_active_account")
    flow.assert_everybody_got_one(utility)
    assert flow.counts(renamed) == {"pending": 300}
    assert flow.query("SELECT name, category FROM templates ORDER BY name") == [
        ("template_1", "MARKETING"),
        ("template_2", "UTILITY"),
    ]
    assert statuses(flow, account) == (True, [("MARKETING", 131063)])
    assert len(flow.events("template_recategorised")) == 1
    refuse_marketing(flow, account, "ok")
    activate(flow, account)
    flow.await_status("completed", renamed)
    flow.assert_everybody_got_one(renamed)
    flow.assert_nobody_got_two()
