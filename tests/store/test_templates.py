from __future__ import annotations

import pytest

from campaigns.domain.template import TemplateStatus
from campaigns.store.templates import approve_template, block_template
from tests.store.rows import add_account, add_campaign, add_template, fetch


@pytest.fixture
def house(database):
    """`promo` in two WABAs and for any, with an account in each of three; tells ids by WABA."""
    templates = {waba: database.run(add_template, name="promo", waba_id=waba) for waba in ("", "1", "2")}
    accounts = {waba: database.run(add_account, waba_id=waba) for waba in ("1", "2", "3")}
    return templates, accounts


def statuses(database):
    return dict(fetch(database, "SELECT waba_id, status FROM templates"))


@pytest.mark.parametrize(("used", "by", "blocked"), [("1", "1", "1"), ("1", "2", "2"), ("", "2", "2"), ("", "3", "")])
def test_a_refused_send_blocks_the_template_of_the_accounts_waba(database, house, used, by, blocked):
    templates, accounts = house
    until = database.run(
        block_template, templates[used], account_id=accounts[by], status=TemplateStatus.PAUSED, retry_seconds=300.0
    )
    assert until is not None
    assert statuses(database) == {"": "approved", "1": "approved", "2": "approved"} | {blocked: "paused"}


def test_a_blocked_template_is_not_blocked_again(database, house):
    templates, accounts = house
    more = {"account_id": accounts["1"], "status": "paused", "retry_seconds": 300.0}
    assert database.run(block_template, templates["1"], **more) is not None
    assert database.run(block_template, templates["1"], **more) is None


def test_an_accepted_send_approves_the_template_of_the_accounts_waba(database, house):
    templates, accounts = house
    fetch(database, "UPDATE templates SET status = 'paused', blocked_until = now()")
    database.run(approve_template, templates["1"], account_ids=[accounts["1"]])
    assert statuses(database) == {"": "approved", "1": "approved", "2": "paused"}
    assert fetch(database, "SELECT blocked_until IS NULL FROM templates ORDER BY waba_id") == [True, True, False]


def test_another_template_is_left_alone(database, house):
    templates, accounts = house
    other = database.run(add_template, name="other", waba_id="1")
    database.run(add_campaign, template_id=other)
    database.run(
        block_template, templates["1"], account_id=accounts["1"], status=TemplateStatus.PAUSED, retry_seconds=300.0
    )
    assert fetch(database, "SELECT status FROM templates WHERE name = 'other'") == ["approved"]


def test_a_waba_has_a_name_and_language_once(database, house):
    with pytest.raises(Exception, match="unique"):
        database.run(add_template, name="promo", waba_id="1")
