"""A list is uploaded, its columns are chosen, and a page says what was read: the steps List, Columns and Check."""

from __future__ import annotations

import io
import re
from html import unescape

import pytest
import xlsxwriter

from campaigns.domain.users.rights import Role
from campaigns.management.accounts import add_account, add_template
from campaigns.management.campaigns import CampaignChanges, change_campaign, draft_campaign
from campaigns.management.drafts.imports import add_recipients
from campaigns.management.files import work
from campaigns.management.recipients import Reading
from campaigns.secrets import make_key
from campaigns.store.database import LockTimeout
from campaigns.store.files.jobs import JobKind
from console.rights import public
from tests.console.conftest import read_notes, read_text, read_token
from tests.domain.test_phone import ELSEWHERE
from tests.store.rows import add_campaign, add_message, fetch
from tests.support.actors import TESTER

LIST = """\
telefone,nome,cidade
+5511999990001,Ana,Recife
+5511999990002,Bia,Natal
123,Caio,Olinda
+5511999990001,Ana,Recife
"""


@pytest.fixture
def draft(database):
    add_account(database, "sales", phone_number_id="1", waba_id="1", token="t", secret_key=make_key(), actor=TESTER)
    add_template(database, "promo", language="en", body="Hi {{nome}}!", actor=TESTER)
    asked = CampaignChanges(name="Sale", template="promo:en", accounts=["sales"])
    return draft_campaign(database, asked, time_zone="UTC", actor=TESTER).id


@pytest.fixture
def path(draft):
    return f"/campaigns/{draft}"


@pytest.fixture
def upload(console, path):
    """Uploads a list as the script does, and lets the role `files` look at it."""

    def upload_one(browser, data=LIST, name="people.csv"):
        body = data if isinstance(data, bytes) else data.encode()
        answer = browser.put(f"{path}/list", body, headers={"X-File-Name": name})
        assert answer.status_code == 201, answer.text
        assert answer.location == f"{path}/columns"
        console.do_file_work()
        return answer

    return upload_one


def people(database):
    return fetch(database, "SELECT phone, variables FROM messages ORDER BY id")


def choose(browser, path, **chosen):
    """Send the form of the columns. By default the first column has the phones, the second one fills the variable."""
    page = browser.get(f"{path}/columns").text
    usual = {
        "look": re.search(r'name="look" value="([0-9]+)"', page)[1],
        "sheet": chosen_in(page, "sheet") if 'id="sheet"' in page else "",
        "phone": "0",
        "variable_0": "1",
        "region": "BR",
        "hidden": "refuse",
        "refusals": "refuse",
    }
    return browser.post(f"{path}/columns", usual | chosen)


def chosen_in(page, field):
    """The value that a field of choices has."""
    block = page.split(f'id="{field}"')[1].split("</select>")[0]
    return re.search(r'value="([^"]*)" selected', block)[1]


def import_list(console, browser, path, upload, data=LIST, **columns):
    upload(browser, data)
    answer = choose(browser, path, **columns)
    assert answer.location == f"{path}/check", answer.text
    console.do_file_work()
    return browser.get(f"{path}/check").text


def test_a_list_is_uploaded_read_and_checked(console, database, draft, path, upload):
    browser = console.sign_in(Role.OPERATOR)
    upload(browser)
    assert console.file_work_count == 1
    page = browser.get(f"{path}/columns").text
    assert chosen_in(page, "phone") == "0"
    assert chosen_in(page, "variable_0") == "1"
    assert '<details id="more">' in page, "the list has no column of answers, so their questions are folded"
    assert "Hi Ana!" in page
    assert "+5511999990001" in page
    answer = choose(browser, path)
    assert answer.location == f"{path}/check"
    waiting = browser.get(f"{path}/check").text
    assert "It waits for its turn." in waiting
    assert "<noscript><meta http-equiv" in waiting
    console.do_file_work()
    text = read_text(browser.get(f"{path}/check").text)
    assert "4 rows read, 2 people ready to get the message. 1 row stays out. Nothing is sent yet." in text
    assert "Hi Ana [nome]!" in text
    assert "Hi Bia [nome]!" in text
    assert "people.csv" in text
    assert "Names of the columnsRow 1Phonestelefone{{nome}}nomeSays who agreed to get messagesno column" in text
    assert "1 person who may speak another language" not in text
    assert "2 people who may speak another language" in text
    assert f"telefone: {ELSEWHERE} 1 row" in text
    assert "Row 4: 123" in text
    assert "Row 5 belongs to the person of row 2." in text
    assert "Columns that are not used: cidade." in text
    assert people(database) == [("+5511999990001", ["Ana"]), ("+5511999990002", ["Bia"])]
    acts = fetch(database, "SELECT what, actor FROM audit_events WHERE surface = 'console' ORDER BY id")
    assert ("campaign.replace", "operator-en") in acts
    assert "people.csv" in browser.get(f"{path}/list").text


def test_of_many_campaigns_to_the_people_of_a_list_five_are_named(console, database, path, upload):
    for number in range(7):
        for kind, status in (("Other", "running"), ("Older", "draft")):
            other = database.run(add_campaign, status, name=f"{kind} {number}")
            database.run(lambda connection, other=other: add_message(connection, other, phone="+5511999990001"))
    text = read_text(
        import_list(console, console.sign_in(), path, upload).split('id="others"')[1].split("</section>")[0]
    )
    assert [number for number in range(7) if f"Other {number}" in text] == [0, 1, 2, 3, 4]
    assert "2 more campaigns have people of this list or the very same file." in text
    assert "7 other drafts have people of this list, too: Older 0, Older 1, Older 2, Older 3, Older 4, …" in text


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.PLANNER])
def test_notes_beside_refusals_are_shown_as_at_the_command_line_without_their_phones(console, path, upload, role):
    notes = ["vip", "SAIR", "ligar 11988887777", *(f"nota {number}" for number in range(4))]
    rows = "".join(f"+551199999{number:04},P{number},{note}\n" for number, note in enumerate(notes))
    rows = f"telefone,nome,Retorno\n{rows}"
    text = read_text(import_list(console, console.sign_in(role), path, upload, rows, refusals="skip"))
    shown = "row 2 (vip), row 4 (ligar •••••••••••), row 5 (nota 0), row 6 (nota 1), row 7 (nota 2), row 8 (nota 3)."
    assert "Some cells of the column Retorno say that the person wants no messages. These cells were read as no" in text
    assert shown in text


def test_a_form_without_scripts_uploads_the_same_list(console, database, path):
    browser = console.sign_in()
    data = {"file": (io.BytesIO(LIST.encode()), "people.csv")}
    answer = browser.post(f"{path}/list", data, content_type="multipart/form-data")
    assert answer.location == f"{path}/columns"
    console.do_file_work()
    assert chosen_in(browser.get(f"{path}/columns").text, "variable_0") == "1"
    assert fetch(database, "SELECT name, size FROM uploads") == [("people.csv", len(LIST))]


def test_a_form_larger_than_the_limit_of_other_pages_is_taken(console, database, path):
    rows = "".join(f"+55119999{number:05},Ana\n" for number in range(100_000))
    browser = console.sign_in()
    data = {"file": (io.BytesIO(f"telefone,nome\n{rows}".encode()), "people.csv")}
    assert browser.post(f"{path}/list", data, content_type="multipart/form-data").status_code == 302
    assert fetch(database, "SELECT count(*) FROM upload_pieces")[0] == 2


def test_all_other_requests_keep_their_small_limit(console, path):
    browser = console.sign_in()
    assert browser.post(f"{path}/columns", {"region": "x" * 100_000}, form=f"{path}/list").status_code == 413
    assert browser.put(f"{path}/pause", b"x" * 100_000, form=f"{path}/list").status_code == 405


@pytest.mark.parametrize("language", ["en", "pt_BR"])
def test_a_file_that_is_too_large_is_refused_and_not_kept(make_console, database, path, language):
    browser = make_console(upload_mb=1).sign_in(language=language)
    said = {"en": "more than 1 MB. Leave out the columns", "pt_BR": "mais de 1 MB. Deixe de fora as colunas"}[language]
    body = b"x" * 1_020_000
    answer = browser.put(f"{path}/list", body)
    assert answer.status_code == 413
    assert said in answer.text
    answer = browser.put(f"{path}/list", body * 2)
    assert answer.status_code == 413
    assert said in answer.text
    data = {"file": (io.BytesIO(body), "people.csv")}
    answer = browser.post(f"{path}/list", data, content_type="multipart/form-data")
    assert answer.status_code == 413
    assert 'id="file-error"' in answer.text
    assert said in answer.text
    assert fetch(database, "SELECT count(*) FROM uploads") == [0]


def test_an_empty_file_and_no_file_are_said_at_the_field(console, database, path):
    browser = console.sign_in()
    answer = browser.put(f"{path}/list", b"")
    assert (answer.status_code, answer.text) == (422, "The file is empty: its first row must name the columns.")
    answer = browser.post(f"{path}/list", {}, content_type="multipart/form-data")
    assert answer.status_code == 422
    assert 'href="#file"' in answer.text
    assert "Choose a file." in answer.text
    data = {"file": (io.BytesIO(b""), "people.csv")}
    answer = browser.post(f"{path}/list", data, content_type="multipart/form-data")
    assert "The file is empty" in answer.text
    assert fetch(database, "SELECT count(*) FROM uploads") == [0]


def test_an_upload_after_the_end_of_the_session_says_so(console, database, path):
    browser = console.sign_in()
    token = read_token(browser.get(f"{path}/list").text)
    fetch(database, "DELETE FROM sessions")
    sent = browser.headers | {"X-CSRFToken": token, "Content-Type": "application/octet-stream"}
    answer = browser.client.put(f"{path}/list", data=b"x" * 3_000_000, headers=sent, base_url=browser.base_url)
    assert answer.status_code == 401
    assert answer.content_type == "text/plain; charset=utf-8"
    assert "Your session has ended" in answer.text
    assert fetch(database, "SELECT count(*) FROM uploads") == [0]


def test_an_upload_that_breaks_off_leaves_nothing(console, database, path):
    browser = console.sign_in()
    whole = {"CONTENT_LENGTH": "5000000"}
    assert browser.put(f"{path}/list", b"x" * 2_000_000, environ_overrides=whole).status_code == 400
    assert fetch(database, "SELECT count(*) FROM uploads") == [0]
    assert fetch(database, "SELECT what FROM audit_events WHERE what LIKE 'upload%%'") == ["upload.discard"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"%PDF-1.7 ...", "PDF"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "has a password: save it as XLSX without a password"),
        (b"PK\x03\x04 broken", "people.csv: "),
        (b"\n\n\n", "people.csv: the first row is empty"),
    ],
)
def test_a_file_that_is_no_list_says_what_to_do(console, path, upload, data, said):
    browser = console.sign_in()
    upload(browser, data)
    text = read_text(browser.get(f"{path}/columns").text)
    assert "The list was not read" in text
    assert said in text
    assert "/tmp" not in text
    assert "Upload a mended list" in text
    page = read_text(browser.get(f"{path}/list").text)
    assert "people.csv was refused" in page
    assert said in page
    assert "This list is stored" not in page
    assert "Go on to the columns" not in page


def test_a_change_of_another_site_uploads_nothing(console, database, path):
    browser = console.sign_in()
    assert browser.put(f"{path}/list", b"phone", headers={"X-CSRFToken": "forged"}).status_code == 400
    assert browser.put(f"{path}/list", b"phone", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert fetch(database, "SELECT count(*) FROM uploads") == [0]


def test_choices_that_do_not_fit_are_said_at_their_field_and_kept(console, database, path, upload):
    browser = console.sign_in()
    upload(browser)
    answer = choose(browser, path, variable_0="0", consent="0", region="XX")
    assert answer.status_code == 422
    for field in ("region", "variable_0", "consent"):
        assert f'href="#{field}"' in answer.text
        assert f'id="{field}-error"' in answer.text
    answer = choose(browser, path, variable_0="", consent="2", region="PT")
    assert answer.status_code == 422
    at_field = answer.text.split('id="variable_0-error"')[1].split("</small>")[0]
    assert "Nothing fills {{nome}} yet: choose a column, or “the same text for everybody”." in at_field
    assert 'value="PT"' in answer.text
    assert chosen_in(answer.text, "consent") == "2"
    answer = choose(browser, path, phone="")
    assert "Choose the column that has the phones." in answer.text.split('id="phone-error"')[1]
    assert fetch(database, "SELECT count(*) FROM file_jobs WHERE kind = 'replace'") == [0]


def test_two_columns_of_one_name_are_said_at_the_variable_that_would_take_one(console, path, upload):
    browser = console.sign_in()
    upload(browser, "telefone,nome,nome\n+5511999990001,Ana,Silva\n")
    answer = choose(browser, path)
    assert answer.status_code == 422
    at_field = answer.text.split('id="variable_0-error"')[1].split("</small>")[0]
    assert "two columns named nome" in at_field


def test_one_text_for_everybody_takes_the_place_of_a_column_and_gives_it_back(console, database, path, upload):
    browser = console.sign_in()
    upload(browser, "telefone,apelido\n+5511999990001,Aninha\n")
    answer = choose(browser, path, variable_0="same")
    assert answer.status_code == 422
    assert "Type the text that everybody gets in place of {{nome}}." in answer.text.split('id="text_0-error"')[1]
    wrong = choose(browser, path, variable_0="same", text_0="x" * 1025)
    assert "makes the message" in wrong.text or "longer" in wrong.text.split('id="text_0-error"')[1]
    assert choose(browser, path, variable_0="same", text_0=" cliente ").status_code == 302
    console.do_file_work()
    assert "Hi cliente [for everybody]!" in read_text(browser.get(f"{path}/check").text)
    assert people(database) == [("+5511999990001", [])]
    page = browser.get(f"{path}/columns").text
    assert chosen_in(page, "variable_0") == "same"
    assert 'value="cliente"' in page
    assert choose(browser, path, variable_0="1").status_code == 302
    console.do_file_work()
    assert people(database) == [("+5511999990001", ["Aninha"])]
    acts = fetch(database, "SELECT count(*) FROM audit_events WHERE what = 'campaign.change'")
    assert acts == [2]


def test_a_refused_list_changes_no_value_and_the_choices_are_kept(console, database, path, upload):
    browser = console.sign_in()
    upload(browser, "telefone,optin\n+5511999990001,não\n")
    choose(browser, path, variable_0="same", text_0="cliente")
    console.do_file_work()
    assert "The list was not read" in read_text(browser.get(f"{path}/check").text)
    assert fetch(database, "SELECT parameters FROM campaigns") == [{}]
    page = browser.get(f"{path}/columns").text
    assert chosen_in(page, "variable_0") == "same"
    assert 'value="cliente"' in page


def test_the_message_is_shown_with_the_choices_and_nothing_is_read(console, database, path, upload):
    browser = console.sign_in()
    upload(browser)
    for chosen, text in (
        ({}, "Hi Ana!"),
        ({"variable_0": "2"}, "Hi Recife!"),
        ({"variable_0": "same", "text_0": "you"}, "Hi you!"),
        ({"variable_0": ""}, "Hi {{nome}}!"),
    ):
        answer = choose(browser, path, show="1", **chosen)
        assert answer.status_code == 200
        assert text in answer.text.split('id="first-message"')[1].split("</section>")[0]
        assert "-error" not in answer.text
    assert fetch(database, "SELECT count(*) FROM file_jobs WHERE kind = 'replace'") == [0]


def test_a_list_without_known_names_asks_for_its_columns(console, database, path, upload):
    browser = console.sign_in()
    upload(browser, "a,b\n+5511999990001,Ana\n")
    page = browser.get(f"{path}/columns").text
    assert '<p class="problem unchosen">Revoada cannot tell what each column is.' in page
    answer = choose(browser, path, sure="phone=0")
    assert answer.location == f"{path}/check"
    console.do_file_work()
    assert "Revoada cannot tell" not in browser.get(f"{path}/columns").text
    assert people(database) == [("+5511999990001", ["Ana"])]


def test_columns_that_only_their_order_chose_are_told_and_need_a_tick(console, database, upload, path):
    add_template(database, "due", language="pt_BR", body="Oi {{1}}: {{2}} vence em {{3}}.", actor=TESTER)
    change_campaign(database, 1, CampaignChanges(template="due:pt_BR"), actor=TESTER, quiet_hours=None)
    browser = console.sign_in()
    rows = "telefone,a,b,c\n+5511999990001,Ana,01/12/2099,R$ 10\n"
    said = "so only their order chose: {{1}} ← a, {{2}} ← b, {{3}} ← c."
    usual = {"variable_0": "1", "variable_1": "2", "variable_2": "3"}
    guesses = [f"{name}={place}" for name, place in usual.items()]
    page = import_list(console, browser, path, upload, rows, **usual, sure=guesses)
    assert said in read_text(browser.get(f"{path}/columns").text)
    assert "columns that only their order chose" in read_notes(page)
    assert 'class="verdict problem"' in page
    assert 'class="verdict done"' not in page
    answer = choose(browser, path, show="1", **usual | {"variable_1": "3", "variable_2": "2"})
    assert said not in read_text(answer.text)
    choose(browser, path, **usual | {"variable_1": "3", "variable_2": "2"}, sure="variable_0=1")
    console.do_file_work()
    page = browser.get(f"{path}/check").text
    assert read_notes(page) == []
    assert 'class="verdict done"' in page
    assert people(database) == [("+5511999990001", ["Ana", "R$ 10", "01/12/2099"])]
    assert "their order chose" not in browser.get(f"{path}/columns").text


def test_a_column_whose_name_stands_in_the_text_is_no_guess(console, database, path, upload):
    browser = console.sign_in()
    upload(browser, "telefone,nome\n+5511999990001,Ana\n")  # the text greets a person
    assert "(guess)" not in browser.get(f"{path}/columns").text
    choose(browser, path)
    console.do_file_work()
    assert people(database) == [("+5511999990001", ["Ana"])]


@pytest.mark.parametrize("name", ["Mobile", "Telem\u00f3vel"])
def test_a_column_whose_name_means_phones_is_no_guess(console, database, path, upload, name):
    browser = console.sign_in()
    upload(browser, f"{name},nome\n+5511999990001,Ana\n")
    assert "(guess)" not in browser.get(f"{path}/columns").text
    choose(browser, path)
    console.do_file_work()
    assert people(database) == [("+5511999990001", ["Ana"])]


@pytest.mark.parametrize("header", ["telefone,a", "numero,nome"])
def test_a_guessed_column_is_read_only_after_a_person_has_confirmed_it(console, database, path, upload, header):
    browser, guess = console.sign_in(), "phone=0" if header.startswith("numero") else "variable_0=1"
    upload(browser, f"{header}\n+5511999990001,Ana\n")
    page = browser.get(f"{path}/columns").text
    assert f"{'numero' if 'numero' in header else 'a'} (guess)" in page
    assert f'name="sure" value="{guess}">' in page
    answer = choose(browser, path)
    assert answer.status_code == 422
    assert "confirm it, or choose another." in read_text(answer.text)
    assert choose(browser, path, sure="phone=1").status_code == 422
    choose(browser, path, sure=guess)
    console.do_file_work()
    assert people(database) == [("+5511999990001", ["Ana"])]
    assert f'name="sure" value="{guess}" checked' in browser.get(f"{path}/columns").text


def test_a_column_whose_name_says_what_it_is_needs_no_confirmation(console, path, upload):
    browser = console.sign_in()
    upload(browser)
    assert 'name="sure"' not in browser.get(f"{path}/columns").text
    assert choose(browser, path).status_code == 302


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ("01/12/2099", "The text greets a person here, but “nome” has: 01/12/2099."),
        ("R$ 10", "The text greets a person here, but “nome” has: R$ 10."),
        ("529.982.247-25", "People would read numbers of documents here, such as a CPF: 529.982.247-25."),
        ("(11) 98888-7777", "People would read phones here: (11) 98888-7777."),
    ],
)
def test_cells_that_do_not_belong_into_the_text_are_told_at_the_choice(console, path, upload, cells, said):
    browser = console.sign_in()
    upload(browser, f"telefone,nome,cidade\n+5511999990001,{cells},Recife\n")
    page = read_text(browser.get(f"{path}/columns").text)
    assert said in page
    assert said not in read_text(choose(browser, path, show="1", variable_0="2").text)


def test_the_column_with_phones_is_guessed_and_not_one_whose_name_has_whatsapp(console, path, upload):
    browser = console.sign_in()
    upload(browser, "nome,Contato,CPF,Aceita WhatsApp\nAna,11 98765-0001,52998224725,sim\n")
    page = browser.get(f"{path}/columns").text
    assert chosen_in(page, "phone") == "1"
    assert "Contato (guess)" in page


def test_a_planner_sees_dates_and_no_phone_of_a_mismatch(console, path, upload):
    browser = console.sign_in(Role.PLANNER)
    upload(browser, "telefone,nome\n+5511999990001,11 98888-7777\n")
    assert "8888-7777" not in browser.get(f"{path}/columns").text
    row = '+5511999990001,Ana,01/12/2099,2099-12-01 10:00,"R$ 1.234.567,00"'
    upload(browser, f"telefone,nome,dia,hora,valor\n{row}\n")
    text = read_text(browser.get(f"{path}/columns").text)
    assert all(each in text for each in ("01/12/2099", "2099-12-01 10:00", "R$ 1.234.567,00"))


def test_hidden_rows_of_the_preview_are_marked_and_give_no_first_message(console, path, upload):
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer) as book:
        sheet = book.add_worksheet("Lista")
        for number, row in enumerate([("telefone", "nome"), ("11999990001", "Ana"), ("11999990002", "Bia")]):
            sheet.write_row(number, 0, row)
        sheet.set_row(1, options={"hidden": True})
    browser = console.sign_in()
    upload(browser, buffer.getvalue(), "people.xlsx")
    page = browser.get(f"{path}/columns").text
    assert "2 hidden or struck through" in read_text(page)
    assert "3 hidden or struck through" not in read_text(page)
    assert "Hi Bia!" in page
    assert "Hi Ana!" not in page
    assert "Hi Ana!" in choose(browser, path, show="1", hidden="include").text


def test_another_language_of_the_template_writes_the_first_rows_anew(console, database, upload, path):
    for language in ("en", "pt_BR"):
        add_template(database, "due", language=language, body="Pay {{value}}.", actor=TESTER)
    change_campaign(database, 1, CampaignChanges(template="due:en"), actor=TESTER, quiet_hours=None)
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["telefone", "price"])
        sheet.write_row(1, 0, ["+5511999990001", 1234.5], book.add_format({"num_format": "#,##0.00"}))
    browser = console.sign_in()
    upload(browser, buffer.getvalue(), "people.xlsx")
    choose(browser, path)
    console.do_file_work()
    assert "Pay 1,234.50." in browser.get(f"{path}/columns").text
    change_campaign(database, 1, CampaignChanges(template="due:pt_BR"), actor=TESTER, quiet_hours=None)
    assert "The list is being read" in browser.get(f"{path}/columns").text
    console.do_file_work()
    page = browser.get(f"{path}/columns").text
    assert "Pay 1.234,50." in page
    assert chosen_in(page, "variable_0") == "1", "the choices of the import are kept"
    assert "is not in the campaign yet" not in page, "it is the list that is in the campaign"
    assert fetch(database, "SELECT count(*) FROM file_jobs WHERE kind = 'look'") == [2]


def write_workbook():
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        for name, rows in (("Antiga", ["1"]), ("Novembro", ["+5511999990001", "+5511999990002"])):
            sheet = book.add_worksheet(name)
            sheet.write_row(0, 0, ["telefone", "nome"])
            for number, phone in enumerate(rows, start=1):
                sheet.write_row(number, 0, [phone, f"Ana {number}"])
        sheet.set_row(2, None, None, {"hidden": True})
    return buffer.getvalue()


def test_a_person_decides_about_sheets_and_hidden_rows(console, database, path, upload):
    browser = console.sign_in()
    upload(browser, write_workbook(), "people.xlsx")
    page = browser.get(f"{path}/columns").text
    assert "Which one is the list?" in page
    assert 'id="phone"' not in page
    assert chosen_in(page, "sheet") == ""
    show_sheet(console, browser, path, "Novembro")
    page = browser.get(f"{path}/columns").text
    assert chosen_in(page, "sheet") == "Novembro"
    assert "The sheet has hidden rows or columns" in page
    choose(browser, path)
    console.do_file_work()
    text = read_text(browser.get(f"{path}/check").text)
    assert "The list was not read people.xlsx, sheet Novembro: the sheet hides 1 row" in text
    choose(browser, path, hidden="skip")
    console.do_file_work()
    assert "1 hidden row was left out." in browser.get(f"{path}/check").text
    assert people(database) == [("+5511999990001", ["Ana 1"])]
    for page in (path, f"{path}/start"):
        assert "1hidden row of the list was left out" in read_text(browser.get(page).text)
    choose(browser, path, hidden="include")
    console.do_file_work()
    assert len(people(database)) == 2


def test_a_person_decides_about_rows_that_are_struck_through(console, database, path, upload):
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["telefone", "nome"])
        sheet.write_row(1, 0, ["+5511999990001", "Ana"])
        sheet.write_row(2, 0, ["+5511999990002", "Bia"], book.add_format({"font_strikeout": True}))
    browser = console.sign_in()
    upload(browser, buffer.getvalue(), "people.xlsx")
    choose(browser, path)
    console.do_file_work()
    text = read_text(browser.get(f"{path}/check").text)
    assert "in 1 row of the sheet a text is struck through (the first is row 3): leave these rows out with" in text
    choose(browser, path, hidden="skip")
    console.do_file_work()
    assert "1 row that is struck through was left out." in browser.get(f"{path}/check").text
    assert people(database) == [("+5511999990001", ["Ana"])]


def test_a_person_decides_about_people_below_a_heading(console, database, path, upload):
    browser = console.sign_in()
    rows = "telefone,nome\n+5511999990001,Ana\n,Descadastrados\n+5511999990002,Bia\n"
    text = read_text(import_list(console, browser, path, upload, rows))
    assert "row 3 has no phone and says Descadastrados, and 1 row with people stand below it" in text
    choose(browser, path, refusals="skip")
    console.do_file_work()
    assert people(database) == [("+5511999990001", ["Ana"])]


def show_sheet(console, browser, path, name):
    """Choose a sheet, and let the role `files` look at it."""
    look = re.search(r'name="look" value="([0-9]+)"', browser.get(f"{path}/columns").text)[1]
    answer = browser.post(f"{path}/sheet", {"look": look, "sheet": name}, form=f"{path}/columns")
    assert answer.location == f"{path}/columns", answer.text
    console.do_file_work()


def test_a_list_is_read_only_from_the_sheet_that_the_field_of_the_sheets_shows(console, database, path, upload):
    browser = console.sign_in()
    upload(browser, write_workbook(), "people.xlsx")
    page = browser.get(f"{path}/columns").text
    # Without scripts, too, the form of the columns sends the field of the sheets.
    assert '<select id="sheet" name="sheet" form="columns"' in page
    assert '<form id="columns"' in page
    answer = browser.post(
        f"{path}/sheet",
        {"look": re.search(r'name="look" value="([0-9]+)"', page)[1], "sheet": ""},
        form=f"{path}/columns",
    )
    assert answer.status_code == 422
    assert "Choose the sheet that is the list." in answer.text.split('id="sheet-error"')[1]
    show_sheet(console, browser, path, "Novembro")
    for chosen, said in (
        ("Antiga", "those of the sheet “Novembro”. Press “Show this sheet” for those of “Antiga”, or choose"),
        ("", "Choose the sheet that is the list, and press “Show this sheet”."),
    ):
        answer = choose(browser, path, sheet=chosen, hidden="skip")
        assert answer.status_code == 422
        assert said in read_text(answer.text)
        assert chosen_in(answer.text, "sheet") == chosen
        assert chosen_in(answer.text, "hidden") == "skip", "the other choices are kept"
    assert fetch(database, "SELECT count(*) FROM file_jobs WHERE kind = 'replace'") == [0]
    assert choose(browser, path, hidden="skip").location == f"{path}/check"
    console.do_file_work()
    assert "people.xlsx, sheet Novembro" in read_text(browser.get(f"{path}/check").text)


def test_people_who_say_no_become_opt_outs_unless_a_person_removes_the_tick(console, database, path, upload):
    browser = console.sign_in()
    rows = "telefone,nome,opt-in\n+5511999990001,Ana,sim\n+5511999990002,Bia,não\n"
    upload(browser, rows)
    assert is_ticked(browser.get(f"{path}/columns").text)
    choose(browser, path, refusals="skip")
    console.do_file_work()
    assert fetch(database, "SELECT count(*) FROM suppressions") == [0]
    assert not is_ticked(browser.get(f"{path}/columns").text)
    choose(browser, path, refusals="skip", records_refusals="on")
    console.do_file_work()
    told = "1 person who said no is recorded as an opt-out: no campaign writes to this person."
    assert told in read_text(browser.get(f"{path}/check").text)
    assert fetch(database, "SELECT recipient_key FROM suppressions WHERE is_active") == ["+5511999990002"]
    assert "said no in the list of campaign" in read_text(browser.get("/optouts").text)


def is_ticked(page):
    return 'name="records_refusals" checked' in page


def test_people_who_want_no_messages_are_a_decision(console, database, path, upload):
    browser = console.sign_in()
    rows = "telefone,nome,opt-in\n+5511999990001,Ana,sim\n+5511999990002,Bia,não\n"
    page = import_list(console, browser, path, upload, rows)
    assert "the list says in 1 row that the person wants no messages" in page
    label = "“Rows that say in a column such as opt-in that the person wants no messages”"
    assert f'<a href="{path}/columns?refusals=skip#refusals">{label}: leave them out</a>' in page
    other = "“Columns about something else, such as orders”: opt-in"
    assert f'<a href="{path}/columns?unrelated=opt-in#unrelated">{other}</a>' in page
    assert '<details id="more" open>' in browser.get(f"{path}/columns").text
    assert people(database) == []
    choose(browser, path, refusals="skip")
    console.do_file_work()
    text = read_text(browser.get(f"{path}/check").text)
    assert "opt-in: says that the person wants no messages 1 row Row 3: não" in text
    assert "Columns that say who wants no messages, or do not say it: opt-in." in text
    assert "Columns that are not used" not in text
    text = read_text(browser.get(f"{path}/start").text)
    assert "1row of the list was left out, because it says that the person wants no messages" in text
    choose(browser, path, refusals="include")
    console.do_file_work()
    text = read_text(browser.get(f"{path}/check").text)
    assert "The list says in 1 row that the person wants no messages (opt-in)." in text
    assert len(people(database)) == 2


def read_links(page, word):
    """The addresses of the links whose words contain a word."""
    found = re.findall(r'<a href="([^"#]+)#[^"]*">([^<]*)</a>', page)
    return [unescape(address) for address, words in found if word in words]


def test_a_link_that_is_named_like_a_choice_makes_it_and_all_questions_of_a_list_come_at_once(
    console, database, path, upload
):
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["telefone", "nome", "opt-in"])
        for number, answer in enumerate(("sim", "não", "", "sim"), start=1):
            sheet.write_row(number, 0, [f"+551199999000{number}", f"Ana {number}", answer])
        sheet.set_row(4, None, None, {"hidden": True})
    browser = console.sign_in()
    upload(browser, buffer.getvalue(), "people.xlsx")
    choose(browser, path)
    console.do_file_work()
    page = browser.get(f"{path}/check").text
    for said in ("the sheet hides 1 row", "says in 1 row that the person wants no", "does not say in 1 row whether"):
        assert said in read_text(page)
    hidden, refusals, unanswered = read_links(page, ": leave them out")
    page = browser.get(hidden).text
    assert chosen_in(page, "hidden") == "skip"
    assert "the sheet hides 1 row" in read_text(page), "the step Columns repeats what is to be decided"
    page = browser.get(read_links(page, ": leave them out")[1]).text
    page = browser.get(read_links(page, ": read them like the others")[2]).text
    chosen = {field: chosen_in(page, field) for field in ("hidden", "refusals", "unanswered")}
    assert chosen == {"hidden": "skip", "refusals": "skip", "unanswered": "include"}
    assert database.run(lambda connection: connection.execute("SELECT count(*) FROM messages").fetchone()) == (0,)
    choose(browser, path, **chosen)
    console.do_file_work()
    assert [values for _phone, values in people(database)] == [["Ana 1"], ["Ana 3"]]
    page = browser.get(f"{path}/check").text
    assert "1 hidden row was left out." in read_text(page)
    assert "1 hidden row" not in read_notes(page), "the person has decided about hidden rows already"
    assert chosen_in(browser.get(refusals).text, "refusals") == chosen_in(browser.get(unanswered).text, "refusals")
    page = browser.get(f"{path}/columns?phone=nome&look=nome%3Dopt-in&unrelated=opt-in&region=PT").text
    assert (chosen_in(page, "phone"), chosen_in(page, "variable_0")) == ("1", "2")
    assert 'name="unrelated" value="2" checked' in page
    assert 'value="PT"' in page
    assert browser.get(f"{path}/columns?hidden=x&phone=x&look=x&unrelated=x&sheet=x").status_code == 200


def test_people_without_an_answer_are_a_decision(console, database, path, upload):
    browser = console.sign_in()
    rows = "telefone,nome,opt-in\n+5511999990001,Ana,sim\n+5511999990002,Bia,\n"
    page = import_list(console, browser, path, upload, rows)
    assert "the list does not say in 1 row whether the person wants messages" in page
    choose(browser, path, unanswered="skip")
    console.do_file_work()
    assert [phone for phone, _ in people(database)] == ["+5511999990001"]
    choose(browser, path, unanswered="include")
    console.do_file_work()
    assert "The list does not say in 1 row whether" in read_text(browser.get(f"{path}/check").text)
    assert len(people(database)) == 2


def test_a_column_about_something_else_is_not_taken_for_a_no(console, database, path, upload):
    rows = "telefone,nome,status,etapa\n+5511999990001,Ana,cancelado,cancelado\n+5511999990002,Bia,entregue,pago\n"
    browser = console.sign_in()
    import_list(console, browser, path, upload, rows)
    assert "wants no messages (" in read_text(browser.get(f"{path}/check").text)
    choose(browser, path, unrelated=["2", "3"])
    console.do_file_work()
    assert [phone for phone, _ in people(database)] == ["+5511999990001", "+5511999990002"]
    page = browser.get(f"{path}/columns").text
    assert re.findall(r'name="unrelated" value="(.)" checked', page) == ["2", "3"]


def test_another_list_takes_the_place_of_the_first(console, database, path, upload):
    browser = console.sign_in()
    import_list(console, browser, path, upload)
    assert "2 people are in the campaign." in browser.get(f"{path}/list").text
    upload(browser, "telefone,nome\n+5511999990009,Zoe\n", "more.csv")
    assert "A newer list, more.csv, is stored." in browser.get(f"{path}/check").text
    assert "take the place of the 2 people" in browser.get(f"{path}/columns").text
    choose(browser, path)
    console.do_file_work()
    page = read_text(browser.get(f"{path}/check").text)
    assert "1 row read, 1 person ready to get the message." in page
    assert "The 2 people of the list before are no longer in the campaign." in page
    assert people(database) == [("+5511999990009", ["Zoe"])]


def test_a_list_says_which_people_of_the_list_before_it_has(console, path, upload):
    browser = console.sign_in()
    rows = [f"+551199999000{number},Ana\n" for number in range(4)]
    for count, said in (
        (3, "Nothing is sent yet."),
        (3, "The list has the same 3 people as before."),
        (4, "All 3 people of the list before are in this list, too."),
        (2, "2 people of the list before are in this list, too. 2 people are no longer in the campaign."),
    ):
        page = import_list(console, browser, path, upload, "telefone,nome\n" + "".join(rows[:count]))
        assert said in read_text(page)


def test_a_refused_file_does_not_hide_the_numbers_of_the_list_before(console, path, upload):
    browser = console.sign_in()
    import_list(console, browser, path, upload)
    upload(browser, b"%PDF-1.7 ...", "wrong.pdf")
    page = read_text(browser.get(f"{path}/list").text)
    assert "wrong.pdf was refused" in page
    assert "The campaign keeps its 2 people." in page
    assert "is stored" not in read_text(browser.get(f"{path}/check").text)


def test_the_columns_of_another_list_are_not_taken_for_those_of_this_one(console, database, path, upload):
    browser = console.sign_in()
    upload(browser)
    shown = re.search(r'name="look" value="([0-9]+)"', browser.get(f"{path}/columns").text)[1]
    upload(browser, "nome,telefone\nZoe,+5511999990009\n", "of-another-tab.csv")
    answer = choose(browser, path, look=shown)
    assert answer.status_code == 409
    assert "Another list, or another sheet, was chosen meanwhile" in answer.text
    assert "of-another-tab.csv" in answer.text
    assert chosen_in(answer.text, "variable_0") == "0"
    assert fetch(database, "SELECT count(*) FROM file_jobs WHERE kind = 'replace'") == [0]


def test_a_campaign_that_somebody_else_changes_now_is_said_in_words(console):
    def change():
        raise LockTimeout

    console.app.add_url_rule("/busy", "busy", public(change))
    answer = console.sign_in().get("/busy")
    assert answer.status_code == 409
    assert "its list is being read. Nothing was changed." in answer.text


def test_the_rejected_rows_are_downloaded_and_the_audit_names_the_person(console, database, path, upload):
    browser = console.sign_in(language="pt_BR", name="maria")
    page = import_list(console, browser, path, upload)
    assert f'href="{path}/rejected.csv"' in page
    answer = browser.get(f"{path}/rejected.csv")
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    lines = answer.data.decode("utf-8-sig").splitlines()
    assert lines[0] == "telefone;nome;cidade;linha na lista;coluna;o que está errado"
    assert lines[1].startswith("123;Caio;Olinda;4;telefone;não é um telefone válido em BR")
    assert len(lines) == 2
    assert fetch(database, "SELECT actor FROM audit_events WHERE what = 'campaign.export'") == ["maria"]


def test_many_reasons_of_one_row_each_share_a_heading_and_errors_have_the_names_of_the_reader(console, path, upload):
    rows = [f"+55119999900{number:02},#NAME?\n" for number in range(2)]
    rows += ["+5511999990010,#N/A\n", "+5511999990011,#VALUE!\n", "+5511999990012,NULL\n", "+5511999990013,-\n"]
    page = import_list(console, console.sign_in(language="pt_BR"), path, upload, "telefone,nome\n" + "".join(rows))
    section = page.split('id="rejected"')[1].split("</section>")[0]
    assert section.count("<h3>") == 2
    text = read_text(section)
    assert "Linha 2: #NOME?" in text
    assert "Linha 4: #N/D é #N/D, um erro da planilha" in text
    assert "Linha 6: NULL é NULL, que um programa escreve" in text
    assert "#N/A" not in text


def test_rejected_rows_stand_under_their_reason_with_their_number_and_the_most_are_folded(console, path, upload):
    rows = "".join(f"{number},Ana\n" for number in range(1, 8)) + "+5511999990001,\n+5511999990002,Bia\n"
    browser = console.sign_in()
    page = import_list(console, browser, path, upload, f"telefone,nome\n{rows}")
    rejected = page.split('id="rejected"')[1].split("</section>")[0]
    assert [read_text(each.split("</h3>")[0]) for each in rejected.split("<h3>")[1:]] == [
        "telefone: is not a phone number 7 rows",
        "nome: is empty 1 row",
    ]
    open_rows, _folded, folded_rows = rejected.partition("<details>")
    assert [f'<q dir="auto">{number}</q>' in open_rows for number in range(1, 8)] == [True] * 3 + [False] * 4
    assert "4 more rows" in folded_rows
    assert "Row 8: 7" in read_text(folded_rows.split("</details>")[0])


def test_a_role_without_phones_sees_and_takes_none(console, path, upload):
    browser = console.sign_in(Role.PLANNER)
    upload(browser, "telefone,nome\n+5511999990001,Ana\n0055 11 99999-000,Bia\n")
    page = browser.get(f"{path}/columns").text
    assert "999990001" not in page
    assert "+•••••••••••01" in page
    choose(browser, path)
    console.do_file_work()
    page = browser.get(f"{path}/check").text
    assert "99999-000" not in page
    assert "Download all rows that stay out, with their reasons (CSV) Your role does not allow it." in read_text(page)
    assert browser.get(f"{path}/rejected.csv").status_code == 403


def test_a_viewer_and_a_visitor_reach_no_step(console, path):
    for browser, status in ((console.sign_in(Role.VIEWER), 403), (console.browser(), 302)):
        for step in ("list", "columns", "check", "rejected.csv"):
            assert browser.get(f"{path}/{step}").status_code == status, step


def test_work_that_fails_says_so_and_the_campaign_keeps_its_people(console, database, path, upload, monkeypatch):
    browser = console.sign_in()
    import_list(console, browser, path, upload)
    with monkeypatch.context() as patch:
        patch.setitem(work._WORK, JobKind.REPLACE, lambda *_arguments: 1 / 0)
        choose(browser, path)
        console.do_file_work()
    text = read_text(browser.get(f"{path}/check").text)
    assert "An error of ours ended the work. Nothing was changed." in text
    assert "The campaign keeps its 2 people." in text
    assert len(people(database)) == 2


def test_work_that_nobody_does_says_who_can_help(console, database, path, upload):
    browser = console.sign_in()
    upload(browser)
    choose(browser, path)
    fetch(database, "UPDATE file_jobs SET created_at = now() - interval '2 min' WHERE status = 'due'")
    text = read_text(browser.get(f"{path}/check").text)
    assert "start the role “files”" in text
    assert "nothing is lost" in text


def test_steps_before_a_list_lead_to_it(console, path):
    browser = console.sign_in()
    for step in ("columns", "check"):
        assert f'href="{path}/list"' in browser.get(f"{path}/{step}").text
    assert browser.post(f"{path}/columns", {}, form=f"{path}/list").location == f"{path}/columns"
    assert browser.post(f"{path}/sheet", {"sheet": "x"}, form=f"{path}/list").location == f"{path}/columns"
    assert browser.get(f"{path}/rejected.csv").status_code == 503


def accept(browser, path, **ticks):
    """Send the form of the page Check as the page gives it."""
    job = re.search(r'name="job" value="([0-9]*)"', browser.get(f"{path}/check").text)[1]
    return browser.post(f"{path}/check", {"job": job} | ticks)


@pytest.mark.parametrize("step", ["columns", "check"])
def test_work_that_ends_while_a_page_is_made_leaves_no_page_without_a_way_on(console, database, path, upload, step):
    """The work ends behind each of the reads of the page in turn."""
    browser = console.sign_in()
    run, number = type(database).run, 0
    while True:
        if step == "columns":
            answer = browser.put(f"{path}/list", f"telefone,nome\n+55119999900{number:02},Ana\n".encode())
            assert answer.status_code == 201
        else:
            upload(browser, f"telefone,nome\n+55119999900{number:02},Ana\n")
            choose(browser, path)
            fetch(database, "UPDATE campaigns SET recipient_count = 0")  # as before the first list
        reads = []

        def run_and_work(self, *arguments, reads=reads, last=number, **options):
            result = run(self, *arguments, **options)
            reads.append(arguments[0])
            if len(reads) == last:
                console.do_file_work()
            return result

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(type(database), "run", run_and_work)
            page = browser.get(f"{path}/{step}").text
        if len(reads) < number:
            break
        is_waiting = "The list is being read" in page
        way_on = {"columns": "Read the list</button>", "check": "Go on with this person"}[step]
        assert is_waiting or way_on in page, f"the work ended behind read {number}, {reads[number - 1].__name__}"
        assert is_waiting or "nobody is on the list yet" not in page or step == "columns"
        console.do_file_work()
        number += 1
    assert number > 3


@pytest.fixture
def in_portuguese(database, draft):
    add_template(database, "promo", language="pt_BR", body="Oi {{nome}}!", actor=TESTER)
    change_campaign(database, draft, CampaignChanges(template="promo:pt_BR"), actor=TESTER, quiet_hours=None)


@pytest.mark.usefixtures("in_portuguese")
def test_each_warning_of_a_list_has_a_tick_of_its_own_with_its_number(console, path, upload):
    rows = "telefone,nome\n+5511999990001,Ana\n+551134560001,Bia\n123,Caio\n456,Davi\n"
    browser = console.sign_in()
    notes = read_notes(import_list(console, browser, path, upload, rows))
    assert notes == ["2 rows that stay out", "1 landline"]
    for ticks in ([], notes[:1], notes[1:], ["3 rows that stay out", "1 landline"]):
        answer = accept(browser, path, agrees=ticks)
        assert answer.status_code == 422
        assert 'href="#agrees"' in answer.text
        assert 'id="agrees-error"' in answer.text
        assert [each for each in notes if f'value="{each}" checked' in answer.text] == [
            each for each in notes if each in ticks
        ]
    assert accept(browser, path, agrees=notes).location == f"{path}/pace"


@pytest.mark.usefixtures("in_portuguese")
def test_a_list_without_warnings_asks_nothing(console, path, upload):
    browser = console.sign_in()
    page = import_list(console, browser, path, upload, "telefone,nome\n+5511999990001,Ana\n")
    assert 'name="agrees"' not in page
    assert accept(browser, path).location == f"{path}/pace"


CPFS = "".join(f"{each},Ana\n" for each in ("11987654374", "21976543223", "31987650050", "52998224725", "11144477735"))
LANDLINES = "".join(f"+55113456000{number},Ana\n" for number in range(6))


DRAGGED = "+5521988776655,Ana\n" + "".join(
    f"+551196123004{number},{name}\n" for number, name in enumerate(("Bia", "Caio", "Davi", "Eva", "Ruy"))
)


@pytest.mark.parametrize(
    "case",
    [
        (f"telefone,nome\n{DRAGGED}", "phones_dragged", "change by the same number from row to row"),
        (f"telefone,nome\n{CPFS}", "phones_are_documents", "has the number of a CPF or a CNPJ"),
        ("CPF,nome\n+5511999990001,Ana\n", "phone_column_doubtful", "whose name says that it has other numbers"),
        ("telefone,nome\n07721 234560,Ana\n", "phones_may_be_foreign", "1 phone without a country code may be"),
        (f"telefone,nome\n{LANDLINES}", "phones_are_landlines", "of the column telefone are landlines (6)"),
        (
            f"telefone,nome,celular 2\n{LANDLINES.replace('Ana', 'Ana,+5511999990001')}",
            "phones_elsewhere",
            "but in the column celular 2",
        ),
    ],
)
def test_phones_that_are_probably_wrong_need_a_choice_of_their_own(console, database, path, upload, case):
    browser, (rows, code, said) = console.sign_in(), case
    page = import_list(console, browser, path, upload, rows)
    box = page.split('class="grave"')[1].split("</section>")[0]
    assert said in read_text(box)
    assert f'href="{path}/columns"' in box
    assert "<small>done</small>" not in page
    notes = read_notes(page)
    answer = accept(browser, path, agrees=notes)
    assert answer.status_code == 422
    assert 'href="#sure"' in answer.text
    assert 'id="sure-error"' in answer.text
    assert accept(browser, path, agrees=notes, sure=["another"]).status_code == 422
    assert accept(browser, path, agrees=notes, sure=[code]).location == f"{path}/pace"
    # The ticks of the other warnings are not enough for a start either.
    start = browser.get(f"{path}/start").text
    told = start.split('name="told" value="')[1].split('"')[0].replace("&#34;", '"')
    notes = read_notes(start)
    refused = browser.post(f"{path}/start", {"told": told, "agrees": notes})
    assert refused.status_code == 422
    assert 'href="#sure"' in refused.text
    assert fetch(database, "SELECT status::text FROM campaigns") == ["draft"]
    assert browser.post(f"{path}/start", {"told": told, "agrees": notes, "sure": [code]}).status_code == 302


def test_the_warnings_of_an_older_reading_are_not_confirmed_for_a_newer_one(console, path, upload):
    browser = console.sign_in()
    page = import_list(console, browser, path, upload)
    job = re.search(r'name="job" value="([0-9]*)"', page)[1]
    import_list(console, browser, path, upload, f"telefone,nome\n{CPFS}")
    answer = browser.post(
        f"{path}/check", {"job": job, "agrees": ["1 row that stays out"], "sure": ["phones_are_documents"]}
    )
    assert answer.status_code == 409
    assert "The list was read again meanwhile" in answer.text


def test_a_list_of_which_nobody_is_left_says_so_plainly(console, path, upload):
    browser = console.sign_in(language="pt_BR")
    rows = "telefone,nome\n" + "12,Ana\n" * 40
    text = read_text(import_list(console, browser, path, upload, rows))
    assert "40 linhas lidas, 0 pessoas prontas para receber." in text
    assert 'name="agrees"' not in browser.get(f"{path}/check").text


def test_people_of_a_command_are_checked_too(console, database, draft, path, tmp_path):
    (tmp_path / "people.csv").write_text(LIST)
    add_recipients(database, draft, tmp_path / "people.csv", Reading(), actor=TESTER)
    text = read_text(console.sign_in().get(f"{path}/check").text)
    assert "Hi Ana [nome]!" in text
    assert "4 rows read, 2 people ready to get the message. 1 row stays out." in text
    assert "Nothing is sent yet." in text


def test_other_campaigns_to_the_same_people_are_named(console, database, path, upload):
    other = database.run(add_campaign, "running", name="Black Friday", created_at="now()", started_at="now()")
    database.run(add_message, other, phone="+5511999990001")
    text = read_text(import_list(console, console.sign_in(), path, upload))
    assert "Black Friday (running): 1 person of this list" in text


def test_a_newer_list_is_named_on_each_step_until_it_is_read_or_discarded(console, database, path, upload):
    browser = console.sign_in()
    import_list(console, browser, path, upload)
    upload(browser, LIST.replace("Ana", "Eva"), "corrected.csv")
    for step in ("columns", "check", "start"):
        text = read_text(browser.get(f"{path}/{step}").text)
        assert "corrected.csv is not in the campaign yet" in text, step
        assert "The campaign still has the 2 people of people.csv." in text
        assert "the people of corrected.csv are not in the campaign" in text  # in the list of the steps
    assert "Nothing can leave now" in text
    assert "was uploaded into campaign" in text
    answer = browser.post(f"{path}/list/discard")
    assert answer.location == f"{path}/check"
    text = read_text(browser.get(f"{path}/start").text)
    assert "corrected.csv" not in text
    assert "was uploaded into campaign" not in text
    assert fetch(database, "SELECT name FROM uploads") == ["people.csv"]


def test_another_sheet_of_the_same_file_is_named_with_its_sheet(console, path, upload):
    browser = console.sign_in()
    upload(browser, write_workbook(), "people.xlsx")
    show_sheet(console, browser, path, "Novembro")
    choose(browser, path, hidden="include")
    console.do_file_work()
    show_sheet(console, browser, path, "Antiga")
    text = read_text(browser.get(f"{path}/start").text)
    assert "people.xlsx, sheet Antiga is not in the campaign yet" in text
    assert "The campaign still has the 2 people of people.xlsx, sheet Novembro." in text
    assert "The list people.xlsx, sheet Antiga was uploaded into campaign 1" in text
    show_sheet(console, browser, path, "Novembro")
    assert "is not in the campaign yet" not in read_text(browser.get(f"{path}/start").text)


def test_rows_with_one_phone_and_other_values_need_a_tick(console, path, upload):
    page = import_list(
        console, console.sign_in(), path, upload, LIST.replace("0001,Ana,Recife\n", "0001,Eva,Recife\n", 1)
    )
    assert "1 row with the phone of another row, but with other values" in read_notes(page)


def test_a_link_to_replace_the_people_leads_to_the_upload_of_the_corrected_list(console, path, upload):
    rows = "telefone,nome\n+5511999990001,Ana\n+5511999990001,Bia\n"
    page = import_list(console, console.sign_in(), path, upload, rows)
    assert f'<a href="{path}/list">replace the people of campaign 1</a>' in page


def test_the_start_names_the_template_the_list_and_the_accounts(console, path, upload):
    browser = console.sign_in()
    upload(browser, write_workbook(), "people.xlsx")
    show_sheet(console, browser, path, "Novembro")
    choose(browser, path, hidden="include")
    console.do_file_work()
    text = read_text(browser.get(f"{path}/start").text)
    assert "Templatepromo (en) Listpeople.xlsx, sheet Novembro Accounts that sendsales" in text


def test_a_list_with_one_more_column_keeps_the_choices_of_the_others(console, database, path, upload):
    browser = console.sign_in()
    rows = "x1,x2,x3\n+5511999990001,Ana,Recife\n"
    upload(browser, rows)
    choose(browser, path, variable_0="2", sure="phone=0")
    console.do_file_work()
    assert people(database) == [("+5511999990001", ["Recife"])]
    upload(browser, "x0,x1,x2,x3\n7,+5511999990001,Ana,Recife\n")
    page = browser.get(f"{path}/columns").text
    assert (chosen_in(page, "phone"), chosen_in(page, "variable_0")) == ("1", "3")
    upload(browser, "x1,x2,x3,nome\n+5511999990001,Ana,Recife,Bia\n")
    page = browser.get(f"{path}/columns").text
    assert chosen_in(page, "variable_0") == "3", "a new column that has the name of the variable wins"


def press(console, browser, path, page, decision):
    """Press one of the two buttons of a decision on a page, and read the list."""
    assert f'name="decide" value="{decision}"' in page
    answer = browser.post(f"{path}/decide", {"decide": decision}, form=f"{path}/check")
    assert answer.location == f"{path}/check"
    console.do_file_work()
    return browser.get(f"{path}/check").text


def test_people_who_want_no_messages_are_left_out_or_read_by_one_button(console, database, path, upload):
    browser = console.sign_in()
    rows = "telefone,nome,opt-in\n+5511999990001,Ana,sim\n+5511999990002,Bia,não\n+5511999990003,Caio,\n"
    page = import_list(console, browser, path, upload, rows)
    text = read_text(page)
    assert "1 row says that the person wants no messages (opt-in)." in text
    assert "1 row does not say whether the person wants messages (opt-in)." in text
    assert browser.post(f"{path}/decide", {"decide": "x"}, form=f"{path}/check").location == f"{path}/check"
    assert people(database) == []
    press(console, browser, path, page, "skip")
    assert [phone for phone, _ in people(database)] == ["+5511999990001"]
    assert "decide" not in browser.get(f"{path}/columns").text
    page = import_list(console, browser, path, upload, rows)
    page = press(console, browser, path, page, "include")
    assert len(people(database)) == 3


def test_a_button_on_the_columns_reads_the_list_with_the_present_choices(console, database, path, upload):
    browser = console.sign_in(language="pt_BR")
    rows = "telefone,nome,apelido,opt-in\n+5511999990001,Ana,Aninha,sim\n+5511999990002,Bia,Bi,não\n"
    import_list(console, browser, path, upload, rows)
    page = browser.get(f"{path}/columns").text
    assert "1 linha diz que a pessoa não quer mensagens (opt-in)." in read_text(page)
    assert page.index('form="columns" hidden') < page.index('name="decide"'), "the Enter key decides nothing"
    answer = choose(browser, path, variable_0="2", decide="skip")
    assert answer.location == f"{path}/check"
    console.do_file_work()
    assert people(database) == [("+5511999990001", ["Aninha"])]


def test_the_rows_that_stayed_out_are_downloaded_from_the_page_of_the_campaign(console, database, draft, path, upload):
    browser = console.sign_in(Role.OPERATOR)
    rows = "telefone,nome\n+5511999990001,Ana\n11 9999-12,Bia\n"
    import_list(console, browser, path, upload, rows)
    page = browser.get(path).text
    assert "11 9999-12" in read_text(page.split('id="rejected"')[1])
    assert f'href="{path}/rejected.csv"' in page
    assert "11 9999-12,Bia,3" in browser.get(f"{path}/rejected.csv").text
    shown = console.sign_in(Role.VIEWER).get(path).text
    assert "•• ••••-12" in shown
    assert "9999-12" not in shown
    assert f'href="{path}/rejected.csv"' not in shown
    # The uploaded file is deleted after some days.
    fetch(database, "DELETE FROM file_jobs RETURNING 1")
    text = console.sign_in(Role.ADMIN, language="pt_BR").get(f"{path}/rejected.csv").text
    assert text.startswith("\ufefflista;linha na lista;coluna;o que está errado")
    assert "people.csv;3;telefone;" in text
    assert "not" not in text
    assert fetch(database, "SELECT count(*) FROM audit_events WHERE what = 'campaign.export'") == [2]


def test_the_list_step_of_a_standing_campaign_offers_no_upload(console, database, draft):
    asked = CampaignChanges(name="Codes", template="promo:en", accounts=["sales"], is_standing=True)
    standing = draft_campaign(database, asked, time_zone="UTC", actor=TESTER).id
    page = console.sign_in().get(f"/campaigns/{standing}/list").text
    assert "programs post its messages, one by one, so it takes no list." in read_text(page)
    assert 'type="file"' not in page
