"""The pages: their numbers, their words in both languages, and what a change does."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace

import psycopg
import pytest
from flask import g
from psycopg.types.json import Jsonb

from campaigns.domain.campaign import Command
from campaigns.domain.optout.consent import RefusalChoice
from campaigns.domain.statement import Entry, Field, Hint, HintAction, Sentence
from campaigns.domain.users.actor import Act, Actor, ActorKind, Surface
from campaigns.domain.users.rights import Role
from campaigns.management import lifecycle
from campaigns.management.listings import reasons
from campaigns.sheets.xlsx import HiddenChoice
from campaigns.store.campaigns import list_campaigns, list_reasons
from campaigns.store.users.audit import write_audit
from console.hints import ACTIONS, FIELDS, PAGES, PLACES, STEPS
from console.texts import say
from console.views import CampaignView
from tests.cli.conftest import ADD_WORKER
from tests.console.conftest import read_text, read_token
from tests.store.rows import (
    Beside,
    add_account,
    add_campaign,
    add_message,
    add_messages,
    await_blocked,
    fetch,
    hold,
)
from tests.support.actors import TESTER

LANGUAGES = ["en", "pt_BR"]
# Fields that have a label of their own. A field of PLACES that is not here belongs to a question or a group of fields.
_LABELLED = [
    Field.ACCOUNT,
    Field.EXPIRE_AT,
    Field.HIDDEN,
    Field.INTERVAL,
    Field.NOT_REFUSALS,
    Field.NO_ANSWER,
    Field.PAUSE,
    Field.PHONE_COLUMN,
    Field.RECIPIENT_ZONES,
    Field.REFUSALS,
    Field.SCHEDULE_AT,
    Field.START_WITHIN,
    Field.TEMPLATE,
    Field.WINDOW,
]


@pytest.fixture
def campaign_id(database):
    def work(connection):
        account = add_account(connection, name="sales-1")
        campaign = add_campaign(connection, "running", accounts=[account], name="Black <Friday>")
        for status, count in (
            ("pending", 5),
            ("sending", 2),
            ("delivered", 3),
            ("read", 1),
            ("failed", 1),
            ("sent", 4),
        ):
            add_messages(
                connection, campaign, count, status, **({"account_id": account} if status != "pending" else {})
            )
        return campaign

    return database.run(work)


@pytest.fixture
def draft_id(database, campaign_id):
    return database.run(add_campaign, "draft")


def statuses(database):
    return fetch(database, "SELECT status::text FROM campaigns ORDER BY id")


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_page_is_whole_in_each_language(console, database, campaign_id, language):
    browser = console.sign_in(language=language)
    path = f"/campaigns/{campaign_id}"
    for page in ("/", "/campaigns", path, f"{path}/errors", f"{path}/pause", f"{path}/resume", f"{path}/cancel"):
        answer = browser.get(page)
        assert answer.status_code == 200, page
        assert f'<html lang="{language.replace("_", "-")}">' in answer.text
        assert "Black <Friday>" not in answer.text
        assert "Black &lt;Friday&gt;" in answer.text or page == f"{path}/resume"
    assert ("Campanhas" in browser.get("/").text) == (language == "pt_BR")


def test_the_funnel_counts_each_person(console, campaign_id):
    text = read_text(console.sign_in().get(f"/campaigns/{campaign_id}").text)
    assert "In the campaign 16" in text
    assert "In our queue 5" in text
    assert "Being sent now 2" in text
    assert "Sent: WhatsApp has them 8" in text
    assert "no receipt yet 4" in text
    assert "delivered 4 50 % of sent" in text
    assert "read 1" in text
    assert "Failed 1" in text


def test_the_end_of_a_running_campaign_is_estimated_from_its_rate_and_hours(database, campaign_id):
    (row,) = database.run(list_campaigns, [campaign_id])
    now = dt.datetime(2026, 3, 2, 17, 59, 58, tzinfo=dt.UTC)  # a Monday
    row = replace(row, server_now=now, interval_seconds=0.0, window_from=dt.time(9), window_to=dt.time(18))
    assert CampaignView(row, rate=1.0).ends_at == dt.datetime(2026, 3, 3, 9, 0, 2, tzinfo=dt.UTC)
    assert [CampaignView(row, rate=rate).ends_at for rate in (None, 0.0)] == [None, None]
    assert CampaignView(replace(row, status="paused"), rate=1.0).ends_at is None


def test_people_who_opt_out_after_the_import_are_announced(console, database):
    campaign = database.run(add_campaign, "draft", recipient_count=1)
    database.run(add_message, campaign)
    ended = database.run(add_campaign, "completed", recipient_count=1)
    browser = console.sign_in()
    text = read_text(browser.get(f"/campaigns/{campaign}").text)
    assert "Nobody so far." in text
    assert "People who have opted out are counted here when it is their turn." in text
    assert "Nobody in the campaign is left out." in read_text(browser.get(f"/campaigns/{ended}").text)


CAPPED = "the person had as many messages as the campaign allows"


def read_section(page, name):
    return read_text(page.split(f'<section aria-labelledby="{name}">')[1].split("</section>")[0])


def test_the_page_of_an_ended_campaign_says_who_got_no_message_and_why(console, database):
    def work(connection):
        campaign = add_campaign(connection, "completed", accounts=[add_account(connection)])
        add_messages(connection, campaign, 2, "failed", error_code=131026, account_id=1)
        add_messages(connection, campaign, 1, "uncertain", account_id=1)
        add_messages(connection, campaign, 3, "suppressed")
        add_messages(connection, campaign, 1, "suppressed", error_title=CAPPED)
        add_messages(connection, campaign, 1, "read", account_id=1)
        return campaign

    campaign = database.run(work)
    page = console.sign_in().get(f"/campaigns/{campaign}").text
    text = read_section(page, "skipped")
    assert "2undeliverable" in text
    assert "1uncertain whether it was sent" in text
    assert "3not sent: opt-out See who" in text
    assert "1not sent: limit of messages per person" in text
    assert "answer to review" not in text
    assert "is left out" not in text
    assert f"/campaigns/{campaign}/people?group=failed&amp;code=131026" in page


def test_while_a_campaign_sends_its_page_counts_the_failed_people_among_those_without_a_message(console, campaign_id):
    page = console.sign_in().get(f"/campaigns/{campaign_id}").text
    text = read_section(page, "skipped")
    assert "1failed See who" in text
    assert "Nobody so far." not in text


def test_rows_of_the_list_are_left_out_for_their_own_reasons(console, database, campaign_id):
    """The page of the campaign, its errors and the page before the start say the same."""
    codes = ["consent_refused", "consent_refused", "consent_unanswered", "landline", "duplicate_in_file"]

    def work(connection):
        draft = add_campaign(connection, "draft", recipient_count=3, rejected_count=5, duplicate_count=1)
        add_messages(connection, draft, 3)
        for row, code in enumerate(codes, start=2):
            connection.execute(
                "INSERT INTO import_errors (campaign_id, file_name, row_number, column_name, reason, code)"
                " VALUES (%s, 'a.csv', %s, 'x', 'is wrong', %s)",
                (draft, row, code),
            )
        facts = Jsonb({"phone_column": "phone", "hidden_row_count": 4})
        connection.execute(
            "INSERT INTO imports (campaign_id, file_name, file_sha256, facts) VALUES (%s, 'a.csv', '', %s)",
            (draft, facts),
        )
        return draft

    draft, browser = database.run(work), console.sign_in()
    for path in ("", "/errors", "/start"):
        text = read_text(browser.get(f"/campaigns/{draft}{path}").text)
        assert "2rows of the list were left out, because they say that the person wants no messages" in text
        assert "1row of the list was left out, because it does not say whether the person wants messages" in text
        assert "1row of the list was rejected, because the phone or a value is not valid" in text
        assert "1row of the list was rejected1" in text, "the reason of one row is no longer stored"
        assert "1row of a person who is in another row" in text
        assert "4hidden rows of the list were left out" in text
        assert "Nobody on the list is left out." not in text
    assert "The list had 13 rows: 3people are in the campaign" in read_text(browser.get(f"/campaigns/{draft}").text)


def test_the_list_of_campaigns_counts_who_got_a_message_and_says_when(console, database):
    def work(connection):
        at = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
        cancelled = add_campaign(connection, "cancelled", accounts=[add_account(connection)], started_at=at)
        add_messages(connection, cancelled, 1, "delivered", account_id=1)
        add_messages(connection, cancelled, 10, "cancelled")
        add_messages(connection, cancelled, 4, "suppressed")

    database.run(work)
    text = read_text(console.sign_in().get("/campaigns").text)
    assert "1 of 15 sent · 14 not sent on purpose · 1 delivered (100 % of sent)" in text
    assert "done" not in text
    assert "started on 2026-03-01 12:00" in text


def test_filters_are_folded_until_one_is_set(console):
    browser = console.sign_in()
    assert '<details class="fold">' in browser.get("/campaigns").text
    for query in ("text=x", "status=draft", "mine=yes"):
        assert '<details class="fold" open>' in browser.get(f"/campaigns?{query}").text


def test_numbers_are_written_as_the_language_does(console, database):
    campaign = database.run(add_campaign, "running", recipient_count=12_345)
    fetch(
        database, "INSERT INTO tallies (campaign_id, status, count) VALUES (%s, 'pending', 12345) RETURNING 1", campaign
    )
    assert "12,345" in console.sign_in(language="en").get("/").text
    assert "12.345" in console.sign_in(language="pt_BR").get("/").text


def test_a_wait_says_why_and_until_when_in_the_zone_of_the_campaign(console, database):
    due_at = dt.datetime(2030, 3, 1, 12, 30, tzinfo=dt.UTC)
    columns = {"time_zone": "America/Sao_Paulo", "waiting_reason": "window", "due_at": due_at}
    campaign = database.run(add_campaign, "running", **columns)
    page = read_text(console.sign_in(language="pt_BR").get(f"/campaigns/{campaign}").text)
    assert "espera o horário de envio, até 01/03/2030 09:30 (01/03/2030 12:30 no seu relógio)" in page


def test_a_campaign_that_needs_a_person_comes_first(console, database):
    fetch(database, "UPDATE installation SET ticked_at = now() RETURNING 1")
    fetch(database, ADD_WORKER)
    database.run(add_campaign, "running", name="Calm")
    database.run(add_campaign, "running", name="Stuck", waiting_reason="no_active_account")
    text = read_text(console.sign_in().get("/").text)
    assert text.index("Need a person") < text.index("Stuck") < text.index("Calm")
    assert "waits for an active account" in text


def test_the_first_page_names_accounts_that_are_not_well(console, database):
    database.run(add_account, name="sales-1")
    database.run(add_account, name="sales-2", active=False, inactive_reason="by hand")
    text = read_text(console.sign_in().get("/").text)
    assert "sales-2: inactive, sends nothing (by hand)" in text
    assert "sales-1" not in text


def test_the_list_is_filtered_by_its_address_and_goes_on_by_key(console, database):
    for number in range(53):
        database.run(add_campaign, "paused" if number % 2 else "draft", name=f"Sale {number}")
    browser = console.sign_in()
    first = browser.get("/campaigns").text
    assert first.count('class="row"') == 50
    assert "Sale 52" in first
    following = first.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0].replace("&amp;", "&")
    second = browser.get(following).text
    assert second.count('class="row"') == 3
    assert "Sale 2<" in second
    drafts = browser.get("/campaigns?status=draft&text=sale").text
    assert drafts.count('class="row"') == 27
    assert "No campaign fits this filter." in browser.get("/campaigns?text=nothing").text


def test_the_list_of_my_campaigns_has_those_that_i_made_and_copied(console, database):
    def work(connection):
        for name, actor, act in (
            ("Mine", "maria", Act.CAMPAIGN_CREATE),
            ("Copied", "maria", Act.CAMPAIGN_COPY),
            ("Theirs", "joao", Act.CAMPAIGN_CREATE),
            ("Changed", "maria", Act.CAMPAIGN_CHANGE),
        ):
            write_audit(
                connection,
                Actor(actor, ActorKind.USER, Surface.CONSOLE),
                act,
                add_campaign(connection, "draft", name=name),
            )

    database.run(work)
    browser = console.sign_in(name="maria")
    page = browser.get("/campaigns?mine=yes&text=i").text
    rows = page.split('<ul class="rows">')[1]
    assert [name for name in ("Mine", "Copied", "Theirs", "Changed") if f">{name}<" in rows] == ["Mine", "Copied"]
    assert 'value="yes" checked' in page
    assert 'value="i"' in page


def test_the_second_page_keeps_the_filter_and_the_text(console, database):
    for number in range(52):
        database.run(add_campaign, "draft", name=f"Sale {number}")
    following = console.sign_in().get("/campaigns?text=sale&status=draft").text.split('rel="next"')[0]
    address = following.rsplit('href="', 1)[1]
    assert "text=sale" in address
    assert "status=draft" in address


def test_the_first_page_shows_the_newest_drafts(console, database):
    browser = console.sign_in()
    assert "Drafts to finish" not in browser.get("/").text
    for number in range(7):
        database.run(add_campaign, "draft", name=f"Sale {number}")
    page = browser.get("/").text
    assert "Drafts to finish" in page
    assert [number for number in range(7) if f">Sale {number}<" in page] == [2, 3, 4, 5, 6]
    assert '<a href="/campaigns?status=draft">See all drafts</a>' in page


@pytest.mark.parametrize("query", ["status=nonsense", "after=x", "after=2026-01-01,1", "after=2026-01-01T00:00:00Z,-1"])
def test_a_wrong_address_of_the_list_is_refused(console, query):
    assert console.sign_in().get(f"/campaigns?{query}").status_code == 400


def test_an_unknown_account_in_the_filter_is_refused_by_name(console):
    answer = console.sign_in().get("/campaigns?account=nobody")
    assert answer.status_code == 404
    assert "nobody" in answer.text


def test_an_unknown_campaign_is_said_in_words(console):
    for path in ("/campaigns/999", "/campaigns/999/errors", "/campaigns/999/pause"):
        answer = console.sign_in(name=path.strip("/").replace("/", "-")).get(path)
        assert answer.status_code == 404
        assert "Campaign 999 does not exist: " in answer.text
    assert console.sign_in().get(f"/campaigns/{2**63}").status_code == 404


def test_a_pause_is_confirmed_with_its_numbers_and_has_a_name_in_the_audit(console, database, campaign_id):
    browser = console.sign_in(name="maria")
    path = f"/campaigns/{campaign_id}/pause"
    text = read_text(browser.get(path).text)
    assert "2 messages are being sent now and may still arrive." in text
    assert "5 messages stay in our queue until you resume." in text
    done = browser.post(path)
    assert done.location == f"/campaigns/{campaign_id}?done=paused"
    page = browser.get(done.location).text
    assert '<p role="status" class="done" tabindex="-1" autofocus>The campaign is paused.' in page
    assert statuses(database) == ["paused"]
    row = fetch(database, "SELECT actor, surface, host(network) FROM audit_events WHERE what = 'campaign.pause'")
    assert row == [("maria", "console", "127.0.0.1")]


def test_a_second_click_finds_the_pause_made(console, database, campaign_id):
    browser = console.sign_in()
    path = f"/campaigns/{campaign_id}/pause"
    browser.post(path)
    again = browser.post(path, form=f"/campaigns/{campaign_id}")
    assert again.status_code == 409
    assert "is paused" in read_text(again.text)
    assert "It is paused already." in read_text(browser.get(path).text)
    assert "<button" not in browser.get(path).text.split("<main")[1]
    assert fetch(database, "SELECT count(*) FROM audit_events WHERE what = 'campaign.pause'") == [1]


def read_told(browser, campaign_id):
    """The facts that the page of a resumption has told."""
    page = browser.get(f"/campaigns/{campaign_id}/resume").text
    return page.split('name="told" value="')[1].split('"')[0].replace("&#34;", '"')


def test_a_campaign_that_changed_since_the_question_is_not_resumed(console, database, campaign_id):
    browser, path = console.sign_in(), f"/campaigns/{campaign_id}/resume"
    fetch(database, "UPDATE campaigns SET status = 'paused' WHERE id = %s RETURNING 1", campaign_id)
    told = read_told(browser, campaign_id)
    fetch(database, 'UPDATE templates SET components = \'[{"type": "BODY", "text": "Tchau"}]\' RETURNING 1')
    answer = browser.post(path, {"told": told})
    assert answer.status_code == 409
    assert "has changed since you were asked" in answer.text
    assert 'name="told"' in answer.text
    assert browser.post(path, {"told": "x"}).status_code == 422
    assert fetch(database, "SELECT status::text FROM campaigns WHERE id = %s", campaign_id) == ["paused"]
    assert browser.post(path, {"told": read_told(browser, campaign_id)}).status_code == 302
    assert browser.post(path).status_code == 409


def test_a_campaign_that_is_paused_at_this_moment_is_not_resumed_without_its_facts(console, database, campaign_id):
    browser, path = console.sign_in(), f"/campaigns/{campaign_id}/resume"
    form = {"csrf_token": read_token(browser.get(path).text)}
    pausing, may_commit = hold(database, lifecycle._move, Command.PAUSE, [campaign_id], TESTER)
    answer = Beside(browser.post_raw, path, form)
    await_blocked(database)
    may_commit.set()
    pausing.result()
    assert answer.result().status_code == 422
    assert fetch(database, "SELECT status::text FROM campaigns WHERE id = %s", campaign_id) == ["paused"]


def test_a_resumption_tells_who_got_another_campaign(console, database, campaign_id):
    fetch(database, "UPDATE campaigns SET status = 'paused' WHERE id = %s RETURNING 1", campaign_id)
    template = fetch(database, "SELECT template_id FROM campaigns WHERE id = %s", campaign_id)[0]
    waiting = "SELECT phone FROM messages WHERE campaign_id = %s AND status = 'pending' LIMIT 1"
    (phone,) = fetch(database, waiting, campaign_id)
    other = database.run(add_campaign, "running", template_id=template, name="Earlier")
    database.run(lambda connection: add_message(connection, other, "sent", phone=phone, account_id=1))
    text = read_text(console.sign_in().get(f"/campaigns/{campaign_id}/resume").text)
    assert f"already got campaign {other} (Earlier)" in text


def test_a_resumed_campaign_is_enqueued(console, database, campaign_id):
    browser = console.sign_in()
    browser.post(f"/campaigns/{campaign_id}/pause")
    text = read_text(browser.get(f"/campaigns/{campaign_id}/resume").text)
    assert "5 messages in our queue go out." in text
    assert "Send 5 messages" in text
    browser.post(f"/campaigns/{campaign_id}/resume", {"told": read_told(browser, campaign_id)})
    assert console.enqueued == [campaign_id]
    assert statuses(database) != ["paused"]


def test_a_cancel_asks_for_the_name_and_keeps_what_was_typed(console, database, campaign_id):
    browser = console.sign_in()
    path = f"/campaigns/{campaign_id}/cancel"
    question = browser.get(path).text
    assert "5 messages will never be sent." in read_text(question)
    assert f'<a role="button" data-dialog href="/campaigns/{campaign_id}/pause">Pause it first…</a>' in question
    wrong = browser.post(path, {"name": "black"})
    assert wrong.status_code == 422
    assert "This is not the name of the campaign." in wrong.text
    assert 'value="black"' in wrong.text
    assert statuses(database) == ["running"]
    browser.post(f"/campaigns/{campaign_id}/pause")
    assert "Pause it first" not in browser.get(path).text
    assert browser.post(path, {"name": " Black  <Friday> "}).status_code == 302
    assert statuses(database) == ["cancelled"]
    (at,) = fetch(database, "SELECT cancelled_at FROM campaigns WHERE id = %s", campaign_id)
    assert f"Cancelled{at:%Y-%m-%d %H:%M}" in read_text(browser.get(f"/campaigns/{campaign_id}").text)


def test_a_viewer_sees_why_a_button_is_off(console, campaign_id):
    page = read_text(console.sign_in(Role.VIEWER).get(f"/campaigns/{campaign_id}").text)
    assert "Pause Your role does not allow it. These roles do: operator, admin." in page
    assert "Resume It is not paused." in page
    assert "Copy the campaign… Your role does not allow it. These roles do: planner, operator, admin." in page


@pytest.mark.parametrize(
    ("path", "role", "label"),
    [
        ("/", Role.VIEWER, "New campaign"),
        ("/campaigns", Role.VIEWER, "New campaign"),
        ("/campaigns/1", Role.VIEWER, "Cancel for ever"),
        ("/campaigns/1", Role.PLANNER, "Pause"),
        ("/campaigns/2", Role.VIEWER, "Go on with the draft"),
        ("/campaigns/2", Role.VIEWER, "Delete the draft…"),
        ("/optouts", Role.VIEWER, "Add a person…"),
        ("/optouts", Role.PLANNER, "Add a file…"),
        ("/optouts", Role.PLANNER, "Download this list (CSV)"),
    ],
)
@pytest.mark.usefixtures("campaign_id", "draft_id")
def test_a_button_without_the_right_is_off_with_the_reason_beside_it(console, path, role, label):
    page = console.sign_in(role).get(path).text
    assert f"{label} Your role does not allow it. These roles do:" in read_text(page)
    assert f'<button type="button" disabled class="secondary">{label}</button>' in page
    other = console.sign_in(Role.ADMIN).get(path).text
    assert "Your role does not allow it." not in other
    assert label in other


def test_the_errors_say_whose_fault_it_is_and_link_to_help(console, database, campaign_id):
    page = console.sign_in().get(f"/campaigns/{campaign_id}/errors").text
    assert "The person cannot get the message" in page
    assert "131026" in page


def test_the_errors_of_a_large_campaign_are_read_once_for_the_same_counters(
    console, database, campaign_id, monkeypatch
):
    read = []
    monkeypatch.setattr(reasons, "_LARGE", 10)
    monkeypatch.setattr(reasons, "list_reasons", lambda *arguments: read.append(1) or list_reasons(*arguments))
    browser, path = console.sign_in(), f"/campaigns/{campaign_id}/errors"
    first = browser.get(path).text
    assert browser.get(path).text == first
    assert len(read) == 1
    database.run(add_messages, campaign_id, 1, "delivered")
    browser.get(path)
    assert len(read) == 1, "a message that arrived has no reason"
    database.run(add_messages, campaign_id, 2, "failed", error_code=131026, error_title="Message undeliverable")
    assert "Message undeliverable" in browser.get(path).text
    assert len(read) == 2
    monkeypatch.setattr(reasons, "_SECONDS", -1.0)
    browser.get(path)
    assert len(read) == 3
    monkeypatch.undo()
    for _ in range(2):
        browser.get(path)
    assert len(read) == 3, "a small campaign is read each time, by the function itself"


def test_only_words_with_a_code_of_meta_are_said_to_be_words_of_meta(console, database, campaign_id):
    database.run(add_messages, campaign_id, 1, "uncertain", error_title="HTTP 502 with no body")
    text = read_text(console.sign_in().get(f"/campaigns/{campaign_id}/errors").text)
    assert "HTTP 502 with no body" in text
    assert text.count("Meta says:") == 1  # of the failed message


def test_the_words_of_meta_show_no_phone_to_a_viewer(console, database, campaign_id):
    title = "Number 11 98765-4321 is not on WhatsApp"
    database.run(add_messages, campaign_id, 1, "failed", error_code=131026, error_title=title)
    assert title in console.sign_in(Role.OPERATOR).get(f"/campaigns/{campaign_id}/errors").text
    page = console.sign_in(Role.VIEWER).get(f"/campaigns/{campaign_id}/errors").text
    assert "Number •• •••••-•••• is not on WhatsApp" in page


def test_every_hint_has_words_and_each_page_exists(console):
    assert set(ACTIONS) == set(HintAction)
    assert set(FIELDS) == set(Field)
    assert set(PAGES.values()) | set(STEPS.values()) <= set(console.app.view_functions)
    assert {step for step, _field in PLACES.values()} <= set(console.app.view_functions)


COMMAND_WORDS = re.compile(r"\b(skip|include|all-retryable)\b|--[a-z]|(?<!for )\w+=\w+")


def list_entries():
    """An entry for each field, and one for each value that the program gives to a field."""
    choices = {Field.HIDDEN: HiddenChoice, Field.REFUSALS: RefusalChoice}
    for each in Field:
        yield from (Entry(each, value) for value in ("", None, "1=nome"))
        yield from (Entry(each, value.value) for value in choices.get(each, ()))
    yield Entry(Field.RETRY_CLASS, "all-retryable")


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_hint_on_a_page_has_the_words_of_a_command(console, language):
    console.sign_in(language=language)
    with console.app.test_request_context(headers={"Accept-Language": language.replace("_", "-")}):
        g.draft_id = 4
        for entry in list_entries():
            if entry.value == "1=nome" and entry.field is not Field.COLUMN:
                continue
            for hint in (entry, *(Hint(action, 4, entry) for action in HintAction)):
                words = read_text(say(Sentence("{hint}", hint=hint)))
                assert not COMMAND_WORDS.search(words.replace(RefusalChoice.REFUSE.value, "")), words


def test_hints_on_the_pages_of_a_draft_lead_to_their_fields(console):
    with console.app.test_request_context():
        account = Sentence("{hint}", hint=Hint(HintAction.CHANGE_CAMPAIGN, 4, Entry(Field.ACCOUNT)))
        skip = Sentence("{hint}", hint=Entry(Field.NO_ANSWER, RefusalChoice.SKIP.value))
        words = "“Rows whose cell in a column such as opt-in is empty”: leave them out"
        assert say(account) == "<q>change campaign 4: “Accounts that send”</q>"
        assert say(skip) == f"<q>{words}</q>"
        g.draft_id = 4
        assert say(account) == '<a href="/campaigns/4/pace#accounts">“Accounts that send”</a>'
        assert say(skip) == f'<a href="/campaigns/4/columns?unanswered=skip#unanswered">{words}</a>'


@pytest.mark.parametrize(("language", "words"), [("en", "conta: a, b, and c."), ("pt_BR", "conta: a, b e c.")])
def test_several_hints_are_listed_with_commas(console, language, words):
    with console.app.test_request_context(headers={"Accept-Language": language.replace("_", "-")}):
        hints = [Entry(Field.NOT_REFUSALS, name) for name in "abc"]
        said = read_text(say(Sentence("conta: {hints}.", hints=hints)))
        label = FIELDS[Field.NOT_REFUSALS] if language == "en" else "Colunas sobre outro assunto, como pedidos"
        assert said.replace(f"“{label}”: ", "") == words
        nested = Sentence("{inner}", inner=Sentence("conta: {hints}.", hints=hints))
        assert read_text(say(nested)) == said


@pytest.mark.parametrize("field", _LABELLED)
def test_advice_names_a_field_by_the_label_of_its_form(project, field):
    """Advice such as `leave “Do not start before” empty` helps only if the form has a field of this name."""
    pages = "".join(path.read_text() for path in (project / "console/templates/drafts").glob("*.html"))
    assert f'_("{FIELDS[field]}")' in pages


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/campaigns?status=x", 400)])
def test_errors_have_pages_in_the_language_of_the_user(console, language, path, status):
    answer = console.sign_in(language=language).get(path)
    assert answer.status_code == status
    words = {"en": {404: "There is no such page", 400: "The request is not valid"}}
    if language == "en":
        assert words["en"][status] in answer.text
    else:
        assert "Para a primeira página" in answer.text
    assert f"{status}" in answer.text


def test_a_fault_shows_no_traceback(console, monkeypatch):
    browser = console.sign_in()
    monkeypatch.setitem(console.app.view_functions, "now", console.app.view_functions["campaign"])
    answer = browser.get("/")
    assert answer.status_code == 500
    assert "Traceback" not in answer.text
    assert "A fault of the program" in answer.text


class Gone:
    """A database that does not answer."""

    def run(self, *_, **__):
        raise psycopg.OperationalError("the server closed the connection")

    def is_ready(self):
        return False


def test_while_postgres_is_away_each_page_says_so(console):
    browser = console.sign_in()
    console.app.extensions["revoada"] = replace(console.app.extensions["revoada"], database=Gone())
    for path in ("/", "/campaigns", "/campaigns/1", "/live/row?ids=1"):
        answer = browser.get(path)
        assert answer.status_code == 503, path
        assert answer.headers["Retry-After"] == "10"
        assert "The database does not answer." in answer.text
        assert "closed the connection" not in answer.text
    login = console.browser()
    assert login.get("/login").status_code == 200
    assert login.log_in("maria").status_code == 503
    assert browser.get("/readyz").status_code == 503
    assert browser.get("/healthz").status_code == 200


def test_a_draft_has_no_queue_and_is_not_cancelled(console, database):
    draft = database.run(add_campaign, "draft", recipient_count=1)
    database.run(add_message, draft)
    browser = console.sign_in()
    page = read_text(browser.get(f"/campaigns/{draft}").text)
    assert "Waiting for the start 1" in page
    assert "in our queue" not in page.lower()
    assert "Cancel for ever" not in page
    assert "Delete the draft…" in page
    assert "1 person on the list" in read_text(browser.get("/campaigns").text)


def test_a_rejected_row_says_why_in_the_language_of_the_reader(console, database, campaign_id):
    reason = "is not a valid phone number"
    fetch(
        database,
        "INSERT INTO import_errors (campaign_id, file_name, row_number, column_name, reason)"
        " VALUES (%s, 'people.csv', 3, 'phone', %s) RETURNING 1",
        campaign_id,
        reason,
    )
    fetch(database, "UPDATE campaigns SET rejected_count = 1 RETURNING 1")
    path = f"/campaigns/{campaign_id}"
    assert reason in console.sign_in(language="en").get(path).text
    page = console.sign_in(language="pt_BR").get(path).text
    assert "is not a valid" not in page
    assert "não é um telefone válido" in page


def test_parts_that_few_people_need_are_folded_and_those_with_a_problem_stand_open(console, database, campaign_id):
    browser, path = console.sign_in(), f"/campaigns/{campaign_id}"

    def list_folds():
        return re.findall(r'<details class="fold"( open)?>\s*<summary>([^<]*)</summary>', browser.get(path).text)

    assert list_folds() == [("", "Cost"), ("", "Accounts that send it"), ("", "Plan")]
    fetch(database, "UPDATE accounts SET active = false, inactive_reason = 'by hand' RETURNING 1")
    assert (" open", "Accounts that send it") in list_folds()


def test_a_right_that_is_missing_is_told_without_its_name(console):
    answer = console.sign_in(Role.PLANNER, language="pt_BR").get("/users")
    assert answer.status_code == 403
    assert "user.change" not in answer.text
    assert "Seu papel não permite isso. Estes papéis permitem: administrador." in answer.text


def test_one_thing_is_told_in_the_singular(console, database, campaign_id):
    fetch(database, "UPDATE campaigns SET max_per_person = 1, within_days = 1, interval_seconds = 1 RETURNING 1")
    fetch(database, "UPDATE campaigns SET pause_after = 1, pause_seconds = 60, duplicate_count = 1 RETURNING 1")
    page = read_text(console.sign_in().get(f"/campaigns/{campaign_id}").text)
    for words in ("1 message in 1 day ", "1 second between two messages", "60 seconds after 1 message"):
        assert words in page
    assert "row of a person who is in another row;" in page, page


def test_all_campaigns_are_steered_together_only_if_a_filter_chose_them(console, campaign_id):
    browser = console.sign_in()
    assert "All campaigns that fit the filter" not in browser.get("/campaigns").text
    assert "All campaigns that fit the filter" in browser.get("/campaigns?status=running").text
