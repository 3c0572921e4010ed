from __future__ import annotations

import pytest

from campaigns.domain.phone.foreign import ForeignPhones, ForeignSearch, may_be_foreign
from campaigns.domain.phone.number import make_phone_classifier, make_phone_reader

BRITISH = ["07721 234560", "07931 245661", "07742 345672"]
LANDLINE = "7733334444"
READ, CLASSIFY = make_phone_reader("BR"), make_phone_classifier("BR")


def search(texts, language="pt_BR", region="BR"):
    found, read = ForeignSearch(region, language), make_phone_reader(region)
    for row_number, text in enumerate(texts, 2):
        found.add(row_number, text, read(text))
    return found.find()


@pytest.mark.parametrize(
    ("texts", "language", "likely"),
    [
        (BRITISH, "pt_BR", "GB"),  # the groups are not those of Brazil
        ([*BRITISH, "+5511987654321", "11 98765-4322"], "pt_BR", "GB"),
        ([each.replace(" ", "") for each in BRITISH], "pt_BR", "GB"),  # the list has no mobile phone of Brazil
        ([*(each.replace(" ", "") for each in BRITISH), "+447911123456", "+5511987654321"], "pt_BR", "GB"),
        ([*(each.replace(" ", "") for each in BRITISH), "+5511987654321"], "en_GB", "GB"),
        ([*(each.replace(" ", "") for each in BRITISH), "+5511987654321"], "en", "GB"),
        (["7721234560", "7931245661", "7742345672", "+447911123456", "11987654321"], "pt_BR", "GB"),
        (["212-555-0123", "213-555-0124", "214-555-0125"], "en_US", "US"),
        (["0532 234 56 78", "0532 234 56 79", "0535 234 56 78"], "tr", "TR"),
        (["0532 234 56 78", "0532 234 56 79", "0535 234 56 78"], "pt_BR", ""),
        (["0532 234 56 78", LANDLINE, "11987654321"], "pt_BR", ""),
    ],
)
def test_phones_of_another_country_are_found(texts, language, likely):
    count = sum(CLASSIFY(READ(each)) is not None and each[0] != "+" and each != LANDLINE for each in texts)
    found = search(texts, language)
    assert (found.count, found.row_number, found.region, found.likely) == (count, 2, "BR", likely)


def test_the_first_phone_is_shown_masked():
    assert search(BRITISH) == ForeignPhones(3, 2, "+55 77 ••••-4560", "BR", "GB")


@pytest.mark.parametrize("language", ["pt_BR", "pt_PT", "en", "en_US", "es_AR"])
@pytest.mark.parametrize(
    "texts",
    [
        ["011 98765-4321", "0xx11 98765-4321", "(011) 98765-4321", "(11) 98765-4321"],
        ["077 3421-1234", "(077) 3421-1234", "0xx77 3421-1234", "(77) 3421-1234", "0 77 3421-1234", "77 3421 1234"],
        ["(21) 2345-6789", "(21) 8765-4321", "21 2345 6789", "+12125550123", "+447911123456", "+351912345678"],
        ["+557721234560", "557721234560", "00557721234560"],
        ["11987654321", "5511987654321", "011987654321"],
    ],
)
def test_a_list_of_brazil_passes_without_a_word(texts, language):
    assert search(texts, language) is None


def test_landlines_of_brazil_with_a_leading_0_beside_mobile_phones_pass():
    assert search(["07733334444", "01133334444", "011987654321", "77 98765-4321"]) is None


@pytest.mark.parametrize("text", ["07721 234567", "07931245678", "0532 234 56 78"])
def test_a_typed_phone_may_be_foreign(text):
    assert may_be_foreign(text, READ(text), "BR")


@pytest.mark.parametrize(
    "text", ["011 98765-4321", "0xx11 98765-4321", "11 3333-4444", "(11) 8765-4321", "+557721234567", "00557721234567"]
)
def test_a_typed_phone_that_is_certain(text):
    assert not may_be_foreign(text, READ(text), "BR")
