from __future__ import annotations

import pytest

from campaigns.sheets.locales import FormatError, find_regional
from campaigns.sheets.number_format import compile_format

ACCOUNTING = '_-"R$"\\ * #,##0.00_-;\\-"R$"\\ * #,##0.00_-;_-"R$"\\ * "-"??_-;_-@_-'
DOLLARS = '_("$"* #,##0.00_);_("$"* \\(#,##0.00\\);_("$"* "-"??_);_(@_)'
DAY = 46356  # Monday 30 November 2026
SEPTEMBER = 46266

# (number format, value, Excel's text in Portuguese of Brazil, Excel's text in English of the United States)
SHOWN = [
    ("General", 0, "0", "0"),
    ("General", 12, "12", "12"),
    ("General", -12, "-12", "-12"),
    ("General", 0.1 + 0.2, "0,3", "0.3"),
    ("General", 1234.5, "1234,5", "1234.5"),
    ("General", 1 / 3, "0,333333333", "0.333333333"),
    ("General", 1234567.891, "1234567,891", "1234567.891"),
    ("General", 123456.789012345, "123456,789", "123456.789"),
    ("General", -1234.56789012, "-1234,56789", "-1234.56789"),
    ("General", 5511999990000, "5511999990000", "5511999990000"),
    ("General", 999999999999999, "999999999999999", "999999999999999"),
    ("General", 1e20, "1E+20", "1E+20"),
    ("General", 1.5e20, "1,5E+20", "1.5E+20"),
    ("General", 0.0001, "0,0001", "0.0001"),
    ("General", 0.00001234567, "1,23457E-05", "1.23457E-05"),
    ("General", 1e-10, "1E-10", "1E-10"),
    ('General" pontos"', 1500, "1500 pontos", "1500 pontos"),
    ("@", 12, "12", "12"),
    ("@", 5511999990000, "5511999990000", "5511999990000"),
    ("0", 1.5, "2", "2"),
    ("0", 2.5, "3", "3"),
    ("0", -0.5, "-1", "-1"),
    ("0", 1.234567890123457e16, "12345678901234600", "12345678901234600"),
    ("0.00", 1234.5, "1234,50", "1234.50"),
    ("0.00", 1.005, "1,01", "1.01"),
    ("0.00", 2.675, "2,68", "2.68"),
    ("0.0", 0.3, "0,3", "0.3"),
    ("#.##", 0.5, ",5", ".5"),
    ("#.##", 5, "5,", "5."),
    ("0.0##", 1.25, "1,25", "1.25"),
    ("#,##0", 1234567, "1.234.567", "1,234,567"),
    ("#,##0", 999, "999", "999"),
    ("#,##0", -1234, "-1.234", "-1,234"),
    ("#,##0.00", 1234567.891, "1.234.567,89", "1,234,567.89"),
    ("#,##0.00", 0, "0,00", "0.00"),
    ("0,000", 12, "0.012", "0,012"),
    ("#,##0,", 1234567, "1.235", "1,235"),
    ('0.0,," mi"', 1234567, "1,2 mi", "1.2 mi"),
    ("0%", 0.2, "20%", "20%"),
    ("0%", 0.285, "29%", "29%"),
    ("0%", 1, "100%", "100%"),
    ("0.0%", 0.125, "12,5%", "12.5%"),
    ("0.00%", 0.155, "15,50%", "15.50%"),
    ("#,##0%", 12.5, "1.250%", "1,250%"),
    ("0%;-0%", -0.1, "-10%", "-10%"),
    ("0 %", 0.2, "20 %", "20 %"),
    ('"R$" #,##0.00', 1234.5, "R$ 1.234,50", "R$ 1,234.50"),
    ("R$ #,##0.00", 1234.5, "R$ 1.234,50", "R$ 1,234.50"),
    ("[$R$-416] #,##0.00", 1234.5, "R$ 1.234,50", "R$ 1,234.50"),
    ("[$R$-416]\\ #,##0.00;[Red]\\-[$R$-416]\\ #,##0.00", -1234.5, "-R$ 1.234,50", "-R$ 1,234.50"),
    ('"R$" #,##0.00', -5, "-R$ 5,00", "-R$ 5.00"),
    ('_-"R$"* #,##0.00_-', 1234.5, "R$ 1.234,50", "R$ 1,234.50"),
    (ACCOUNTING, 1234.5, "R$ 1.234,50", "R$ 1,234.50"),
    (ACCOUNTING, 0, "R$ -", "R$ -"),
    (DOLLARS, 1234.5, "$ 1.234,50", "$ 1,234.50"),
    (DOLLARS, -1234.5, "$ (1.234,50)", "$ (1,234.50)"),
    ("$#,##0.00", 5, "$5,00", "$5.00"),
    ('"$"#,##0_);("$"#,##0)', -1234, "($1.234)", "($1,234)"),
    ('"$"#,##0_);[Red]("$"#,##0)', 1234, "$1.234", "$1,234"),
    ("#,##0.00\\ [$€-407]", 1234.5, "1.234,50 €", "1,234.50 €"),
    ("[$€-2]\\ #,##0.00", 1234.5, "€ 1.234,50", "€ 1,234.50"),
    ("[$$-409]#,##0.00", 1234.5, "$1.234,50", "$1,234.50"),
    ("[$USD]\\ #,##0", 1234, "USD 1.234", "USD 1,234"),
    ("0.00;(0.00)", -3.14159, "(3,14)", "(3.14)"),
    ('0.00;[Red]-0.00;"-"', 0, "-", "-"),
    ('0;-0;"grátis";@', 0, "grátis", "grátis"),
    ('"Sim";"Sim";"Não"', 1, "Sim", "Sim"),
    ('"000123"', 100, "000123", "000123"),
    ("0;;;@", -5, "", ""),
    (";;;", 5, "", ""),
    ('[>=100]"muitos";0', 99, "99", "99"),
    ('[>=100]"muitos";0', 100, "muitos", "muitos"),
    ('[=1]0" dia";[>1]0" dias";0', 1, "1 dia", "1 dia"),
    ('[=1]0" dia";[>1]0" dias";0', 3, "3 dias", "3 dias"),
    ("[Blue][<10]0.0;[Color 5]0", 9.5, "9,5", "9.5"),
    ("000000", 123, "000123", "000123"),
    ("00000\\-000", 1310100, "01310-100", "01310-100"),
    ("000\\.000\\.000\\-00", 12345678909, "123.456.789-09", "123.456.789-09"),
    ("(00) 00000-0000", 11987654321, "(11) 98765-4321", "(11) 98765-4321"),
    ("\\(##\\)\\ ####\\-####", 1134567890, "(11) 3456-7890", "(11) 3456-7890"),
    ("[<=99999999]####-####;(##) ####-####", 34567890, "3456-7890", "3456-7890"),
    ('0" un."', 3, "3 un.", "3 un."),
    ('"Nº "0', 7, "Nº 7", "Nº 7"),
    ("\\#0", 7, "#7", "#7"),
    ("???.???", 1.5, "1,5", "1.5"),
    ("0.00E+00", 123456, "1,23E+05", "1.23E+05"),
    ("0.00E+00", 5511999990000, "5,51E+12", "5.51E+12"),
    ("0.00E-00", 0.00012, "1,20E-04", "1.20E-04"),
    ("##0.0E+0", 12345, "12,3E+3", "12.3E+3"),
    ("0E+0", 99, "1E+2", "1E+2"),
    ("# ?/?", 0.5, "1/2", "1/2"),
    ("# ?/?", 1.5, "1 1/2", "1 1/2"),
    ("# ?/?", 2, "2", "2"),
    ("# ?/?", 0, "0", "0"),
    ("# ?/?", 0.3, "2/7", "2/7"),
    ("# ?/?", 12.3, "12 1/3", "12 1/3"),
    ("# ?/?", 0.99, "1", "1"),
    ("# ??/??", -1.2, "-1  1/5", "-1  1/5"),
    ("# ???/???", -12345.67891, "-12345 573/844", "-12345 573/844"),
    ("??/??", 1.2, "6/5", "6/5"),
    ("# ??/16", 12.3, "12  5/16", "12  5/16"),
    ("# ?/2", 12.9, "13", "13"),
    ("# ??/100", 1234.567, "1234 57/100", "1234 57/100"),
    ('# ?/?" kg"', 2.5, "2 1/2 kg", "2 1/2 kg"),
    ("0 ?/?", 0.25, "0 1/4", "0 1/4"),
    ("d/m/yy", DAY, "30/11/26", "30/11/26"),
    ("dd/mm/yyyy", SEPTEMBER, "01/09/2026", "01/09/2026"),
    ("dd/mm/yyyy", 1, "01/01/1900", "01/01/1900"),
    ("dd/mm/yyyy", 59, "28/02/1900", "28/02/1900"),
    ("dd/mm/yyyy", 61, "01/03/1900", "01/03/1900"),
    ("dd/mm/yyyy", 2958465, "31/12/9999", "31/12/9999"),
    ("dd/mm/yyyy;@", DAY, "30/11/2026", "30/11/2026"),
    ("dd/mm/yyyy hh:mm", DAY + 0.375, "30/11/2026 09:00", "30/11/2026 09:00"),
    ("dd/mm/yyyy hh:mm:ss", 46356.37534722222, "30/11/2026 09:00:30", "30/11/2026 09:00:30"),
    ("yyyy-mm-dd", DAY, "2026-11-30", "2026-11-30"),
    ("yyyymmdd", DAY, "20261130", "20261130"),
    ("mmm/yy", DAY, "nov/26", "Nov/26"),
    ("mmm-yy", SEPTEMBER, "set-26", "Sep-26"),
    ("mmmm", DAY, "novembro", "November"),
    ("mmmmm", DAY, "n", "N"),
    ("ddd", DAY, "seg", "Mon"),
    ("dddd, d", DAY, "segunda-feira, 30", "Monday, 30"),
    ('d" de "mmmm" de "yyyy', DAY, "30 de novembro de 2026", "30 de November de 2026"),
    ('[$-416]d" de "mmmm" de "yyyy', DAY, "30 de novembro de 2026", "30 de novembro de 2026"),
    ('[$-416]d\\ "de"\\ mmmm\\ "de"\\ yyyy;@', DAY, "30 de novembro de 2026", "30 de novembro de 2026"),
    ("[$-pt-BR]mmm/yy", DAY, "nov/26", "nov/26"),
    ("[$-409]mmmm d, yyyy", DAY, "November 30, 2026", "November 30, 2026"),
    ("[$-en-US]d-mmm-yy;@", SEPTEMBER, "1-Sep-26", "1-Sep-26"),
    ("[$-C0A]d mmm", SEPTEMBER, "1 sep", "1 sep"),
    ("[$-F800]dddd, mmmm dd, yyyy", DAY, "segunda-feira, 30 de novembro de 2026", "Monday, November 30, 2026"),
    ("[$-F400]h:mm:ss AM/PM", 0.75, "18:00:00", "6:00:00 PM"),
    ("h:mm", 0.375, "9:00", "9:00"),
    ("hh:mm", 14.5 / 24, "14:30", "14:30"),
    ("h:mm", 0.9999, "23:59", "23:59"),
    ("h:mm AM/PM", 0.5, "12:00 PM", "12:00 PM"),
    ("hh:mm AM/PM", 0, "12:00 AM", "12:00 AM"),
    ("h:mm:ss A/P", 0.75, "6:00:00 P", "6:00:00 P"),
    ("h", 0.75, "18", "18"),
    ('h"h"mm', 0.375, "9h00", "9h00"),
    ("mm:ss", 0.0016203703703703703, "02:20", "02:20"),
    ("mm:ss.0", 0.0016215277777777777, "02:20,1", "02:20.1"),
    ("[h]:mm", 26 / 24, "26:00", "26:00"),
    ("[h]:mm:ss", 1.083333333333333, "26:00:00", "26:00:00"),
    ("[mm]:ss", 1 / 24, "60:00", "60:00"),
    ("[s]", 1 / 24, "3600", "3600"),
    ("hh:mm:ss", 0.99999999, "00:00:00", "00:00:00"),
    ("m/d/yyyy h:mm", DAY + 0.5, "11/30/2026 12:00", "11/30/2026 12:00"),
]

# (number of the format, value, Excel's text in some languages)
BUILT_IN = [
    (9, 0.2, {"pt_BR": "20%", "es": "20%"}),
    (10, 0.155, {"pt_BR": "15,50%", "en": "15.50%"}),
    (14, SEPTEMBER, {"pt_BR": "01/09/2026", "en": "9/1/2026", "en_US": "9/1/2026", "en_GB": "01/09/2026"}),
    (14, SEPTEMBER, {"es": "01/09/2026", "pt_PT": "01/09/2026", "de": "01.09.2026", "fr": "01/09/2026"}),
    (14, SEPTEMBER, {"it": "01/09/2026", "es_MX": "01/09/2026", "es_AR": "1/9/2026", "es_CL": "01-09-2026"}),
    (15, DAY, {"pt_BR": "30/nov/26", "en_US": "30-Nov-26", "es": "30-nov-26", "de": "30. Nov 26"}),
    (16, SEPTEMBER, {"pt_BR": "1/set", "en_US": "1-Sep", "en_GB": "01-Sep", "es": "01-sep"}),
    (17, DAY, {"pt_BR": "nov/26", "en_US": "Nov-26", "fr": "nov-26"}),
    (18, 0.75, {"pt_BR": "6:00 PM", "en_US": "6:00 PM"}),
    (20, 0.375, {"pt_BR": "09:00", "en_US": "9:00"}),
    (21, 0.375, {"pt_BR": "09:00:00", "en_US": "9:00:00"}),
    (22, DAY + 0.375, {"pt_BR": "30/11/2026 09:00", "en_US": "11/30/2026 9:00", "en_GB": "30/11/2026 09:00"}),
    (
        4,
        1234.5,
        {"pt_PT": "1\xa0234,50", "fr": "1\u202f234,50", "de": "1.234,50", "es_MX": "1,234.50", "pl": "1\xa0234,50"},
    ),
    (39, -1234.5, {"en_US": "(1,234.50)"}),
    (45, 0.0016203703703703703, {"pt_BR": "02:20"}),
    (46, 26 / 24, {"pt_BR": "26:00:00"}),
    (48, 12345, {"pt_BR": "12,3E+3"}),
]


def show(code, value, language):
    return compile_format(code, find_regional(language)).show(value)


@pytest.mark.parametrize(("code", "value", "brazilian", "american"), SHOWN)
def test_a_number_is_shown_as_excel_shows_it(code, value, brazilian, american):
    assert (show(code, value, "pt_BR"), show(code, value, "en_US")) == (brazilian, american)


@pytest.mark.parametrize(("number", "value", "shown"), BUILT_IN)
def test_a_format_without_a_code_is_that_of_the_language(number, value, shown):
    assert {each: show(find_regional(each).built_in(number), value, each) for each in shown} == shown


@pytest.mark.parametrize(
    ("code", "value", "reason"),
    [
        ("# 0/0", 0.5, "which shows a fraction in an unusual form"),
        ("#,##0 ?/?", 0.5, "which shows a fraction in an unusual form"),
        ("# ? / ?", 0.5, "which shows a fraction in an unusual form"),
        ("# ?/?%", 0.5, "which shows a fraction in an unusual form"),
        ("# ?/? 0", 0.5, "which shows a fraction in an unusual form"),
        ("0*-", 5, "which fills the width of the cell with -"),
        ("**0", 5, "which fills the width of the cell with *"),
        ("[DBNum1]General", 5, "which has [DBNum1] in it"),
        ("ggge", DAY, "which has ggge in it, a part of another calendar"),
        ("[$-D010000]d/m/yyyy", DAY, "which names the language, calendar or digits d010000, which are not supported"),
        ("[$-xx-XX]mmm", DAY, "which names the language, calendar or digits xx-xx, which are not supported"),
        ("[$-411]h:mm AM/PM", 0.5, "which shows AM or PM, and what Excel writes for them in ja_JP is not known"),
        ("0.0.0", 1, "which has a second . behind the first"),
        ("0;0;0;0;0", 1, "which has more than four sections"),
        ("dd/mm/yyyy", -1, "which shows a date or a time, and the value of the cell is negative"),
        ("[h]:mm", -0.5, "which shows a date or a time, and the value of the cell is negative"),
        ("dd/mm/yyyy", 0, "which shows a date, and the value of the cell is no date"),
        ("dd/mm/yyyy hh:mm", 0.5, "which shows a date, and the value of the cell is no date"),
        ("dd/mm/yyyy", 60, "which shows a date, and the value of the cell is no date"),
        ("dd/mm/yyyy", 2958466, "which shows a date, and the value of the cell is beyond the year 9999"),
        (
            "dd/mm/yyyy hh:mm:ss",
            2958465.999999,
            "which shows a date, and the value of the cell is beyond the year 9999",
        ),
        ("dd/mm/yyyy", 1e300, "which shows a date, and the value of the cell is beyond the year 9999"),
        ("dd 0 mm", DAY, "which has digits between the parts of a date"),
        ("[>10]0;[<5]0", 7, "which has no form for this number"),
        ("[<100]0;0.0", -7, "which shows negative numbers by a condition"),
    ],
)
def test_a_format_that_text_cannot_show_is_refused_with_the_reason(code, value, reason):
    with pytest.raises(FormatError) as refused:
        show(code, value, "pt_BR")
    assert str(refused.value) == reason


@pytest.mark.parametrize(
    ("code", "text", "shown"),
    [
        ("General", "007", "007"),
        ("@", "007", "007"),
        ("0.00", "7", "7"),
        ('"Sr. "@', "Ana", "Sr. Ana"),
        ('0;-0;0;"Sra. "@', "Ana", "Sra. Ana"),
        ("dd/mm/yyyy;@", "hoje", "hoje"),
        (";;;", "Ana", ""),
    ],
)
def test_a_text_is_shown_as_it_is_but_for_what_the_format_adds_or_hides(code, text, shown):
    assert compile_format(code, find_regional("pt_BR")).show_text(text) == shown


@pytest.mark.parametrize(("code", "shown"), [("dd/mm/yyyy", "01/12/2030"), ("[h]:mm", "1112544:00"), ("0", "46356")])
def test_days_of_a_workbook_that_counts_from_1904_are_later_by_1462(code, shown):
    assert compile_format(code, find_regional("pt_BR"), is_1904=True).show(DAY) == shown


def test_months_of_a_slavic_language_are_in_the_case_that_a_day_demands():
    assert (show("d mmmm", DAY, "pl"), show("mmmm yyyy", DAY, "pl")) == ("30 listopada", "listopad 2026")


@pytest.mark.parametrize(("code", "value"), [("0.0", 0.5), ("#,##0", 1000), ("General", 0.5), ("mmm", DAY)])
def test_what_depends_on_a_language_that_nobody_knows_is_refused(code, value):
    assert show("0%", 0.2, "zz") == "20%"
    with pytest.raises(FormatError, match="what Excel shows in zz is not known"):
        show(code, value, "zz")


@pytest.mark.parametrize(
    ("language", "names"),
    [
        ("pt_BR", ("FALSO", "VERDADEIRO")),
        ("pt_PT", ("FALSO", "VERDADEIRO")),
        ("en", ("FALSE", "TRUE")),
        ("en_GB", ("FALSE", "TRUE")),
        ("es_AR", ("FALSO", "VERDADERO")),
        ("de", ("FALSCH", "WAHR")),
    ],
)
def test_true_and_false_are_those_of_the_language(language, names):
    regional = find_regional(language)
    assert (regional.boolean(False), regional.boolean(True)) == names


def test_true_and_false_of_a_language_that_nobody_knows_are_refused():
    with pytest.raises(FormatError):
        find_regional("fi").boolean(True)
