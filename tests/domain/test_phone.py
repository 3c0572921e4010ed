from __future__ import annotations

import random

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.domain.phone.number import PhoneError, make_phone_reader
from campaigns.domain.phone.person import recipient_key
from campaigns.domain.phone.regions import REGIONS, read_region

READ = make_phone_reader("BR")


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
        ("ligar para Ana", "has letters in it"),
        ("(11) 98765-4321 ramal 12", "has letters in it"),
        ("11 98765-4321 / 11 91234-5678", "has more than one number in it, or something beside it"),
        ("11987654321;11912345678", "has more than one number in it, or something beside it"),
        ("(11) 98765-4321 11 91234-5678", "has more than 15 digits"),
        ("+", "has characters that no phone number has"),
        ("55+11987654321", "has characters that no phone number has"),
        ("+٥٥١١٩٩٩٩٩٠٠٠٠", "has characters that no phone number has"),
        ("98765-4321", "is not a valid phone number in BR: others need + and the country code"),
        ("(20) 98765-4321", "is not a valid phone number in BR: others need + and the country code"),
        ("351912345678", "is not a valid phone number in BR: others need + and the country code"),
        ("190", "is not a valid phone number in BR: others need + and the country code"),
        ("+5511", "is not a valid phone number"),
        ("+551198765432199", "is not a valid phone number"),
        ("+999123456789", "is not a phone number"),
    ],
)
def test_what_is_no_number_has_a_reason(text, reason):
    with pytest.raises(PhoneError) as refused:
        READ(text)
    assert str(refused.value) == reason


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
