"""The languages of a country, by the beginning of its phones."""

from __future__ import annotations

import pytest

from campaigns.domain.phone.languages import find_languages


@pytest.mark.parametrize(
    ("prefix", "languages"), [("551", {"pt"}), ("351", {"pt"}), ("999", set()), ("344", {"es"}), ("541", {"es"})]
)
def test_languages_of_a_country_code(prefix, languages):
    assert languages <= find_languages(prefix)
    assert bool(find_languages(prefix)) is bool(languages)
