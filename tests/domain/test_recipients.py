from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from campaigns.domain.filling import fill
from campaigns.domain.phone.number import make_phone_reader
from campaigns.domain.recipients import (
    Cell,
    Choice,
    Columns,
    Recipient,
    RecipientsError,
    RowCode,
    RowProblem,
    find_exchanged,
    find_header,
    is_name_of_other_number,
    list_names,
    read_header,
    read_row,
)
from campaigns.domain.statement import Entry, Field
from campaigns.domain.template import EXPORT_AGAIN, Template
from campaigns.domain.text.normal import is_blank

CHECK = fill(Template("promo", "en", body_variables=("1",)), {}).make_reader()
COLUMNS = Columns(("phone", "name"), 0, (1,))
READ = make_phone_reader("BR")
PHONE = "+5511999990000"


def test_the_columns_beside_phone_are_the_variables_in_their_order():
    assert read_header(["name", " Phone ", "code"], ["1", "2"]) == Columns(("name", "Phone", "code"), 1, (0, 2))


def test_columns_named_as_the_variables_are_taken_by_name():
    assert read_header(["phone", "code", "name"], ["name", "code"]).variables == (2, 1)


def test_empty_columns_at_the_end_do_not_count():
    assert read_header(["phone", "name", "", " "], ["1"]).names == ("phone", "name")


HEADER = ["", "Nome", "Telefone"]


@pytest.mark.parametrize(
    ("rows", "position"),
    [
        ([HEADER], 0),
        ([["Clientes de novembro", "", ""], HEADER], 1),
        ([["", "Clientes", ""], ["", ""], ["27/11/26"], HEADER, ["", "Ana", PHONE]], 3),
        ([["", ""], HEADER], 1),
        ([["Clientes"], ["", "Ana", PHONE]], 0),
        ([["Clientes"], ["telefone"]], 0),
        ([["Clientes"], ["telefone"], [PHONE]], 1),
        ([["29/11/2026"], HEADER], 1),
        ([["29.11.2026"], HEADER], 1),
        ([["2026-11-29 10:00"], HEADER], 1),
        ([["Total: 12345678"], HEADER], 1),
        ([["CNPJ 12.345.678/0001-90"], HEADER], 1),
        ([["12345678000190"], HEADER], 1),
        ([["Loja Sol", "29/11/2026"], ["", "CNPJ"], ["nome", "cidade", "telefone"]], 2),
        ([["Contato: 11 3456-7890"], HEADER], 1),
        ([["Clientes"], ["Nome", "Celular do cliente"], ["Ana", PHONE]], 1),
        ([["contato", "canal"], [PHONE, "whatsapp"]], 0),
        ([["contato"], [PHONE], ["whatsapp"]], 0),
        ([["nome", "telefone"], ["telefone", "celular"]], 0),
        ([["", ""]], 0),
        ([], 0),
    ],
)
def test_a_title_above_the_header_is_skipped_whatever_numbers_it_has(rows, position):
    assert find_header(list(enumerate(rows, 1))) == position


def test_a_title_is_skipped_above_the_column_that_a_person_names():
    rows = list(enumerate([["Clientes"], ["fone 1", "celular"]], 1))
    assert find_header(rows, "Fone 1") == 1
    assert find_header([(1, ["Clientes"]), (2, ["nome", "id"])], "Fone 2") == 0


@pytest.mark.parametrize(
    "above", [[PHONE], ["11 98765-4321"], ["Ana", "(11) 98765-4321"], RowProblem("a cell", "goes on"), ["Ana", "Sol"]]
)
def test_a_row_above_the_header_that_may_be_a_person_is_refused(above):
    with pytest.raises(RecipientsError, match=r"row 2 names the columns \(nome, telefone\), but other rows"):
        find_header([(1, above), (2, ["nome", "telefone"])])


def test_other_rows_above_the_header_are_refused_with_its_row():
    rows = [(1, ["Empresa", "Loja"]), (3, ["Mês", "11"]), (5, HEADER)]
    with pytest.raises(RecipientsError) as refused:
        find_header(rows)
    assert str(refused.value) == (
        "row 5 names the columns (Nome, Telefone), but other rows stand above it: delete the rows above row 5"
    )


LINK = "https://wa.me/5511999990000"


@pytest.mark.parametrize("phone", [PHONE, LINK, "0055 11 99999-0000", "5511999990000.0", "tel:+5511999990000"])
@pytest.mark.parametrize("canal", ["whatsapp", "celular"])
def test_a_row_with_a_phone_is_no_header(phone, canal):
    assert find_header([(1, ["fone", "nome", "canal"]), (2, [phone, "Ana", canal])]) == 0
    with pytest.raises(RecipientsError) as refused:
        read_header([phone, "Ana", canal], ["1"])
    assert str(refused.value) == "the first row has somebody's number in it, it must name the columns"


def test_a_person_with_a_link_above_the_header_is_no_title():
    with pytest.raises(RecipientsError, match="other rows stand above it"):
        find_header([(1, ["Ana", LINK]), (2, ["nome", "cidade", "telefone"])])


def test_columns_without_a_name_are_no_variables():
    columns = read_header(["", "phone", "", "name"], ["1"])
    assert (columns.phone, columns.variables, columns.ignored) == (1, (3,), [])


@pytest.mark.parametrize(("cells", "column"), [(["x", PHONE, "", "Ana"], 1), (["", PHONE, "Silva", "Ana"], 3)])
def test_a_text_in_a_column_without_a_name_rejects_its_row(cells, column):
    columns = read_header(["", "phone", "", "name"], ["1"])
    assert read_row(columns, cells, CHECK, READ) == RowProblem(
        f"column {column}", "has no name in the header (is the cell of its name merged?)"
    )
    assert read_row(columns, ["", PHONE, " ", "Ana"], CHECK, READ) == Recipient(PHONE, ["Ana"])


@pytest.mark.parametrize("name", ["phone", "Telefone", " CELULAR ", "WhatsApp"])
def test_the_column_of_the_phone_is_guessed_by_its_name(name):
    assert read_header(["name", name], ["1"]) == Columns(("name", name.strip()), 1, (0,))


def test_a_column_can_be_said_to_have_the_phone():
    columns = read_header(["phone", "Celular 2", "name"], ["1"], Choice(phone="celular 2", mapping={"1": "Name"}))
    assert (columns.phone, columns.variables, columns.ignored) == (1, (2,), ["phone"])


def test_columns_with_the_names_of_the_variables_are_taken_and_others_ignored():
    columns = read_header(["cidade", "Desconto", "telefone", "Nome", "bairro"], ["nome", "desconto"])
    assert (columns.variables, columns.ignored) == ((3, 1), ["cidade", "bairro"])


def test_a_map_says_what_fills_a_variable_and_names_say_the_rest():
    columns = read_header(["phone", "nome", "cupom"], ["nome", "code"], Choice(mapping={"code": "CUPOM"}))
    assert columns.variables == (1, 2)


def test_one_column_may_fill_two_variables_and_be_the_phone_as_well():
    assert read_header(["phone"], ["1", "2"], Choice(mapping={"1": "phone", "2": "phone"})).variables == (0, 0)


def test_columns_that_no_variable_needs_are_ignored():
    assert read_header(["phone", "a", "b"], []).ignored == ["a", "b"]


@pytest.mark.parametrize("name", ["consent", "Consentimento", "ORIGEM"])
def test_the_consent_is_guessed_by_its_name_and_is_no_variable_by_order(name):
    columns = read_header(["phone", name, "nome"], ["1"])
    assert (columns.consent, columns.variables, columns.ignored) == (1, (2,), [])


def test_a_column_can_be_said_to_have_the_consent():
    assert read_header(["phone", "optin"], [], Choice(consent="OptIn")).consent == 1


def test_names_are_shown_on_one_line_however_many_there_are():
    columns = read_header(["phone", "a\nb", "c\x00d", *(["x" * 5000] * 9998)], [])
    shown = str(list_names(columns.ignored))
    assert shown.startswith("a b, c d, xxx")
    assert shown.endswith("… and 9,990 more")
    assert len(shown) < 700


@pytest.mark.parametrize(
    ("cells", "variables", "choice", "reason"),
    [
        ([], [], {}, "the first row is empty, it must name the columns"),
        (
            ["fone", "name"],
            ["1"],
            {},
            (
                "no column of the header (fone, name) is named phone, telefone, celular or whatsapp: "
                'name the column of the phones with "column of the phones fone"'
            ),
        ),
        (["phone", "PHONE"], ["1"], {}, "the header has two columns named phone: rename one"),
        (
            ["Telefone", "celular"],
            [],
            {},
            'phones may be in Telefone, celular: name the column of the mobile phones with "column of the phones"',
        ),
        (["phone", "a"], [], {"phone": "fone"}, "there is no column 'fone', the columns are phone, a"),
        (["phone", "a"], [], {"consent": "x"}, "there is no column 'x', the columns are phone, a"),
        (["phone", "a!", "A"], ["1"], {"mapping": {"1": "\u00e1"}}, "the header has two columns named a!: rename one"),
        (["phone", "a"], ["1"], {"mapping": {"1": "b"}}, "there is no column 'b', the columns are phone, a"),
        (
            ["phone", "a"],
            ["1"],
            {"mapping": {"2": "a"}},
            "\"column of variable\" names '2', which is not one variable of the template: its variables are 1",
        ),
        (
            ["phone", "a"],
            [],
            {"mapping": {"1": "a"}},
            "\"column of variable\" names '1', which is not one variable of the template: it has no variables",
        ),
        (
            ["phone"],
            ["1"],
            {},
            (
                "the template takes 1 variable (1), and the file has no column for 1: add the columns,"
                ' or give all recipients the same value with "value for all recipients 1"'
            ),
        ),
        (
            ["phone", "a", "b", "c"],
            ["1", "2"],
            {},
            (
                "the template takes 2 variables (1, 2), and no column has the name of 1, 2: choose from the columns"
                ' a, b, c with "column of variable 1" "column of variable 2", or give all recipients the same'
                ' value with "value for all recipients 1" "value for all recipients 2"'
            ),
        ),
        (
            ["phone", "a", "first"],
            ["first", "last"],
            {"mapping": {"first": "a"}},
            (
                "the template takes 2 variables (first, last), and no column has the name of last: choose from the"
                ' columns first with "column of variable last", or give all recipients the same value with'
                ' "value for all recipients last"'
            ),
        ),
    ],
)
def test_a_header_that_does_not_fit_is_refused(cells, variables, choice, reason):
    with pytest.raises(RecipientsError) as refused:
        read_header(cells, variables, Choice(**choice))
    assert str(refused.value) == reason


def test_a_good_row_is_a_recipient():
    assert read_row(COLUMNS, [f" {PHONE} ", "José"], CHECK, READ) == Recipient(PHONE, ["José"])


@pytest.mark.parametrize(
    ("cells", "column", "reason"),
    [
        (["", "Ana"], "phone", "is empty"),
        ([" ", "Ana"], "phone", "is empty"),
        (["Ana", PHONE], "phone", "has words in it: keep the number only"),
        ([PHONE], "name", "is empty"),
        ([PHONE, " "], "name", "is empty"),
        ([PHONE, "Ana", "x"], "column 3", "is not in the header"),
        ([PHONE, "a\nb"], "name", "has a line break"),
        ([PHONE, "a\tb"], "name", "has a tab"),
        ([PHONE, "a     b"], "name", "has more than 4 spaces in a row"),
        ([PHONE, "a\x00b"], "name", "has a control character"),
        ([PHONE, "Jos\ufffd"], "name", f"has a character that could not be read: {EXPORT_AGAIN}"),
        ([PHONE, "x" * 1025], "name", "is longer than 1024 characters"),
    ],
)
def test_a_bad_row_says_which_column_and_why(cells, column, reason):
    assert read_row(COLUMNS, cells, CHECK, READ) == RowProblem(column, reason)


PHONE_ROWS = [["Ana", "+5511999990001", ""], ["Bia", "(11) 99999-0002", ""]]


@pytest.mark.parametrize(
    "name",
    [
        "Mobile", "mobile number", "Mobile No.", "Telemóvel", "Telemovel", "Cell", "Cell phone", "Cellphone", "Handy",
        "Fone", "Contact number", "Número de contato", "WhatsApp number", "Tel.", "Celular/WhatsApp", "Phone number",
    ],
)  # fmt: skip
def test_a_column_that_means_phones_and_has_them_is_taken(name):
    assert read_header(["nome", name, "loja"], ["nome"], below=PHONE_ROWS).phone == 1


@pytest.mark.parametrize(
    ("name", "below"),
    [
        ("Mobile", []),
        ("Mobile", [["Ana", "sim", ""], ["Bia", "não", ""]]),
        ("Aceita WhatsApp", PHONE_ROWS),
        ("Contact", PHONE_ROWS),
        ("Number", PHONE_ROWS),
        ("Tel. da loja", PHONE_ROWS),
    ],
)
def test_another_column_is_not_taken_for_the_phones(name, below):
    with pytest.raises(RecipientsError) as refused:
        read_header(["nome", name, "loja"], ["nome"], below=below)
    assert refused.value.code == "phone_column_missing"


@pytest.mark.parametrize("names", [("Mobile", "Handy"), ("Telefone", "Mobile")])
def test_two_columns_that_mean_phones_and_have_them_are_both_named(names):
    with pytest.raises(RecipientsError) as refused:
        read_header([*names, "nome"], ["nome"], below=[["11999990001", "11999990002", "Ana"]])
    assert (refused.value.code, refused.value.values["columns"]) == ("phone_column_ambiguous", [*names])


def test_a_column_that_fills_a_variable_is_no_second_column_of_phones():
    below = [["11999990001", "11999990002", "Ana"]]
    names = ["phone", "Contact number", "nome"]
    assert read_header(names, ["contact_number"], below=below).variables == (1,)
    assert read_header(names, ["1"], Choice(mapping={"1": "Contact number"}), below=below).variables == (1,)


@pytest.mark.parametrize("cells", [[], [""], ["", ""], [" ", "\t", ""]])
def test_a_row_with_nothing_in_it_is_no_row(cells):
    assert read_row(COLUMNS, cells, CHECK, READ) is None


def test_empty_cells_behind_the_last_column_do_no_harm():
    assert read_row(COLUMNS, [PHONE, "Ana", "", ""], CHECK, READ) == Recipient(PHONE, ["Ana"])


@given(st.lists(st.text(max_size=30), max_size=5))
def test_whatever_stands_in_a_row_the_schema_takes_the_recipient_or_it_has_a_reason(cells):
    row = read_row(COLUMNS, cells, CHECK, READ)
    if isinstance(row, Recipient):
        assert re.fullmatch(r"\+[1-9][0-9]{6,14}", row.phone)
        assert len(row.variables) == 1
        # Postgres takes no NUL; the import puts \x1f between variables.
        assert not {"\x00", "\x1f"} & set(row.variables[0])
        row.variables[0].encode("utf-8")
    elif row is None:
        assert is_blank("".join(cells))
    else:
        assert row.column
        assert row.reason


@pytest.mark.parametrize("form", ["{%s}", "{{%s}}", "${%s}", "%%%s%%", "<<%s>>", "\u00ab%s\u00bb", "[[%s]]", "#%s!"])
@pytest.mark.parametrize("text", [PHONE, PHONE[1:], "a\x00b", "a\ud800b", "a" * 9_000])
@pytest.mark.parametrize("position", [0, 1])
def test_a_reason_repeats_no_cell(form, text, position):
    cells = [PHONE, "Ana"]
    cells[position] = form % text
    row = read_row(COLUMNS, cells, CHECK, READ)
    if isinstance(row, RowProblem):
        assert len(row.reason) < 200
        assert text not in row.reason
        assert PHONE[-8:] not in row.reason
    else:
        assert position == 1


@given(st.from_regex(r"\+[0-9]{5,17}", fullmatch=True), st.sampled_from(["", "a\nb"]))
def test_a_reason_never_repeats_the_phone(phone, name):
    row = read_row(COLUMNS, [phone, name], CHECK, READ)
    assert isinstance(row, RowProblem)
    assume(phone != PHONE)
    assert phone not in row.reason


@given(st.integers(0, 10**8 - 1), st.text("abcçãé ", min_size=1, max_size=3).filter(str.strip))
def test_every_mobile_number_with_a_plain_name_is_a_recipient(number, name):
    phone = f"+55119{number:08}"
    assert read_row(COLUMNS, [phone, name], CHECK, READ) == Recipient(phone, [name.strip()])


def test_the_consent_is_kept_with_the_person_and_may_be_empty():
    columns, check = Columns(("phone", "origem"), 0, (), 1), fill(Template("plain", "en"), {}).make_reader()
    assert read_row(columns, [PHONE, " site, 2026-01-02 "], check, READ) == Recipient(PHONE, [], "site, 2026-01-02")
    assert read_row(columns, [PHONE, " "], check, READ) == Recipient(PHONE, [], None)
    assert read_row(columns, [PHONE], check, READ) == Recipient(PHONE, [], None)
    assert read_row(columns, [PHONE, "a\x00b"], check, READ) == RowProblem("origem", "has a control character")


@pytest.mark.parametrize("shown", ["5,51E+12", "(11) 99999-0000", "R$ 5.511.999.990.000,00", ""])
def test_the_digits_of_a_cell_are_the_phone_however_they_are_shown(shown):
    cells = [Cell(shown, digits="5511999990000", problem="in Plan1!A2 has another format"), "Ana"]
    assert read_row(COLUMNS, cells, CHECK, READ) == Recipient(PHONE, ["Ana"])


@pytest.mark.parametrize(
    ("shown", "digits", "phone"),
    [
        ("+54 9 1122223333", "1122223333", "+5491122223333"),
        ("+1 4155552671", "4155552671", "+14155552671"),
        ("0054 9 1122223333", "1122223333", "+5491122223333"),
        ("(+54) 91122223333", "91122223333", "+5491122223333"),
        ("+5511999990000.00", "5511999990000", PHONE),
        ("011999990000", "11999990000", PHONE),
        ("0011999990000", "11999990000", PHONE),
        ("5.511.999.990.000,00", "5511999990000", PHONE),
        ("5.51E+12", "5511999990000", PHONE),
    ],
)
def test_a_country_code_in_the_number_format_of_a_cell_is_part_of_its_phone(shown, digits, phone):
    assert read_row(COLUMNS, [Cell(shown, digits=digits), "Ana"], CHECK, READ) == Recipient(phone, ["Ana"])


@pytest.mark.parametrize("shown", ["54 9 1122223333", "549 1122223333", "1122223333-1"])
def test_digits_that_a_number_format_adds_are_not_left_out(shown):
    row = read_row(COLUMNS, [Cell(shown, digits="1122223333"), "Ana"], CHECK, READ)
    assert isinstance(row, RowProblem)


def test_a_negative_number_is_no_phone():
    cell = Cell("-5511999990000", digits="-5511999990000")
    assert read_row(COLUMNS, [cell, "Ana"], CHECK, READ) == RowProblem("phone", "is a negative number")


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (Cell("#N/A", problem="in Plan1!A2 is the error #N/A"), "in Plan1!A2 is the error #N/A"),
        (Cell("1198765432,1"), "is not a phone number"),
        (Cell("TRUE"), "is not a phone number"),
    ],
)
def test_a_cell_without_a_whole_number_is_no_phone(cell, reason):
    assert read_row(COLUMNS, [cell, "Ana"], CHECK, READ) == RowProblem("phone", reason)


def test_a_cell_that_is_not_known_as_it_is_shown_rejects_its_row_where_it_is_used():
    columns = Columns(("phone", "name", "note", "origem"), 0, (1,), 3)
    unknown = Cell("0.5", problem="in Plan1!B2 shows a fraction")
    assert read_row(columns, [PHONE, "Ana", unknown, "site"], CHECK, READ) == Recipient(PHONE, ["Ana"], "site")
    for position, name in ((1, "name"), (3, "origem")):
        cells = [PHONE, "Ana", "", "site"]
        cells[position] = unknown
        assert read_row(columns, cells, CHECK, READ) == RowProblem(name, "in Plan1!B2 shows a fraction")


EXCERPTS = {"1": "Oi {{1}}! Hoje voc\u00ea tem", "2": "Hoje voc\u00ea tem {{2}} de desconto."}


@pytest.mark.parametrize(
    "name", ["Primeiro nome", "PRIMEIRO_NOME", "primeironome", "\u200ePrimeiro\u00a0Nome ", "primeiro-nome"]
)
def test_case_spaces_accents_and_marks_make_no_difference_in_a_name(name):
    columns = read_header(["cidade", "T\u00e9lefone", name], ["primeiro_nome"])
    assert (columns.phone, columns.variables, columns.by_position) == (1, (2,), frozenset())


def test_a_column_of_exactly_the_name_comes_before_one_that_is_alike():
    assert read_header(["phone", "Nome", "nome"], ["nome"]).variables == (2,)


def test_a_name_is_never_overruled_by_the_order():
    with pytest.raises(RecipientsError, match="no column has the name of desconto") as refused:
        read_header(["phone", "cupom", "nome"], ["nome", "desconto"])
    assert refused.value.values["choices"] == [Entry(Field.COLUMN, "desconto")]


@pytest.mark.parametrize(
    ("columns", "variable", "excerpts", "proposed"),
    [
        (["obs"], "validade", {}, "validade"),
        (["cidade", "obs"], "validade", {}, "validade"),
        (["obs", "Validade da oferta"], "validade", {}, "validade=Validade da oferta"),
        (["validad", "obs"], "validade", {}, "validade=validad"),
        (["data validade", "hora validade"], "validade", {}, "validade"),
        (["obs", "cliente"], "2", {"2": "Oi {{2}}!"}, "2=cliente"),
        (["obs", "cidade"], "2", {"2": "Oi {{2}}!"}, "2"),
    ],
)
def test_a_column_is_proposed_only_if_its_name_speaks_for_it(columns, variable, excerpts, proposed):
    with pytest.raises(RecipientsError) as refused:
        read_header(
            ["phone", "a", *columns], ["x", variable], Choice(mapping={"x": "a"}), excerpts={"x": "", **excerpts}
        )
    assert refused.value.values["choices"] == [Entry(Field.COLUMN, proposed)]


@pytest.mark.parametrize("choice", [{"mapping": {"1": "COLUMN"}}, {"phone": "NAME"}, {"consent": "…"}])
def test_a_placeholder_in_place_of_a_column_is_refused_as_one(choice):
    with pytest.raises(RecipientsError, match="stands for the name of a column: write one of the columns phone, a"):
        read_header(["phone", "a"], ["1"], Choice(**choice))


def test_a_column_may_have_the_name_of_a_placeholder():
    assert read_header(["phone", "NAME"], ["1"], Choice(mapping={"1": "NAME"})).variables == (1,)


def test_a_variable_with_a_fixed_value_takes_no_column():
    with pytest.raises(RecipientsError, match="the variable '1' has the value 'Oi' for all recipients already"):
        Choice(mapping={"1": "nome"}).refuse_fixed({"1": "Oi"})
    Choice(mapping={"2": "nome"}).refuse_fixed({"1": "Oi"})


def test_numbers_take_the_columns_that_names_have_left_in_their_order():
    columns = read_header(["phone", "nome", "Button_1", "produto"], ["1", "2", "button 1"])
    assert (columns.variables, columns.by_position) == ((1, 3, 2), {1, 3})


@pytest.mark.parametrize(
    "header", [["phone", "desconto", "nome"], ["phone", "Desconto", "Nome do cliente"], ["phone", "valor", "nome"]]
)
def test_columns_whose_order_contradicts_the_text_are_refused_with_the_other_order(header):
    with pytest.raises(RecipientsError) as refused:
        read_header(header, ["1", "2"], excerpts=EXCERPTS)
    assert refused.value.code == "columns_swapped"
    assert refused.value.values["choices"] == [
        Entry(Field.COLUMN, f"1={header[2]}"), Entry(Field.COLUMN, f"2={header[1]}"),
    ]  # fmt: skip
    mapping = {"1": header[1], "2": header[2]}
    assert read_header(header, ["1", "2"], Choice(mapping=mapping), excerpts=EXCERPTS).variables == (1, 2)


@pytest.mark.parametrize("header", [["phone", "nome", "desconto"], ["phone", "a", "b"], ["phone", "nome", "valor"]])
def test_columns_whose_order_fits_the_text_are_taken(header):
    columns = read_header(header, ["1", "2"], excerpts=EXCERPTS)
    assert (columns.variables, columns.by_position) == ((1, 2), {1, 2})


@pytest.mark.parametrize(
    "header",
    [
        ["phone", "Vari\u00e1vel 2", "Vari\u00e1vel 1"],
        ["phone", "var2", "var1"],
        ["phone", "body_2", "body_1"],
        ["phone", "{{2}} desconto", "{{1}} nome"],
        ["phone", "{{2}} parcela 1", "{{1}} parcela 2"],
        ["phone", "Par\u00e2metro 02", "Par\u00e2metro 01"],
        ["phone", "parcela 2", "parcela 1"],
    ],
)
def test_a_number_in_the_name_of_a_column_decides_its_variable(header):
    columns = read_header(header, ["1", "2"], excerpts=EXCERPTS)
    assert (columns.variables, columns.by_position) == ((2, 1), frozenset())


def test_columns_with_the_numbers_of_the_variables_are_found_among_others():
    assert read_header(["phone", "var_2", "cidade", "var_1"], ["1", "2"]).variables == (3, 1)


def test_two_columns_with_the_number_of_one_variable_are_refused():
    with pytest.raises(RecipientsError) as refused:
        read_header(["phone", "var_1", "body 1"], ["1", "2"])
    assert refused.value.code == "columns_unclear"


def test_a_number_that_contradicts_the_order_is_refused():
    with pytest.raises(RecipientsError) as refused:
        read_header(["phone", "oferta 2", "cidade"], ["1", "2"])
    assert refused.value.code == "columns_swapped"
    assert refused.value.values["choices"] == [Entry(Field.COLUMN, "1=cidade"), Entry(Field.COLUMN, "2=oferta 2")]


PRICES = {"1": "Custa {{1}} \u00e0 vista ou", "2": "\u00e0 vista ou {{2}} a prazo"}
ORDERS = {"1": "Ol\u00e1, {{1}}, seu pedido", "2": "seu pedido {{2}} saiu. Total", "3": "saiu. Total {{3}}."}
DATES = {"1": "Entrada em {{1}} e sa\u00edda em", "2": "e sa\u00edda em {{2}}"}


@pytest.mark.parametrize(
    ("excerpts", "right"),
    [
        (PRICES, ["valor \u00e0 vista", "valor a prazo"]),
        (PRICES, ["pre\u00e7o vista", "pre\u00e7o prazo"]),
        (ORDERS, ["nome", "pedido", "total"]),
        (ORDERS, ["cliente", "numero do pedido", "total da compra"]),
        (DATES, ["data de entrada", "data de sa\u00edda"]),
    ],
)
def test_words_that_variables_share_do_not_hide_columns_in_the_wrong_order(excerpts, right):
    variables = [*excerpts]
    assert read_header(["phone", *right], variables, excerpts=excerpts).variables == tuple(range(1, len(right) + 1))
    for header in ([*right[1:], right[0]], [*right[:-2], right[-1], right[-2]]):
        with pytest.raises(RecipientsError) as refused:
            read_header(["phone", *header], variables, excerpts=excerpts)
        assert refused.value.code == "columns_swapped"
        assert refused.value.values["choices"] == [
            Entry(Field.COLUMN, f"{variable}={name}") for variable, name in zip(variables, right, strict=True)
        ]


@pytest.mark.parametrize("name", ["telefone;nome", "nome|telefone 1", "telefone, nome", "telefone:nome", "nome   fone"])
@pytest.mark.parametrize(
    ("delimiter", "reason"),
    [(",", "it was split at ,: separate"), ("\t", "it was split at tab: "), ("", "in one cell .* give each column")],
)
def test_names_that_were_not_separated_are_told_with_the_delimiter(name, delimiter, reason):
    with pytest.raises(RecipientsError, match=reason) as refused:
        read_header([name], ["1"], delimiter=delimiter)
    assert name.split()[0] in str(refused.value)


@pytest.mark.parametrize("name", ["Telefone", "Whats-App", "contato (fone)", "fone/zap"])
def test_the_only_column_of_a_list_needs_no_delimiter(name):
    assert read_header([name], [], Choice(phone=name), delimiter=",").phone == 0


def test_a_missing_variable_is_quoted_from_the_template():
    with pytest.raises(RecipientsError) as refused:
        read_header(["phone", "nome"], ["1", "2"], Choice(mapping={"1": "nome"}), excerpts=EXCERPTS)
    assert 'the file has no column for 2 ("Hoje voc\u00ea tem {{2}} de desconto."): add the columns' in str(
        refused.value
    )


@pytest.mark.parametrize("given", ["Primeiro nome", "PRIMEIRO_NOME", "primeiro_nome"])
def test_a_map_names_a_variable_as_people_write_it(given):
    columns = read_header(["phone", "a", "b"], ["primeiro_nome"], Choice(mapping={given: "b"}))
    assert columns.variables == (2,)


@pytest.mark.parametrize("value", ["\u200b", "\u200e\u202c\u2060", "\u00a0\ufeff", "\u3164", "\u00ad", "\u2800"])
def test_a_value_that_shows_nothing_is_empty(value):
    problem = read_row(COLUMNS, [PHONE, value], CHECK, READ)
    assert isinstance(problem, RowProblem)
    assert (problem.reason, problem.code) == ("is empty", RowCode.VALUE_EMPTY)


@pytest.mark.parametrize(
    ("cell", "value"),
    [("\u202aAna\u202c", "Ana"), (" Ana\u00a0\n", "Ana"), ("\ufeffJos\u00e9", "Jos\u00e9"), ("a\u200db", "a\u200db")],
)
def test_marks_and_spaces_around_a_value_are_not_sent(cell, value):
    assert read_row(COLUMNS, [PHONE, cell], CHECK, READ) == Recipient(PHONE, [value])


@pytest.mark.parametrize(
    "value", ["#N/D", " #ref! ", "#\u00bfNOMBRE?", "NULL", "nan", "None", "<NA>", "Err:502", "########"]
)
def test_an_error_of_a_spreadsheet_is_no_value(value):
    problem = read_row(COLUMNS, [PHONE, value], CHECK, READ)
    assert isinstance(problem, RowProblem)
    assert (problem.column, problem.code) == ("name", RowCode.VALUE_MISSING)
    assert value.strip() in problem.reason


@pytest.mark.parametrize("value", ["Null", "Nan", "Nona", "#1", "#PROMO", "n\u00e3o", "None of us"])
def test_names_and_words_that_only_look_like_missing_values_are_sent(value):
    assert read_row(COLUMNS, [PHONE, value], CHECK, READ) == Recipient(PHONE, [value])


def test_words_of_programs_are_values_on_request_but_errors_of_spreadsheets_are_not():
    assert read_row(COLUMNS, [PHONE, "NULL"], CHECK, READ, takes_nulls=True) == Recipient(PHONE, ["NULL"])
    assert isinstance(read_row(COLUMNS, [PHONE, "#N/D"], CHECK, READ, takes_nulls=True), RowProblem)


@pytest.mark.parametrize("value", ["-", "R$ -", "=B2*2", "+A1"])
def test_punctuation_and_formulas_are_values_on_request_only(value):
    problem = read_row(COLUMNS, [PHONE, value], CHECK, READ)
    assert isinstance(problem, RowProblem)
    assert problem.code == RowCode.VALUE_MISSING
    assert read_row(COLUMNS, [PHONE, value], CHECK, READ, takes_nulls=True) == Recipient(PHONE, [value])


def test_punctuation_is_a_text_of_a_consent():
    columns = Columns(("phone", "name", "origem"), 0, (1,), 2)
    assert read_row(columns, [PHONE, "Ana", "-"], CHECK, READ) == Recipient(PHONE, ["Ana"], "-")


def read_problem(column, value, **options):
    columns = Columns(("phone", column), 0, (1,)).find_dates([[PHONE, "01/12/2026"]] if "venc" in column else [])
    return read_row(columns, [PHONE, value], CHECK, READ, **options)


@pytest.mark.parametrize("value", ["FALSO", "VERDADEIRO", "TRUE", "False", "true", "VRAI"])
def test_a_logical_value_of_a_spreadsheet_is_a_value_on_request_only(value):
    problem = read_problem("ativo", value)
    assert isinstance(problem, RowProblem)
    assert (problem.code, value in problem.reason) == (RowCode.VALUE_MISSING, True)
    assert read_problem("ativo", value, takes_nulls=True) == Recipient(PHONE, [value])


def test_a_logical_value_is_an_answer_in_a_column_of_consents():
    columns = Columns(("phone", "name", "consent"), 0, (1,), 2)
    assert read_row(columns, [PHONE, "Ana", "VERDADEIRO"], CHECK, READ) == Recipient(PHONE, ["Ana"], "VERDADEIRO")


@pytest.mark.parametrize(
    "value", ["12.5", "12,50", "£12.50", "12", "-3", "R$ 10,00", "15 %", "€ 9", "10 €", "1.234,50"]
)
def test_a_number_is_no_name(value):
    problem = read_problem("first_name", value)
    assert isinstance(problem, RowProblem)
    assert (problem.code, problem.reason) == (RowCode.KIND, "is a number, which is no name: correct it")
    assert read_problem("first_name", value, takes_nulls=True) == Recipient(PHONE, [value])


@pytest.mark.parametrize(
    "value",
    [
        "D\u2019\u00c1vila",
        "O\u2018Neil",
        "Ana—Maria",
        "Zoë",
        "Žižek",
        "Łukasz",
        "Œdipe",
        "Ÿ",
        "ŠKODA",
        "Ana \u2018Nina\u2019 S\u00e1",
        "D\u00b4Arc",
        "Æsa",
    ],
)
def test_other_signs_in_a_name_are_a_name(value):
    assert read_problem("first_name", value) == Recipient(PHONE, [value])


@pytest.mark.parametrize("value", ["Ana", "3 Irmãos", "João 2", "4You"])
def test_a_name_with_a_number_is_a_name(value):
    assert read_problem("first_name", value) == Recipient(PHONE, [value])


@pytest.mark.parametrize("value", ["30/02/2026", "venceu em 31/04/2026.", "2026-12-01 00:00:00", "01/12/2026 00:00"])
def test_a_date_that_no_person_writes_is_a_value_on_request_only(value):
    problem = read_problem("aviso", value)
    assert isinstance(problem, RowProblem)
    assert problem.code == RowCode.DATE_WRONG
    assert read_problem("aviso", value, takes_nulls=True) == Recipient(PHONE, [value])


def test_a_date_with_a_short_year_is_looked_at_in_a_column_of_dates_only():
    assert isinstance(read_problem("vencimento", "31-04-26"), RowProblem)
    assert read_problem("adubo", "30-00-20") == Recipient(PHONE, ["30-00-20"])


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("nome", "Jos?"),
        ("PrimeiroNome", "?ngela"),
        ("aviso", "S\u00bfo Paulo"),
        ("aviso", "ol\u00e1 Jo?o"),
        ("x", "JO?O"),
        *(("amount", "?10.00"), ("amount", "? 10"), ("amount", "10,00 ?")),
    ],
)
def test_a_sign_in_place_of_a_letter_rejects_the_row(column, value):
    problem = read_problem(column, value)
    assert isinstance(problem, RowProblem)
    assert problem.code == RowCode.ENCODING
    assert value not in problem.reason


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(
            ("first_name", "Zo\u2018"),
            ("first_name", "Chlo\u017d"),
            ("x", "Chlo\u017d"),
            ("x", "M\u0178ller"),
            ("name", "Ant\u2014nio"),
        ),
        *(
            ("name", "Jo\u2039o"),
            ("x", "Jo\u00c6o"),
            ("x", "Ant\u00a2nio"),
            ("name", "Zo\u2030"),
            ("name", "Chlo\u201a"),
            ("nome", "\u00b6ngela"),
        ),
        *(
            ("nome", "\u0192rica"),
            ("nome", "Concei\u2021\u00c6o"),
            ("x", "L\u00a3cia"),
            ("x", "In\u02c6s"),
            ("nome", "JOS\u0192"),
            ("nome", "In\uf190s"),
        ),
        *(
            ("nome", "F\u00a0bio"),
            ("nome", "Cl\u00a0udia Braga"),
            ("Cliente", "Ana M\u00a0rcia"),
            ("x", "Andr\x82"),
            ("x", "\x90rica"),
            ("nome", "Ant\u201cnio"),
        ),
        *(
            ("nome", "M\u00b5RIO"),
            ("nome", "\u00b5tila"),
            ("nome", "SIM\u00e5ES"),
            ("nome", "Patr\u2019cia"),
            ("nome", "J\u0153lia"),
            ("nome", "D\u017dbora"),
            ("nome", "Concei\u2021\u201eo"),
        ),
    ],
)
def test_a_letter_of_another_code_page_rejects_the_row_and_asks_for_the_whole_list(column, value):
    problem = read_problem(column, value)
    assert isinstance(problem, RowProblem)
    assert problem.code == RowCode.MISREAD
    assert value not in problem.reason
    assert problem.reason.isprintable()
    assert "correct the cell" not in problem.reason
    assert "export the whole list again" in problem.reason


@pytest.mark.parametrize(
    "value",
    [
        *("Ana\u00a0Maria", "Ana\u00a0da\u00a0Silva", "Luis\u00a0de Souza", "maria\u00a0silva", "Ana\u00a0paula"),
        *(
            "Sant\u2019Ana",
            "sant\u2019ana",
            "D\u2019\u00c1vila",
            "McDonald\u2019s",
            "Sch\u00e4fer",
            "\u00d6zg\u00fcr",
            "CONCEI\u00e7\u00e3O",
        ),
    ],
)
def test_a_name_with_a_non_breaking_space_or_an_apostrophe_is_a_name(value):
    assert read_problem("nome", value) == Recipient(PHONE, [value])


@pytest.mark.parametrize(
    "value",
    [
        *(
            "tudo bem?",
            "Quer mais? Sim!",
            "\u00bfQu\u00e9 tal?",
            "https://a.br/p?q=1",
            "p?q=1",
            "20?",
            "ter\u00e7a\u2013sexta",
        ),
        *(
            "GB\u00a310",
            "US$ 10",
            "Casa\u203aMesa",
            "NESCAF\u00c9\u00ae",
            "Marca\u2122",
            "R$ 10",
            "nota\u2021",
            "\u00c6sop",
            "McDonald",
            "1\u00aa",
            "10\u20ac",
        ),
    ],
)
def test_a_question_is_a_text(value):
    assert read_problem("texto", value) == Recipient(PHONE, [value])


def test_a_mapping_that_is_written_the_wrong_way_round_says_so():
    with pytest.raises(RecipientsError) as refused:
        read_header(["phone", "nome", "desconto"], ["1", "2"], Choice(mapping={"nome": "1"}))
    assert refused.value.code == "mapping_reversed"
    assert 'write the variable before the column, "column of variable 1=nome"' in str(refused.value)


@pytest.mark.parametrize("name", ["CPF", "Nº do Documento", "Número de registro", "RG", "Pedido", "Customer ID"])
def test_names_of_columns_with_other_numbers(name):
    assert is_name_of_other_number(name)


@pytest.mark.parametrize("name", ["Telefone", "Telefone de registro", "Número", "Contato", "WhatsApp ID", "Celular"])
def test_names_of_columns_that_may_have_phones(name):
    assert not is_name_of_other_number(name)


@pytest.mark.parametrize("name", ["Telemóvel", "Mobile", "WhatsApp do cliente", "Cel.", "Telefone 1"])
def test_the_only_column_with_a_word_for_phones_is_proposed(name):
    with pytest.raises(RecipientsError) as refused:
        read_header(["Customer number", name, "nome"], ["nome"])
    assert refused.value.values["phone_column"] == Entry(Field.PHONE_COLUMN, name)


PARCELA = {"1": "Olá {{1}}, sua", "2": "sua parcela vence em {{2}}, no valor de R$", "3": "no valor de R$ {{3}}."}
BOLETO = {"1": "Olá {{1}}, o", "2": "o boleto de R$ {{2}} vence em", "3": "vence em {{3}}."}
CONSULTA = {"1": "Olá {{1}}, sua", "2": "sua consulta é no dia {{2}}. Valor: R$", "3": "Valor: R$ {{3}}."}


@pytest.mark.parametrize(
    ("excerpts", "right"),
    [
        (PARCELA, ["nome", "data", "valor"]),
        (PARCELA, ["nome", "vencimento", "valor"]),
        (BOLETO, ["nome", "valor", "data"]),
        (CONSULTA, ["nome", "data", "valor"]),
    ],
)
def test_exchanged_columns_are_found_by_what_the_text_says_beside_each_variable(excerpts, right):
    def find(*names):
        choice = Choice(mapping=dict(zip("123", names, strict=True)))
        columns = read_header(["telefone", *right, "cpf"], [*"123"], choice, excerpts=excerpts)
        return find_exchanged(columns, [*"123"], choice, excerpts)

    name, second, third = right
    assert find(*right) == {}
    assert find(name, third, second) == {"2": second, "3": third}
    assert find(second, name, third) == {"1": name, "2": second}
    assert find(name, "cpf", third) == {}, "no other choice is certain"
