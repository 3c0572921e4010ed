from __future__ import annotations

import pytest

from campaigns.sheets.csv_writer import _write_cell as write_cell


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-20%", "@SUM(A1)", "\t=1", "\n=1", "  =cmd|' /C calc'!A0", "\uff1d1", '=HYPERLINK("x")'],
)
def test_what_a_spreadsheet_would_calculate_gets_an_apostrophe(text):
    assert write_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", " ", "Ana", "20%", "a=b", "'=1", "João", "5-3", "0"])
def test_all_else_stays_as_it_is(text):
    assert write_cell(text) == text


@pytest.mark.parametrize("value", ["+5511999990000", "+14155550123", -3, 0, 131026])
def test_a_phone_and_a_number_stay_as_they_are(value):
    assert write_cell(value) == str(value)


@pytest.mark.parametrize("text", ["+5511999990000+cmd|'/C calc'!A0", "+55 11", "-3", "+", "+5511999990000\n=1"])
def test_a_text_that_only_begins_like_a_phone_is_a_formula(text):
    assert write_cell(text) == f"'{text}"


def test_a_control_character_is_escaped_and_a_line_break_stays():
    assert write_cell("a\x1b[2J\u202e\x9b\nb\tc") == "a\\x1b[2J\\u202e\\x9b\nb\tc"
    assert write_cell("\r=1") == "'\\r=1"
