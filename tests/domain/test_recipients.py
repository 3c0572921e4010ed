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
    RowProblem,
    list_names,
    read_header,
    read_row,
)
from campaigns.domain.template import Template

CHECK = fill(Template("promo", "en", body_variables=("1",)), {}).make_check()
COLUMNS = Columns(("phone", "name"), 0, (1,))
READ = make_phone_reader("BR")
PHONE = "+5511999990000"


def test_the_columns_beside_phone_are_the_variables_in_their_order():
    assert read_header(["name", " Phone ", "code"], ["1", "2"]) == Columns(("name", "Phone", "code"), 1, (0, 2))


def test_columns_named_as_the_variables_are_taken_by_name():
    assert read_header(["phone", "code", "name"], ["name", "code"]).variables == (2, 1)


def test_empty_columns_at_the_end_do_not_count():
    assert read_header(["phone", "name", "", " "], ["1"]).names == ("phone", "name")


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
    shown = list_names(columns.ignored)
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
                "no column of the first row (fone, name) is named phone, telefone, celular or whatsapp: "
                "say which has the phones with --phone-column"
            ),
        ),
        (["phone", "PHONE"], ["1"], {}, "the header has two columns named phone"),
        (["Telefone", "celular"], [], {}, "phones may be in Telefone or celular: choose with --phone-column"),
        (["phone", "a"], [], {"phone": "fone"}, "there is no column 'fone', the columns are phone, a"),
        (["phone", "a"], [], {"consent": "x"}, "there is no column 'x', the columns are phone, a"),
        (["phone", "a", "A"], ["1"], {"mapping": {"1": "a"}}, "the header has two columns named a"),
        (["phone", "a"], ["1"], {"mapping": {"1": "b"}}, "there is no column 'b', the columns are phone, a"),
        (
            ["phone", "a"],
            ["1"],
            {"mapping": {"2": "a"}},
            "--map names '2', which is not one variable of the template: its variables are 1",
        ),
        (
            ["phone", "a"],
            [],
            {"mapping": {"1": "a"}},
            "--map names '1', which is not one variable of the template: it has no variables",
        ),
        (
            ["phone"],
            ["1"],
            {},
            "the template takes 1 variable (1), the file has no columns for them: add the columns",
        ),
        (
            ["phone", "a", "b", "c"],
            ["1", "2"],
            {},
            (
                "the template takes 2 variables (1, 2), the file has 3 columns for them (a, b, c): "
                "say which is which with --map '1=COLUMN' --map '2=COLUMN'"
            ),
        ),
        (
            ["phone", "a", "first"],
            ["first", "last"],
            {"mapping": {"first": "a"}},
            (
                "the template takes 2 variables (first, last), the file has 2 columns for them (a, first): "
                "say which is which with --map 'last=COLUMN'"
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
        (["Ana", PHONE], "phone", "has letters in it"),
        ([PHONE], "name", "is empty"),
        ([PHONE, " "], "name", "is empty"),
        ([PHONE, "Ana", "x"], "column 3", "is not in the header"),
        ([PHONE, "a\nb"], "name", "has a line break"),
        ([PHONE, "a\tb"], "name", "has a tab"),
        ([PHONE, "a     b"], "name", "has more than 4 spaces in a row"),
        ([PHONE, "a\x00b"], "name", "has a control character"),
        ([PHONE, "Jos\ufffd"], "name", "has a character that could not be read: save the file as CSV UTF-8"),
        ([PHONE, "x" * 1025], "name", "is longer than 1024 characters"),
    ],
)
def test_a_bad_row_says_which_column_and_why(cells, column, reason):
    assert read_row(COLUMNS, cells, CHECK, READ) == RowProblem(column, reason)


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
        assert not "".join(cells).strip()
    else:
        assert row.column
        assert row.reason


@given(st.from_regex(r"\+[0-9]{5,17}", fullmatch=True), st.sampled_from(["", "a\nb"]))
def test_a_reason_never_repeats_the_phone(phone, name):
    row = read_row(COLUMNS, [phone, name], CHECK, READ)
    assert isinstance(row, RowProblem)
    assume(phone != PHONE)
    assert phone not in row.reason


@given(st.integers(0, 10**8 - 1), st.text("abcçãé ", min_size=1, max_size=3).filter(str.strip))
def test_every_mobile_number_with_a_plain_name_is_a_recipient(number, name):
    assert read_row(COLUMNS, [f"+55119{number:08}", name], CHECK, READ) == Recipient(f"+55119{number:08}", [name])


def test_the_consent_is_kept_with_the_person_and_may_be_empty():
    columns, check = Columns(("phone", "origem"), 0, (), 1), fill(Template("plain", "en"), {}).make_check()
    assert read_row(columns, [PHONE, " site, 2026-01-02 "], check, READ) == Recipient(PHONE, [], "site, 2026-01-02")
    assert read_row(columns, [PHONE, " "], check, READ) == Recipient(PHONE, [], None)
    assert read_row(columns, [PHONE], check, READ) == Recipient(PHONE, [], None)
    assert read_row(columns, [PHONE, "a\x00b"], check, READ) == RowProblem("origem", "has a control character")


@pytest.mark.parametrize("shown", ["5,51E+12", "(11) 99999-0000", "R$ 5.511.999.990.000,00", ""])
def test_the_digits_of_a_cell_are_the_phone_however_they_are_shown(shown):
    cells = [Cell(shown, digits="5511999990000", problem="in Plan1!A2 has another format"), "Ana"]
    assert read_row(COLUMNS, cells, CHECK, READ) == Recipient(PHONE, ["Ana"])


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
