"""Rows that a person has marked by a colour are found, and other colours of a sheet are not."""

from __future__ import annotations

import pytest
import xlsxwriter

from campaigns.sheets.rows import open_sheet

PHONE, NAME, ID = range(3)


@pytest.fixture
def find_marked(tmp_path):
    """Writes a list of people, in which cells have formats by row and column. Returns the rows that are marked.

    The header is row 1, the people begin in row 2. Columns: phone, name, id.
    """

    def find(formats, *, count=8, header=None):
        file = tmp_path / "people.xlsx"
        with xlsxwriter.Workbook(file) as book:
            made = {}
            sheet = book.add_worksheet()
            rows = [("phone", "name", "id"), *[(f"+551199999{n:04}", "Ana", n) for n in range(count)]]
            for row, cells in enumerate(rows, start=1):
                for column, cell in enumerate(cells):
                    form = header if row == 1 else formats.get((row, column)) or formats.get(row)
                    if form is not None and str(form) not in made:
                        made[str(form)] = book.add_format(form)
                    sheet.write(row - 1, column, cell, made.get(str(form)))
        with open_sheet(file, report=lambda _part: None) as opened:
            assert len(list(opened.rows)) == count + 1
        found = opened.hidden.colours.find(header_row=1, phone=PHONE, people={NAME})
        return None if found is None else (found.rows, found.is_most_coloured)

    return find


RED, GREEN = {"bg_color": "#FF0000"}, {"bg_color": "#00FF00"}
RED_TEXT = {"font_color": "#FF0000"}


@pytest.mark.parametrize("form", [RED, RED_TEXT, {"pattern": 4, "bg_color": "#FFFFFF", "fg_color": "#FF0000"}])
def test_rows_in_a_colour_are_marked(find_marked, form):
    assert find_marked({4: form, 5: form}) == ([4, 5], False)


@pytest.mark.parametrize("column", [PHONE, NAME])
def test_a_colour_on_the_phone_or_the_name_marks_a_row(find_marked, column):
    assert find_marked({(4, column): RED}) == ([4], False)


def test_a_colour_on_another_cell_marks_no_row(find_marked):
    assert find_marked({(4, ID): RED}) is None


@pytest.mark.parametrize(
    "form",
    [
        {"bg_color": "#FFFFFF"},
        {"font_color": "#000000"},
        {"bold": True},
        {"font_color": "#0563C1", "underline": 1},
    ],
    ids=["white", "black", "bold", "link"],
)
def test_cells_that_look_like_the_others_mark_no_row(find_marked, form):
    assert find_marked({4: form}) is None


def test_the_header_and_a_column_in_a_colour_mark_no_row(find_marked):
    assert find_marked({}, header=RED) is None
    assert find_marked({(row, PHONE): GREEN for row in range(2, 10)}, header=RED) is None
    assert find_marked(dict.fromkeys(range(2, 10), RED)) is None


@pytest.mark.parametrize("height", [1, 2])
def test_stripes_mark_no_row(find_marked, height):
    for first in range(2):
        striped = {row: GREEN for row in range(2, 22) if row // height % 2 == first}
        assert find_marked(striped, count=20) is None


def test_a_mark_over_stripes_is_found(find_marked):
    striped = dict.fromkeys(range(2, 22, 2), GREEN)
    rows, _ = find_marked({**striped, 7: RED, 8: RED}, count=20)
    assert {7, 8} <= {*rows}


def test_two_single_rows_are_marks_and_no_stripes(find_marked):
    assert find_marked({3: RED, 5: RED}, count=5) == ([3, 5], False)


def test_rows_without_a_colour_among_coloured_ones_are_told_apart(find_marked):
    assert find_marked(dict.fromkeys(range(2, 8), GREEN)) == ([8, 9], True)
