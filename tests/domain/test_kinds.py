"""Cells that cannot be meant are rejected, and a column whose cells are of several kinds is told."""

from __future__ import annotations

import pytest

from campaigns.domain.text.kinds import Clash, OddCells, find_clash, find_contradiction, has_amounts

PRICES = ["R$ 10,00", "R$ 1.234,50", "R$ 7", "R$ 99,90", "R$ 15,00"]
DECIMALS = ["49,90", "1.234,50", "35,50", "120,00", "17,25"]
DATES = ["01/12/2026", "2026-12-02", "3/12/2026", "05/12/26", "31 de dezembro de 2026"]
NUMBERS = ["120", "1.500", "46357", "7", "88"]
NAMES = ["Ana", "José Luís", "Bia", "Caio", "Dora"]


MESSY = ["R$ 10,00", "20,50", "30", "a combinar", "R$ 40"]


def read(*cells, amounts=()):
    odd = OddCells([0], amounts)
    for number, cell in enumerate(cells, start=2):
        odd.add(number, [cell])
    return odd


def find(*cells, amounts=()):
    """Return the cells whose rows are rejected."""
    return [cells[each.row_number - 2] for each in read(*cells, amounts=amounts).find()]


def mix(*cells, amounts=()):
    """Return by form the number of cells and the first of them, if the cells are of several forms."""
    mixed = read(*cells, amounts=amounts).find_mixed()
    return {str(each.form): (each.cell_count, each.shown) for each in mixed.get(0, [])}


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
    assert find(*column, cell) == [cell]
    assert mix(*column, cell) == mix(*column)


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
    assert find(*column, cell) == []
    assert (1, cell) in mix(*column, cell).values()


@pytest.mark.parametrize(
    ("cells", "forms"),
    [
        (["20%", "15%", "0,2", "10%", "0,1"], {"percent": (3, "20%"), "number": (2, "0,2")}),
        (["R$ 89,90", "75,5", "1000"], {"money": (1, "R$ 89,90"), "number": (2, "75,5")}),
        (["Ana", "Bia", "20%", "15%"], {"text": (2, "Ana"), "percent": (2, "20%")}),
        (["20%", "ver com Paulo", "confirmar", "xx"], {"text": (3, "ver com Paulo"), "percent": (1, "20%")}),
        ([*PRICES, "20%"], {"money": (5, "R$ 10,00"), "percent": (1, "20%")}),
        (["R$ 10", "grátis", "R$ 20", "grátis"], {"money": (2, "R$ 10"), "text": (2, "grátis")}),
        (["0", "R$ 10", "0"], {"zero": (2, "0"), "money": (1, "R$ 10")}),
        ([*PRICES, "R$ -35,00"], {"money": (5, "R$ 10,00"), "negative": (1, "R$ -35,00")}),
        ([*PRICES, "R$ 1.234.50"], {"money": (5, "R$ 10,00"), "text": (1, "R$ 1.234.50")}),
        (
            ["01/02/2026", "15/12/2026", "12/17/2026"],
            {"day_first": (2, "15/12/2026"), "month_first": (1, "12/17/2026")},
        ),
        (
            ["15/12/2026", "16/12/2026", "04/01/2027", "17/12/2062"],
            {"date": (3, "15/12/2026"), "far_date": (1, "17/12/2062")},
        ),
    ],
    ids=str,
)
def test_a_column_of_several_forms_is_told_with_a_cell_of_each_whatever_their_shares(cells, forms):
    assert mix(*cells) == forms


@pytest.mark.parametrize(
    "column",
    [
        *(NAMES, PRICES, DECIMALS, DATES, NUMBERS),
        [*PRICES, ""],
        [*DECIMALS, "100"],
        [*NUMBERS, "0"],
        [*NUMBERS, "14B"],
        [*DATES, "10/12", "04/12/2026 14:00", "15.12.2026"],
        [*NAMES, "Plano 360"],
        ["ABC", "123", "A1B2", "987", "XYZ"],
        ["38", "P", "40", "GG", "M", "42"],
        ["20% off", "Leve 3, pague 2", "frete grátis", "10%"],
        ["-10%", "-20%", "-15%"],
        ["12/17/2026", "01/02/2026", "11/30/2026"],
        ["15/03/1961", "02/07/1988", "30/11/2001", "05/05/1975"],
    ],
    ids=str,
)
def test_names_codes_free_texts_and_values_of_one_form_are_no_mix(column):
    assert (find(*column), mix(*column)) == ([], {})


def count(*cells):
    counts = OddCells([0])
    for number, cell in enumerate(cells, start=2):
        counts.add(number, [cell])
    return counts.count_kinds(0)


@pytest.mark.parametrize(
    ("earlier", "later", "row"),
    [
        (PRICES, NAMES, 2),
        (NAMES, PRICES, 2),
        (MESSY, NAMES, 2),
        (DATES, ["01/12/2026", "R$ 10"], 3),
        (["Ana"], ["R$ 10"], 2),
        (PRICES, DECIMALS, 2),
    ],
)
def test_a_later_column_of_another_kind_contradicts_the_earlier(earlier, later, row):
    assert find_contradiction(count(*earlier), count(*later)) == row


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (PRICES, [*PRICES, "grátis"]),
        (NUMBERS, DECIMALS),
        (DECIMALS, NUMBERS[:2]),
        (NAMES, ["Plano 360"]),
        (MESSY, PRICES),
        (MESSY, MESSY),
        (PRICES, []),
        ([], PRICES),
    ],
)
def test_a_later_column_of_the_same_or_of_mixed_kinds_contradicts_nothing(earlier, later):
    assert find_contradiction(count(*earlier), count(*later)) is None


def test_kinds_of_another_version_are_not_compared():
    assert find_contradiction({"STRANGE": (3, 2)}, count(*NAMES)) is None


@pytest.mark.parametrize("cell", ["46357", "01/12/2026", "12/2026", "10:30"])
def test_what_is_no_amount_is_rejected_in_a_column_of_amounts_that_has_no_kind(cell):
    assert find(*MESSY, cell) == []
    assert find(*MESSY, cell, amounts=[0]) == [cell]


@pytest.mark.parametrize("cell", ["0", "R$ 0,00"])
def test_a_zero_is_told_in_each_column_of_amounts(cell):
    assert mix(*MESSY, cell, amounts=[0])["zero"] == (1, cell)
    assert mix(*NUMBERS, cell, amounts=[0])["zero"] == (1, cell)


@pytest.mark.parametrize(
    "column", [["46357", "50000"], ["45000", "120000"], ["45000", "R$ 52.000", "38900,00", "52000", "a combinar"]]
)
def test_several_numbers_and_whole_numbers_alone_may_be_amounts(column):
    assert find(*column, amounts=[0]) == []


def test_a_number_that_may_be_a_date_is_told_among_whole_amounts_if_it_is_rare():
    assert mix("150", "200", "89", "46357", amounts=[0]) == {"number": (3, "150"), "date_number": (1, "46357")}
    assert mix("45000", "52000", "120000", "38900", amounts=[0]) == {}


@pytest.mark.parametrize(
    ("column", "variable", "excerpt"),
    [
        ("Valor", "2", "Oi {{2}}!"),
        ("valorDaParcela", "2", ""),
        ("A", "preço", "Por {{preço}} só hoje"),
        ("A", "2", "custa R$ *{{2}}* hoje"),
        ("A", "2", "custa US${{2}}"),
        ("A", "2", "são {{2}} reais"),
        ("A", "2", "ganhe {{2}}% hoje"),
        ("A", "2", "O valor é de {{2}}"),
    ],
)
def test_a_column_of_amounts_is_known_by_its_name_and_by_the_text(column, variable, excerpt):
    assert has_amounts(column, variable, excerpt)


@pytest.mark.parametrize(
    ("column", "variable", "excerpt"),
    [
        ("nome", "1", "Oi {{1}}, são R$"),
        ("nome", "1", "{{1}} $"),
        ("pontos", "2", "{{2}} pontos"),
        ("A", "2", "R$ 10 por {{2}}"),
    ],
)
def test_another_column_has_no_amounts(column, variable, excerpt):
    assert not has_amounts(column, variable, excerpt)


def test_a_long_number_is_not_shown():
    assert mix(*NAMES, "11987654321")["number"] == (1, "…")


def test_many_cells_of_another_kind_are_no_slips_and_are_only_told():
    dates = ["R$ 10"] * 60_000
    assert len(find(*dates, *["01/12/2026"] * 5_000)) == 5_000
    assert find(*dates, *["01/12/2026"] * 5_001) == []
    assert mix(*dates, *["01/12/2026"] * 5_001)["date"] == (5_001, "01/12/2026")


def test_each_column_is_judged_by_itself():
    odd = OddCells([0, 2])
    for number, cells in enumerate(zip(PRICES, NAMES, DATES, strict=True), start=2):
        odd.add(number, cells)
    odd.add(9, ["01/12/2026", "", "R$ 1"])
    assert [(each.row_number, each.position) for each in odd.find()] == [(9, 0), (9, 2)]


@pytest.mark.parametrize(
    ("excerpt", "cells", "clash"),
    [
        ("no valor de R$ {{2}} até", ["05/12/2026", "", "06/12/2026"], Clash.DATES),
        ("no valor de R$ {{2}} até", ["Ana", "Bia"], Clash.TEXTS),
        ("no valor de R$ {{2}} até", ["R$ 100,00", "R$ 90"], Clash.SIGN_TWICE),
        ("com {{2}}% de desconto", ["20%", "30%"], Clash.SIGN_TWICE),
        ("vence no dia {{3}}.", ["R$ 100,00"], Clash.AMOUNTS),
        ("Olá, {{1}}!", ["R$ 100,00"], Clash.NO_NAMES),
        ("Hi {{1}}!", ["01/12/2026"], Clash.NO_NAMES),
        ("Prezado(a) {{1}}, a", ["12345"], Clash.NO_NAMES),
    ],
)
def test_cells_that_the_text_does_not_expect_are_told(excerpt, cells, clash):
    assert find_clash(cells, excerpt, "coluna") is clash


def test_numbers_in_place_of_a_name_are_told_before_their_missing_sign():
    assert find_clash(["9", "10"], "Oi {{1}}, hoje", "preco") is Clash.NO_NAMES


@pytest.mark.parametrize(
    ("excerpt", "cells"),
    [
        ("no valor de R$ {{2}} até", ["100,00", "99"]),
        ("com {{2}}% de desconto", ["20", "30"]),
        ("com {{2}} de desconto", ["20%", "30%"]),
        ("no valor de R$ {{2}} até", ["100,00", "grátis"]),
        ("vence no dia {{3}}.", ["10"]),
        ("vence no dia {{3}}.", ["amanhã"]),
        ("Olá, {{1}}!", ["Ana", "99Food"]),
        ("pedido {{1}}", ["01/12/2026"]),
        ("a Sandoi {{1}}", ["10"]),
        ("Olá, {{1}}!", ["", " "]),
    ],
)
def test_cells_that_the_text_may_expect_are_not_told(excerpt, cells):
    assert find_clash(cells, excerpt, "coluna") is None
