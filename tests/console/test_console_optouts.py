"""The list of opt-outs: its pages, one more person, a file, the download, and the answers that may be opt-outs."""

from __future__ import annotations

import io
import re

import pytest
import xlsxwriter

from campaigns.domain.users.rights import Role
from campaigns.management.suppressions import suppress_phones
from tests.console.conftest import read_text
from tests.store.rows import add_campaign, add_message, fetch
from tests.support.actors import TESTER

PHONE = "+5511987650021"


@pytest.fixture
def suppressed(console, database):
    """55 people, the last of them with a reason that a spreadsheet would calculate."""
    key = console.settings.secret_key
    phones = [f"+55119876500{number:02}" for number in range(54)]
    suppress_phones(database, phones, actor=TESTER, reason=None, secret_key=key)
    suppress_phones(database, ["+5511987650099"], actor=TESTER, reason="=HYPERLINK(1)<b>", secret_key=key)
    fetch(database, "INSERT INTO suppressions VALUES ('BR.12345678', 'word', true, now(), '=sair') RETURNING 1")


def list_people(page):
    return re.findall(r'<th scope="row"><a[^>]*>([^<]+)</a>', page)


def test_the_list_is_paged_behind_a_key_that_has_no_phone(console, suppressed):
    browser = console.sign_in()
    first = browser.get("/optouts").text
    following = re.search(r'href="([^"]+)" rel="next"', first)[1].replace("&amp;", "&")
    assert "98765" not in following
    second = browser.get(following).text
    people = list_people(first) + list_people(second)
    assert len(list_people(first)) == 50
    assert len(people) == len(set(people)) == 56
    assert "&lt;b&gt;" in first + second
    assert browser.get("/optouts?after=x").status_code == 404


def test_the_list_is_filtered_by_its_source(console, suppressed):
    browser = console.sign_in()
    assert list_people(browser.get("/optouts?source=word").text) == ["BR.12345678"]
    assert "No opt-out fits this filter." in browser.get("/optouts?source=meta").text
    assert browser.get("/optouts?source=x").status_code == 400
    assert "Nobody has opted out." not in browser.get("/optouts").text


def test_a_viewer_sees_no_phone_and_downloads_nothing(console, suppressed):
    browser = console.sign_in(Role.VIEWER)
    page = browser.get("/optouts").text
    assert "98765" not in page
    assert "+55 11 9••••-0099" in page
    assert "/optouts/new" not in page
    assert browser.post("/optouts/download", form="/optouts").status_code == 403


def test_one_person_is_added_with_a_reason(console, database):
    browser = console.sign_in(name="maria")
    answer = browser.post("/optouts/new", {"phone": "(11) 8765-0021", "reason": ""})
    assert answer.status_code == 422
    assert 'value="(11) 8765-0021"' in answer.text
    answer = browser.post("/optouts/new", {"phone": "(11) 8765-0021", "reason": "by phone"})
    assert answer.location == "/optouts?done=added"
    assert fetch(database, "SELECT recipient_key, source, detail FROM suppressions") == [(PHONE, "manual", "by phone")]
    assert fetch(database, "SELECT actor, reason FROM audit_events WHERE what = 'suppression.add'") == [
        ("maria", "by phone")
    ]


def test_a_phone_that_may_be_foreign_is_not_guessed(console, database):
    answer = console.sign_in().post("/optouts/new", {"phone": "07721 234567", "reason": "by phone"})
    assert answer.status_code == 422
    assert "Without a country code, this phone would be +557721234567." in answer.text
    assert fetch(database, "SELECT recipient_key FROM suppressions") == []


def send_file(browser, content, name="saíram.csv", **values):
    file = (io.BytesIO(content), name)
    return browser.post("/optouts/file", {"reason": "old list", "file": file} | values)


def read_result(console, browser, answer):
    """Follow a page that waits for the role `files`, and return its words when the file is read."""
    assert answer.status_code == 302
    waiting = browser.get(answer.location)
    assert "The file is being read" in waiting.text
    assert 'http-equiv="refresh"' in waiting.text
    console.do_file_work()
    return read_text(browser.get(answer.location).text)


def test_a_file_is_added_behind_the_page(console, database):
    browser = console.sign_in(name="maria")
    answer = send_file(browser, b"telefone\n11 98765-0021\n11 98765-0021\nabc\n\n=1+1\n")
    assert console.file_work_count == 1
    text = read_result(console, browser, answer)
    assert "1 person gets no messages any more." in text
    assert "2 rows have no phone that can be read." in text
    assert "row 4" in text
    assert fetch(database, "SELECT recipient_key, source, detail FROM suppressions") == [
        (PHONE, "import", "saíram.csv")
    ]
    again = read_result(console, browser, send_file(browser, b"11 98765-0021\n"))
    assert "1 person had opted out before." in again
    assert fetch(database, "SELECT DISTINCT actor, reason FROM audit_events WHERE what = 'suppression.import'") == [
        ("maria", "old list")
    ]
    assert console.sign_in(name="pedro").get(answer.location).status_code == 404


def test_phones_of_a_file_that_may_be_foreign_are_told(console):
    browser = console.sign_in()
    text = read_result(console, browser, send_file(browser, b"telefone\n07721 234560\n11 98765-0021\n"))
    assert "1 phone without a country code may be foreign, and was read as a phone of BR (row 2 became +55 77" in text


def test_a_file_that_is_larger_than_a_form_is_added(console, database):
    browser = console.sign_in()
    lines = "".join(f"11 98765-{number:04}\n" for number in range(9_000)).encode()
    assert len(lines) > 64 * 1024
    assert "9,000 people get no messages any more." in read_result(console, browser, send_file(browser, lines))
    assert fetch(database, "SELECT count(*) FROM suppressions") == [9_000]


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"nome,cidade\nAna,Lima\n", "list.csv", "list.csv: no column of the header"),
        (b"%PDF-1.4 \x00\x01", "../../etc/list.pdf", "list.pdf"),
        (b"\n\n", "blank.csv", "blank.csv: there is no phone in it"),
    ],
)
def test_a_file_that_is_no_list_is_refused_by_its_own_name(console, content, name, words):
    browser = console.sign_in()
    answer = send_file(browser, content, name)
    text = read_result(console, browser, answer)
    assert "The file was not read" in text
    assert words in text
    assert "/tmp" not in text


def test_a_workbook_with_two_sheets_asks_for_one(console, database):
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        for name, phone in (("Antiga", "11 98765-0021"), ("Novembro", "11 98765-0022")):
            book.add_worksheet(name).write_column(0, 0, ["telefone", phone])
    browser = console.sign_in()
    assert 'name="sheet"' in browser.get("/optouts/file").text
    for sheet, text in (("", "Antiga"), ("Novembro", "1 person")):
        answer = send_file(browser, buffer.getvalue(), "saíram.xlsx", sheet=sheet)
        console.do_file_work()
        assert text in read_text(browser.get(answer.location).text)
    assert fetch(database, "SELECT recipient_key FROM suppressions") == ["+5511987650022"]


def test_no_file_an_empty_file_and_a_large_file_are_refused(make_console, database):
    console = make_console(upload_mb=1)
    browser = console.sign_in()
    answer = browser.post("/optouts/file", {"reason": "x"})
    assert answer.status_code == 422
    assert "Choose a file." in answer.text
    answer = send_file(browser, b"")
    assert answer.status_code == 422
    assert "The file is empty" in answer.text
    assert 'value="old list"' in answer.text
    for size in (1_000_001, 2_000_000):  # the form as a whole may have more bytes than its file
        answer = send_file(browser, b"1" * size)
        assert answer.status_code == 413
        assert "split it into two files" in answer.text
    assert fetch(database, "SELECT count(*) FROM file_jobs") == [0]
    assert fetch(database, "SELECT count(*) FROM uploads") == [0]


@pytest.fixture
def answers(database):
    """Two answers that may be opt-outs; one person has a skipped message in a running campaign."""

    def work(connection):
        campaign = add_campaign(connection, "running", name="Natal")
        add_message(connection, campaign, "suppressed", phone=PHONE, recipient_key=PHONE, error_code=-2)
        insert = (
            "INSERT INTO optout_reviews (recipient_key, answer, source, detail, text, said_at, phone_number_id)"
            " VALUES (%s, sha256(%s::text::bytea), 'word', 'sair', %s, now(), '1') RETURNING id"
        )
        said = ((PHONE, "não sei <b>se quero</b>"), ("+5511987650022", "sair disso"))
        return [connection.execute(insert, (key, text, text)).fetchone()[0] for key, text in said]

    return database.run(work)


def test_answers_are_read_and_accepted(console, database, answers):
    browser = console.sign_in(name="maria")
    assert "The answers of 2 people may be opt-outs" in read_text(browser.get("/optouts").text)
    page = browser.get("/optouts/review").text
    assert "não sei &lt;b&gt;se quero" in page
    answer = browser.post("/optouts/review", {"review": [answers[1]], "decision": "accept"})
    assert answer.location == "/optouts/review?accepted=1"
    assert "1 person gets no messages any more." in read_text(browser.get(answer.location).text)
    assert fetch(database, "SELECT recipient_key FROM suppressions WHERE is_active") == ["+5511987650022"]
    assert fetch(database, "SELECT actor FROM audit_events WHERE what = 'optout.accept'") == ["maria"]


def test_a_dismissal_is_asked_with_its_numbers_before_anything_is_sent(console, database, answers):
    browser = console.sign_in(name="maria")
    answer = browser.post("/optouts/review", {"review": answers, "decision": "dismiss"})
    text = read_text(answer.text)
    assert "2 people get marketing again." in text
    assert "1 message that campaigns have skipped is sent after all." in text
    assert fetch(database, "SELECT count(*) FROM optout_reviews WHERE decided_at IS NOT NULL") == [0]
    assert console.enqueued == []
    done = {"review": answers, "decision": "dismiss for sure"}
    answer = browser.post("/optouts/review", done)
    assert answer.location == "/optouts/review?dismissed=2&restored=1"
    assert "1 skipped message is sent after all." in read_text(browser.get(answer.location).text)
    assert fetch(database, "SELECT status::text FROM messages") == ["pending"]
    assert console.enqueued == fetch(database, "SELECT id FROM campaigns")
    again = browser.post("/optouts/review", done)
    assert again.status_code == 409
    assert again.text.count("Nothing was changed.") == 1


def test_a_dismissal_is_refused_if_a_person_writes_while_it_is_asked(console, database, answers):
    browser = console.sign_in()
    browser.post("/optouts/review", {"review": answers, "decision": "dismiss"})
    fetch(
        database,
        "INSERT INTO optout_reviews (recipient_key, answer, source, detail, text, said_at, phone_number_id)"
        " VALUES (%s, sha256('x'), 'word', 'sair', 'me tira disso', now(), '1')",
        PHONE,
    )
    answer = browser.post("/optouts/review", {"review": answers, "decision": "dismiss for sure"})
    assert answer.status_code == 409
    assert "has a newer answer" in read_text(answer.text)
    assert "me tira disso" in answer.text
    assert console.enqueued == []
    assert fetch(database, "SELECT count(*) FROM optout_reviews WHERE decided_at IS NULL") == [3]


@pytest.mark.parametrize("data", [{}, {"review": "x"}, {"review": "0"}, {"review": str(2**70)}, {"decision": "accept"}])
def test_a_decision_about_no_answer_is_refused(console, answers, data):
    answer = console.sign_in().post("/optouts/review", data)
    assert answer.status_code == 422
    assert "Choose at least one answer." in answer.text


def test_a_decision_without_a_button_or_about_an_unknown_answer_is_refused(console, answers):
    browser = console.sign_in()
    assert browser.post("/optouts/review", {"review": answers}).status_code == 422
    assert browser.post("/optouts/review", {"review": "987654", "decision": "accept"}).status_code == 404


def test_a_viewer_reads_no_answers(console, answers):
    browser = console.sign_in(Role.VIEWER)
    assert browser.get("/optouts/review").status_code == 403
    assert "/optouts/review" not in browser.get("/optouts").text
