from __future__ import annotations

import pytest

from campaigns.management.exports import make_safe


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-20%", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =cmd|' /C calc'!A0", "\uff1d1", '=HYPERLINK("x")'],
)
def test_what_a_spreadsheet_would_calculate_gets_an_apostrophe(text):
    assert make_safe(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", " ", "Ana", "20%", "a=b", "'=1", "João", "5-3", "0"])
def test_all_else_stays_as_it_is(text):
    assert make_safe(text) == text
