"""Lists that are read page by page: whole, in order, and undisturbed by rows that come and go."""

from __future__ import annotations

import pytest

from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.optout.recognition import Source
from campaigns.domain.statement import Refusal
from campaigns.domain.template import TemplateStatus
from campaigns.domain.users.actor import Act
from campaigns.management.accounts import add_account
from campaigns.management.listings.pages import (
    CampaignFilter,
    SuppressionFilter,
    TemplateFilter,
    page_audit,
    page_campaigns,
    page_import_errors,
    page_suppressions,
    page_templates,
)
from campaigns.secrets import make_key
from campaigns.store.users.audit import AuditFilter, write_audit
from tests.store.rows import add_campaign, add_template, fetch
from tests.support.actors import TESTER


def read_all(page_of, *arguments, limit=2, **named):
    """Return all rows by pages of `limit` rows, and check that no page is longer and only the last one is shorter."""
    rows, after = [], {}
    while True:
        page = page_of(*arguments, limit=limit, **named, **after)
        rows += page.rows
        if page.next_key is None:
            assert len(page.rows) <= limit
            return rows
        assert len(page.rows) == limit
        after = {"after": page.next_key}


@pytest.fixture
def accounts(database):
    for name, number, waba in (("sales", "1", "10"), ("support", "2", "20")):
        add_account(
            database, name, phone_number_id=number, waba_id=waba, token="t", secret_key=make_key(), actor=TESTER
        )
    return fetch(database, "SELECT id FROM accounts ORDER BY id")


@pytest.fixture
def campaigns(database, accounts):
    """Five campaigns and a test, by name."""
    sales, support = accounts
    made = {
        "Natal": ("completed", [sales]),
        "Páscoa 10%": ("draft", [support]),
        "Pascoa_2": ("completed", [sales, support]),
        "Black Friday": ("running", [sales]),
        "natal de novo": ("cancelled", []),
    }
    ids = {}
    for name, (status, used) in made.items():
        ids[name] = database.run(add_campaign, status, name=name, accounts=used)
    database.run(add_campaign, "completed", name="Natal (test)", test_of=ids["Natal"])
    return ids


def list_names(database, limit=2, **wanted):
    return [row.name for row in read_all(page_campaigns, database, CampaignFilter(**wanted), limit=limit)]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6, 200])
def test_all_campaigns_but_tests_stand_on_the_pages_the_newest_first(database, campaigns, limit):
    assert list_names(database, limit) == [*reversed(campaigns)]


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({"statuses": [CampaignStatus.COMPLETED]}, ["Pascoa_2", "Natal"]),
        ({"statuses": [CampaignStatus.CANCELLED, CampaignStatus.RUNNING]}, ["natal de novo", "Black Friday"]),
        ({"statuses": [CampaignStatus.PAUSED]}, []),
        ({"text": "NATAL"}, ["natal de novo", "Natal"]),
        ({"text": "0%"}, ["Páscoa 10%"]),
        ({"text": "_"}, ["Pascoa_2"]),
        ({"text": "\\"}, []),
        ({"account": "support"}, ["Pascoa_2", "Páscoa 10%"]),
        ({"account": "1", "text": "a", "statuses": [CampaignStatus.COMPLETED]}, ["Pascoa_2", "Natal"]),
    ],
)
def test_a_filter_leaves_the_campaigns_that_it_names(database, campaigns, wanted, names):
    assert list_names(database, **wanted) == names


def test_a_campaign_made_meanwhile_neither_repeats_nor_hides_another(database, campaigns):
    first = page_campaigns(database, limit=2)
    database.run(add_campaign, "draft", name="New")
    second = page_campaigns(database, limit=200, after=first.next_key)
    assert [row.name for row in (*first.rows, *second.rows)] == [*reversed(campaigns)]


def test_the_counters_of_a_campaign_stand_on_its_page(database, campaigns):
    fetch(database, "INSERT INTO messages (campaign_id, phone, recipient_key) VALUES (1, '+5511999990001', 'x')")
    rows = {row.id: row.counts for row in page_campaigns(database).rows}
    assert rows == {1: {"pending": 1}, 2: {}, 3: {}, 4: {}, 5: {}}


@pytest.mark.parametrize("limit", [-1, 0, 201, 10**12])
def test_a_page_without_rows_or_with_too_many_is_refused(database, limit):
    for page_of in (page_campaigns, page_templates, page_suppressions):
        with pytest.raises(Refusal) as refused:
            page_of(database, limit=limit)
        assert refused.value.code == "page_limit_out_of_range"


def test_an_account_that_does_not_exist_is_refused(database, accounts):
    for page_of, wanted in (
        (page_campaigns, CampaignFilter(account="nobody")),
        (page_templates, TemplateFilter(accounts=["nobody"])),
    ):
        with pytest.raises(Refusal) as refused:
            page_of(database, wanted)
        assert refused.value.code == "account_missing"


def test_templates_are_found_by_name_status_and_account(database, accounts):
    for name, waba, status in (
        ("promo", "10", "approved"),
        ("promo", "20", "paused"),
        ("promo_2", "20", "approved"),
        ("alert", "", "approved"),
    ):
        database.run(add_template, name=name, waba_id=waba, status=status)

    def find(**wanted):
        rows = read_all(page_templates, database, TemplateFilter(**wanted))
        return [(row.name, row.waba_id) for row in rows]

    everything = [("alert", ""), ("promo", "10"), ("promo", "20"), ("promo_2", "20")]
    assert find() == everything
    assert find(text="OMO_") == [("promo_2", "20")]
    assert find(statuses=[TemplateStatus.PAUSED]) == [("promo", "20")]
    assert find(accounts=["sales"]) == [("alert", ""), ("promo", "10")]
    assert find(accounts=["sales", "support"]) == everything


def test_suppressions_are_read_the_newest_first_although_many_are_of_one_time(database):
    fetch(
        database,
        "INSERT INTO suppressions (recipient_key, source, at, is_active) SELECT '+55119' || 10000000 + n, source,"
        " timestamptz '2026-10-01 12:00Z' + make_interval(hours => n / 3), n <> 4"
        " FROM generate_series(0, 7) n, unnest('{word,import}'::text[]) source",
    )
    wanted = [(row.at, row.recipient_key, row.source) for row in read_all(page_suppressions, database, limit=3)]
    assert wanted == sorted(wanted, reverse=True)
    assert len({*wanted}) == 14
    of_imports = read_all(page_suppressions, database, SuppressionFilter(sources=[Source.IMPORT]))
    assert [row.source for row in of_imports] == ["import"] * 7
    found = read_all(page_suppressions, database, SuppressionFilter(text="0003"))
    assert {row.recipient_key for row in found} == {"+5511910000003"}


def test_a_suppression_under_a_user_id_stands_on_the_page_until_a_number_is_known(database):
    fetch(
        database,
        "INSERT INTO suppressions (recipient_key, source, at) VALUES ('BR.1', 'word', now()), ('BR.2', 'word', now())",
    )
    fetch(database, "INSERT INTO user_ids VALUES ('BR.2', '+5511999990001', now())")
    assert [row.recipient_key for row in read_all(page_suppressions, database)] == ["BR.1"]


def test_import_errors_are_read_in_the_order_of_the_files_of_one_campaign(database, campaigns):
    fetch(
        database,
        "INSERT INTO import_errors (campaign_id, file_name, row_number, column_name, reason, code)"
        " SELECT 1 + mod(n, 2), 'people.csv', n, 'phone', 'No',"
        " CASE WHEN n < 3 THEN 'duplicate_in_file' ELSE 'empty' END"
        " FROM generate_series(1, 9) n",
    )
    assert [row.row_number for row in read_all(page_import_errors, database, 1)] == [2, 4, 6, 8]
    assert [row.row_number for row in read_all(page_import_errors, database, 1, is_rejected=True)] == [4, 6, 8]
    with pytest.raises(Refusal) as refused:
        page_import_errors(database, 99)
    assert refused.value.code == "campaign_missing"


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 200])
def test_all_changes_stand_on_the_pages_of_the_audit_the_newest_first(database, limit):
    for number in range(7):
        database.run(write_audit, TESTER, Act.CAMPAIGN_START, number % 2)
    found = read_all(page_audit, database, AuditFilter(actor=TESTER.name), limit=limit)
    assert [row.id for row in found] == sorted((row.id for row in found), reverse=True)
    assert len(found) == 7
    assert len(read_all(page_audit, database, AuditFilter(campaign_id=1), limit=limit)) == 3
    assert read_all(page_audit, database, AuditFilter(actor="nobody"), limit=limit) == []
