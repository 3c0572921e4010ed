"""One person: found in any spelling, opted out and in again, erased, and shown to viewers without the phone."""

from __future__ import annotations

import re

import pytest
from psycopg.types.json import Jsonb

from campaigns.domain.phone.mask import mask_number, mask_numbers
from campaigns.domain.phone.person import recipient_key
from campaigns.domain.users.rights import Role
from campaigns.management.suppressions import suppress_phones
from campaigns.privacy.erasure import forget
from campaigns.secrets import encrypt_token, make_key, open_key, seal_key
from tests.console.conftest import read_text
from tests.store.rows import add_account, add_campaign, add_message, add_template, fetch
from tests.support.actors import TESTER

PHONE = "+5511987650021"
FINDERS = ["+55 11 98765-0021", "(11) 98765-0021", "11 8765 0021", "551187650021", "011 98765.0021"]


@pytest.fixture
def campaign_id(database):
    def work(connection):
        body = [{"type": "BODY", "text": "Olá {{1}}, ligue para {{2}}."}]
        template = add_template(connection, name="ola", components=Jsonb(body))
        account = add_account(connection, name="sales-1")
        columns = {
            "template_id": template,
            "columns": ["1", "2"],
            "parameters": Jsonb({"1": None, "2": None}),
            "name": "Natal <b>",
        }
        campaign = add_campaign(connection, "running", accounts=[account], **columns)
        person = {"phone": PHONE, "recipient_key": recipient_key(PHONE), "variables": ["=Ana", "(11) 4002-8922"]}
        add_message(connection, campaign, "failed", **person)
        return campaign

    return database.run(work)


def test_a_message_of_a_draft_is_not_in_a_queue(console, database):
    """Neither on the page of a person, who may have opted out, nor in the list of the people of the draft."""
    template = database.run(lambda c: add_template(c, components=Jsonb([{"type": "BODY", "text": "Oi"}])))
    draft = database.run(lambda c: add_campaign(c, "draft", template_id=template))
    database.run(lambda c: add_message(c, draft, phone=PHONE, recipient_key=recipient_key(PHONE)))
    database.run(suppress_now, PHONE)
    browser = console.sign_in()
    for text in (read_text(browser.get(find(browser)).text), read_text(browser.get(f"/campaigns/{draft}/people").text)):
        assert "not sent: the campaign is a draft that was never started" in text
        assert "in our queue" not in text.partition("Person Message")[2] + text.partition("Messages")[2]
    assert "It will not be sent, because the person has opted out." in read_text(browser.get(find(browser)).text)


def suppress_now(connection, phone):
    connection.execute(
        "INSERT INTO suppressions (recipient_key, source, at) VALUES (%s, 'manual', now())", (recipient_key(phone),)
    )


def find(browser, phone=PHONE):
    answer = browser.post("/people", {"phone": phone})
    assert answer.status_code == 302, read_text(answer.text)
    return answer.location


@pytest.mark.parametrize("written", FINDERS)
def test_a_person_is_found_in_any_spelling(console, campaign_id, written):
    browser = console.sign_in()
    text = read_text(browser.get(find(browser, written)).text)
    assert "+5511987650021" in text
    assert "Natal <b>" in text
    assert "undeliverable" in text
    assert "(code 131026)" in text
    assert "by account sales-1" in text
    assert "failed: 2026-10-01 12:00" in text
    assert "Olá =Ana, ligue para (11) 4002-8922." in text


def test_a_message_is_shown_as_a_phone_shows_it_and_masked_for_viewers(console, campaign_id):
    page = console.sign_in().get(find(console.sign_in(name="b"))).text
    assert '<div class="bubble">' in page
    assert "(11) 4002-8922" in page
    viewer = console.sign_in(Role.VIEWER)
    masked = viewer.get(find(viewer)).text
    assert '<div class="bubble">' in masked
    assert "Olá =Ana, ligue para (••) ••••-••••." in read_text(masked)


def test_no_address_has_the_phone_and_an_address_ends(console, campaign_id, monkeypatch):
    browser = console.sign_in()
    path = find(browser)
    assert not re.search(r"98765|87650", path)
    links = re.findall(r'(?:href|action)="([^"]+)"', browser.get(path).text)
    assert not [each for each in links if "98765" in each]
    monkeypatch.setattr("console.pages.people.keys.KEY_SECONDS", -1)
    answer = browser.get(path)
    assert answer.status_code == 404
    assert "Search for the person again." in answer.text


@pytest.mark.parametrize("sealed", ["x", "gAAAAA", "é"])
def test_an_address_that_was_not_made_here_is_not_found(console, sealed):
    browser = console.sign_in()
    assert browser.get(f"/people/{sealed}").status_code == 404
    other = seal_key(make_key(), f"person {PHONE}")
    assert browser.get(f"/people/{other}").status_code == 404
    page = seal_key(console.settings.secret_key, "page []")
    assert browser.get(f"/people/{page}").status_code == 404


def test_a_stored_secret_cannot_be_opened_as_an_address(console):
    key = console.settings.secret_key
    assert open_key(key, encrypt_token(key, "person secret").decode(), seconds=60) is None
    assert open_key(f"{make_key()},{key}", seal_key(key, "person x"), seconds=60) == "person x"


@pytest.mark.parametrize("typed", ["", "   ", "hello", "123", "529.982.247-25", "<script>", "+5511"])
def test_what_is_no_phone_is_told_at_the_field_and_kept(console, typed):
    answer = console.sign_in().post("/people", {"phone": typed})
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert 'href="#phone"' in answer.text
    assert "<script>" not in answer.text.replace("<script src", "")
    if typed.strip():
        assert 'value="' + typed.replace("<", "&lt;").replace(">", "&gt;") in answer.text


def test_erased_and_never_in_a_list_and_opted_out_are_three_things(console, database, campaign_id):
    browser, key = console.sign_in(), console.settings.secret_key
    never = read_text(browser.get(find(browser, "11 98888-1111")).text)
    assert "no list has this number" in never
    assert "old campaign" not in never
    fetch(database, "UPDATE campaigns SET erased_at = now(), status = 'completed', completed_at = now()")
    assert "The people of 1 old campaign are erased" in read_text(browser.get(find(browser, "11 98888-1111")).text)
    suppress_phones(database, ["+5511988882222"], actor=TESTER, reason="by phone", secret_key=key)
    out = read_text(browser.get(find(browser, "11 98888-2222")).text)
    assert "No: this person gets no messages. entered by hand" in out
    assert "by phone" in out
    forget(database, PHONE, actor=TESTER, secret_key=key)
    gone = read_text(browser.get(find(browser)).text)
    assert "No: this person was erased." in gone
    assert "Natal" not in gone


def test_erased_people_who_cannot_be_recognised_are_told(console, make_console, database):
    forget(database, PHONE, actor=TESTER, secret_key=console.settings.secret_key)
    browser = make_console(secret_key=make_key()).sign_in()
    assert "cannot be recognised with this one" in read_text(browser.get(find(browser)).text)


def test_a_person_opts_out_and_in_again_with_a_reason(console, database, campaign_id):
    browser = console.sign_in(name="maria")
    path = find(browser)
    empty = browser.post(f"{path}/opt-out", {"reason": " "})
    assert empty.status_code == 422
    assert "Say why" in empty.text
    answer = browser.post(f"{path}/opt-out", {"reason": "=asked <b>by mail</b>"})
    assert answer.location == f"{path}?done=out"
    page = browser.get(answer.location).text
    assert "This person gets no messages any more." in page
    assert "&lt;b&gt;by mail" in page
    assert browser.post(f"{path}/opt-out", {"reason": "x" * 501}).status_code == 422
    answer = browser.post(f"{path}/opt-in", {"reason": "wrote again"})
    page = read_text(browser.get(answer.location).text)
    assert "This person may get messages again." in page
    assert "An earlier opt-out was ended" in page
    assert fetch(
        database, "SELECT actor, what, reason FROM audit_events WHERE what LIKE 'suppression.%%' ORDER BY id"
    ) == [
        ("maria", "suppression.add", "=asked <b>by mail</b>"),
        ("maria", "suppression.remove", "wrote again"),
    ]
    # A second tab with the old word shows what is true now.
    assert "gets no messages any more" not in browser.get(f"{path}?done=out").text


def test_an_admin_erases_a_person_after_a_tick_and_a_reason(console, database, campaign_id):
    browser = console.sign_in(Role.ADMIN, name="eva")
    path = find(browser)
    answer = browser.post(f"{path}/erase", {"reason": "asked"})
    assert answer.status_code == 422
    assert "Tick the box" in answer.text
    assert fetch(database, "SELECT phone FROM messages") == [PHONE]
    answer = browser.post(f"{path}/erase", {"reason": "asked", "sure": "yes"})
    assert "1 message has no phone and no values any more." in read_text(answer.text)
    assert fetch(database, "SELECT phone FROM messages") == [None]
    assert fetch(database, "SELECT actor, reason FROM audit_events WHERE what = 'person.forget'") == [("eva", "asked")]


def test_an_erasure_that_has_to_wait_says_so(console, database, campaign_id):
    def work(connection):
        add_message(connection, add_campaign(connection, "running"), "sending", phone=PHONE, recipient_key=PHONE)

    database.run(work)
    browser = console.sign_in(Role.ADMIN)
    answer = browser.post(f"{find(browser)}/erase", {"reason": "asked", "sure": "yes"})
    assert answer.status_code == 409
    assert "A message to this person is in flight: try again in a minute." in answer.text
    assert 'value="asked"' in answer.text


def test_a_viewer_sees_no_phone_and_may_change_nothing(console, database, campaign_id):
    browser = console.sign_in(Role.VIEWER)
    path = find(browser)
    page = browser.get(path).text
    assert "+55 11 9••••-0021" in page
    assert "98765" not in page
    assert "4002-8922" not in page  # a phone within the text
    assert "/opt-out" not in page
    for name in ("opt-out", "opt-in", "erase"):
        assert browser.get(f"{path}/{name}").status_code == 403
    operator = console.sign_in(Role.OPERATOR).get(path).text
    assert "/erase" not in operator


@pytest.mark.parametrize(
    ("key", "masked"),
    [
        ("+5511987650021", "+55 11 9••••-0021"),
        ("+551140028922", "+55 11 ••••-8922"),
        ("+14155552671", "+1 41•-•••-2671"),
        ("+4930123456", "+49 •• ••3456"),
        ("+2901234", "+290 ••••"),
        ("BR.1234567890", "BR••••90"),
        ("ab", "•"),
    ],
)
def test_a_phone_is_masked(key, masked):
    assert mask_number(key) == masked


@pytest.mark.parametrize("text", ["+5511987650021", "11 98765-0021", "(11) 98765-0021", "11987650021", "98765.0021"])
def test_a_phone_in_a_text_is_masked_in_every_spelling(text):
    assert not re.search(r"\d", mask_numbers(f"ligue {text}, já"))
    assert mask_numbers("12/03/2026 às 14:30 por R$ 1.234,56") == "12/03/2026 às 14:30 por R$ 1.234,56"


@pytest.mark.parametrize("text", ["lista 2026-11-28.csv", "lista_20261128.csv", "adiada para 2026-12-01"])
def test_a_date_in_a_text_is_no_phone(text):
    assert mask_numbers(text) == text


@pytest.mark.parametrize("text", ["20261328", "11 2026-11-28", "5520261128", "2026-1128", "2026-11-285"])
def test_a_phone_that_resembles_a_date_is_masked(text):
    assert not re.search(r"\d", mask_numbers(text))


def test_older_messages_follow_on_the_next_page(console, database):
    def work(connection):
        for _ in range(21):
            campaign = add_campaign(connection, "running")
            add_message(connection, campaign, phone=PHONE, recipient_key=PHONE)

    database.run(work)
    browser = console.sign_in()
    page = browser.get(find(browser)).text
    assert page.count('class="lead"') == 20
    following = re.search(r'href="([^"]+)" rel="next"', page)[1].replace("&amp;", "&")
    assert browser.get(following).text.count('class="lead"') == 1
    assert browser.get(f"{following}x").status_code == 400
