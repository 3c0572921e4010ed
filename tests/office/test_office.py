"""Revoada reads a workbook as LibreOffice shows it, and the files that LibreOffice saves."""

from __future__ import annotations

import csv

import pytest

from campaigns.domain.recipients import RecipientsError
from campaigns.sheets.rows import open_sheet
from tests.sheets.test_number_format import DOLLARS, SHOWN
from tests.sheets.test_xlsx import write, write_hidden, write_rows

# The cases of SHOWN that LibreOffice shows in another way than Excel, and the reason.
DIFFERENCES = {
    ("General", 1 / 3): "General has more digits",
    ("General", 123456.789012345): "General has more digits",
    ("General", -1234.56789012): "General has more digits",
    ("General", 0.00001234567): "General has no exponent",
    ("General", 1e20): "an exponent has three digits",
    ("General", 1.5e20): "an exponent has three digits",
    ("#.##", 5): "no point without a decimal place",
    ("0%", 0.285): "rounds the binary number 0.28499…",
    ('_-"R$"* #,##0.00_-', 1234.5): "a fill is nothing",
    (DOLLARS, 1234.5): "a fill is nothing",
    (DOLLARS, -1234.5): "a fill is nothing",
    ("# ?/?", 12.3): "a fraction is the nearest one",
    ("dd/mm/yyyy", 1): "1900 is no leap year",
    ("dd/mm/yyyy", 59): "1900 is no leap year",
    ("[$-pt-BR]mmm/yy", 46356): "language tags are not known",
    ("[$-en-US]d-mmm-yy;@", 46266): "language tags are not known",
    ("[$-F400]h:mm:ss AM/PM", 0.75): "the time of the computer has two digits",
    ("h:mm:ss A/P", 0.75): "a and p are small",
    ("hh:mm:ss", 0.99999999): "seconds are not rounded",
}


def read(path, language="pt_BR"):
    with open_sheet(path, report=lambda _part: None, language=language) as sheet:
        return [[str(cell) for cell in row] for _, row in sheet.rows]


@pytest.mark.parametrize("language", ["pt_BR", "en_US"])
def test_numbers_are_shown_as_in_libreoffice(convert, tmp_path, language):
    book = tmp_path / "formats.xlsx"
    book.write_bytes(write([(value, code) for code, value, _, _ in SHOWN]))
    with convert(book, "csv", language.replace("_", "-")).open(encoding="utf-8", newline="") as file:
        theirs = [row[0].strip(" ") if row else "" for row in csv.reader(file)]
    ours = [row[0] for row in read(book, language)]
    different = {
        (code, value): (our, their)
        for (code, value, _, _), our, their in zip(SHOWN, ours, theirs, strict=True)
        if our != their and (code, value) not in DIFFERENCES
    }
    assert not different


PEOPLE = [
    ["telefone", "nome", "desconto", "preço", "dia", "código"],
    ["+5511999990001", "José & Filhos", (0.2, "0%"), (1234.5, '"R$" #,##0.00'), (46356, "dd/mm/yyyy"), (123, "000000")],
    ["(11) 99999-0002", 'Ana "Bia", Caio', (0.125, "0.0%"), (-5, '"R$" #,##0.00'), (46266.5, "d/m/yy hh:mm"), "000124"],
    ["5511999990003", "Zoë €", (1, "0%"), (0, "0.00"), (1.5, "[h]:mm"), (1310100, "00000-000")],
]


@pytest.mark.parametrize("is_saved_again", [False, True])
def test_a_workbook_and_the_csv_file_of_libreoffice_have_the_same_rows(convert, tmp_path, is_saved_again):
    book = tmp_path / "people.xlsx"
    book.write_bytes(write_rows(*PEOPLE))
    saved = convert(book, "xlsx", "pt-BR") if is_saved_again else book
    rows = read(saved)
    assert rows == read(convert(book, "csv", "pt-BR"))
    assert rows[1] == ["+5511999990001", "José & Filhos", "20%", "R$ 1.234,50", "30/11/2026", "000123"]


def test_hidden_rows_stay_hidden_in_a_workbook_that_libreoffice_saves(convert, tmp_path):
    book = tmp_path / "people.xlsx"
    book.write_bytes(write_hidden(rows=[2], columns=[2]))
    with pytest.raises(RecipientsError, match=r"the sheet hides 1 row \(the first is row 3; .* columns \(C \(id\)\)"):
        read(convert(book, "xlsx"))


def test_an_ods_and_an_xls_workbook_of_libreoffice_are_refused_by_name(convert, tmp_path):
    book = tmp_path / "people.xlsx"
    book.write_bytes(write_rows(*PEOPLE))
    with pytest.raises(RecipientsError, match="the format ODS"):
        read(convert(book, "ods"))
    with pytest.raises(RecipientsError, match="the old format XLS"):
        read(convert(book, "xls"))
