"""Typical mistakes in lists are refused or warned of, and honest lists are not."""

from __future__ import annotations

import datetime as dt

import pytest

from campaigns.domain.optout.consent import RefusalChoice
from campaigns.domain.recipients import Choice
from campaigns.domain.statement import Entry, Field, Refusal
from campaigns.management.accounts import add_template
from tests.management.drafts.test_import_warnings import CPFS, PHONES
from tests.store.rows import fetch
from tests.support.actors import TESTER

PORTUGUESE = ("913345600", "913345637", "913345674", "913345711", "913345748")


def find(result, code):
    return [each for each in result.import_warnings if each.code == code]


PEOPLE = [("Ana", "+5511999990001", "20%"), ("Bia", "+5511999990002", "15%")]
BELOW = [("Caio", "+5511999990003", "20%"), ("Dora", "+5511999990004", "15%"), ("Eva", "+5511999990005", "9%")]


def write_people(*rows):
    return "name,phone,discount\n" + "".join(",".join(row) + "\n" for row in rows)


@pytest.fixture
def read_people(database, read):
    add_template(database, "people", language="pt_BR", body="Oi {{name}}, desconto: {{discount}}!", actor=TESTER)
    return lambda *rows, **reading: read(write_people(*rows), template="people:pt_BR", **reading)


@pytest.mark.parametrize(
    "words",
    ["LEFT / DO NOT CONTACT", "Unsubscribed", "Descadastrados", "NÃO ENVIAR", "Saíram da lista", "Opt-outs", "Baja"],
)
@pytest.mark.parametrize("place", [0, 1])
def test_people_below_a_heading_that_refuses_need_a_decision(read_people, words, place):
    heading = tuple(words if position == place else "" for position in range(3))
    with pytest.raises(Refusal) as refused:
        read_people(*PEOPLE, heading, *BELOW)
    assert refused.value.values["problem"].code == "people_below_refuse"
    assert f"row 4 has no phone and says {words}, and 3 rows with people stand below it" in str(refused.value)


def test_people_below_a_heading_are_left_out_until_the_next_heading(database, read_people):
    rows = [PEOPLE[0], ("Unsubscribed", "", ""), *BELOW, ("Customers", "", ""), PEOPLE[1]]
    done = read_people(*rows, refusals=RefusalChoice.SKIP)
    assert (done.imported.counts.recipient_count, done.imported.counts.rejected_count) == (2, 5)
    reasons = fetch(database, "SELECT reason FROM import_errors WHERE code = 'consent_refused'")
    assert reasons == ["stands below row 3, which says that people want no messages"] * 3


def test_people_below_a_heading_can_be_read_like_the_others(read_people):
    rows = [PEOPLE[0], ("Unsubscribed", "", ""), *BELOW]
    done = read_people(*rows, refusals=RefusalChoice.INCLUDE)
    assert done.imported.counts.recipient_count == 4
    (warning,) = find(done, "people_unwilling")
    assert warning.values["first_row"] == 4
    assert not find(read_people(*rows, choice=Choice(unrelated=["name"])), "people_unwilling")


def test_another_heading_in_the_list_is_named_with_the_people_below_it(read_people):
    (warning,) = find(read_people(*PEOPLE, ("Former customers", "", ""), *BELOW), "headings_in_list")
    assert "row 4 (Former customers) with 3 recipients below it" in str(warning)


@pytest.mark.parametrize(
    "rows",
    [
        [*PEOPLE, ("Total", "", "")],
        [*PEOPLE, ("Caio", "", "20%"), *BELOW],
        [*PEOPLE, ("do not contact", "", "")],
        [*PEOPLE, *[(f"Person {number}", "", "") for number in range(11)], *BELOW],
    ],
    ids=["total", "person without a phone", "nobody below", "many people without a phone"],
)
def test_other_rows_without_a_phone_are_no_headings(read_people, rows):
    done = read_people(*rows)
    assert not find(done, "headings_in_list")
    assert not find(done, "people_unwilling")


@pytest.mark.parametrize(
    ("template", "date", "is_warned"),
    [
        ("plan:en_GB", ["12/10/2099", "12/13/2099"], True),
        ("plan:en_US", ["10/12/2099", "13/12/2099"], True),
        ("plan:en_GB", ["10/12/2099", "13/12/2099"], False),
        ("plan:en_US", ["12/10/2099", "12/13/2099"], False),
        ("plan:en", ["12/10/2099", "12/13/2099"], False),
        ("plan:en_GB", ["12/10/2099", "12/11/2099"], False),
        ("plan:en_GB", ["2099-12-13", "2099-12-14"], False),
    ],
)
def test_dates_in_another_order_than_the_language_are_warned_of(read, template, date, is_warned):
    rows = "".join(f"+551199999000{number},Gold,{each},£29.90,20%\n" for number, each in enumerate(date))
    warnings = find(read(f"phone,plan,date,price,discount\n{rows}", template=template), "dates_in_other_order")
    assert [each.values["row"] for each in warnings] == [3] * is_warned


@pytest.mark.parametrize(("form", "count"), [("mm/dd/yyyy", 2), ("dd/mm/yyyy", 0), ("yyyy-mm-dd", 0)])
def test_cells_with_dates_tell_their_order_also_on_the_first_days_of_a_month(read, write_book, form, count):
    dates = [dt.date(2099, 12, 10), dt.date(2099, 12, 11)]
    rows = [(f"+55119999900{day.day}", "Gold", (day, {"num_format": form}), "£29.90", "20%") for day in dates]
    done = read(write_book(("phone", "plan", "date", "price", "discount"), *rows))
    assert [each.values["rows"].number for each in find(done, "dates_in_other_order")] == [count] * bool(count)


@pytest.mark.parametrize(("form", "code"), [("mm/dd/yyyy", "dates_in_other_order"), ("dd/mm/yyyy", "dates_past")])
def test_dates_in_another_order_are_not_compared_with_today(read, write_book, form, code):
    row = ("+5511999990001", "Gold", (dt.date(2020, 12, 10), {"num_format": form}), "£29.90", "20%")
    done = read(write_book(("phone", "plan", "date", "price", "discount"), row))
    found = [each.code for each in done.import_warnings]
    assert [each for each in ("dates_in_other_order", "dates_past") if each in found] == [code]


@pytest.mark.parametrize(
    ("price", "discount", "columns"),
    [
        (29.9, 0.2, ["price", "discount"]),
        (29.9, "20%", ["price"]),
        ("£29.90", 0.15, ["discount"]),
        (29.99, "20%", []),
        (30, 20, []),
        ((29.9, {"num_format": "£0.00"}), (0.2, {"num_format": "0%"}), []),
    ],
)
def test_a_column_of_numbers_without_a_format_is_warned_of(read, write_book, price, discount, columns):
    rows = [(f"+551199999000{number}", "Gold", "15/12/2099", price, discount) for number in range(4)]
    done = read(write_book(("phone", "plan", "date", "price", "discount"), *rows))
    assert [each.values["column"] for each in find(done, "numbers_bare")] == columns


@pytest.mark.parametrize(
    ("body", "value"), [("Juros de {{1}}%", "4.5"), ("Nota {{1}}", "8.5"), ("Só R$ {{1}} por SMS", "0.15")]
)
def test_numbers_that_people_write_like_this_are_no_warning(database, read, body, value):
    add_template(database, "other", language="pt_BR", body=body, actor=TESTER)
    rows = "".join(f"+551199999000{number},{value}\n" for number in range(4))
    assert not find(read(f"phone,x\n{rows}", template="other:pt_BR"), "numbers_bare")


@pytest.mark.parametrize(
    ("body", "is_warned"),
    [
        ("Your plan renews on {{1}}", True),
        ("Sua assinatura renova em {{1}}", True),
        ("A promoção vai até {{1}}", True),
        ("You bought it on {{1}}", False),
        ("Sua compra do dia {{1}}", False),
        ("Your bill is overdue, it was due on {{1}}", False),
    ],
)
def test_dates_of_last_year_are_warned_of_if_the_text_says_that_they_will_come(database, read, body, is_warned):
    add_template(database, "day", language="en_GB", body=body, actor=TESTER)
    done = read("phone,Date\n+5511999990001,01/12/2020\n+5511999990002,02/12/2020\n", template="day:en_GB")
    assert bool(find(done, "dates_past")) is is_warned


def read_documents(read, *phones):
    rows = "".join(f"{phone},Ana\n" for phone in phones)
    warnings = find(read(f"telefone,name\n{rows}", template="promo:pt_BR"), "phones_are_documents")
    return [str(each).partition("(")[2].partition(")")[0] for each in warnings]


def test_two_cpfs_among_phones_that_are_written_in_another_way_are_named(read):
    phones = [f"+55 {phone[:2]} {phone[2:7]}-{phone[7:]}" for phone in PHONES[:12]]
    assert read_documents(read, *phones[:6], CPFS[0], *phones[6:], CPFS[1]) == ["row 8, row 15"]


def test_a_cpf_in_a_cell_with_a_number_beside_texts_is_named(read, write_book):
    rows = [(phone, "Ana") for phone in (*PHONES[:8], int(CPFS[0]), *PHONES[8:12])]
    done = read(write_book(("telefone", "name"), *rows), template="promo:pt_BR")
    (warning,) = find(done, "phones_are_documents")
    assert "(row 10)" in str(warning)


def test_the_digits_of_a_phone_abroad_are_no_document(read):
    # 351912345601 also has the check digits of the CNPJ 00.351.912/3456-01.
    assert read_documents(read, "+351 912 345 601", *CPFS[:3]) == ["row 3, row 4, row 5"]


def test_phones_in_other_forms_are_no_documents(read):
    other = [f"55{phone}" for phone in PHONES[:10]]
    assert read_documents(read, *PHONES[:20], *other, CPFS[0]) == []


def test_the_country_of_phones_that_are_not_valid_here_is_named(read):
    rows = "".join(f"{phone},Ana\n" for phone in PORTUGUESE)
    (warning,) = find(read(f"telefone,name\n{rows}", template="promo:pt_BR"), "phones_of_other_country")
    assert "5 phones without a country code are not valid in BR" in str(warning)
    assert warning.values["regions"][0] == "PT"


def test_the_only_country_that_fits_is_proposed(read):
    rows = "".join(f"0791112345{number},Gold,15/12/2099,£29.90,20%\n" for number in range(4))
    done = read(f"phone,plan,date,price,discount\n{rows}", region="PT")
    (warning,) = find(done, "phones_of_other_country")
    assert warning.values["again"].entry == Entry(Field.REGION, "GB")


def test_phones_without_their_area_code_are_not_taken_for_those_of_angola(read):
    rows = "".join(f"9730{number % 10}-15{number},Ana\n" for number in range(70, 84))
    done = read(f"telefone,name\n{rows}", template="promo:pt_BR")
    assert [(group.code, group.row_count) for group in done.imported.groups] == [("phone_no_area_code", 14)]
    assert not find(done, "phones_of_other_country")


@pytest.mark.parametrize("phones", [("12", "99999-0002"), (*PHONES[:4], *PORTUGUESE[:3])])
def test_other_invalid_phones_name_no_country(read, phones):
    rows = "".join(f"{phone},Ana\n" for phone in phones)
    assert not find(read(f"telefone,name\n{rows}", template="promo:pt_BR"), "phones_of_other_country")


def test_columns_whose_names_fit_nothing_are_not_proposed_in_their_order(read):
    rows = "+5511999990001,20%,Gold,15/12/2099,£29.90\n"
    (warning,) = find(read(f"phone,Offer,Product,When,Sum\n{rows}"), "columns_by_order")
    assert warning.values["choices"] == [Entry(Field.COLUMN, name) for name in ("plan", "date", "price", "discount")]


def test_rows_that_are_struck_through_need_a_decision(read, write_book):
    struck = {"font_strikeout": True}
    rows = [("+5511999990001", "Ana"), (("+5511999990002", struck), ("Bia", struck)), ("+5511999990003", "Eva")]
    file = write_book(("phone", "name"), *rows)
    with pytest.raises(Refusal) as refused:
        read(file, template="promo:pt_BR")
    assert refused.value.values["problem"].code == "rows_struck"


@pytest.mark.parametrize(
    ("body", "rejected"), [("Oi {{1}}, são R$ {{2}}!", 3), ("Oi {{1}}, o valor vence em {{2}}!", 0)]
)
@pytest.mark.parametrize("cells", [("05/12/2099", "06/12/2099", "07/12/2099"), ("10/01", "11/01", "12/01")])
def test_dates_beside_a_currency_are_rejected_also_if_all_rows_have_them(database, read, body, rejected, cells):
    add_template(database, "bill", language="pt_BR", body=body, actor=TESTER)
    rows = "".join(f"+551199999000{number},Ana,{cell}\n" for number, cell in enumerate(cells))
    done = read(f"phone,nome,x\n{rows}", template="bill:pt_BR", choice=Choice(mapping={"1": "nome", "2": "x"}))
    assert done.imported.counts.rejected_count == rejected
    reasons = fetch(database, "SELECT reason FROM import_errors")
    assert reasons == [f"is {cell}, which is no amount: correct it" for cell in cells][:rejected]


@pytest.mark.parametrize(("body", "is_warned"), [("Oi {{1}}, são R$ {{2}}!", True), ("Oi {{1}}, CPF {{2}}!", False)])
def test_a_column_of_documents_fills_only_a_text_that_names_a_document(database, read, body, is_warned):
    add_template(database, "bill", language="pt_BR", body=body, actor=TESTER)
    rows = f"phone,nome,cpf\n{PHONES[0]},Ana,529.982.247-25\n"
    done = read(rows, template="bill:pt_BR", choice=Choice(mapping={"1": "nome", "2": "cpf"}))
    assert len(find(done, "documents_in_text")) == is_warned


@pytest.fixture
def read_hello(database, read):
    add_template(database, "hello", language="pt_BR", body="Oi {{name}}, tudo bem?", actor=TESTER)
    return lambda rows: read(rows, template="hello:pt_BR", choice=Choice(phone="phone"))


@pytest.mark.parametrize("header", ["CPF", "CPF/CNPJ", "Documento do cliente"])
def test_a_phone_that_stands_in_the_column_of_the_documents_is_named(database, read_hello, header):
    """The digits of the second CPF also make a mobile phone, so the message would go to a stranger."""
    rows = f"name,{header},phone\nAna,529.982.247-25,11999990001\nKátia,(61) 99444-1234,61934478229\n"
    done = read_hello(rows)
    assert done.imported.counts.recipient_count == 1
    reasons = fetch(database, "SELECT row_number || ' ' || column_name || ' ' || reason FROM import_errors")
    assert reasons == [f"3 phone has the number of a CPF or a CNPJ, and {header} has a phone: exchange the two cells"]


def test_a_phone_that_is_a_document_by_chance_stays_beside_a_document(read_hello):
    rows = "name,CPF,phone\nAna,529.982.247-25,61934478229\nBia,,11987654374\nCaio,123,11999990001\n"
    assert read_hello(rows).imported.counts.recipient_count == 3
