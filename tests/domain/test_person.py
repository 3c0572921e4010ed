import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.domain.phone.person import recipient_key

numbers = st.one_of(
    st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True),
    st.from_regex(r"\+(55|52|521|54|549)[0-9]{8,12}", fullmatch=True),
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("+551187654321", "+5511987654321"),
        ("+553188887777", "+5531988887777"),
        ("+556199998888", "+5561999998888"),
        ("+5215512345678", "+525512345678"),
        ("+5491123456789", "+541123456789"),
        ("5511987654321", "+551187654321"),  # a wa_id
    ],
)
def test_both_forms_of_a_number_are_one_person(one, other):
    assert recipient_key(one) == recipient_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("+551134567890", "+5511934567890"),  # a landline, and a mobile that ends like it
        ("+5511987654321", "+5511887654321"),
        ("+5511987654321", "+5521987654321"),
        ("+525512345678", "+525512345679"),
        ("+12025550100", "+12025550101"),
    ],
)
def test_other_numbers_are_other_people(one, other):
    assert recipient_key(one) != recipient_key(other)


@pytest.mark.parametrize(
    "number", ["+5511987654321", "+551134567890", "+525512345678", "+541123456789", "+4915112345678"]
)
def test_the_usual_form_is_the_key(number):
    assert recipient_key(number) == number


@given(numbers)
def test_the_key_of_a_key_is_itself(number):
    key = recipient_key(number)
    assert recipient_key(key) == key
    assert recipient_key(number.removeprefix("+")) == key


@given(numbers, numbers)
def test_only_forms_of_one_number_share_a_key(one, other):
    """Apart from the digit that came or went, all digits are those of the number."""
    if recipient_key(one) == recipient_key(other):
        assert one[-8:] == other[-8:]
