from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.domain.text.date_numbers import find_date_numbers, is_due, read_date_number
from campaigns.domain.text.dates import LatestDate, find_impossible_date, has_time_of_program, read_date
from campaigns.domain.text.encoding import find_wrong_encoding
from campaigns.domain.text.links import LinkError, read_suffix
from campaigns.domain.text.missing import find_error, is_filler, is_formula, is_null, is_placeholder
from campaigns.domain.text.normal import find_similar, is_blank, standardize, trim

SHOP = "https://loja.example/"


@pytest.mark.parametrize(
    "text", ["\u202a+55 11\u202c", "\ufeff+55\u00a011", "\uff0b\uff15\uff15 \uff11\uff11", " +55\u202f11\u200b"]
)
def test_a_text_in_its_normal_form_has_no_marks_and_plain_spaces(text):
    assert standardize(text) == "+55 11"


@pytest.mark.parametrize("dash", "-\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d")
def test_every_dash_becomes_a_hyphen(dash):
    assert standardize(f"98765{dash}4321") == "98765-4321"


def test_the_joiners_of_an_emoji_stay_in_a_value():
    family, england = (
        "\U0001f469\u200d\U0001f469\u200d\U0001f467",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    )
    assert trim(f"\u200e {family} ") == family
    assert trim(england) == england
    assert not is_blank(family)


@pytest.mark.parametrize(
    ("word", "names"), [("Sales", ["sales-1"]), ("vendas", ["vendas-sp", "Vendas Rio"]), ("nobody", []), ("2201", [])]
)
def test_a_name_that_does_not_exist_finds_similar_names(word, names):
    assert find_similar(word, ["sales-1", "vendas-sp", "Vendas Rio", "10"]) == names


@given(st.text())
def test_a_trimmed_value_is_trimmed_already_and_blank_only_if_the_text_was(text):
    assert trim(trim(text)) == trim(text)
    assert is_blank(trim(text)) == is_blank(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "#N/A",
            "#n/d",
            "#REF!",
            "#VALUE!",
            "#VALOR!",
            "#\u00a1VALOR!",
            "#NOME?",
            "#\u00bfNOMBRE?",
            "#NAME?",
            "#DIV/0!",
        ),
        *(
            "#\u00a1DIV/0!",
            "#N\u00daM!",
            "#NU\u0301M!",
            "#NULO!",
            "#SPILL!",
            "#DESPEJAR!",
            "#CALC!",
            "#BEZUG!",
            "#NV",
            "#ERROR!",
        ),
        *(
            "#ZAHL!",
            "#\u00c9RT\u00c9K!",
            "#ARVO!",
            "#HODNOTA!",
            "#\u0417\u041d\u0410\u0427!",
            "#YHTEYS!",
            "#SAYI/0!",
            "#\u00a1VALEUR!",
            "#PROPAGATION!",
            "#\u00dcBERLAUF!",
            "#\u00a1DESBORDAMIENTO!",
            "#ESPANSIONE!",
            "#CHAMP!",
            "#DATEN_ABRUFEN",
        ),
        *("Err:508", "Erro:522", "####", "'#N/D", "\u200e#N/D", "Loading...", "Carregando\u2026"),
    ],
)
def test_errors_of_spreadsheets_are_found_in_each_language(text):
    assert find_error(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#",
        "##",
        "#1",
        "#vemprarua",
        "Ana #N/D",
        "#BLACKFRIDAY!",
        "#PROMO!",
        "#VIP!",
        "#GR\u00c1TIS!",
        "#SIM!",
        "#QUEM?",
        "#Vem!",
        "#vem!",
        "#1!",
        "N/D - nada",
        "Erro: 502 pessoas",
        "C",
    ],
)
def test_other_texts_are_no_errors(text):
    assert find_error(text) is None


def test_only_forms_that_programs_write_are_missing_values():
    assert all(map(is_null, ["NULL", "null", "nan", "NaN", "None", "<NA>", "undefined", "\\N"]))
    assert all(map(is_null, ["inf", "-inf", "Infinity", "(vazio)", "(blank)"]))
    assert not any(map(is_null, ["Null", "Nan", "none", "Nil", "NA", "", "NULL e Filhos"]))


@pytest.mark.parametrize(
    "text",
    ["{{nome}}", "{{1}}", "{nome}", "${nome}", "%NOME%", "<<nome>>", "\u00abnome\u00bb", "[[nome]]"],
)
def test_a_placeholder_without_a_value_is_found(text):
    assert is_placeholder(text)


@pytest.mark.parametrize("text", ["", "{", "50%", "%", "10% a 20%", "Ana {{nome}}", "<3", "[novo]", "(Ana)", "$10"])
def test_other_texts_are_no_placeholders(text):
    assert not is_placeholder(text)


@pytest.mark.parametrize(
    ("text", "suffix"),
    [
        ("tv", "tv"),
        ("/tv", "tv"),
        ("//tv", "tv"),
        ("tv?x=1&y=a%20b#top", "tv?x=1&y=a%20b#top"),
        ("https://loja.example/tv", "tv"),
        ("HTTP://LOJA.example/Tv", "Tv"),
        ("https://www.loja.example//tv", "tv"),
        ("loja.example/tv", "tv"),
        ("www.loja.example/tv/4k", "tv/4k"),
        ("promo\u00e7\u00e3o", "promo%C3%A7%C3%A3o"),
        ("promoc\u0327a\u0303o", "promo%C3%A7%C3%A3o"),
        (" tv 4k ", "tv%204k"),
        ("50% off", "50%25%20off"),
        ("a%2Fb%20c\u00e9", "a%2Fb%20c%C3%A9"),
        ("\u200etv\u200b", "tv"),
        ("tv.html", "tv.html"),
    ],
)
def test_the_end_of_a_link_is_read_from_what_people_give(text, suffix):
    assert read_suffix(text, SHOP) == suffix
    assert read_suffix(suffix, SHOP) == suffix


@pytest.mark.parametrize(
    ("text", "prefix", "suffix"),
    [
        ("https://loja.example/p?id=7", "https://loja.example/p?id=", "7"),
        ("https://loja.example/promo/tv", "https://loja.example/promo/", "tv"),
        ("https://loja.example:443/tv", SHOP, "tv"),
        ("tv", "https://loja.example", "/tv"),
        (".evil.example", "https://loja.example", "/.evil.example"),
        ("https://loja.example/tv", "https://loja.example", "/tv"),
        ("?cupom=1", "https://loja.example", "?cupom=1"),
        ("7", "https://loja.example?id=", "7"),
        *((text, "https://loja.example/p?id=", "77") for text in ("p?id=77", "/p?id=77", "?id=77", "id=77", "77")),
        *((text, "https://loja.example/p?a=1&id=", "77") for text in ("a=1&id=77", "&id=77", "id=77")),
        *((text, "https://loja.example/prod/", "tv") for text in ("prod/tv", "/prod/tv", "tv", "/tv")),
        ("item/tv", "https://loja.example/prod/item/", "tv"),
        ("promo-tv", "https://loja.example/promo", "promo-tv"),
        *((text, "https://loja.example", "/tv") for text in ("//tv", "https://loja.example//tv")),
        ("index.php/tv", SHOP, "index.php/tv"),
    ],
)
def test_the_beginning_in_the_template_is_removed_and_the_host_cannot_change(text, prefix, suffix):
    assert read_suffix(text, prefix) == suffix


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("https://outra.example/tv", "is a link to outra.example, and the button's link leads to loja.example"),
        ("http://loja.example.evil.example/tv", "is a link to loja.example.evil.example, and"),
        ("https://loja.example@evil.example/tv", "is a link to loja.example@evil.example, and"),
        ("www.outra.example", "is a link to www.outra.example, and"),
        ("//outra.example/tv", "is a link to outra.example, and"),
        ("ftp://outra.example", "is a link to outra.example, and"),
        ("https://loja.example", "has nothing behind the beginning"),
        ("bit.ly/abc", "is a link to bit.ly, and"),
        ("loja.example.br/tv", "is a link to loja.example.br, and"),
        *((text, "begins like a link, but not") for text in ("https:/loja.example/tv", "https//loja.example/tv")),
        *((text, "begins like a link, but not") for text in ("https: //loja.example/tv", "ttps:loja.example/tv")),
        ("/", "has nothing behind the beginning"),
        *(
            (f"https://{host}/1", "is a link to another site, and the button's link leads to loja.example")
            for host in ("a\x00b", "\ud800.example", "5511999990000", "11.99999.0000.example", "5511999990000@wa.me")
        ),
        (f"https://{'a' * 100}.example", "is a link to another site, and"),
    ],
)
def test_a_link_to_another_place_is_refused(text, reason):
    with pytest.raises(LinkError) as refused:
        read_suffix(text, SHOP)
    assert str(refused.value).startswith(reason)


def test_a_link_to_another_part_of_the_same_host_is_refused():
    with pytest.raises(LinkError, match=r"does not begin with loja\.example/promo/, as the button's link does"):
        read_suffix("https://loja.example/tv", "https://loja.example/promo/")


@pytest.mark.parametrize(
    "text",
    ["-", "--", "\u2014", "?", ".", "...", "\u2026", "R$ -", "R$  -  ", "- \u20ac", "US$-", "BRL -", "R$", "*", "/"],
)
def test_punctuation_stands_for_no_value(text):
    assert is_filler(text)


@pytest.mark.parametrize(
    "text", ["", "0", "R$ 0", "5%", "A-", "\U0001f389", "\u2764\ufe0f", "\u2605", "Ana!", "BRL", "C++"]
)
def test_a_letter_a_digit_or_an_emoji_is_a_value(text):
    assert not is_filler(text)


@pytest.mark.parametrize(
    "text",
    [
        "=B2*2",
        "=SUM(A1)",
        "=SOMA(A1;B1)",
        "+A1",
        "+A1*2",
        "-$B$2",
        "@SUM(A1)",
        "=$A$1",
        "=(A1+B1)",
        '="00123"',
        "='Folha 1'!A1",
        "=-A1",
        "=3*2",
        "=D5",
        "=Nome",
    ],
)
def test_a_formula_that_was_not_computed_is_found(text):
    assert is_formula(text)


@pytest.mark.parametrize(
    "text",
    [
        "=) oi",
        "=",
        "= oi",
        "=D",
        "=D oi",
        "=( que pena",
        "=P!",
        "+18",
        "+55 11",
        "-5%",
        "+A4 gr\u00e1tis",
        "@ana",
        "A1",
    ],
)
def test_other_texts_are_no_formulas(text):
    assert not is_formula(text)


@pytest.mark.parametrize(
    "name",
    [
        "Data",
        "Data de Vencimento",
        "DataVencimento",
        "dt_venc",
        "Due date",
        "VALIDADE",
        "prazo",
        "Anivers\u00e1rio",
        "valid_until",
    ],
)
def test_a_column_whose_name_says_so_has_dates(name):
    assert 46357 in (find_date_numbers(name, []) or ())


@pytest.mark.parametrize("name", ["valor", "Valor do vencimento", "Database", "Vencedor", "cidade", "pedido"])
def test_other_names_say_nothing_about_dates(name):
    assert find_date_numbers(name, ["46357", "", "Ana", "1/2", "10-20"]) is None


@pytest.mark.parametrize(
    "cell", ["01/12/2026", "1.12.26", "2026-12-01", "2026-12-01 10:00", "1 de dezembro de 2026", "1 dez 2026"]
)
def test_a_column_with_a_date_has_dates(cell):
    assert find_date_numbers("quando", ["46357", cell])
    assert find_date_numbers("valor", ["46357", cell]) is None


@pytest.mark.parametrize(
    "excerpt",
    [
        *("Your code is valid until {{2}}.", "válido até *{{2}}*!", "A fatura vence em {{2}} e", "até o dia {{2}}"),
        *("expires on {{2}}", "válido hasta el {{2}}", "Due by {{2}}"),
    ],
)
def test_the_words_before_a_variable_tell_a_date(excerpt):
    assert 46380 in (find_date_numbers("info", ["46380"], excerpt=excerpt) or ())


@pytest.mark.parametrize(
    "excerpt", ["desconto de até {{2}}", "em até {{2}} vezes", "até {{2}} pontos", "{{2}} until", "Oi {{2}}", ""]
)
def test_other_words_before_a_variable_tell_no_date(excerpt):
    assert find_date_numbers("info", ["46380"], excerpt=excerpt) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("46357", "46357"),
        (" 46357.0", "46357.0"),
        ("46357,5", "46357,5"),
        ("46357.25", "46357.25"),
        ("46.357", "46.357"),
        ("46,357.00", "46,357.00"),
    ],
)
def test_the_number_of_a_date_is_read(text, number):
    numbers = find_date_numbers("data", [])
    assert read_date_number(text, numbers) == (number, dt.date(2026, 12, 1))


@pytest.mark.parametrize("text", ["", "36525", "73051", "4635", "463570", "46357 reais", "01/12/2026", "463.57"])
def test_other_texts_are_no_numbers_of_dates(text):
    assert read_date_number(text, find_date_numbers("data", [])) is None


def test_dates_of_birth_are_of_the_century_before_as_well():
    assert read_date_number("31177", find_date_numbers("Nascimento", [])) == ("31177", dt.date(1985, 5, 10))
    assert read_date_number("31177", find_date_numbers("Vencimento", [])) is None


@pytest.mark.parametrize(
    ("text", "wrong", "right"),
    [
        ("Jo\u00c3\u00a3o", "\u00c3\u00a3", "\u00e3"),
        ("Concei\u00c3\u00a7\u00c3\u00a3o", "\u00c3\u00a7", "\u00e7"),
        ("\u00c3\x81gata", "\u00c3\x81", "\u00c1"),
        ("R$\u00c2\u00a010", "\u00c2\u00a0", "\u00a0"),
        ("\u00e2\u201a\u00ac 10", "\u00e2\u201a\u00ac", "\u20ac"),
        ("Oi \u00f0\u0178\u02dc\u20ac", "\u00f0\u0178\u02dc\u20ac", "\U0001f600"),
    ],
)
def test_a_text_in_a_wrong_encoding_is_found(text, wrong, right):
    assert find_wrong_encoding(text) == (wrong, right)


@pytest.mark.parametrize(
    "text",
    [
        "Jo\u00e3o",
        "NESCAF\u00c9\u00ae",
        "\u201cAMANH\u00c3\u201d",
        "MA\u00c7\u00c3",
        "\u00c2ngela",
        "S\u00c3O",
        "\U0001f600",
        "\u3042",
        "",
    ],
)
def test_a_text_in_the_right_encoding_is_no_finding(text):
    assert find_wrong_encoding(text) is None


@given(st.text())
def test_no_text_breaks_the_search_for_a_wrong_encoding(text):
    assert find_wrong_encoding(text) is None or not text.isascii()


@given(
    st.text(alphabet="\u00e1\u00e3\u00e7\u00e9\u00ea\u00f5\u00c1\u00c3\u00c7abc", min_size=1).filter(
        lambda text: not text.isascii()
    )
)
def test_portuguese_in_a_wrong_encoding_is_always_found(text):
    read = "".join(bytes([byte]).decode("cp1252", "replace").replace("\ufffd", chr(byte)) for byte in text.encode())
    assert find_wrong_encoding(read)


@pytest.mark.parametrize(
    "text",
    [
        "30/02/2026", "31/04/2026", "00/01/1900", "29/02/2027", "00/00/0000", "0000-00-00", "2026-02-30", "31.06.2026",
        "30/12/1899", "1899-12-30", "0001-01-01", "13/13/2026", "vence em 31/04/2026, sem falta", "30/02/2026 10:00",
        "31 de abril de 2026", "30 de fevereiro", "31 abr 2026", "February 30, 2026", "30 feb 2026",
    ],
)  # fmt: skip
def test_a_date_that_no_calendar_has_is_found(text):
    assert find_impossible_date(text, has_dates=False) in text


@pytest.mark.parametrize(
    "text",
    [
        "31/12/2026", "12/31/2026", "29/02/2028", "2026-12-31", "01/01/1900", "10:00", "1/2", "10x de 31,04", "Ana",
        "192.168.0.1", "12.345.678/0001-90", "123.456.789-00", "5511-99-9999-0000", "31 de maio de 2026", "Mar 40",
        "30-00-20", "v4.20.2026", "30 dias", "45/60/90", "29 de fevereiro", "May 31",
    ],
)  # fmt: skip
def test_dates_and_numbers_of_other_kinds_are_texts(text):
    assert find_impossible_date(text, has_dates=False) is None


@pytest.mark.parametrize(("text", "date"), [("31/04/26", "31/04/26"), ("30-02-26", "30-02-26"), ("31/03/26", None)])
def test_a_year_of_two_digits_counts_in_a_column_of_dates(text, date):
    assert find_impossible_date(text, has_dates=True) == date


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-01 00:00:00", "2026-12-01T00:00:00Z", "2026-12-01T00:00:00.000+00:00", "2026-12-01 00:00:00+00",
        "01/12/2026 00:00:00", "1/12/2026 0:00", "12/1/2026 12:00:00 AM", "2026-12-01T14:30:00Z", "2026-12-01T14:30",
        "01/12/26 00:00:00", "2026-12-01 00:00:00.000000",
    ],
)  # fmt: skip
def test_a_time_that_a_program_added_is_found(text):
    assert has_time_of_program(text)


@pytest.mark.parametrize("text", ["01/12/2026 10:00", "2026-12-01 18:30:00", "00:00", "12h", "01/12/2026", "1/2 12:00"])
def test_a_time_that_a_person_wrote_is_a_text(text):
    assert not has_time_of_program(text)


@pytest.mark.parametrize(
    "text", ["05/12/2026", "5.12.2026", "2026-12-05", "05/12/26", "5 de dezembro de 2026", "12/05/2026"]
)
def test_a_date_with_a_year_is_read_with_its_day_first(text):
    assert read_date(text) == (dt.date(2026, 5, 12) if text.startswith("12") else dt.date(2026, 12, 5))
    assert read_date("12/17/2026") == dt.date(2026, 12, 17)


@pytest.mark.parametrize("text", ["10", "05/12", "31/02/2026", "dezembro", "5 de dezembro", ""])
def test_a_text_without_a_year_or_a_day_is_no_date(text):
    assert read_date(text) is None


def test_the_latest_date_of_a_column_is_known_only_if_all_cells_are_dates():
    latest = LatestDate()
    for row, cell in enumerate(["05/12/2026", "07/12/2026", "06/12/2026"], start=2):
        latest.add(row, cell)
    assert (latest.date, latest.row_number, latest.shown) == (dt.date(2026, 12, 7), 3, "07/12/2026")
    latest.add(5, "amanhã")
    latest.add(6, "08/12/2026")
    assert latest.date is None


def test_dates_of_a_reminder_and_of_birth_are_not_due():
    assert is_due("Data de vencimento", "Sua fatura vence em {{2}}")
    assert not is_due("vencimento", "Sua fatura está vencida desde {{2}}")
    assert not is_due("nascimento", "Você nasceu em {{2}}")
