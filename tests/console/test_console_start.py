"""The last step of a draft: what a person sees before a start, the start itself, tests to own phones, and approvals."""

from __future__ import annotations

import datetime as dt
import json
import re
from decimal import Decimal

import pytest
from psycopg.types.json import Jsonb

from campaigns.domain.prices.price_list import Price
from campaigns.domain.users.rights import Role
from campaigns.store.prices import write_prices
from campaigns.store.users.users import insert_user
from tests.console.conftest import WORDS, read_notes, read_text
from tests.store.rows import add_account, add_campaign, add_crowd, add_message, add_messages, add_template, fetch

BODY = Jsonb([{"type": "BODY", "text": "Oi {{1}}!"}])
SUPPRESS = """
INSERT INTO suppressions (recipient_key, source, at) SELECT recipient_key, 'manual', now() FROM messages RETURNING 1
"""
NAMES = ["Ana", "Bia", "Caio", "Davi", "Eva"]

TOO_MANY = '{"digest": "00", "reached": {"1": Infinity}}'


@pytest.fixture
def campaign_id(database):
    """A draft with five people. Their phones are in no country, so it is night for nobody."""
    return database.run(make_draft)


def make_draft(connection, names=NAMES, **columns):
    account = add_account(connection)
    template = add_template(connection, components=BODY, category="UTILITY")
    chosen = {"template_id": template, "columns": ["1"], "recipient_count": len(names), "name": "Sale"} | columns
    campaign_id = add_campaign(connection, "draft", accounts=[account], **chosen)
    for number, name in enumerate(names):
        add_message(connection, campaign_id, phone=f"+1555010000{number}", variables=[name])
    return campaign_id


@pytest.fixture
def make_day(make_console):
    """Makes a console for which it is night in one minute of the day, and not in this one, in every time zone."""
    now = dt.datetime.now(dt.UTC)
    begins, ends = (now + dt.timedelta(minutes=minutes) for minutes in (20, 21))
    night = (begins.time().replace(second=0, microsecond=0), ends.time().replace(second=0, microsecond=0))
    return lambda **changes: make_console(quiet_hours=night, **changes)


@pytest.fixture
def console(make_day):
    return make_day()


def status_of(database, campaign_id):
    return fetch(database, "SELECT status::text FROM campaigns WHERE id = %s", campaign_id)[0]


def read_field(page, name):
    return page.split(f'name="{name}"')[1].split('value="')[1].split('"')[0].replace("&#34;", '"')


def confirm(browser, campaign_id, **data):
    """Send the form of the start as the page gives it."""
    path = f"/campaigns/{campaign_id}/start"
    return browser.post(path, {"told": read_field(browser.get(path).text, "told")} | data)


@pytest.mark.parametrize("language", ["en", "pt_BR"])
def test_the_page_shows_three_people_of_the_list_at_a_time(console, campaign_id, language):
    browser, path = console.sign_in(language=language), f"/campaigns/{campaign_id}/start"
    first = browser.get(path).text
    assert [name for name in NAMES if f"Oi {name}!" in first] == NAMES[:3]
    assert "+15550100000" in first
    following = first.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0]
    second = browser.get(following).text
    assert [name for name in NAMES if f"Oi {name}!" in second] == NAMES[3:]
    assert 'rel="next"' not in second
    previous = second.split('rel="prev"')[0].rsplit('href="', 1)[1].split('"')[0]
    assert [name for name in NAMES if f"Oi {name}!" in browser.get(previous).text] == NAMES[:3]
    assert browser.get(f"{path}?after=x").status_code == 400
    assert browser.get(f"{path}?after={2**63}").status_code == 400


def test_a_planner_sees_masked_phones_and_who_may_start(console, database, campaign_id):
    console.sign_in(Role.OPERATOR, name="olga")
    browser = console.sign_in(Role.PLANNER, name="paulo")
    page = browser.get(f"/campaigns/{campaign_id}/start").text
    assert "15550100000" not in page
    assert "+1 55•-•••-0000" in page
    assert "Send the address of this page to one of these people, who can start it: olga." in read_text(page)
    assert "disabled" in page.split("Start now: send 5 messages")[0].rpartition("<button")[2]
    assert 'name="told"' not in page
    assert browser.post(f"/campaigns/{campaign_id}/start", form="/campaigns/new").status_code == 403
    assert status_of(database, campaign_id) == "draft"


def test_a_planner_sees_no_phone_in_a_message_and_an_operator_does(console, database):
    campaign_id = database.run(make_draft, ["Ana, 11 98765-4321"])
    for step in ("start", "check"):
        path = f"/campaigns/{campaign_id}/{step}"
        assert "Oi Ana, 11 98765-4321!" in read_text(console.sign_in(name=f"olga-{step}").get(path).text)
        planned = read_text(console.sign_in(Role.PLANNER, name=f"paulo-{step}").get(path).text)
        assert "Oi Ana, •• •••••-••••!" in planned
        assert "4321" not in planned


def test_a_start_states_the_number_and_enqueues_the_campaign(console, database, campaign_id):
    browser = console.sign_in(name="maria")
    assert "Start now: send 5 messages" in read_text(browser.get(f"/campaigns/{campaign_id}/start").text)
    answer = confirm(browser, campaign_id)
    assert answer.location == f"/campaigns/{campaign_id}?done=started"
    assert "The campaign is started." in browser.get(answer.location).text
    assert status_of(database, campaign_id) == "pending"
    assert console.enqueued == [campaign_id]
    assert fetch(database, "SELECT actor FROM audit_events WHERE what = 'campaign.start'") == ["maria"]


def test_a_second_click_and_a_second_tab_find_the_start_made(console, database, campaign_id):
    browser = console.sign_in()
    path = f"/campaigns/{campaign_id}/start"
    page = browser.get(path).text
    data = {"told": read_field(page, "told"), "csrf_token": read_field(page.split('action="/logout"')[1], "csrf_token")}
    answers = [browser.post_raw(path, data) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [302, 302, 302]
    assert answers[1].location == f"/campaigns/{campaign_id}?done=no-start"
    assert "This click changed nothing." in browser.get(answers[1].location).text
    assert fetch(database, "SELECT count(*) FROM audit_events WHERE what = 'campaign.start'") == [1]
    assert console.enqueued == [campaign_id]


def test_a_start_without_the_facts_of_the_page_is_refused(console, database, campaign_id):
    browser = console.sign_in()
    deep = "[" * 15_000
    for told in ("", "x", "[]", "{}", '{"digest": 1}', '{"digest": "00", "reached": []}', deep, TOO_MANY):
        answer = browser.post(f"/campaigns/{campaign_id}/start", {"told": told})
        assert answer.status_code == 422
        assert "This page was too old." in answer.text
    assert status_of(database, campaign_id) == "draft"


def test_a_form_cannot_narrow_the_search_for_other_campaigns(console, database, campaign_id):
    browser, path = console.sign_in(), f"/campaigns/{campaign_id}/start"
    told = json.loads(read_field(browser.get(path).text, "told"))
    template = fetch(database, "SELECT template_id FROM campaigns WHERE id = %s", campaign_id)[0]
    other = database.run(add_campaign, "running", template_id=template, name="Earlier", columns=["1"])
    database.run(lambda connection: add_message(connection, other, "sent", phone="+15550100000", account_id=1))
    fetch(database, "UPDATE campaigns SET status = 'completed', completed_at = now() - interval '1 day',"
                    " started_at = now() - interval '2 days' WHERE id = %s", other)  # fmt: skip
    answer = browser.post(path, {"told": json.dumps(told | {"days": 0}), "agrees": read_notes(browser.get(path).text)})
    assert answer.status_code == 409, read_text(answer.text)
    assert status_of(database, campaign_id) == "draft"


def test_people_who_were_added_since_the_look_stop_the_start(console, database, campaign_id):
    browser, path = console.sign_in(), f"/campaigns/{campaign_id}/start"
    told = read_field(browser.get(path).text, "told")
    database.run(add_crowd, campaign_id, 1)
    fetch(database, "UPDATE campaigns SET recipient_count = 6 RETURNING 1")
    answer = browser.post(path, {"told": told})
    assert answer.status_code == 409
    assert "has changed since you were asked" in answer.text
    assert "Start now: send 6 messages" in read_text(answer.text)
    assert status_of(database, campaign_id) == "draft"
    assert confirm(browser, campaign_id).status_code == 302


def test_above_the_setting_a_person_types_the_number(make_day, database, campaign_id):
    console = make_day(confirm_above=4)
    browser = console.sign_in()
    for typed in ("", "4", "55", "five"):
        answer = confirm(browser, campaign_id, count=typed)
        assert answer.status_code == 422
        assert "Type the number of messages: 5." in answer.text
        assert f'value="{typed}"' in answer.text
    assert status_of(database, campaign_id) == "draft"
    assert confirm(browser, campaign_id, count=" 5 ").status_code == 302
    assert status_of(database, campaign_id) == "pending"


def test_the_number_may_be_typed_as_the_language_writes_it(make_day, database):
    campaign_id = database.run(make_draft, ["Ana"] * 8)
    database.run(add_crowd, campaign_id, 1192)
    fetch(database, "UPDATE messages SET variables = '{Ana}' RETURNING 1")
    browser = make_day().sign_in(language="pt_BR")
    page = browser.get(f"/campaigns/{campaign_id}/start").text
    assert "1.200" in page
    answer = confirm(browser, campaign_id, count="1.200", agrees=read_notes(page))
    assert answer.status_code == 302


def test_a_risk_is_shown_and_must_be_agreed_to(console, database, campaign_id):
    template = fetch(database, "SELECT template_id FROM campaigns WHERE id = %s", campaign_id)[0]
    other = database.run(add_campaign, "running", template_id=template, name="Earlier", columns=["1"])
    database.run(lambda connection: add_message(connection, other, "sent", phone="+15550100000", account_id=1))
    browser = console.sign_in()
    page = browser.get(f"/campaigns/{campaign_id}/start").text
    assert f"1 of 5 people already got campaign {other} (Earlier)" in read_text(page)
    assert "It has the same template." in read_text(page)
    assert f"I have read this note: 1 person who already got campaign {other} (Earlier)" in read_text(page)
    assert read_notes(page) == [f"got {other}"]
    for ticks in ([], ["1"]):
        answer = confirm(browser, campaign_id, agrees=ticks)
        assert answer.status_code == 422
        assert 'href="#agrees"' in answer.text
        assert status_of(database, campaign_id) == "draft"
    assert confirm(browser, campaign_id, agrees=read_notes(page)).status_code == 302


def test_a_list_that_also_got_another_template_is_said_openly(console, database, campaign_id):
    template = database.run(lambda connection: add_template(connection, name="other", components=BODY))
    other = database.run(add_campaign, "running", template_id=template, name="Earlier", columns=["1"])
    for number in range(len(NAMES)):
        phone = f"+1555010000{number}"
        database.run(lambda connection, phone=phone: add_message(connection, other, "sent", phone=phone, account_id=1))
    page = console.sign_in().get(f"/campaigns/{campaign_id}/start").text
    said = read_text(page.split('id="who"')[1].split("</section>")[0].partition("<details")[0])
    assert f"5 people are also in campaign {other} (Earlier), which is running." in said
    assert "It has all people of this list, with another template." in said


def test_of_many_campaigns_to_the_same_people_five_of_each_kind_are_named(console, database, campaign_id):
    """One box is for all that are not named, and the start compares these, too."""
    template = fetch(database, "SELECT template_id FROM campaigns WHERE id = %s", campaign_id)[0]
    for number in range(7):
        got, coming, other = (
            database.run(add_campaign, "running", name=f"{kind} {number}", columns=["1"], **columns)
            for kind, columns in (
                ("Got", {"template_id": template}),
                ("Coming", {"template_id": template}),
                ("Other", {}),
            )
        )
        database.run(send_to_first, got, 3 if number < 5 else 2)
        for each in (coming, other):
            database.run(lambda connection, each=each: add_message(connection, each, phone="+15550100004"))
        database.run(make_draft, ["Ana"], name=f"Draft {number}")
    browser, path = console.sign_in(), f"/campaigns/{campaign_id}/start"
    page = browser.get(path).text
    text = read_text(page.split('id="who"')[1].split("</section>")[0])
    for kind in ("Got", "Coming", "Other", "Draft"):
        assert [number for number in range(7) if f"{kind} {number}" in text] == [0, 1, 2, 3, 4], kind
    same = "2 more campaigns with the same list or template"
    assert f"{same} were sent to people who will get this campaign, each to 2 of them at most." in text
    assert f"{same} will be sent to people who will get this campaign, each to 1 of them at most." in text
    assert "2 more campaigns have people of this list or the very same file." in text
    assert "7 other drafts have people of this list, too: Draft 0, Draft 1, Draft 2, Draft 3, Draft 4, …" in text
    notes = read_notes(page)
    assert [note for note in notes if note.startswith("more_")] == ["more_got", "more_coming"]
    assert len(notes) == 12
    given = {"told": read_field(page, "told"), "agrees": notes}
    assert browser.post(path, given | {"agrees": [note for note in notes if note != "more_got"]}).status_code == 422
    last = fetch(database, "SELECT id FROM campaigns WHERE name = 'Got 6'")[0]
    database.run(lambda connection: add_message(connection, last, "sent", phone="+15550100003", account_id=1))
    refused = browser.post(path, given)
    assert refused.status_code == 409
    assert f"Campaign {last} (Got 6) now reaches 3 recipients" in read_text(refused.text)
    assert status_of(database, campaign_id) == "draft"
    assert confirm(browser, campaign_id, agrees=notes).status_code == 302


def test_a_tick_does_not_survive_a_change_of_the_facts(make_day, database, campaign_id):
    template = fetch(database, "SELECT template_id FROM campaigns WHERE id = %s", campaign_id)[0]
    other = database.run(add_campaign, "running", template_id=template, name="Earlier", columns=["1"])
    database.run(lambda connection: add_message(connection, other, "sent", phone="+15550100000", account_id=1))
    browser, path = make_day(confirm_above=4).sign_in(), f"/campaigns/{campaign_id}/start"
    page = browser.get(path).text
    given = {"told": read_field(page, "told"), "agrees": read_notes(page), "count": "5"}
    assert "checked" in browser.post(path, given | {"count": "4"}).text.split('id="agrees"')[1].split("</fieldset>")[0]
    fetch(database, "UPDATE campaigns SET interval_seconds = 9 WHERE id = %s RETURNING 1", campaign_id)
    for answer in (browser.post(path, given), browser.post(path, given | {"count": "4"})):
        assert answer.status_code in {409, 422}
        assert read_notes(answer.text) == given["agrees"]
        form = answer.text.split('id="confirm"')[1]
        assert "checked" not in form
        assert read_field(form, "count") == ""
    assert status_of(database, campaign_id) == "draft"


def test_a_newer_draft_for_the_same_people_must_be_agreed_to(console, database, campaign_id):
    newer = database.run(lambda connection: make_draft(connection, name="Right"))
    browser = console.sign_in()
    page = browser.get(f"/campaigns/{campaign_id}/start").text
    text = f"Campaign {newer} (Right) is a newer draft. It has 5 of 5 recipients of campaign {campaign_id}."
    assert text in read_text(page)
    assert "I have read this note: a newer draft for the same people" in read_text(page)
    assert f'href="/campaigns/{newer}/start"' in page
    assert confirm(browser, campaign_id).status_code == 422
    assert confirm(browser, campaign_id, agrees=read_notes(page)).status_code == 302
    assert read_notes(browser.get(f"/campaigns/{newer}/start").text) == []


def test_a_night_is_said_before_the_start(make_console, database, campaign_id):
    console = make_console()
    fetch(database, "UPDATE messages SET phone = '+5511987650' || id RETURNING 1")
    fetch(database, "UPDATE templates SET language = 'pt_BR' RETURNING 1")
    fetch(database, "UPDATE campaigns SET time_zone = 'America/Sao_Paulo' RETURNING 1")
    hour = fetch(database, "SELECT extract(hour FROM now() AT TIME ZONE 'America/Sao_Paulo')::int")[0]
    is_night = hour >= 20 or hour < 8
    page = read_text(console.sign_in().get(f"/campaigns/{campaign_id}/start").text)
    assert ("It will be night for" in page) == is_night
    assert ("I have read this note: 5 people for whom it is night" in page) == is_night


def test_a_draft_that_cannot_start_says_why_once_and_its_disabled_button_leads_there(console, database, campaign_id):
    fetch(database, "DELETE FROM campaign_accounts RETURNING 1")
    page = console.sign_in().get(f"/campaigns/{campaign_id}/start").text
    above, button = page.split('id="why-not"')
    assert "has no account" in read_text(above.split('id="nothing-leaves"')[1])
    assert read_text(page).count("has no account") == 1
    assert 'href="#nothing-leaves"' in button
    assert 'aria-describedby="obstacle-1 why-not"' in page
    assert "disabled" in page.split("Start now: send 5 messages")[0].rpartition("<button")[2]
    assert 'name="told"' not in page


def test_a_draft_without_people_says_so_and_leads_to_the_list(console, database):
    template = database.run(add_template, components=BODY)
    campaign_id = database.run(add_campaign, "draft", template_id=template, columns=["1"])
    page = console.sign_in().get(f"/campaigns/{campaign_id}/start").text
    assert read_text(page).count("has no recipients: it cannot be started") == 1
    assert "Nobody on the list waits for a message." in page
    assert "0 messages" not in read_text(page)
    assert f'href="/campaigns/{campaign_id}/list">Upload another list' in page


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE accounts SET active = false, inactive_reason = 'by hand' RETURNING 1", "none of its accounts"),
        ("UPDATE templates SET status = 'paused' RETURNING 1", "is paused"),
        ("DELETE FROM campaign_accounts RETURNING 1", "has no account"),
        (SUPPRESS, "Nobody on the list may get it"),
    ],
)
def test_a_campaign_of_which_nothing_can_leave_has_no_button(console, database, campaign_id, change, said):
    fetch(database, change)
    page = console.sign_in().get(f"/campaigns/{campaign_id}/start").text
    assert said in read_text(page.split('id="nothing-leaves"')[1].split("</section>")[0])
    assert read_text(page).count(said) == 1
    assert 'name="told"' not in page


def test_inactive_accounts_are_told_with_the_page_that_activates_them(console, database, campaign_id):
    (name,) = fetch(database, "UPDATE accounts SET active = false, inactive_reason = 'by hand' RETURNING name")
    browser, command = console.sign_in(), f"activate the account {name}"
    for path in ("", "/pace"):
        assert f"To let it send again: {command}." in read_text(browser.get(f"/campaigns/{campaign_id}{path}").text)
    page = browser.get(f"/campaigns/{campaign_id}/start").text
    assert f"let an account send again after that: {command}." in read_text(page)
    button = page.split("Send a test…")[0].rsplit("<button", 1)[1]
    assert "disabled" in button, "no account can send a test"
    assert 'aria-describedby="obstacle-1"' in button


def test_a_campaign_whose_hours_are_at_night_is_not_asked_for_hours(make_console, database, campaign_id):
    now = dt.datetime.now(dt.UTC)
    night = (now.time().replace(second=0, microsecond=0), (now + dt.timedelta(hours=2)).time().replace(microsecond=0))
    fetch(database, "UPDATE campaigns SET time_zone = 'UTC' RETURNING 1")
    browser = make_console(quiet_hours=night).sign_in()
    path, hours = f"/campaigns/{campaign_id}/start", "The campaign has hours, but they are at night."
    page = read_text(browser.get(path).text)
    assert ("Give the campaign hours" in page, hours in page) == (True, False)
    fetch(database, "UPDATE campaigns SET window_from = %s, window_to = %s RETURNING 1", *night)
    page = read_text(browser.get(path).text)
    assert ("Give the campaign hours" in page, hours in page) == (False, True)


def test_the_button_says_from_when_messages_leave_if_the_hours_are_closed(console, database, campaign_id):
    opens = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=3)).replace(second=0, microsecond=0)
    closes = opens + dt.timedelta(hours=1)
    fetch(
        database,
        "UPDATE campaigns SET time_zone = 'UTC', window_from = %s, window_to = %s RETURNING 1",
        *(each.time() for each in (opens, closes)),
    )
    page = read_text(console.sign_in().get(f"/campaigns/{campaign_id}/start").text)
    assert f"Start: send 5 messages from {opens:%Y-%m-%d %H:%M} on" in page
    assert "Start now" not in page


def test_a_past_schedule_is_told_with_the_labels_of_the_form(console, database, campaign_id):
    fetch(database, "UPDATE campaigns SET scheduled_at = now() - interval '1 hour' RETURNING 1")
    page = read_text(console.sign_in(language="pt_BR").get(f"/campaigns/{campaign_id}/start").text)
    assert "Para iniciar agora: deixe “Não iniciar antes de” em branco." in page
    assert re.search(r"Para iniciar em outro horário: “Não iniciar antes de”: \d\d/\d\d/\d{4} \d\d:\d\d\.", page)


def test_people_who_opted_out_after_the_import_are_counted_as_left_out(console, database, campaign_id):
    browser, path = console.sign_in(), f"/campaigns/{campaign_id}"
    assert "Nobody on the list is left out." in browser.get(f"{path}/start").text
    fetch(database, SUPPRESS.replace("RETURNING", "LIMIT 2 RETURNING"))
    text = read_text(browser.get(f"{path}/start").text)
    assert "2have opted out or are on the list" in text
    assert "Nobody on the list is left out." not in text
    fetch(
        database,
        "DELETE FROM suppressions WHERE recipient_key = (SELECT min(recipient_key) FROM suppressions) RETURNING 1",
    )
    assert "1has opted out or is on the list" in read_text(browser.get(f"{path}/start").text)
    fetch(database, SUPPRESS.replace("RETURNING", "LIMIT 2 ON CONFLICT DO NOTHING RETURNING"))
    text = read_text(browser.get(f"{path}/check").text)
    assert "5 rows read, 3 people ready to get the message." in text
    assert "2have opted out or are on the list" in text


def test_a_scheduled_draft_says_when_it_begins(console, database, campaign_id):
    fetch(database, "UPDATE campaigns SET scheduled_at = '2099-03-01T12:00Z' RETURNING 1")
    browser = console.sign_in()
    page = read_text(browser.get(f"/campaigns/{campaign_id}/start").text)
    assert "Schedule 5 messages for 2099-03-01 12:00" in page
    assert confirm(browser, campaign_id).location.endswith("done=scheduled")
    assert status_of(database, campaign_id) == "scheduled"
    assert console.enqueued == []


def test_a_test_names_its_phones_before_it_sends(console, database, campaign_id):
    browser, start = console.sign_in(), f"/campaigns/{campaign_id}/start"
    asked = browser.post(f"/campaigns/{campaign_id}/test", {"phones": "+16505550100, +16505550101"}, form=start)
    assert "2 real messages go out now, to these phones:" in read_text(asked.text)
    assert fetch(database, "SELECT count(*) FROM campaigns WHERE test_of IS NOT NULL") == [0]
    data = {"phones": "+16505550100,+16505550101", "known": "0"}
    sent = browser.post(f"/campaigns/{campaign_id}/test/send", data, form=start)
    test_id = fetch(database, "SELECT id FROM campaigns WHERE test_of = %s", campaign_id)[0]
    assert sent.location == f"/campaigns/{test_id}/result"
    assert console.enqueued == [test_id]
    page = browser.get(sent.location).text
    assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in page
    assert 'hx-trigger="every 2s"' in page
    assert "+16505550101: in our queue" in read_text(page)
    again = browser.post(f"/campaigns/{campaign_id}/test/send", data, form=start)
    assert again.status_code == 409
    assert "Nothing was sent a second time." in read_text(again.text)
    assert fetch(database, "SELECT count(*) FROM campaigns WHERE test_of IS NOT NULL") == [1]
    assert browser.post(f"/campaigns/{test_id}/withdraw", form=sent.location).status_code == 302
    page = browser.get(sent.location).text
    assert f'<a role="button" href="/campaigns/{campaign_id}/draft">' in page
    assert "refresh" not in page
    assert "every 2s" not in page
    assert "not sent: the campaign was cancelled" in page
    assert f'href="/campaigns/{test_id}/result"' in browser.get(start).text


def test_a_test_has_a_name_in_the_language_of_its_person(console, database, campaign_id):
    browser, start = console.sign_in(language="pt_BR"), f"/campaigns/{campaign_id}/start"
    browser.post(f"/campaigns/{campaign_id}/test/send", {"phones": "+16505550100", "known": "0"}, form=start)
    assert fetch(database, "SELECT name FROM campaigns WHERE test_of IS NOT NULL") == ["Sale (teste)"]


@pytest.mark.parametrize(
    "phones",
    ["", "hello", "07721 234567", "+1650555010", "+16505550100," * 3 + "+55119", ", ".join(["+16505550100"] * 6)],
)
def test_wrong_phones_of_a_test_are_said_at_the_field(console, database, campaign_id, phones):
    browser, start = console.sign_in(), f"/campaigns/{campaign_id}/start"
    for path in ("test", "test/send"):
        answer = browser.post(f"/campaigns/{campaign_id}/{path}", {"phones": phones}, form=start)
        assert answer.status_code == 422
        assert 'id="phones-error"' in answer.text
        assert f'value="{phones}"' in answer.text
    assert fetch(database, "SELECT count(*) FROM campaigns WHERE test_of IS NOT NULL") == [0]


def test_a_campaign_is_no_result_of_a_test(console, campaign_id):
    browser = console.sign_in()
    assert browser.get(f"/campaigns/{campaign_id}/result").status_code == 404
    assert browser.post(f"/campaigns/{campaign_id}/withdraw", form="/campaigns/new").status_code == 404


def test_a_large_campaign_waits_for_the_approval_of_another_person(make_day, database, campaign_id):
    console = make_day(approve_above=3)
    planner = console.sign_in(Role.PLANNER, name="paulo")
    planner.post(f"/campaigns/{campaign_id}/text", {"name": "Sale 2"})
    maria, joao = console.sign_in(name="maria"), console.sign_in(name="joao")
    path = f"/campaigns/{campaign_id}"
    page = planner.get(f"{path}/start").text
    text = read_text(page)
    assert "A campaign of more than 3 messages needs the approval of a second person" in text
    assert "joao, maria" in text or "maria, joao" in text
    assert "It also needs the approval of a second person." in text
    assert 'href="#approval"' in page and 'id="approval"' in page
    assert planner.get(f"{path}/approve").status_code == 403
    assert 'name="told"' not in maria.get(f"{path}/start").text
    page = maria.get(f"{path}/approve").text
    assert "Oi Ana!" in page
    assert "Changed last bypaulo" in read_text(page)
    approved = maria.post(f"{path}/approve", {"told": read_field(page, "told")})
    assert approved.location == f"{path}?done=approved"
    assert "maria has approved it." in read_text(joao.get(f"{path}/start").text)
    joao.post(f"{path}/text", {"name": "Sale 3"})  # the name is no content
    assert confirm(joao, campaign_id).status_code == 302
    assert status_of(database, campaign_id) == "pending"


def test_a_planner_asks_for_an_approval_and_the_people_who_may_give_it_see_that(make_day, database, campaign_id):
    console, path = make_day(approve_above=3), f"/campaigns/{campaign_id}"
    planner, maria = console.sign_in(Role.PLANNER, name="paulo"), console.sign_in(name="maria")
    assert "to approve them" not in maria.get("/").text
    asked = planner.post(f"{path}/ask-approval", form=f"{path}/start")
    assert asked.location == f"{path}/start#approval"
    page = planner.get(f"{path}/start").text
    assert "paulo asked for the approval on" in read_text(page)
    assert f'action="{path}/ask-approval"' not in page
    now = maria.get("/").text
    assert "paulo asked for the approval of 5 messages on" in read_text(now)
    assert f'href="{path}/approve"' in now
    assert "to approve them" not in planner.get("/").text
    page = maria.get(f"{path}/approve").text
    assert "Approval asked for bypaulo" in read_text(page)
    maria.post(f"{path}/approve", {"told": read_field(page, "told")})
    assert "to approve them" not in maria.get("/").text
    again = planner.post(f"{path}/ask-approval", form=f"{path}/start")
    assert (again.status_code, "maria has approved it" in again.text) == (409, True)


def test_a_request_is_not_shown_to_the_person_who_changed_the_campaign_last(make_console, campaign_id):
    console, path = make_console(approve_above=3), f"/campaigns/{campaign_id}"
    maria, joao = console.sign_in(name="maria"), console.sign_in(name="joao")
    maria.post(f"{path}/text", {"name": "Mine"})
    maria.post(f"{path}/ask-approval")
    assert "to approve them" not in maria.get("/").text
    assert f'href="{path}/approve"' in joao.get("/").text


def test_a_standing_campaign_asks_for_the_approval_of_any_number_of_messages(make_console, database):
    columns = {"template_id": database.run(add_template, components=BODY), "is_standing": True, "name": "Orders"}
    campaign_id = database.run(add_campaign, "draft", **columns)
    console, path = make_console(approve_above=3), f"/campaigns/{campaign_id}"
    browser = console.sign_in()
    assert f'href="{path}/ask-approval"' in browser.get(path).text
    assert "could send any number of messages" in read_text(browser.get(f"{path}/ask-approval").text)
    browser.post(f"{path}/ask-approval")
    assert "asked for the approval of this standing campaign on" in read_text(browser.get("/").text)
    assert browser.get(f"{path}/approve").status_code == 200


def test_a_refused_start_leads_to_the_page_that_asks_for_the_approval(make_console, database):
    campaign_id = database.run(make_draft)
    console, path = make_console(approve_above=3), f"/campaigns/{campaign_id}"
    fetch(database, "UPDATE campaigns SET status = 'paused', started_at = now() WHERE id = %s RETURNING 1", campaign_id)
    browser = console.sign_in()
    told = read_field(browser.get(f"{path}/resume").text, "told")
    refused = browser.post(f"{path}/resume", {"told": told})
    assert refused.status_code == 409
    assert f'href="{path}/ask-approval"' in refused.text
    assert f'href="{path}/ask-approval"' in browser.get(path).text
    assert "which is 5 messages" in read_text(browser.get(f"{path}/ask-approval").text)
    asked = browser.post(f"{path}/ask-approval")
    assert asked.location == f"{path}?done=asked"
    assert "You have asked for the approval." in read_text(browser.get(asked.location).text)
    assert console.sign_in(Role.VIEWER).get(f"{path}/ask-approval").status_code == 403


def test_messages_that_a_retry_could_send_need_an_approval_too(make_console, database):
    campaign_id = database.run(add_campaign, "paused", accounts=[database.run(add_account)])
    database.run(add_messages, campaign_id, 1)
    database.run(add_messages, campaign_id, 3, "failed")
    path = f"/campaigns/{campaign_id}"
    for above, are_shown in ((3, True), (4, False)):
        page = make_console(approve_above=above).sign_in(name=f"ana{above}").get(path).text
        assert (f'href="{path}/approve"' in page) == are_shown
        assert (f'href="{path}/ask-approval"' in page) == are_shown


def test_an_approval_is_of_the_content_that_the_person_saw(make_console, database, campaign_id):
    console = make_console(approve_above=3)
    browser, path = console.sign_in(), f"/campaigns/{campaign_id}/approve"
    told = read_field(browser.get(path).text, "told")
    database.run(add_crowd, campaign_id, 1)
    fetch(database, "UPDATE campaigns SET recipient_count = 6 RETURNING 1")
    answer = browser.post(path, {"told": told})
    assert answer.status_code == 409
    assert "has changed since you looked at it" in answer.text
    assert browser.post(path, {"told": "x"}).status_code == 422
    assert fetch(database, "SELECT count(*) FROM approvals") == [0]


def test_the_person_who_changed_a_campaign_last_does_not_approve_it(make_console, database, campaign_id):
    browser, path = make_console(approve_above=3).sign_in(name="maria"), f"/campaigns/{campaign_id}"
    browser.post(f"{path}/text", {"name": "Mine"})
    page = browser.get(f"{path}/approve").text
    assert "You changed the campaign last" in page
    told = '{"digest": "00", "pace": "00", "messages": 9, "nights": 0, "reached": {}}'
    answer = browser.post(f"{path}/approve", {"told": told}, form=f"{path}/start")
    assert answer.status_code == 409
    assert "There is no user who may approve it." in read_text(browser.get(f"{path}/start").text)
    assert fetch(database, "SELECT count(*) FROM approvals") == [0]


def test_after_a_test_that_was_refused_the_form_starts_the_campaign(console, database, campaign_id):
    browser, path = console.sign_in(), f"/campaigns/{campaign_id}"
    page = browser.post(f"{path}/test", {"phones": ""}, form=f"{path}/start").text
    form = page.split('id="confirm"')[1]
    assert form.split('action="')[1].split('"')[0] == f"{path}/start"
    following = page.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0]
    assert browser.get(following).status_code == 200
    browser.post(f"{path}/start", {"told": read_field(page, "told")})
    assert status_of(database, campaign_id) == "pending"


@pytest.mark.parametrize("step", ["text", "list", "columns", "check", "pace", "start", "copy", "approve", "discard"])
def test_behind_a_path_prefix_each_link_of_a_draft_leads_to_a_page_of_ours(make_console, campaign_id, step):
    console = make_console(public_url="http://localhost:8080/revoada")
    given = {"role": Role.OPERATOR, "password_hash": "$argon2id$of-a-test", "time_zone": "UTC", "language": "en"}
    console.database.run(insert_user, "maria", **given)
    browser = console.browser()
    browser.post("/revoada/login", {"name": "maria", "password": WORDS})
    page = browser.get(f"/revoada/campaigns/{campaign_id}/{step}").text
    addresses = re.findall(r'(?:href|action|src|hx-[a-z]+)="(/[^"]*)"', page)
    assert len(addresses) > 5
    assert [each for each in addresses if not each.startswith("/revoada/")] == []


def send_to_first(connection, other_id, count, at=None):
    """Let another campaign send to the first people of the draft."""
    at = at or dt.datetime.now(dt.UTC)
    for number in range(count):
        phone = f"+1555010000{number}"
        add_message(connection, other_id, "sent", phone=phone, account_id=1, claimed_at=at, sent_at=at)


def test_people_whom_the_limit_per_person_holds_back_get_nothing(console, database):
    """They are not in the number of messages, no tick is asked for them, and their messages are not shown."""
    campaign_id = database.run(make_draft, max_per_person=1, within_days=7)
    template = fetch(database, "SELECT template_id FROM campaigns WHERE id = %s", campaign_id)[0]
    other = database.run(add_campaign, "running", template_id=template, name="Earlier", columns=["1"])
    database.run(send_to_first, other, 4)
    browser = console.sign_in()
    page = browser.get(f"/campaigns/{campaign_id}/start").text
    text = read_text(page)
    assert "1gets the message" in text
    assert "4are skipped as things stand, because of the limit per person (1 message in 7 days)" in text
    assert "Start now: send 1 message" in text
    assert "already got" not in text
    assert "Leave out" not in text
    assert read_notes(page) == []
    assert [name for name in NAMES if f"Oi {name}!" in page] == ["Eva"]
    assert confirm(browser, campaign_id).status_code == 302


def test_a_person_who_is_no_longer_held_back_stops_the_start(console, database):
    campaign_id = database.run(make_draft, max_per_person=1, within_days=7)
    template = fetch(database, "SELECT template_id FROM campaigns WHERE id = %s", campaign_id)[0]
    other = database.run(add_campaign, "running", template_id=template, name="Earlier", columns=["1"])
    database.run(send_to_first, other, 4)
    browser, path = console.sign_in(), f"/campaigns/{campaign_id}/start"
    told = read_field(browser.get(path).text, "told")
    earlier = "UPDATE messages SET claimed_at = claimed_at - interval '8 days' WHERE campaign_id = %s RETURNING 1"
    fetch(database, earlier, other)
    answer = browser.post(path, {"told": told, "agrees": [f"got {other}"]})
    assert answer.status_code == 409
    assert f"Campaign {other} (Earlier) now reaches 4 recipients" in read_text(answer.text)
    assert status_of(database, campaign_id) == "draft"


def test_the_limit_counts_at_the_time_when_the_messages_leave(console, database):
    """A person who got a message today gets a campaign that leaves after the days of the limit."""
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=3)
    campaign_id = database.run(make_draft, max_per_person=1, within_days=2, scheduled_at=later)
    database.run(lambda connection: send_to_first(connection, add_campaign(connection, "running"), 4))
    text = read_text(console.sign_in().get(f"/campaigns/{campaign_id}/start").text)
    assert "5get the message" in text
    assert "are skipped as things stand" not in text


def test_a_draft_of_which_nobody_is_left_says_so(console, database):
    campaign_id = database.run(make_draft, max_per_person=1, within_days=7)
    database.run(lambda connection: send_to_first(connection, add_campaign(connection, "running"), 5))
    browser, path = console.sign_in(), f"/campaigns/{campaign_id}/start"
    page = browser.get(path).text
    assert "Nobody on the list gets it as things stand" in read_text(page)
    assert "all have opted out" not in read_text(page)
    assert "Start" not in read_text(page.split('id="nothing-leaves"')[1])
    assert f'href="/campaigns/{campaign_id}/pace#max_per_person">Change the limit per person' in page


def test_a_page_of_which_everybody_has_opted_out_since_starts_nothing(console, database, campaign_id):
    browser, path = console.sign_in(), f"/campaigns/{campaign_id}/start"
    told = read_field(browser.get(path).text, "told")
    fetch(database, SUPPRESS)
    page = browser.get(path).text
    assert 'href="/optouts">See who has opted out' in page
    answer = browser.post(path, {"told": told}, form=path)
    assert answer.status_code == 422
    assert status_of(database, campaign_id) == "draft"


def test_the_check_counts_the_people_who_get_the_message_as_the_start_does(console, database):
    campaign_id = database.run(make_draft, max_per_person=1, within_days=7)
    database.run(lambda connection: send_to_first(connection, add_campaign(connection, "running"), 3))
    text = read_text(console.sign_in().get(f"/campaigns/{campaign_id}/check").text)
    assert "2 people ready to get the message" in text
    assert "Go on with these 2 people" in text
    assert "3are skipped as things stand, because of the limit per person (1 message in 7 days)" in text


def test_other_drafts_of_the_same_people_are_one_line(console, database, campaign_id):
    for name in ("Older", "Oldest"):
        database.run(make_draft, ["Ana", "Bia"], name=name)
    text = read_text(console.sign_in().get(f"/campaigns/{campaign_id}/start").text)
    assert "2 other drafts have people of this list, too: " in text
    assert "which is draft" not in text


def test_people_who_opted_out_are_neither_shown_nor_asked_about(console, database, campaign_id):
    template = fetch(database, "SELECT template_id FROM campaigns WHERE id = %s", campaign_id)[0]
    other = database.run(add_campaign, "running", template_id=template, name="Earlier", columns=["1"])
    database.run(send_to_first, other, 2)
    fetch(database, f"{SUPPRESS.split('FROM', maxsplit=1)[0]} FROM messages WHERE campaign_id = {other} RETURNING 1")
    page = console.sign_in().get(f"/campaigns/{campaign_id}/start").text
    assert [name for name in NAMES if f"Oi {name}!" in page] == NAMES[2:]
    assert read_notes(page) == []


def test_the_first_message_of_the_check_is_one_that_leaves(console, database, campaign_id):
    first = "INSERT INTO suppressions (recipient_key, source, at) SELECT recipient_key, 'manual', now() FROM messages"
    fetch(database, f"{first} ORDER BY id LIMIT 1 RETURNING 1")
    assert "Oi Bia!" in read_text(console.sign_in().get(f"/campaigns/{campaign_id}/check").text)
    fetch(database, f"{first} ON CONFLICT DO NOTHING RETURNING 1")
    text = read_text(console.sign_in(name="eva").get(f"/campaigns/{campaign_id}/check").text)
    assert "Nobody on the list gets a message as things stand." in text


@pytest.mark.parametrize("language", ["en", "pt_BR"])
def test_people_who_already_got_it_are_left_out_at_the_warning(console, database, campaign_id, language):
    template = fetch(database, "SELECT template_id FROM campaigns WHERE id = %s", campaign_id)[0]
    other = database.run(add_campaign, "running", template_id=template, name="Earlier", columns=["1"])
    database.run(send_to_first, other, 4, dt.datetime.now(dt.UTC) - dt.timedelta(days=2))
    browser, path = console.sign_in(language=language), f"/campaigns/{campaign_id}/start"
    page = browser.get(path).text
    assert read_field(page, "days") == "3"
    answer = browser.post(f"{path}/leave-out", {"days": "3"}, form=path)
    assert answer.headers["Location"] == f"{path}#who"
    assert fetch(database, "SELECT max_per_person * 10 + within_days FROM campaigns WHERE id = %s", campaign_id) == [13]
    page = browser.get(path).text
    assert read_notes(page) == []
    assert 'name="days"' not in page
    assert browser.post(f"{path}/leave-out", {"days": "9"}, form=path).status_code == 302
    assert fetch(database, "SELECT within_days FROM campaigns WHERE id = %s", campaign_id) == [3]
    assert browser.post(f"{path}/leave-out", {"days": "0"}, form=path).status_code == 400


def test_the_page_says_what_the_messages_cost_at_most_only_if_prices_are_loaded(console, database):
    campaign_id = database.run(make_draft, names=["Ana", "Bia"])
    for number, phone in enumerate(("+5511999990001", "+351912345678", "+244923456789")):
        database.run(add_message, campaign_id, phone=phone, variables=[f"Eva {number}"])
    browser, path = console.sign_in(), f"/campaigns/{campaign_id}/start"
    page = browser.get(path).text
    assert "the most that the messages cost" not in page
    assert "No price is loaded for these countries" in page
    assert 'href="/settings/prices"' in page
    assert "Portugal1\N{EN DASH}\N{EN DASH}" in read_text(page)
    prices = [Price(country, "utility", dt.date(2026, 1, 1), "BRL", Decimal("0.0625"), "") for country in ("BR", "PT")]
    database.run(write_prices, prices)
    shown = read_text(browser.get(path).text)
    assert "R$0.13is the most that the messages cost, at the prices of the day of the first one" in shown
    assert "Portugal1R$0.0625R$0.07" in shown
    assert "3of these have no price, and are not in this amount: an unknown country, AO" in shown
    shown = read_text(console.sign_in(language="pt_BR").get(path).text)
    assert "0,13é o máximo que as mensagens custam" in shown
