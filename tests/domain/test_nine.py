from __future__ import annotations

import pytest

from campaigns.domain.phone.nine import MobilesWithoutNine, NineSearch
from campaigns.domain.phone.number import PhoneKind


def search(old, new):
    found = NineSearch()
    for row in range(2, 2 + new):
        found.add(row, f"+5511{987654321 + row}", None)
    for row in range(2 + new, 2 + new + old):
        found.add(row, "+555199333272", PhoneKind.WITHOUT_NINE)
    return found.find()


def test_one_phone_without_its_9_is_named_and_may_have_lost_a_digit():
    assert search(1, 13) == MobilesWithoutNine(1, [(15, "+55 51\u2022\u2022\u2022\u20223272")], is_slip=True)


@pytest.mark.parametrize(
    ("old", "new", "is_slip"),
    [(1, 3, True), (2, 6, True), (20, 1_000, True), (1, 2, False), (3, 20, False), (1, 0, False), (60, 1_000, False)],
)
def test_the_share_of_such_phones_tells_a_slip_from_an_old_list(old, new, is_slip):
    found = search(old, new)
    assert (found.count, len(found.first), found.is_slip) == (old, min(old, 5), is_slip)


def test_a_list_whose_phones_have_their_9_has_nothing_to_name():
    assert search(0, 5) is None
