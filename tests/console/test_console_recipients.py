"""The people of a campaign: who did not get it, and why, as a page and as a file."""

from __future__ import annotations

import csv
import io
import itertools
import re
from functools import partial

import pytest

from campaigns.domain.failures import BEYOND_CAP, LEFT_AUDIENCE
from campaigns.domain.users.rights import Role
from campaigns.domain.verdict import FAULTS
from campaigns.management.listings import recipients
from campaigns.management.listings.recipients import Group
from campaigns.store.database import query
from tests.console.conftest import read_text
from tests.store.rows import add_account, add_campaign, add_message, add_messages, fetch

# The people of the campaign by the end of their phone, each with the row of the message.
PEOPLE = {
    1: ("pending", {}),
    2: ("sending", {}),
    3: ("sent", {}),
    4: ("held", {}),
    5: ("delivered", {}),
    6: ("read", {"replied_at": "2026-10-01T13:00Z", "read_at": "2026-10-01T12:30Z"}),
    7: ("failed", {"error_code": 131026, "error_title": "Undeliverable"}),
    8: ("failed", {"error_code": 131026, "error_title": "Other words"}),
    9: ("failed", {"error_code": 130429, "error_title": "Too many messages"}),
    10: ("failed", {"error_code": None, "error_title": "HTTP 502"}),
    11: ("uncertain", {}),
    12: ("suppressed", {}),
    13: ("suppressed", {"error_title": BEYOND_CAP}),
    14: ("suppressed", {"error_code": -2, "error_title": "under review"}),
    15: ("expired", {}),
    16: ("suppressed", {"error_title": LEFT_AUDIENCE}),
}


@pytest.fixture
def campaign_id(database):
    def work(connection):
        account = add_account(connection, name="sales-1")
        campaign = add_campaign(connection, "running", accounts=[account], name="Black <Friday>", recipient_count=16)
        for number, (status, columns) in PEOPLE.items():
            phone = f"+55119876500{number:02}"
            chosen = {"account_id": account} if status not in {"pending", "suppressed", "expired"} else {}
            chosen |= {"variables": [f"Person {number}", "10 %", "third"]}
            add_message(connection, campaign, status, phone=phone, recipient_key=phone, **chosen, **columns)
        return campaign

    return database.run(work)


def read_people(page):
    return [int(each) for each in re.findall(r'<th scope="row"><a [^>]+>[^<]*(\d\d)</a>', page)]


@pytest.fixture
def people_of(console):
    browser = console.sign_in(name="reader")

    def find(query):
        answer = browser.get(f"/campaigns/1/people?{query}")
        assert answer.status_code == 200
        return read_people(answer.text)

    return find


GROUPS = {
    Group.LIST: list(PEOPLE),
    Group.SKIPPED: [12, 13, 14, 15, 16],
    Group.SUPPRESSED: [12, 13, 14, 16],
    Group.OPTED_OUT: [12],
    Group.CAPPED: [13],
    Group.IN_REVIEW: [14],
    Group.LEFT_AUDIENCE: [16],
    Group.EXPIRED: [15],
    Group.CANCELLED: [],
    Group.QUEUE: [1],
    Group.SENDING: [2],
    Group.ACCEPTED: [3, 4, 5, 6],
    Group.SENT: [3],
    Group.HELD: [4],
    Group.DELIVERED: [5, 6],
    Group.UNREAD: [5],
    Group.READ: [6],
    Group.REPLIED: [6],
    Group.FAILED: [7, 8, 9, 10],
    Group.UNCERTAIN: [11],
}


@pytest.mark.usefixtures("campaign_id")
def test_each_group_has_its_people(people_of):
    assert set(GROUPS) == set(Group)
    for group, people in GROUPS.items():
        assert people_of(f"group={group}") == people, group


@pytest.mark.usefixtures("campaign_id")
def test_errors_are_chosen_by_fault_code_and_words(people_of):
    assert people_of("group=failed&code=131026") == [7, 8]
    assert people_of("group=failed&code=131026&title=Other+words") == [8]
    assert people_of("code=none&group=failed") == [10]
    faults = {each: people_of(f"fault={each}") for each in set(FAULTS.values())}
    assert faults["recipient"] == [7, 8, 14]
    assert faults["throttle"] == [9]
    assert faults["unknown"] == [10, 11]
    assert sorted(itertools.chain(*faults.values())) == [7, 8, 9, 10, 11, 14]


def test_the_numbers_of_the_campaign_lead_to_the_people_that_they_count(console, campaign_id):
    browser = console.sign_in()
    page = browser.get(f"/campaigns/{campaign_id}").text
    links = re.findall(r'href="(/campaigns/1/people\?group=\w+)"[^>]*>([\d]+)</a>', page)
    assert len(links) > 9
    for address, count in links:
        assert len(read_people(browser.get(address).text)) == int(count), address


def test_each_line_of_the_errors_leads_to_the_people_that_it_counts(console, campaign_id):
    browser = console.sign_in()
    page = browser.get(f"/campaigns/{campaign_id}/errors").text
    lines = re.findall(r'<strong class="num">(\d+)</strong>.*?href="(/campaigns/1/people[^"]+)"', page, re.DOTALL)
    assert len(lines) == 6
    for count, address in lines:
        assert len(read_people(browser.get(address.replace("&amp;", "&")).text)) == int(count), address
    skipped = re.findall(r'<dt class="num">(\d+)</dt><dd>[^<]+<a href="([^"]+)"', page)
    assert [len(read_people(browser.get(address).text)) for _, address in skipped] == [int(each) for each, _ in skipped]
    faults = re.findall(r"<small>(\d+) messages?</small></h3>\s*<p><a href=\"([^\"]+)\"", page)
    assert [len(read_people(browser.get(each).text)) for _, each in faults] == [int(each) for each, _ in faults]
    assert len(faults) == 3


@pytest.mark.usefixtures("campaign_id")
def test_a_row_says_what_happened_why_and_when(console):
    text = read_text(console.sign_in().get("/campaigns/1/people?code=131026&title=Undeliverable").text)
    assert "+5511987650007 Person 7 · 10 % was not delivered" in text
    assert "(code 131026) 2026-10-01 12:00 1 sales-1" in text
    assert BEYOND_CAP in read_text(console.sign_in(name="b").get("/campaigns/1/people?group=capped").text)
    assert f"'{BEYOND_CAP}'".encode() in query("claim_messages")
    for name in ("claim_messages", "claim_counted"):
        assert f"'{LEFT_AUDIENCE}'".encode() in query(name)
    assert "The person had opted out." in console.sign_in(name="c").get("/campaigns/1/people?group=opted_out").text
    portuguese = read_text(console.sign_in(language="pt_BR").get("/campaigns/1/people?group=failed").text)
    assert "não entregue" in portuguese
    assert "Meta gave no code" not in portuguese


@pytest.mark.usefixtures("campaign_id")
def test_a_viewer_sees_no_phone_and_gets_no_file(console):
    browser = console.sign_in(Role.VIEWER)
    page = browser.get("/campaigns/1/people").text
    assert "-0007" in page
    assert not re.search(r"8765\D?00", page), "the digits before the last four, in a text, a link or a title"
    assert "Person 7 · 10 %" in page
    assert "Download this list (CSV) Your role does not allow it." in read_text(page)
    fetch(console.database, "UPDATE messages SET variables = '{11 98765-4321}' RETURNING 1")
    page = browser.get("/campaigns/1/people").text
    assert "•• •••••-••••" in page
    assert "4321" not in read_text(page)
    assert not re.search(r"8765\D?4321", page)
    assert browser.post("/campaigns/1/people/download", form="/").status_code == 403


def test_the_file_has_the_people_of_the_page_and_the_audit_who_took_it(console, database, campaign_id):
    browser = console.sign_in(name="eva")
    page = browser.get(f"/campaigns/{campaign_id}/people?group=failed&code=131026").text
    path = re.search(r'action="([^"]+/download[^"]+)"', page)[1].replace("&amp;", "&")
    assert browser.post(path, form="/").location == "/downloads"
    console.do_file_work()
    listed = browser.get("/downloads").text
    assert "People of Black <Friday> (failed)" in read_text(listed)
    answer = browser.get(re.search(r'href="(/downloads/[0-9]+\.csv)"', listed)[1])
    rows = list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert [(row["phone"], row["status"], row["error_code"]) for row in rows] == [
        ("+5511987650007", "failed", "131026"),
        ("+5511987650008", "failed", "131026"),
    ]
    assert 'filename="campaign-1-failed.csv"' in answer.headers["Content-Disposition"]
    assert fetch(database, "SELECT actor, after FROM audit_events WHERE what = 'campaign.export'") == [
        ("eva", {"statuses": ["failed"], "code": 131026})
    ]


def test_the_list_goes_on_by_key_and_keeps_its_filter(console, database):
    campaign = database.run(add_campaign, "running")
    database.run(add_messages, campaign, 60)
    database.run(add_messages, campaign, 2, "expired")
    browser = console.sign_in()
    first = browser.get(f"/campaigns/{campaign}/people?group=queue").text
    following = re.search(r'href="([^"]+)" rel="next"', first)[1].replace("&amp;", "&")
    assert (len(read_people(first)), len(read_people(browser.get(following).text))) == (50, 10)


@pytest.mark.parametrize("query", ["group=failed", "fault=recipient", "code=131026", "group=replied"])
def test_a_search_for_few_people_ends_and_goes_on(console, database, campaign_id, monkeypatch, query):
    """No page reads all messages of a large campaign."""
    monkeypatch.setattr(recipients, "_SEARCHED_AT_ONCE", 4)
    monkeypatch.setattr(recipients, "_SEARCH_SECONDS", 0)
    # The ids of other campaigns stand between those of this one.
    database.run(add_messages, database.run(add_campaign), 9)
    add = {"phone": "+5511987650020", "recipient_key": "+5511987650020", "account_id": 1}
    database.run(partial(add_message, error_code=131026, error_title="x", **add), campaign_id, "failed")
    browser, path, found, pages = console.sign_in(), f"/campaigns/{campaign_id}/people?{query}", [], 0
    while path:
        page = browser.get(path).text
        found += read_people(page)
        pages += 1
        following = re.search(r'href="([^"]+)" rel="next"', page)
        assert ("Search on" in page) == bool(following)
        path = following and following[1].replace("&amp;", "&")
    assert pages == 5  # four parts of four messages, and the end
    expected = {"group=failed": [7, 8, 9, 10, 20], "group=replied": [6], "fault=recipient": [7, 8, 14, 20]}
    assert found == expected.get(query, [7, 8, 20])


def test_the_waiting_people_of_a_cancelled_campaign_are_cancelled(console, database):
    campaign = database.run(add_campaign, "cancelled")
    database.run(add_messages, campaign, 3)
    browser = console.sign_in()
    text = browser.get(f"/campaigns/{campaign}/people?group=cancelled").text
    assert len(read_people(text)) == 3
    assert "in our queue" not in text.split("<tbody>")[1]
    assert read_people(browser.get(f"/campaigns/{campaign}/people?group=queue").text) == []


def test_an_erased_person_has_no_link(console, database, campaign_id):
    fetch(
        database,
        "UPDATE messages SET phone = NULL, recipient_key = NULL, wamid = NULL, variables = '{}'"
        " WHERE status = 'expired' RETURNING 1",
    )
    assert "erased not sent: the campaign expired" in read_text(
        console.sign_in().get(f"/campaigns/{campaign_id}/people?group=expired").text
    )


def test_an_empty_list_says_what_it_means(console, database, campaign_id):
    empty = database.run(add_campaign, "draft")
    browser = console.sign_in()
    assert "Nobody is on the list of this campaign yet." in browser.get(f"/campaigns/{empty}/people").text
    assert "There is nobody of whom this is true now." in browser.get("/campaigns/1/people?group=cancelled").text
    assert "Nobody fits this filter." in browser.get("/campaigns/1/people?code=1").text
    assert browser.get("/campaigns/999/people").status_code == 404


@pytest.mark.usefixtures("campaign_id")
@pytest.mark.parametrize("query", ["group=x", "fault=x", "after=x", "after=-1", f"after={2**63}"])
def test_an_address_that_no_page_makes_is_refused(console, query):
    assert console.sign_in().get(f"/campaigns/1/people?{query}").status_code == 400


@pytest.mark.usefixtures("campaign_id")
@pytest.mark.parametrize("code", ["x", "9999999999"])
def test_a_code_that_is_no_code_is_told_at_its_field_and_kept(console, code):
    browser = console.sign_in()
    answer = browser.get(f"/campaigns/1/people?group=failed&code={code}")
    assert answer.status_code == 422
    assert f'value="{code}" aria-invalid="true"' in answer.text
    assert '<option value="failed" selected>' in answer.text
    assert browser.post(f"/campaigns/1/people/download?code={code}", form="/").status_code == 400
