from __future__ import annotations

import random

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.domain.phone.number import PhoneKind, make_phone_classifier, make_phone_reader
from campaigns.domain.phone.person import recipient_key
from campaigns.domain.phone.regions import REGIONS, read_region
from campaigns.domain.phone.written import PhoneError, PhoneProblem, explain, unwrap

READ = make_phone_reader("BR")
ELSEWHERE = (
    "is not a valid phone number in BR: write a phone of another country with + and its country code (in a"
    " spreadsheet, type '+44… with the apostrophe), or choose another country for all phones of the list"
)
Type = phonenumbers.PhoneNumberType
COMPANY_TYPES = {Type.TOLL_FREE, Type.SHARED_COST, Type.PREMIUM_RATE, Type.UAN, Type.VOICEMAIL, Type.PAGER}


@pytest.mark.parametrize(
    "text",
    [
        "+5511987654321",
        "5511987654321",
        "11987654321",
        "(11) 98765-4321",
        "+55 (11) 98765-4321",
        "+55 11 9 8765 4321",
        "011 98765-4321",
        "0 21 11 98765-4321",
        "0055 11 98765-4321",
        "11.98765.4321",
        "55\u00a011\u00a098765\u20114321",
        "\u202a+55 11 98765-4321\u202c",
        "5511987654321.0",
        "5511987654321,0",
        "  11987654321\t ".replace("\t", ""),
    ],
)
def test_a_number_is_read_however_brazilians_write_it(text):
    assert READ(text) == "+5511987654321"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("(11) 3456-7890", "+551134567890"),
        ("551134567890", "+551134567890"),
        ("(55) 99999-1234", "+5555999991234"),
        ("55999991234", "+5555999991234"),
        ("5533334444", "+555533334444"),
        ("555533334444", "+555533334444"),
        ("5555999991234", "+5555999991234"),
    ],
)
def test_landlines_and_the_area_55_are_told_from_the_country_55(text, number):
    assert READ(text) == number


@pytest.mark.parametrize("text", ["+551187654321", "551187654321", "(11) 8765-4321", "1187654321"])
def test_an_old_mobile_number_without_its_9_stays_as_given(text):
    assert READ(text) == "+551187654321"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+1 415 555 2671", "+14155552671"),
        ("+351 912 345 678", "+351912345678"),
        ("00351 912 345 678", "+351912345678"),
        ("+5215512345678", "+5215512345678"),
        ("+525512345678", "+525512345678"),
        ("+5491123456789", "+5491123456789"),
    ],
)
def test_numbers_of_other_countries_need_their_code(text, number):
    assert READ(text) == number


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        (" \u00a0", "is empty"),
        ("ligar para Ana", "has words in it: keep the number only"),
        ("(11) 98765-4321 ramal 12", "has an extension, which WhatsApp cannot reach"),
        ("11 98765-4321 / 11 91234-5678", "has more than one number in it: keep one in each row"),
        ("11987654321;11912345678", "has more than one number in it: keep one in each row"),
        ("(11) 98765-4321 11 91234-5678", "has more than 15 digits: is it two phones?"),
        ("+", "has characters that no phone number has"),
        ("55+11987654321", "has characters that no phone number has"),
        ("+٥٥١١٩٩٩٩٩٠٠٠٠", "has characters that no phone number has"),
        ("98765-4321", "has no area code"),
        ("(20) 98765-4321", ELSEWHERE),
        ("351912345678", ELSEWHERE),
        ("190", ELSEWHERE),
        ("+5511", "is not a valid phone number"),
        ("+551198765432199", "is not a valid phone number"),
        ("+999123456789", "is not a phone number"),
    ],
)
def test_what_is_no_number_has_a_reason(text, reason):
    with pytest.raises(PhoneError) as refused:
        READ(text)
    assert str(refused.value) == reason


LONG = [
    "a" + "\t" * 100_000 + "b",
    "1" + "\n" * 100_000 + "x",
    "1" + " " * 100_000 + "/" + " " * 100_000 + "x",
    "11" + "." * 60_000 + "11" + "." * 60_000 + "x",
    "#" + " " * 100_000 + "x",
    "11 98765\t" + " \n" * 50_000 + "4321x",
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", LONG)
def test_a_text_that_fills_a_cell_is_refused_at_once(text):
    """The time of some expressions grows with the third power of the length. They would take days for these texts."""
    with pytest.raises(PhoneError, match="has much more text than a phone") as refused:
        READ(text)
    assert refused.value.problem is PhoneProblem.WORDS


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", ["a" + "\t" * 100_000 + "b", "1" + "\n" * 100_000 + "x", "#" + " " * 100_000 + "x"])
def test_spaces_in_a_row_take_no_more_time_than_one(text):
    assert len(explain(unwrap(text).text).problem)
    assert len(unwrap(text).text) <= 3


def test_a_link_with_a_long_message_has_a_phone():
    assert READ(f"https://wa.me/5511987654321?text={'Oi%20' * 80}") == "+5511987654321"


@pytest.mark.parametrize("text", ["+55 11 4004-1234", "+551130031234", "+55 11 4020 1234"])
@pytest.mark.parametrize("region", ["BR", "PT", "US"])
def test_numbers_that_area_codes_share_are_refused_in_each_region(text, region):
    with pytest.raises(PhoneError) as refused:
        make_phone_reader(region)(text)
    assert refused.value.problem is PhoneProblem.COMPANY


@pytest.mark.parametrize("text", ["011 4004-1234", "0 15 11 4004-1234", "005511 3003-1234"])
def test_numbers_that_area_codes_share_are_refused_however_they_are_dialled(text):
    with pytest.raises(PhoneError, match="is a company's number"):
        READ(text)


@pytest.mark.parametrize("text", ["5,51199E+12", "5.51199E+12", "5.511987654321e12", "5E12"])
def test_a_number_that_excel_shortened_is_told_as_that(text):
    with pytest.raises(PhoneError, match=r"shortened by Excel .*: format the column as text"):
        READ(text)


def test_the_region_decides_about_numbers_without_a_country_code():
    assert make_phone_reader("PT")("912 345 678") == "+351912345678"
    assert make_phone_reader("US")("(415) 555-2671") == "+14155552671"
    assert make_phone_reader("PT")("+55 11 98765-4321") == "+5511987654321"


@pytest.mark.parametrize(("text", "region"), [("br", "BR"), (" PT ", "PT")])
def test_a_region_is_read_in_any_case(text, region):
    assert read_region(text) == region


@pytest.mark.parametrize("text", ["Brazil", "", "55", "ZZ", "001"])
def test_what_is_no_region_is_refused(text):
    with pytest.raises(ValueError, match="two letters such as BR"):
        read_region(text)


@pytest.mark.parametrize("region", ["BR", "US", "PT", "AR", "MX", "DE", "GB", "IN", "IT"])
def test_the_short_way_decides_as_phonenumbers_does(region):
    code = phonenumbers.country_code_for_region(region)
    read, dice, good_count = make_phone_reader(region), random.Random(region), 0
    for _ in range(4000):
        digits = "".join(dice.choice("0123456789") for _ in range(dice.randint(8, 12))).lstrip("0")
        text = dice.choice(("", f"{code}", f"+{code}", f"+{code}")) + digits
        try:
            number = read(text)
        except PhoneError:
            number = None
        if number is not None and recipient_key(number) != number:
            continue  # the old forms, which `phonenumbers` knows no more
        assert number == plainly(text, region), text
        good_count += number is not None
    assert good_count > 20


def plainly(text, region):
    try:
        parsed = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.number_type(parsed) in COMPANY_TYPES:
        return None
    number = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    key = recipient_key(number)
    if phonenumbers.is_valid_number(parsed) or (
        key != number and phonenumbers.is_valid_number(phonenumbers.parse(key))
    ):
        return number
    return None


@given(st.text(max_size=30) | st.from_regex(r"[+0-9 ().-]{0,25}", fullmatch=True))
def test_whatever_the_text_it_is_a_number_or_has_a_reason_without_it(text):
    try:
        assert READ(text).startswith("+")
    except PhoneError as error:
        digits = "".join(filter(str.isdigit, text))
        assert len(digits) < 3 or digits not in str(error)  # noqa: PT017


def test_the_regions_are_those_of_the_library():
    assert phonenumbers.SUPPORTED_REGIONS == REGIONS


@pytest.mark.parametrize(
    "text",
    [
        *("(0xx11) 98765-4321", "0XX 11 98765-4321", "0**11 98765-4321", "xx11 98765-4321", "+55 (0xx11) 98765-4321"),
        *("'+5511987654321", '="5511987654321"', '"+55 11 98765-4321"', "\u2019011987654321"),
        *("wa.me/5511987654321", "https://wa.me/+5511987654321?text=Oi%20Ana", "HTTPS://WWW.WA.ME/11987654321/"),
        "https://api.whatsapp.com/send?phone=5511987654321&text=Oi",
        "https://web.whatsapp.com/send/?text=Oi&phone=%2B5511987654321",
        "whatsapp://send?phone=5511987654321",
        *("5511987654321@c.us", "5511987654321:3@s.whatsapp.net", "tel:+55-11-98765-4321", "whatsapp:+5511987654321"),
        *("5511987654321.00", "11987654321,00", "5.511.987.654.321", "5,511,987,654,321.00", "5.511.987.654.321,00"),
        *("+55 (0) 11 98765-4321", "+55 011 98765-4321", "0 15 11 98765-4321", "015 (11) 98765-4321"),
        *("Cel: 11 98765-4321", "Whatsapp (11) 98765-4321", "11 98765-4321 (zap)", "TEL. 11 98765-4321"),
        *("11/98765-4321", "(11)/98765-4321", "11 98765\n4321", "11\n98765-4321", "+55 0 15 11 98765-4321"),
        *("Tel.: 11 98765-4321", "WhatsApp.: 11 98765-4321", "Contato: 11 98765-4321", "Fone/Whats: 11 98765-4321"),
        *("Celular/WhatsApp: (11) 98765-4321", "api.whatsapp.com/send?phone=55%2011%2098765-4321"),
        *("\u2068(11) 98765\u20114321\u2069", "\uff0b55 11 98765\u22124321", "\u200e+55\u202f11\u00a098765\u20134321"),
    ],
)
def test_a_number_is_read_as_people_paste_it(text):
    assert READ(text) == "+5511987654321"


def test_a_link_has_a_country_code_without_a_plus():
    assert READ("wa.me/351912345678") == READ("351912345678@c.us") == "+351912345678"


@pytest.mark.parametrize(
    ("problem", "texts"),
    [
        (PhoneProblem.COMPANY, ["4004-1234", "3003 1234", "0800 123 4567", "+55 0800 1234567", "0300-123-4567"]),
        (PhoneProblem.COMPANY, ["0900 123 456", "+1 800 555 1234", "+44 800 123 4567"]),
        (PhoneProblem.COMPANY, ["11 4004-0001", "(21) 3003-1234", "+55 11 4020 1234", "(11) 0800-123-4567"]),
        (PhoneProblem.COMPANY, ["+55 11 0800 123 4567", "011 0800 123 456"]),
        (
            PhoneProblem.EXTENSION,
            ["11 3456-7890 r. 12", "11 3456-7890 x12", "tel:+551134567890;ext=12", "1134567890 #5"],
        ),
        (
            PhoneProblem.SEVERAL,
            ["11 98765-4321 ou 91234-5678", "11987654321 e 11912345678", "11987654321\n11912345678"],
        ),
        (PhoneProblem.SEVERAL, ["(11) 3456-7890/91", "11987654321 | 11912345678", "11987654321, 11912345678"]),
        (PhoneProblem.TOO_LONG, ["11987654321 11912345678"]),
        (PhoneProblem.WORDS, ["Ana (11) 98765-4321", "11 98765-4321 (m\u00e3e)", "n\u00e3o tem"]),
        (PhoneProblem.SHORTENED, ["5,51199E+12", "5.51e12", "5E+12"]),
        (
            PhoneProblem.GROUP,
            ["120363041@g.us", "https://chat.whatsapp.com/Ab12", "https://wa.me/message/AB12", "1@lid"],
        ),
        (PhoneProblem.MISSING, ["#N/D", "#\u00a1REF!", "NULL", "nan", "Err:502"]),
        (PhoneProblem.EMPTY, ["", "\u200b\u00a0", "''"]),
        (PhoneProblem.NO_AREA_CODE, ["98765-4321", "3456-7890"]),
        (PhoneProblem.TEST_NUMBER, ["+1 555 025 3483", "15550253483"]),
        (PhoneProblem.CHARACTERS, ["-", "???"]),
    ],
)
def test_each_kind_of_text_that_is_no_phone_of_a_person_has_its_name(problem, texts):
    for text in texts:
        with pytest.raises(PhoneError) as refused:
            READ(text)
        assert refused.value.problem is problem, text


@pytest.mark.parametrize(
    "text",
    [
        *("1199998888.0", "1199998888.00", "1199998888,0", "1199998888.000", "1199998888.000000", "+551199998888.0"),
        *("'1199998888.0", '="1199998888.0"', "Tel: 1199998888.0", "tel:1199998888.0", "wa.me/551199998888.0"),
        *("1.199.998.888,0", "1,199,998,888.0", "1.199.998.888,000"),
    ],
)
def test_the_decimals_of_a_number_are_no_digits_of_the_phone(text):
    assert READ(text) == "+551199998888"


@pytest.mark.parametrize(
    "text",
    [
        *("11 9876-5432\u00b2", "11 9999-8883 \u2460", "\u00b9 11 9876-5432", "11 9876-5432 \u2474", "119876543\u2082"),
        *("11 9876-5433 2", "11 9876-5434 (1)", "11 9999-8878-1", "11 9999-8878. 1", "+55 11 9999-8888 7"),
        *("99999-8888 11", "99999-8888 (11)", "99999-8888-11", "999 654 321 11", "9999-7777 011"),
        *("1) 19 8765-4321", "2. 19 8765-4321", "3 - 49 8765-4321", "9 1998765432", "4 (79) 8765-4321"),
    ],
)
def test_digits_that_stand_apart_are_not_glued_to_a_number(text):
    with pytest.raises(PhoneError) as refused:
        READ(text)
    assert refused.value.problem is PhoneProblem.EXTRA_DIGITS


@pytest.mark.parametrize(
    ("region", "text", "number"),
    [
        ("BR", "11 98765 43 21", "+5511987654321"),
        ("BR", "11 987 654 321", "+5511987654321"),
        ("BR", "+7 912 345-67-89", "+79123456789"),
        ("BR", "+370 612 345 67", "+37061234567"),
        ("BR", "\uff11\uff11 \uff19\uff18\uff17\uff16\uff15-\uff14\uff13\uff12\uff11", "+5511987654321"),
        ("US", "1 415 555 2671", "+14155552671"),
        ("LT", "612 345 67", "+37061234567"),
        ("RU", "8 912 345-67-89", "+79123456789"),
    ],
)
def test_the_usual_groups_of_a_number_are_read_together(region, text, number):
    assert make_phone_reader(region)(text) == number


def test_test_numbers_of_meta_are_read_only_on_request():
    read = make_phone_reader("BR", takes_tests=True)
    assert read("+1 555 025 3483") == read("15550253483") == "+15550253483"
    assert read("(11) 98765-4321") == "+5511987654321"


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        *(("+551134567890", PhoneKind.LANDLINE), ("+351212345678", PhoneKind.LANDLINE)),
        *(("+551187654321", PhoneKind.WITHOUT_NINE), ("+5511987654321", None)),
        *(("+351912345678", None), ("+14155552671", None), ("+15550253483", None)),
    ],
)
def test_landlines_and_old_mobile_numbers_are_told_from_others(number, kind):
    assert make_phone_classifier("BR")(number) is kind


@pytest.mark.parametrize("text", ["+5511987654321\u00b2", "+55 11 98765-4321 \u00b9", "(11) 98765-4321\u2460"])
def test_a_note_at_a_number_is_refused(text):
    with pytest.raises(PhoneError) as refused:
        READ(text)
    assert refused.value.problem is PhoneProblem.EXTRA_DIGITS


@pytest.mark.parametrize(
    "text", ["555511987654321", "+55 55 (11) 98765-4321", "+555511987654321", "+55 5511987654321", "55551134567890"]
)
def test_a_country_code_that_stands_twice_is_named(text):
    with pytest.raises(PhoneError, match="has the country code 55 twice"):
        READ(text)


@pytest.mark.parametrize("mark", ["'", "\u2018", "\u2019", "`", "\u00b4"])
def test_an_apostrophe_before_a_number_is_no_part_of_it(mark):
    assert READ(f"{mark}11987654321") == READ(f"{mark} +55 11 98765-4321") == "+5511987654321"


@pytest.mark.parametrize(
    "text",
    [
        *("(51) 99333-272", "51 99333 272", "+55 51 99333-272", "051 99333.272", "(51)99333-272", "5199333-272"),
        *("(51) 9 933-3272", "51 9 9333-272", "+55 (51) 9-9333-272", "(51) 33333-272", "tel: (51) 99333-272"),
    ],
)
def test_the_groups_of_a_mobile_phone_show_a_lost_digit(text):
    with pytest.raises(PhoneError) as refused:
        READ(text)
    assert refused.value.problem is PhoneProblem.DIGIT_LOST


@pytest.mark.parametrize(
    "text",
    [
        *("(51) 9933-3272", "5199333272", "51 9933 3272", "+55 51 99333272", "51 993 33 272", "(51) 3333-3272"),
        *("(51) 99333-3272", "519 93333 272", "(51) 9 9333-3272", "51 993 333 272", "0xx51 9933-3272"),
    ],
)
def test_other_groups_have_all_digits(text):
    assert READ(text).startswith("+5551")


@pytest.mark.parametrize("region", ["BR", "GB"])
@pytest.mark.parametrize("form", ["{0}{1}{2}", "{0} {1} {2}", "({0}) {1}{2}", "0{0}{1}{2}", "{0}.{1}.{2}"])
def test_a_mobile_phone_of_portugal_without_its_country_code_is_never_one_of_another_country(region, form):
    read, digits = make_phone_reader(region), random.Random(7)
    for prefix in ("91", "92", "93", "96"):
        for _ in range(50):
            text = form.format(prefix, digits.randrange(1000, 10_000), digits.randrange(100, 1000))
            with pytest.raises(PhoneError) as refused:
                read(text)
            assert refused.value.problem in {PhoneProblem.INVALID, PhoneProblem.NO_AREA_CODE}, text


def test_the_example_of_a_phone_from_another_country_is_of_another_country():
    with pytest.raises(PhoneError, match=r"in GB: .* type '\+351… with the apostrophe"):
        make_phone_reader("GB")("912345678")
