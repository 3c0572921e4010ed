"""A cell whose kind differs from nearly all others in its column is found."""

from __future__ import annotations

import pytest

from campaigns.domain.text.kinds import OddCells

PRICES = ["R$ 10,00", "R$ 1.234,50", "R$ 7", "R$ 99,90", "R$ 15,00"]
DECIMALS = ["49,90", "1.234,50", "35,50", "120,00", "17,25"]
DATES = ["01/12/2026", "2026-12-02", "3/12/2026", "05/12/26", "31 de dezembro de 2026"]
NUMBERS = ["120", "1.500", "46357", "7", "88"]
NAMES = ["Ana", "José Luís", "Bia", "Caio", "Dora"]


def find(*cells):
    """Return the text of each odd cell, and whether its row is rejected."""
    odd = OddCells([0])
    for number, cell in enumerate(cells, start=2):
        odd.add(number, [cell])
    return [(each.shown, bool(each.reason)) for each in odd.find()]


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        *((PRICES, cell) for cell in ("46357", "01/12/2026", "12/2026", "10:30")),
        *((DECIMALS, cell) for cell in ("46357", "01/12/2026", "2026-12")),
        *((DATES, cell) for cell in ("12/2026", "2026-12", "10", "R$ 10,00", "46357", "14:00")),
        *((NUMBERS, cell) for cell in ("01/12/2026", "12/2026", "9h30")),
    ],
)
def test_a_value_of_another_form_is_rejected(column, cell):
    assert find(*column, cell) == [(cell, True)]


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        *((PRICES, cell) for cell in ("R$ 0,00", "0", "1234,50", "12", "grátis", "2x de R$ 10,00")),
        *((DECIMALS, cell) for cell in ("0,00", "R$ 12,00", "a combinar")),
        *((DATES, cell) for cell in ("amanhã", "até 10/12")),
        *((NUMBERS, cell) for cell in ("muitos", "R$ 10,00")),
        *((NAMES, cell) for cell in ("R$ 10,00", "01/12/2026", "12")),
    ],
)
def test_a_text_or_a_zero_may_be_meant_so_it_is_only_told(column, cell):
    assert find(*column, cell) == [(cell, False)]


@pytest.mark.parametrize(
    "column",
    [
        [*PRICES, "20%"],
        ["10%", "15%", "R$ 20", "5 %", "12,5%"],
        [*PRICES, ""],
        [*DECIMALS, "100"],
        [*NUMBERS, "0"],
        [*NUMBERS, "14B"],
        [*DATES, "10/12", "04/12/2026 14:00"],
        [*NAMES, "Plano 360"],
        ["R$ 10", "R$ 20", "46357"],
        ["R$ 10", "R$ 20", "R$ 30", "R$ 40", "grátis", "grátis"],
        ["ABC", "123", "A1B2", "987", "XYZ"],
        ["0", "0", "R$ 10", "0", "R$ 20"],
    ],
    ids=str,
)
def test_a_column_of_several_kinds_is_no_slip(column):
    assert find(*column) == []


def test_a_long_number_is_not_shown():
    assert find(*NAMES, "11987654321") == [("…", False)]


def test_many_cells_of_another_kind_are_no_slips():
    assert find(*["R$ 10"] * 60_000, *["grátis"] * 5_001) == []
    assert len(find(*["R$ 10"] * 60_000, *["grátis"] * 5_000)) == 5_000


def test_each_column_is_judged_by_itself():
    odd = OddCells([0, 2])
    for number, cells in enumerate(zip(PRICES, NAMES, DATES, strict=True), start=2):
        odd.add(number, cells)
    odd.add(9, ["01/12/2026", "", "R$ 1"])
    assert [(each.row_number, each.position) for each in odd.find()] == [(9, 0), (9, 2)]
