"""The step Accounts and pace: what it saves, what it refuses at which field, and what it foretells."""

from __future__ import annotations

import datetime as dt

import pytest
from psycopg.types.json import Jsonb

from campaigns.domain.users.rights import Role
from tests.console.conftest import read_text
from tests.store.rows import add_account, add_campaign, add_crowd, add_template, fetch

BODY = Jsonb([{"type": "BODY", "text": "Oi"}])
EMPTY = {
    "speed_unit": "seconds",
    "weekdays": ["1", "2", "3", "4", "5", "6", "7"],
    "time_zone": "America/Sao_Paulo",
    "accounts": ["sales-1"],
}


@pytest.fixture
def campaign_id(database):
    def work(connection):
        template = add_template(connection, name="promo", language="pt_BR", components=BODY, category="UTILITY")
        add_account(connection, name="sales-1")
        add_account(connection, name="sales-2")
        add_account(connection, name="lazy", active=False, inactive_reason="by hand")
        return add_campaign(connection, "draft", template_id=template, time_zone="America/Sao_Paulo")

    return database.run(work)


def read(database, columns):
    return fetch(database, f"SELECT {columns} FROM campaigns")


def accounts_of(database):
    text = "SELECT a.name FROM campaign_accounts c JOIN accounts a ON a.id = c.account_id ORDER BY a.name"
    return fetch(database, text)


def test_a_new_draft_proposes_all_accounts_that_would_send_it(console, database, campaign_id):
    page = console.sign_in(Role.PLANNER).get(f"/campaigns/{campaign_id}/pace").text
    chosen = [
        part.split('"')[0] for part in page.split('name="accounts" value="')[1:] if "checked" in part.split(">")[0]
    ]
    assert chosen == ["sales-1", "sales-2"]
    assert "inactive, sends nothing (by hand)" in read_text(page)
    assert accounts_of(database) == []


def test_an_account_without_the_template_cannot_be_chosen(console, database):
    def work(connection):
        template = add_template(connection, name="promo", language="pt_BR", components=BODY, waba_id="1")
        add_account(connection, name="has", waba_id="1")
        add_account(connection, name="lacks", waba_id="2")
        return add_campaign(connection, "draft", template_id=template)

    campaign_id = database.run(work)
    browser = console.sign_in()
    page = browser.get(f"/campaigns/{campaign_id}/pace").text
    assert "disabled" in page.split('value="lacks"')[1].split(">")[0]
    assert "does not have the template" in read_text(page)
    answer = browser.post(f"/campaigns/{campaign_id}/pace", EMPTY | {"accounts": ["has", "lacks"]})
    assert answer.status_code == 404
    assert "WABA 2" in read_text(answer.text.split('id="accounts-error"')[1].split("</small>")[0])


def test_each_field_is_saved_and_an_empty_one_clears_its_setting(console, database, campaign_id):
    browser, path = console.sign_in(), f"/campaigns/{campaign_id}/pace"
    tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    monday = tomorrow + dt.timedelta(days=-tomorrow.weekday() % 7)
    given = EMPTY | {
        "accounts": ["sales-1", "sales-2"],
        "speed": "40",
        "speed_unit": "per_minute",
        "pause_after": "200",
        "pause_minutes": "2,5",
        "window_from": "09:00",
        "window_to": "18:30",
        "weekdays": ["1", "5"],
        "uses_recipient_zones": "1",
        "holidays": "br-sp",
        "time_zone": "America/Manaus",
        "schedule": f"{monday:%Y-%m-%dT09:00}",
        "start_within": "1440",
        "expire": f"{monday + dt.timedelta(days=30):%Y-%m-%dT20:00}",
        "max_per_person": "2",
        "within_days": "7",
    }
    assert browser.post(path, given).status_code == 302
    assert accounts_of(database) == ["sales-1", "sales-2"]
    columns = (
        "interval_seconds, pause_after, pause_seconds, window_from::text, window_to::text, weekdays,"
        " uses_recipient_zones, holidays, time_zone, start_within_seconds, max_per_person, within_days,"
        " to_char(scheduled_at AT TIME ZONE time_zone, 'HH24:MI'), to_char(expire_at AT TIME ZONE time_zone, 'HH24:MI')"
    )
    whole = (1.5, 200, 150.0, "09:00:00", "18:30:00", [1, 5], True, "BR-SP", "America/Manaus", 86400.0, 2, 7)
    assert read(database, columns) == [(*whole, "09:00", "20:00")]
    page = browser.get(path).text
    for name in ("speed", "pause_after", "window_from", "window_to", "schedule", "expire", "max_per_person"):
        assert f'value="{given[name]}"' in page.split(f'name="{name}"')[1].split(">")[0], name
    assert browser.post(path, EMPTY).status_code == 302
    bare = (0.0, None, None, None, None, [1, 2, 3, 4, 5, 6, 7], False, None, "America/Sao_Paulo", None, None, None)
    assert read(database, columns) == [(*bare, None, None)]
    assert accounts_of(database) == ["sales-1"]


PAST = "2020-01-01T09:00"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"speed": "fast"}, "speed"),
        *(({"speed": text}, "speed") for text in ("1.800", "1,800", "1.800.000", "12,500", "1e3", "1_000", "٣", "nan")),
        ({"pause_after": "1.800", "pause_minutes": "1"}, "pause_after"),
        ({"speed": "-1"}, "speed"),
        ({"speed": "0", "speed_unit": "per_minute"}, "speed"),
        ({"speed": "90000"}, "speed"),
        ({"pause_after": "1.5", "pause_minutes": "1"}, "pause_after"),
        ({"pause_after": "200"}, "pause_after"),
        ({"pause_minutes": "0", "pause_after": "2"}, "pause_minutes"),
        ({"window_from": "09:00"}, "window_to"),
        ({"window_to": "09:00"}, "window_from"),
        ({"window_from": "09:00", "window_to": "09:00"}, "window_from"),
        ({"weekdays": []}, "weekdays"),
        ({"uses_recipient_zones": "1"}, "uses_recipient_zones"),
        ({"holidays": "Mars"}, "holidays"),
        ({"time_zone": "Mars/Base"}, "time_zone"),
        ({"schedule": PAST}, "schedule"),
        ({"schedule": "soon"}, "schedule"),
        ({"start_within": "60"}, "start_within"),
        ({"expire": PAST}, "expire"),
        ({"max_per_person": "2"}, "max_per_person"),
        ({"within_days": "7"}, "max_per_person"),
        ({"max_per_person": "nan", "within_days": "7"}, "max_per_person"),
        ({"accounts": ["nobody"]}, "accounts"),
    ],
)
def test_a_wrong_value_is_said_at_its_field_and_nothing_is_saved(console, database, campaign_id, given, field):
    browser, path = console.sign_in(), f"/campaigns/{campaign_id}/pace"
    before = read(database, "campaigns::text")
    answer = browser.post(path, EMPTY | {"max_per_person": ""} | given)
    assert answer.status_code in {404, 409, 422}
    assert f'href="#{field}"' in answer.text
    assert f'id="{field}-error"' in answer.text
    assert f'aria-describedby="{field}-error"' in answer.text
    for name, value in given.items():
        if isinstance(value, str) and name not in {"speed_unit", "uses_recipient_zones"}:
            assert f'value="{value}"' in answer.text, name
    assert read(database, "campaigns::text") == before
    assert accounts_of(database) == []


def test_a_draft_with_accounts_cannot_lose_all_of_them(console, database, campaign_id):
    browser, path = console.sign_in(), f"/campaigns/{campaign_id}/pace"
    browser.post(path, EMPTY)
    answer = browser.post(path, EMPTY | {"accounts": []})
    assert answer.status_code == 422
    assert "Choose at least one account." in answer.text
    assert accounts_of(database) == ["sales-1"]


def test_the_page_foretells_the_end_and_the_days_of_the_daily_limit(console, database, campaign_id):
    def work(connection):
        portfolio = connection.execute("INSERT INTO portfolios (name, daily_limit) VALUES ('Loja', 10) RETURNING id")
        connection.execute("UPDATE accounts SET portfolio_id = %s WHERE name = 'sales-1'", portfolio.fetchone())
        add_crowd(connection, campaign_id, 25)
        connection.execute("UPDATE campaigns SET recipient_count = 25")

    browser, path = console.sign_in(), f"/campaigns/{campaign_id}/pace"
    assert "No account is saved yet. Save this page to see when" in read_text(browser.get(path).text)
    browser.post(path, EMPTY)
    assert "Once people are on the list" in read_text(browser.get(path).text)
    database.run(work)
    saved = browser.post(path, EMPTY | {"stay": "1"})
    text = read_text(browser.get(saved.location).text)
    assert "Saved." in text
    assert "Messages25" in text
    assert "First messageas soon as it is started" in text
    assert "The daily limit decides the end: 3 days are needed (Loja)." in text
    assert "10 of 10 people a day are free now" in text


def test_fields_that_few_people_need_are_folded_unless_they_have_a_value_or_an_error(console, database, campaign_id):
    browser, path = console.sign_in(), f"/campaigns/{campaign_id}/pace"
    groups = ("Pauses", "Holidays and time zone", "Latest start, and end", "Limit per person")

    def list_open(page):
        return [name for name in groups if "<details open" in page.split(f"<summary>{name}<")[0][-40:]]

    assert list_open(browser.get(path).text) == []
    browser.post(path, EMPTY | {"holidays": "BR", "pause_after": "2", "pause_minutes": "1"})
    assert list_open(browser.get(path).text) == ["Pauses", "Holidays and time zone"]
    page = browser.post(path, EMPTY | {"time_zone": "Mars/Base", "max_per_person": "2"}).text
    assert list_open(page) == ["Holidays and time zone", "Limit per person"]


def test_the_page_says_when_it_ends_and_why_not_sooner(console, database, campaign_id):
    database.run(add_crowd, campaign_id, 121)
    fetch(database, "UPDATE campaigns SET recipient_count = 121 RETURNING 1")
    browser, path = console.sign_in(), f"/campaigns/{campaign_id}/pace"
    now = dt.datetime.now(dt.UTC) - dt.timedelta(hours=3)  # in São Paulo
    opens, closes = (f"{now + dt.timedelta(hours=hours):%H:%M}" for hours in (2, 3))
    browser.post(path, EMPTY | {"speed": "60", "window_from": opens, "window_to": closes})
    text = read_text(browser.get(path).text)
    begins = now + dt.timedelta(hours=2)
    assert f"Nothing leaves before {begins:%a} {begins:%Y-%m-%d} {opens}" in text
    assert "The hours and days on which nothing is sent interrupt it." in text
    assert "The speed and the pauses that you chose take 120 minutes." in text
    ends = begins + dt.timedelta(days=1)
    assert f"Ends about{ends:%a} {ends:%Y-%m-%d} {closes}" in text


def test_the_page_says_why_nothing_would_leave(console, database, campaign_id):
    database.run(add_crowd, campaign_id, 2)
    fetch(database, "UPDATE campaigns SET recipient_count = 2 RETURNING 1")
    browser, path = console.sign_in(), f"/campaigns/{campaign_id}/pace"
    browser.post(path, EMPTY)
    fetch(database, "UPDATE accounts SET active = false, inactive_reason = 'by hand' RETURNING 1")
    text = read_text(browser.get(path).text)
    assert "none of its accounts may send (sales-1)." in text
    assert "not before somebody acts" in text


@pytest.mark.parametrize("language", ["en", "pt_BR"])
def test_a_number_with_two_meanings_is_refused_with_the_way_to_write_it(console, database, campaign_id, language):
    path = f"/campaigns/{campaign_id}/pace"
    answer = console.sign_in(Role.PLANNER, language=language).post(path, EMPTY | {"speed": "1.800"})
    error = answer.text.split('id="speed-error"')[1].split("</small>")[0]
    assert "1.800" in error
    assert "1800" in error
    assert read(database, "interval_seconds") == [0.0]


@pytest.mark.parametrize("interval", [1.125, 0.125, 12.5, 1800.0, 0.0375])
def test_the_form_takes_each_speed_that_it_shows(console, database, campaign_id, interval):
    fetch(database, "UPDATE campaigns SET interval_seconds = %s RETURNING 1", interval)
    browser, path = console.sign_in(Role.PLANNER), f"/campaigns/{campaign_id}/pace"
    page = browser.get(path).text
    shown = page.split('name="speed"')[1].split('value="')[1].split('"')[0]
    unit = page.split('name="speed_unit"')[1].split("selected")[0].rsplit('value="', 1)[1].split('"')[0]
    assert browser.post(path, EMPTY | {"speed": shown, "speed_unit": unit}).status_code == 302
    assert read(database, "interval_seconds") == [pytest.approx(interval)]


@pytest.mark.parametrize("step", ["pace", "text"])
def test_a_page_does_not_overwrite_what_somebody_else_has_saved_meanwhile(console, database, campaign_id, step):
    browser, path = console.sign_in(), f"/campaigns/{campaign_id}/{step}"
    shown = browser.get(path).text.split('name="shown" value="')[1].split('"')[0]
    fetch(database, "UPDATE campaigns SET max_per_person = 3, within_days = 7, name = 'Theirs' RETURNING id")
    sent = EMPTY | {"shown": shown, "name": "Mine", "speed": "7"}
    answer = browser.post(path, sent)
    assert answer.status_code == 409
    assert "Somebody has saved other values" in answer.text
    assert 'value="7"' in answer.text or 'value="Mine"' in answer.text
    assert read(database, "name, max_per_person, interval_seconds") == [("Theirs", 3, 0.0)]
    again = answer.text.split('name="shown" value="')[1].split('"')[0]
    assert browser.post(path, sent | {"shown": again}).status_code == 302
    assert read(database, "name, max_per_person") in ([("Theirs", None)], [("Mine", 3)])


@pytest.mark.parametrize("language", ["en", "pt_BR"])
def test_the_first_message_is_foretold_from_what_is_typed(console, database, campaign_id, language):
    browser, path = console.sign_in(Role.PLANNER, language=language), f"/campaigns/{campaign_id}/pace"
    day = dt.datetime.now(dt.UTC) + dt.timedelta(days=3)
    after = day + dt.timedelta(days=1)
    typed = EMPTY | {"show": "1", "window_from": "09:00", "window_to": "20:00", "schedule": f"{day:%Y-%m-%d}T23:30"}

    def foretell(**changes):
        answer = browser.post(path, typed | changes)
        assert answer.status_code == 200
        return read_text(answer.text.split('id="first-time"')[1].split("</div>")[0])

    text = foretell()
    assert (f"{after:%Y-%m-%d} 09:00." if language == "en" else f"{after:%d/%m/%Y} 09:00.") in text
    assert ("The date is outside the hours" if language == "en" else "A data está fora do horário") in text
    text = foretell(schedule=f"{day:%Y-%m-%d}T10:30")
    assert (f"{day:%Y-%m-%d} 10:30." if language == "en" else f"{day:%d/%m/%Y} 10:30.") in text
    assert "outside" not in text
    assert "message" not in foretell(schedule=PAST)
    assert "message" not in foretell(window_to="")
    assert read(database, "scheduled_at, window_from") == [(None, None)], "nothing is saved"
    assert fetch(database, "SELECT count(*) FROM audit_events WHERE what = 'campaign.change'") == [0]
