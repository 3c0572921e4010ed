from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from campaigns.domain.filling import fill
from campaigns.domain.recipients import Columns, Recipient, RecipientsError, RowProblem, read_header, read_row
from campaigns.domain.template import Template

CHECK = fill(Template("promo", "en", body_variables=("1",)), {}).make_check()
COLUMNS = Columns(("phone", "name"), 0, (1,))
PHONE = "+5511999990000"


def test_the_columns_beside_phone_are_the_variables_in_their_order():
    assert read_header(["name", " Phone ", "code"], ["1", "2"]) == Columns(("name", "Phone", "code"), 1, (0, 2))


def test_columns_named_as_the_variables_are_taken_by_name():
    assert read_header(["phone", "code", "name"], ["name", "code"]).variables == (2, 1)


def test_empty_columns_at_the_end_do_not_count():
    assert read_header(["phone", "name", "", " "], ["1"]).names == ("phone", "name")


@pytest.mark.parametrize(
    ("cells", "variables", "reason"),
    [
        ([], [], "the first row is empty, it must name the columns"),
        (["telefone", "name"], ["1"], "the first row names no column phone"),
        (["phone;name"], ["1"], "its columns are separated by semicolons, they must be separated by commas"),
        (["phone\tname"], ["1"], "its columns are separated by tabs, they must be separated by commas"),
        (["phone", "PHONE"], ["1"], "the header has two columns named phone"),
        (["phone"], ["1"], "the header has no columns beside phone, the template takes 1 variable ({{1}})"),
        (["phone", "a", "b"], [], "the header has 2 columns beside phone (a, b), the template takes no variables"),
        (
            ["phone", "a"],
            ["first", "last"],
            "the header has 1 column beside phone (a), the template takes 2 variables ({{first}}, {{last}})",
        ),
    ],
)
def test_a_header_that_does_not_fit_is_refused(cells, variables, reason):
    with pytest.raises(RecipientsError) as refused:
        read_header(cells, variables)
    assert str(refused.value) == reason


def test_a_good_row_is_a_recipient():
    assert read_row(COLUMNS, [f" {PHONE} ", "José"], CHECK) == Recipient(PHONE, ["José"])


@pytest.mark.parametrize(
    ("cells", "column", "reason"),
    [
        (["", "Ana"], "phone", "is empty"),
        (["5511999990000", "Ana"], "phone", "does not start with + and the country code"),
        (["+55 11 99999-0000", "Ana"], "phone", "is not a phone number such as +5511999990000"),
        (["+0511999990000", "Ana"], "phone", "is not a phone number such as +5511999990000"),
        (["+123456", "Ana"], "phone", "is not a phone number such as +5511999990000"),
        (["+1234567890123456", "Ana"], "phone", "is not a phone number such as +5511999990000"),
        (["+٥٥١١٩٩٩٩٩٠٠٠٠", "Ana"], "phone", "is not a phone number such as +5511999990000"),
        ([PHONE], "name", "is missing"),
        ([PHONE, " "], "name", "is empty"),
        ([PHONE, "Ana", "x"], "column 3", "is not in the header"),
        ([PHONE, "a\nb"], "name", "has a line break"),
        ([PHONE, "a\tb"], "name", "has a tab"),
        ([PHONE, "a     b"], "name", "has more than 4 spaces in a row"),
        ([PHONE, "a\x00b"], "name", "has a control character"),
        ([PHONE, "x" * 1025], "name", "is longer than 1024 characters"),
    ],
)
def test_a_bad_row_says_which_column_and_why(cells, column, reason):
    assert read_row(COLUMNS, cells, CHECK) == RowProblem(column, reason)


@pytest.mark.parametrize("cells", [[], [""], ["", ""], [" ", "\t", ""]])
def test_a_row_with_nothing_in_it_is_no_row(cells):
    assert read_row(COLUMNS, cells, CHECK) is None


def test_empty_cells_behind_the_last_column_do_no_harm():
    assert read_row(COLUMNS, [PHONE, "Ana", "", ""], CHECK) == Recipient(PHONE, ["Ana"])


@given(st.lists(st.text(max_size=30), max_size=5))
def test_whatever_stands_in_a_row_the_schema_takes_the_recipient_or_it_has_a_reason(cells):
    row = read_row(COLUMNS, cells, CHECK)
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
    row = read_row(COLUMNS, [phone, name], CHECK)
    assert isinstance(row, RowProblem)
    assume(phone != PHONE)
    assert phone not in row.reason


@given(st.integers(10**6, 10**15 - 1), st.text("abcçãé ", min_size=1, max_size=3).filter(str.strip))
def test_every_e164_number_with_a_plain_name_is_a_recipient(number, name):
    assert read_row(COLUMNS, [f"+{number}", name], CHECK) == Recipient(f"+{number}", [name])
