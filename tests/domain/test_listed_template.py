from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.domain.template import ListedTemplate, TemplateError, read_listed, read_template_status

ENTRY = {
    "id": "594425479261596",
    "name": "promo",
    "language": "pt_BR",
    "status": "APPROVED",
    "category": "MARKETING",
    "quality_score": {"score": "GREEN", "date": 1789000000},
    "components": [{"type": "BODY", "text": "Oi {{1}}"}],
}


def test_an_entry_is_read_as_in_the_reference():
    assert read_listed(ENTRY) == ListedTemplate(
        "594425479261596", "promo", "pt_BR", [{"type": "BODY", "text": "Oi {{1}}"}], "approved", "MARKETING", "GREEN"
    )


def test_components_that_no_campaign_can_send_are_kept():
    parts = [{"type": "CAROUSEL", "cards": [{"components": []}]}]
    assert read_listed(ENTRY | {"components": parts}).components == parts


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("APPROVED", "approved"),
        ("REINSTATED", "approved"),
        ("PAUSED", "paused"),
        ("in_appeal", "in_appeal"),
        ("PENDING_DELETION", "deleted"),
        ("SOMETHING_NEW", "something_new"),
    ],
)
def test_a_status_is_ours_or_a_new_word_of_metas(word, status):
    assert read_listed(ENTRY | {"status": word}).status == status


@pytest.mark.parametrize("word", ["FLAGGED", "MISSING", "REFUSED", ""])
def test_a_word_that_is_no_status_of_metas_means_none(word):
    assert read_template_status(word) is None


def test_a_language_with_a_hyphen_is_the_same_language():
    assert read_listed(ENTRY | {"language": "pt-BR"}).language == "pt_BR"


@pytest.mark.parametrize(
    "changes",
    [
        {"id": 594425479261596},
        {"id": None},
        {"id": "x" * 99},
        {"category": None},
        {"category": 7},
        {"quality_score": None},
        {"quality_score": "GREEN"},
        {"quality_score": {"score": {}}},
        {"status": "SOMETHING_NEW"},
    ],
)
def test_what_only_describes_a_template_may_be_missing_or_strange(changes):
    assert read_listed(ENTRY | changes).name == "promo"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": None}, "The template name '' is not"),
        ({"name": "Promo!"}, "The template name 'Promo!' is not"),
        ({"language": "english"}, "The language 'english' is not"),
        ({"status": None}, "promo:pt_BR has no status"),
        ({"status": "a b"}, "promo:pt_BR has no status"),
        ({"components": None}, "not a list of objects"),
        ({"components": ["BODY"]}, "not a list of objects"),
        ({"components": [{"text": "a\0b"}]}, "NUL"),
        ({"components": [{"text": "\ud800"}]}, "Unicode"),
        ({"components": [{"text": float("inf")}]}, "JSON"),
        ({"components": [{"text": "x" * 100_001}]}, "longer than"),
    ],
)
def test_what_cannot_be_kept_says_why(changes, reason):
    with pytest.raises(TemplateError) as refused:
        read_listed(ENTRY | changes)
    assert reason in str(refused.value)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below, max_size=3),
    max_leaves=6,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(ENTRY, anything)))
def test_whatever_meta_sends_is_read_or_refused(changes):
    with contextlib.suppress(TemplateError):
        assert read_listed(ENTRY | changes).name
