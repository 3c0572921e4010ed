"""Lists with marks, answers and numbers that are easily overlooked: no wrong message leaves from them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import xlsxwriter

from campaigns.domain.optout.consent import RefusalChoice
from campaigns.domain.recipients import Choice
from campaigns.domain.statement import Entry, Field, Refusal
from campaigns.management.accounts import add_template
from campaigns.management.recipients import find_overlaps
from campaigns.sheets.xlsx import HiddenChoice
from tests.management.drafts.test_list_mistakes import find
from tests.store.rows import fetch
from tests.support.actors import TESTER

PROMO = "promo:pt_BR"


def write_phones(*phones):
    return "telefone,name\n" + "".join(f"{phone},Ana\n" for phone in phones)


@pytest.fixture
def list_errors(database):
    return lambda: fetch(database, "SELECT row_number || ' ' || code FROM import_errors ORDER BY row_number")


@pytest.fixture
def read_painted(read, write_book):
    """Reads a workbook of five people, of whom these rows are painted red."""

    def read_book(*rows, **reading):
        people = [(f"+551199999000{number}", "Ana") for number in range(5)]
        red = {"bg_color": "#FF0000"}
        cells = [
            [(cell, red) for cell in person] if number in rows else person
            for number, person in enumerate(people, start=2)
        ]
        return read(write_book(("phone", "name"), *cells), template=PROMO, **reading)

    return read_book


def test_rows_that_are_painted_need_a_decision(read_painted):
    with pytest.raises(Refusal) as refused:
        read_painted(3, 6)
    assert refused.value.values["problem"].code == "rows_coloured"
    assert "in 2 rows of the sheet the colour is another one than in most rows (row 3, row 6)" in str(refused.value)


def test_rows_that_are_painted_are_left_out_or_read_as_a_person_says(read_painted, list_errors):
    assert read_painted(3, 6, hidden=HiddenChoice.INCLUDE).imported.counts.recipient_count == 5
    assert read_painted(3, 6, hidden=HiddenChoice.SKIP).imported.counts.recipient_count == 3
    assert list_errors() == ["3 row_marked", "6 row_marked"]


def test_rows_without_a_colour_among_painted_ones_are_not_left_out(read_painted):
    with pytest.raises(Refusal) as refused:
        read_painted(2, 3, 4, hidden=HiddenChoice.SKIP)
    assert "most rows of the sheet have a colour, which is missing in 2 rows (row 5, row 6)" in str(refused.value)


def test_the_colour_of_a_row_with_totals_marks_nothing(read, write_book):
    grey = {"bg_color": "#DDDDDD"}
    people = [(f"+551199999000{number}", "Ana") for number in range(5)]
    file = write_book(("phone", "name"), *people, (("Total", grey), ("5", grey)))
    assert read(file, template=PROMO).imported.counts.recipient_count == 5


FULL = ("5511999990001", "5551999990002", "+5521999990003")


@pytest.mark.parametrize(
    ("phones", "rejected"),
    [
        ((*FULL, "55981413114"), 1),
        ((*FULL, "55 98141-3114"), 1),
        ((*FULL, "5532221111"), 1),
        ((*FULL, "55981413114", "55981413115", "55981413116"), 3),
        (("11999990001", "51999990002", "+5521999990003", "55981413114"), 1),
        ((*FULL, "(55) 98141-3114"), 0),
        ((*FULL, "5555981413114", "+55 55 98141-3115"), 0),
        (("11999990001", "51999990002", "55981413114"), 0),
        (("55981413114", "55981413115", "55981413116"), 0),
        (("11999990001", "(55) 98141-3115", "+55 55 98141-3116", "55981413114"), 0),
        (("+351912345678", "55981413114"), 0),
    ],
)
def test_a_phone_that_begins_with_55_is_read_by_the_other_phones(read, list_errors, phones, rejected):
    done = read(write_phones(*phones), template=PROMO)
    assert done.imported.counts.rejected_count == rejected
    assert [each.partition(" ")[2] for each in list_errors()] == ["phone_area_unclear"] * rejected


@pytest.mark.parametrize(
    ("number", "region", "proposed"),
    [(351912345600, "BR", "PT"), (5511999990000, "GB", "BR"), (593991234500, "BR", "EC")],
)
def test_the_country_of_numbers_that_lost_their_plus_is_proposed(read, write_book, number, region, proposed):
    file = write_book(("phone", "name"), *[(number + each, "Ana") for each in range(4)])
    done = read(file, template=PROMO, region=region)
    assert done.imported.counts.recipient_count == 0
    (warning,) = find(done, "phones_of_other_country")
    assert warning.values["again"].entry == Entry(Field.REGION, proposed)
    assert read(file, template=PROMO, region=proposed).imported.counts.recipient_count == 4


def test_a_number_that_lost_its_plus_is_told_how_to_keep_it(database, read, write_book):
    read(write_book(("phone", "name"), ("+5511999990001", "Ana"), (351912345600, "Bia")), template=PROMO)
    (reason,) = fetch(database, "SELECT reason FROM import_errors")
    assert "(in a spreadsheet, type '+44… with the apostrophe)" in reason


CPFS = ("529.982.247-25", "11144477735", "168.995.350-09")


@pytest.mark.parametrize(
    ("body", "cells", "is_warned"),
    [
        ("Oi {{1}}, valor: {{2}}!", CPFS, True),
        ("Oi {{1}}, valor: {{2}}!", ("11.222.333/0001-81", "11222333000181"), True),
        ("Oi {{1}}, valor: {{2}}!", CPFS[:1], True),
        ("Oi {{1}}, CPF {{2}}, tudo bem?", CPFS, False),
        ("Oi {{1}}, valor: {{2}}!", ("11144477735",), False),
        ("Oi {{1}}, valor: {{2}}!", ("11144477735", "52998224726", "16899535008"), False),
    ],
)
def test_documents_are_told_by_their_check_digits_in_a_column_of_any_name(database, read, body, cells, is_warned):
    add_template(database, "bill", language="pt_BR", body=body, actor=TESTER)
    rows = "".join(f"+551199999000{number},Ana,{cell}\n" for number, cell in enumerate(cells))
    done = read(f"phone,nome,valor\n{rows}", template="bill:pt_BR", choice=Choice(mapping={"1": "nome", "2": "valor"}))
    assert len(find(done, "documents_in_text")) == is_warned


@pytest.fixture
def read_answers(read):
    """Reads a list with a column of this name and these cells."""

    def read_list(column, cells, *, unrelated=(), **reading):
        choice = Choice(mapping={"1": "name"}, unrelated=unrelated)
        rows = "".join(f"+55119999900{number:02},Ana,{cell}\n" for number, cell in enumerate(cells))
        return read(f"telefone,name,{column}\n{rows}", template=PROMO, choice=choice, **reading)

    return read_list


NO_TO_ANSWERS = [
    ("Opted in (SMS)", ("yes", "no", "yes", "yes")),
    ("SMS opt out", ("no", "YES", "no", "")),
    ("Email Marketing Consent", ("TRUE", "FALSE", "TRUE", "TRUE")),
    ("Accepts SMS Marketing", ("subscribed", "unsubscribed", "subscribed", "")),
    ("Do not email", ("", "x", "", "")),
    ("Status", ("ativo", "inativo", "ativo", "ativa")),
    ("Situação", ("Ativo", "Suspenso", "Ativo", "Ativo")),
    ("Inativo", ("não", "sim", "não", "não")),
    ("Excluir", ("", "x", "", "")),
    ("Autoriz.", ("s", "n", "s", "s")),
    ("LISTA", ("1", "0", "1", "1")),
    ("Selecionado", ("x", "", "x", "x")),
]


@pytest.mark.parametrize(("column", "cells"), NO_TO_ANSWERS)
def test_a_column_of_answers_needs_a_decision_under_any_name(read_answers, list_errors, column, cells):
    with pytest.raises(Refusal) as refused:
        read_answers(column, (*cells, *cells[2:3] * 8))
    problem = refused.value.values["problem"]
    assert problem.code == "answers_unclear"
    assert f"in {column} (the first is row 3)" in str(refused.value)
    assert problem.values["unrelated"] == [Entry(Field.NOT_REFUSALS, column)]
    done = read_answers(column, cells, refusals=RefusalChoice.SKIP)
    assert list_errors() == ["3 consent_refused"]
    assert done.imported.counts.recipient_count == 3


@pytest.mark.parametrize(("column", "cells"), NO_TO_ANSWERS[:6])
def test_a_column_of_answers_about_something_else_can_be_named(read_answers, column, cells):
    assert read_answers(column, cells, unrelated=[column]).imported.counts.recipient_count == 4
    assert read_answers(column, cells, refusals=RefusalChoice.INCLUDE).imported.counts.recipient_count == 4


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("Obs", ("", "ñ enviar", "", "ok")),
        ("Obs", ("", "cliente pediu p/ sair", "", "")),
        ("Obs", ("", "n mandar mais msg", "", "")),
    ],
)
def test_notes_with_usual_abbreviations_are_refusals(read_answers, column, cells):
    with pytest.raises(Refusal) as refused:
        read_answers(column, cells)
    assert refused.value.values["problem"].code == "people_refuse"


@pytest.mark.parametrize(
    ("column", "cells"), [("Do Not Call", ("No", "Yes", "No", "No")), ("Não ligar", ("", "x", "", ""))]
)
def test_a_column_that_forbids_calls_forbids_messages(read_answers, column, cells):
    with pytest.raises(Refusal) as refused:
        read_answers(column, cells)
    assert refused.value.values["problem"].code == "people_refuse"


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("Sócio", ("sim", "não", "sim", "não")),
        ("VIP", ("x", "", "x", "")),
        ("Pago?", ("sim", "não", "sim", "sim")),
        ("Qtd de compras", ("1", "0", "1", "1")),
        ("Plano", ("Gold", "Basic", "no", "Gold")),
        ("Status", ("ativo", "ativo", "ativo", "ativo")),
        ("Sexo", ("M", "F", "F", "M")),
        ("Cidade", ("Santos", "Campinas", "", "Santos")),
        ("Obs", ("ok", "ligar depois", "", "")),
        ("Aceita boleto", ("sim", "não", "sim", "sim")),
        ("Pedido cancelado", ("sim", "não", "sim", "sim")),
    ],
)
def test_columns_about_something_else_are_not_asked_about(read_answers, column, cells):
    assert read_answers(column, cells).imported.counts.recipient_count == 4


def test_phones_that_were_rejected_count_as_foreign_like_those_that_were_read(read):
    rows = "".join(f"0772{digit}234560,Gold,15/12/2099,£29.90,20%\n" for digit in range(1, 8))
    (warning,) = find(
        read(f"phone,plan,date,price,discount\n{rows}07911123456,Gold,15/12/2099,£29.90,20%\n"), "phones_may_be_foreign"
    )
    assert str(warning).startswith(
        "8 phones without a country code may be those of another country. Read as phones of BR: 7 (row 2 became"
    )


def test_a_phone_that_lost_or_got_a_9_is_named_if_its_values_differ(read):
    rows = "+5511999990001,Ana\n+551199990001,Bia\n+5511999990002,Caio\n+5511999990002,Caio\n"
    (warning,) = find(read(f"phone,name\n{rows}", template=PROMO), "rows_differ")
    assert "In 1 row (the first is row 3), the phone is the earlier one with or without its first 9" in str(warning)
    same = "+5511999990001,Ana\n+551199990001,Ana\n"
    assert not find(read(f"phone,name\n{same}", template=PROMO), "rows_differ")
    other = "+5511999990001,Ana\n+5511999990001,Bia\n"
    (warning,) = find(read(f"phone,name\n{other}", template=PROMO), "rows_differ")
    assert "without its first 9" not in str(warning)


@pytest.fixture
def write_sheets(tmp_path):
    """Writes a workbook of several sheets with the same people; returns its path."""

    def write(*names, hidden=()):
        file = tmp_path / "people.xlsx"
        with xlsxwriter.Workbook(file) as book:
            for name in names:
                sheet = book.add_worksheet(name)
                sheet.write_row(0, 0, ["phone", "name"])
                sheet.write_row(1, 0, ["+5511999990001", "Ana"])
                if name in hidden:
                    sheet.hide()
        return file

    return write


def test_another_sheet_of_a_workbook_is_another_file(database, read, write_sheets):
    file = write_sheets("Clientes", "Teste")
    ids = [read(file, template=PROMO, sheet=sheet).id for sheet in ("Clientes", "Teste", "Teste")]
    found = {each.campaign_id: each.has_same_file for each in find_overlaps(database, ids[2], days=7)}
    assert (found[ids[0]], found[ids[1]]) == (False, True)


def test_the_sheet_that_was_read_is_known_before_the_start(read, write_sheets):
    done = read(write_sheets("Clientes", "Base", hidden=["Base"]), template=PROMO)
    assert (done.imported.facts.sheet, done.imported.hidden_sheets) == ("Clientes", ["Base"])


@pytest.mark.parametrize(
    ("body", "cells", "shown"),
    [
        ("Oi! Sua fatura de R$ {{valor}} chegou.", ("20,00", "R$ 30,00"), "R$ 30,00"),
        ("Oi! Sua fatura de R${{valor}} chegou.", ("R$30,00",), "R$30,00"),
        ("Oi! Você tem {{valor}}% de desconto.", ("20%",), "20%"),
        ("Oi! Sua fatura vence dia {{valor}}, sem falta.", ("Dia 10",), "Dia 10"),
        ("Oi! São {{valor}} reais hoje.", ("20 reais",), "20 reais"),
        ("Oi! Sua fatura de R$ {{valor}} chegou.", ("20,00",), None),
        ("Oi! Sua fatura de {{valor}} chegou.", ("R$ 20,00",), None),
        ("Oi {{valor}}!", ("Oi",), None),
    ],
)
def test_a_word_that_stands_in_the_text_and_in_the_cell_is_told(database, read, body, cells, shown):
    add_template(database, "bill", language="pt_BR", body=body, actor=TESTER)
    rows = "".join(f'+551199999000{number},"{cell}"\n' for number, cell in enumerate(cells))
    found = find(read(f"telefone,valor\n{rows}", template="bill:pt_BR"), "values_doubled")
    assert [each.values["cell"] for each in found] == ([] if shown is None else [shown])


def test_an_address_of_email_is_no_name(database, read):
    rows = "+5511999990001,ana@example.com\n+5511999990002,Bia\n"
    done = read(f"phone,nome\n{rows}", template=PROMO)
    assert done.imported.counts.recipient_count == 1
    assert fetch(database, "SELECT reason FROM import_errors") == [
        "is an address of e-mail, which is no name: correct it"
    ]


@pytest.fixture
def read_comments(read, tmp_path):
    """Reads a workbook of three people with comments on cells."""

    def read_book(comments, **reading):
        file = tmp_path / "people.xlsx"
        with xlsxwriter.Workbook(file) as book:
            sheet = book.add_worksheet()
            rows = [("phone", "name"), *[(f"+551199999000{number}", "Ana") for number in range(3)]]
            for number, row in enumerate(rows):
                sheet.write_row(number, 0, row)
            for cell, text in comments.items():
                sheet.write_comment(cell, text)
        return read(file, template=PROMO, **reading)

    return read_book


@pytest.mark.parametrize(
    "text", ["NÃO ENVIAR", "Maria:\npediu para sair da lista", "do not contact", "Pediu p/ sair\nok"]
)
def test_a_comment_that_refuses_needs_a_decision(read_comments, list_errors, text):
    with pytest.raises(Refusal) as refused:
        read_comments({"A1": "sair", "B3": text, "B4": "VIP"})
    assert refused.value.values["problem"].code == "comments_refuse"
    assert "in 1 row a comment on a cell says that the person wants no messages (row 3: " in str(refused.value)
    done = read_comments({"B3": text, "B4": "VIP"}, refusals=RefusalChoice.SKIP)
    assert (done.imported.counts.recipient_count, list_errors()) == (2, ["3 consent_refused"])


def test_other_comments_need_no_decision(read_comments):
    assert read_comments({"B3": "ligar depois", "B4": "cliente novo"}).imported.counts.recipient_count == 3


def test_phones_that_only_fill_a_cell_are_named(read):
    done = read(write_phones("11988881234", "(11) 99999-9999", "5511912345678", "+351912345678"), template=PROMO)
    (warning,) = find(done, "phones_made_up")
    assert str(warning).startswith("In 2 rows, the phone looks like one that somebody typed to fill the cell: row 3 (")
    assert "9999-9999" not in str(warning)


@pytest.mark.parametrize(
    ("body", "cells", "words"),
    [
        ("Oi {{1}}, a parcela no valor de {{2}} vence amanhã.", ("12/01/2099", "13/01/2099"), "has dates"),
        ("Oi {{1}}, a parcela vence em {{2}}.", ("R$ 10,00", "R$ 11,00"), "has amounts"),
        ("Oi {{1}}, a parcela no valor de {{2}} vence amanhã.", ("centro", "sul"), "has words"),
        ("Oi {{1}}, a parcela no valor de R$ {{2}} vence amanhã.", ("10,00", "11,00"), None),
        ("Oi {{1}}, a parcela no valor de {{2}} vence amanhã.", ("10,00", "11,50"), "people read bare numbers"),
        ("Oi {{1}}, hoje {{2}} de desconto.", ("20", "30"), "people read bare numbers"),
        ("Oi {{1}}, hoje {{2}} de desconto.", ("20%", "30%"), None),
        ("Oi {{1}}, o seu pedido {{2}} saiu.", ("20", "30"), None),
        ("Oi {{1}}, a parcela vence em {{2}}.", ("12/01/2099", "13/01/2099"), None),
    ],
)
def test_a_column_of_another_kind_than_the_text_is_told_before_the_start(database, read, body, cells, words):
    add_template(database, "parcela", language="pt_BR", body=body, actor=TESTER)
    rows = "".join(f"+551199999000{number};Ana;{cell}\n" for number, cell in enumerate(cells))
    done = read(f"telefone;nome;coluna\n{rows}", template="parcela:pt_BR")
    found = find(done, "values_of_other_kind")
    assert [words in str(each) for each in found] == ([True] if words else [])


def test_a_clear_refusal_is_not_hidden_by_the_other_answers_of_its_column(read):
    rows = [("+5511999990001", "Active"), ("+5511999990002", "Unsubscribed"), ("+5511999990003", "Inactive")]
    text = "telefone,name,status\n" + "".join(f"{phone},Ana,{status}\n" for phone, status in rows)
    with pytest.raises(Refusal) as refused:
        read(text, template=PROMO, choice=Choice(mapping={"1": "name"}))
    problem = refused.value.values["problem"]
    assert problem.code == "people_refuse"
    assert "the list says in 2 rows that the person wants no messages (status; the first is row 3)" in str(problem)


FRIENDS = ("Ana", "Bruno", "Carla", "Davi", "Elisa", "Fábio", "Gabi", "Heitor")


def write_friends(phones, values=("20%",) * 8):
    rows = zip(phones, FRIENDS, values, strict=False)
    return "telefone;nome;desconto\n" + "".join(f"{phone};{name};{value}\n" for phone, name, value in rows)


@pytest.fixture
def read_friends(database, read):
    """Reads a list of friends with these phones and these values."""

    def read_list(phones, values=("20%",) * 8, body="Oi {{1}}, hoje {{2}} de desconto."):
        add_template(database, "amigos", language="pt_BR", body=body, actor=TESTER)
        return read(write_friends(phones, values), template="amigos:pt_BR")

    return read_list


def series(first, step=1, count=8):
    return [f"+{first + step * number}" for number in range(count)]


@pytest.mark.parametrize("step", [1, 10, -1])
def test_phones_that_a_person_has_dragged_down_are_told(read_friends, step):
    phones = ["+5521988776655", "+5531977665544", *series(5511961230040, step, count=6)]
    (warning,) = find(read_friends(phones), "phones_dragged")
    assert str(warning).startswith(
        "In 6 rows one below the other, the phones of the column telefone change by the same number from row to row:"
        f" from +55 11 9••••-0040 in row 4 to +55 11 9••••-{40 + 5 * step:04d} in row 9."
    )


@pytest.mark.parametrize(
    "phones",
    [
        series(5511961230040),  # made by a program
        ["+5521988776655", *series(5511961230040, count=4), "+5531977665544"],
        [each for pair in zip(series(5511961230040, 7, 4), series(5521961230040, 9, 4), strict=True) for each in pair],
        ["+5521988776655", *series(5511961001000, 70_013, 7)],  # as in the list beside the demo
    ],
)
def test_other_phones_are_not_told_as_dragged(read_friends, phones):
    assert not find(read_friends(phones), "phones_dragged")


def test_phones_of_people_with_one_name_are_not_told_as_dragged(read):
    done = read(write_phones("+5521988776655", *series(5511961230040)), template=PROMO)
    assert not find(done, "phones_dragged")


PHONES = ("+5511961230040", "+5521988776655", "+5531977665544", "+5541966554433", "+5551955443322")


@pytest.mark.parametrize(
    ("body", "values", "is_warned"),
    [
        ("Oi {{1}}, só até {{2}}.", ("05/12/2099", "06/12/2099", "07/12/2099", "08/12/2099", "09/12/2099"), True),
        ("Oi {{1}}, só até {{2}}.", ("29/12", "30/12", "31/12", "01/01", "02/01"), False),
        ("Oi {{1}}, só até {{2}}.", ("27/02", "28/02", "29/02", "01/03", "02/03"), True),
        ("Oi {{1}}, só até {{2}}.", ("05/12/2099",) * 5, False),
        ("Oi {{1}}, hoje {{2}} de desconto.", ("20%", "21%", "22%", "23%", "24%"), True),
        ("Oi {{1}}, hoje {{2}}% de desconto.", ("20", "21", "22", "23", "24"), True),
        ("Oi {{1}}, hoje {{2}} de desconto.", ("20%", "21%", "22%", "23%", "30%"), False),
        ("Oi {{1}}, custa {{2}}.", ("R$ 1.029,90", "R$ 1.030,90", "R$ 1.031,90", "R$ 1.032,90", "R$ 1.033,90"), True),
        ("Oi {{1}}, custa R$ {{2}}.", ("29.90", "30.90", "31.90", "32.90", "33.90"), True),
        ("Oi {{1}}, o pedido {{2}} saiu.", ("101", "102", "103", "104", "105"), False),
        ("Oi {{1}}, o pedido {{2}} saiu.", ("A101", "A102", "A103", "A104", "A105"), False),
    ],
)
def test_values_that_a_person_has_dragged_down_are_told(read_friends, body, values, is_warned):
    done = read_friends(PHONES, values, body)
    found = find(done, "values_dragged")
    assert [each.values["first"] for each in found] == ([values[0]] if is_warned else [])
    assert not is_warned or f"to {values[-1]} in row 6. A spreadsheet does this" in str(found[0])


@pytest.mark.parametrize(
    ("header", "cells", "is_warned"),
    [
        (("discount", "credit"), ("R$ 10,00", "20%"), True),
        (("Desconto", "Valor"), ("R$ 10,00", "20%"), True),
        (("vencimento", "valor"), ("R$ 10,00", "05/12/2099"), True),
        (("discount", "credit"), ("20%", "R$ 10,00"), False),
        (("discount", "credit"), ("R$ 10,00", "R$ 20,00"), False),
        (("discount", "credit"), ("20%", "30%"), False),
        (("discount", "loja"), ("R$ 10,00", "20%"), False),
        (("discount", "valor do desconto"), ("R$ 10,00", "20%"), False),
    ],
)
def test_names_of_columns_over_the_values_of_each_other_are_told(database, read, header, cells, is_warned):
    add_template(database, "dois", language="pt_BR", body="Oi {{1}}, hoje temos {{2}} e {{3}} para você.", actor=TESTER)
    rows = "".join(f"+551199999000{number};Ana;{cells[0]};{cells[1]}\n" for number in range(3))
    mapping = {"1": "nome", "2": header[0], "3": header[1]}
    text = f"telefone;nome;{header[0]};{header[1]}\n{rows}"
    found = find(read(text, template="dois:pt_BR", choice=Choice(mapping=mapping)), "headings_exchanged")
    assert len(found) == is_warned
    assert not is_warned or f"{header[0]} has {cells[0]}, and {header[1]} has {cells[1]}." in str(found[0])


def test_names_of_variables_tell_columns_with_exchanged_names(database, read):
    body = "Hi {{name}}, today {{discount}} off and {{credit}} of credit."
    add_template(database, "named", language="pt_BR", body=body, actor=TESTER)
    rows = "".join(f"+551199999000{number};Ana;R$ 10,00;20%\n" for number in range(3))
    assert find(read(f"phone;name;discount;credit\n{rows}", template="named:pt_BR"), "headings_exchanged")


MIXED = ("+447911123456", "+5511961230040", "+351913345600")


@pytest.mark.parametrize(
    ("region", "phones", "expected"),
    [
        ("BR", (*MIXED, "912345678", "11961230041", "92 123 4567"), ("PT", [5, 7])),
        ("GB", (*MIXED, "912345678", "07911 123457", "(93) 1234567", "961234567"), ("PT", [5, 7, 8])),
        ("GB", (*MIXED, "351912345678", "07911 123457"), ("PT", [5])),
        ("GB", (*MIXED, "11961230041", "07911 123457"), ("BR", [5])),
        ("BR", (*MIXED, "07911 123457", "11961230041"), ("GB", [5])),
    ],
)
def test_phones_of_a_mixed_list_that_lack_their_country_code_are_named(read, list_errors, region, phones, expected):
    country, rows = expected
    done = read(write_phones(*phones), template=PROMO, region=region)
    assert [int(each.partition(" ")[0]) for each in list_errors()] == rows
    (warning,) = find(done, "phones_lack_country_code")
    assert (warning.values["country"], warning.values["rows"].number) == (country, len(rows))
    assert f"It may be a phone of {country}: row {rows[0]}" in str(warning)
    assert warning.values["add"].entry == Entry(Field.REGION, country)


NAMED = Choice(mapping={"1": "name"})


@pytest.mark.parametrize("column", ["Country", "País", "Country code"])
@pytest.mark.parametrize("region", ["BR", "GB"])
def test_a_column_of_countries_beside_phones_without_a_code_is_named(read, region, column):
    phones = [("11961230041", "Brasil"), ("07911 123457", "UK"), ("07911 123458", "UK"), ("912345678", "Portugal")]
    rows = "".join(f"{phone},Ana,{country}\n" for phone, country in [*phones, ("+447911123456", "UK")])
    done = read(f"phone,name,{column}\n{rows}", template=PROMO, region=region, choice=NAMED)
    (warning,) = find(done, "phones_of_several_countries")
    assert str(warning).startswith(
        f"4 phones have no country code, and the column {column} names several countries: UK (2 rows), Brasil (1 row),"
        f" Portugal (1 row). All these phones were read as phones of {region}, so messages may go to strangers."
    )
    assert not find(done, "phones_may_be_foreign")
    assert not find(done, "phones_lack_country_code")


def test_a_column_with_one_country_or_beside_complete_phones_is_not_told(read):
    one = "phone,name,Country\n11961230041,Ana,BR\n11961230042,Bia,BR\n+447911123456,Ann,UK\n"
    assert not find(read(one, template=PROMO, choice=NAMED), "phones_of_several_countries")
    other = "phone,name,Country club\n11961230041,Ana,Tennis\n11961230042,Bia,Golf\n"
    assert not find(read(other, template=PROMO, choice=NAMED), "phones_of_several_countries")


def test_two_columns_with_phones_of_different_rows_are_to_become_one(read):
    rows = ",Ana,+5511999990001\n,Bia,+5511999990002\n,Davi,+5511999990003\n+5511999990004,Eva,\n"
    done = read(f"Phone 1,name,Phone 2\n{rows}", template=PROMO, choice=replace(NAMED, phone="Phone 1"))
    (warning,) = find(done, "phones_elsewhere")
    assert str(warning.advice).startswith(
        "Rows with a phone in {chosen}, and nothing in {likely}: {only_here:,}. An import with {likely} alone"
    )
    assert warning.values["only_here"] == 1


def test_phones_of_brazil_without_their_area_code_are_not_told_as_those_of_portugal(read):
    done = read(write_phones("11961230040", "11961230041", "912345678"), template=PROMO)
    assert not find(done, "phones_lack_country_code")
