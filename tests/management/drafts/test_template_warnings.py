"""Before a start, a person is warned of another template, text or values than at first, and of another language."""

from __future__ import annotations

import pytest

from campaigns.cli.hints import advise
from campaigns.management.accounts import add_template
from campaigns.management.campaigns import CampaignChanges, change_campaign, draft_campaign
from campaigns.management.drafts.imports import add_recipients
from campaigns.management.recipients import Reading
from tests.management.drafts.lists import LIST
from tests.store.rows import fetch
from tests.support.actors import TESTER


def test_another_template_is_named(database, filled_draft, look):
    add_template(database, "other", language="pt_BR", body="Tchau {{1}}!", actor=TESTER)
    campaign_id = filled_draft()
    change_campaign(database, campaign_id, CampaignChanges(template="other:pt_BR"), actor=TESTER)
    (asked,) = look(campaign_id)
    (warning,) = asked.warnings
    assert str(warning) == (
        f"The draft of campaign {campaign_id} was made with the template promo:pt_BR. It sends other:pt_BR now."
    )
    assert asked.message.body == "Tchau Ana!"


def test_a_text_that_was_edited_at_meta_is_shown(database, filled_draft, look):
    campaign_id = filled_draft()
    fetch(database, "UPDATE templates SET components = replace(components::text, 'Oi', 'Adeus')::jsonb")
    (asked,) = look(campaign_id)
    (warning,) = asked.warnings
    assert warning.code == "template_edited"
    assert str(warning).endswith("Before, its text was: Oi {{1}}!")
    assert asked.message.body == "Adeus Ana!"


def test_another_example_in_a_template_is_no_edit(database, filled_draft, warn_codes):
    campaign_id = filled_draft()
    fetch(database, "UPDATE templates SET components = jsonb_set(components, '{0,example}', '{\"body_text\": []}')")
    assert warn_codes(campaign_id) == []


def test_changed_values_are_named(database, filled_draft, look):
    add_template(database, "code", language="pt_BR", body="Oi {{1}}, {{2}}!", actor=TESTER)
    campaign_id = filled_draft(template="code:pt_BR", parameters={"2": "A1"})
    change_campaign(database, campaign_id, CampaignChanges(parameters={"2": "B2"}), actor=TESTER)
    (warning,) = look(campaign_id)[0].warnings
    assert str(warning).endswith("were changed after its draft was made: {{2}}: A1 → B2.")


def test_changes_before_the_first_list_are_no_warning(database, filled_draft, tmp_path, warn_codes):
    """On the pages a draft is made first, then filled: nobody has seen a message of it before it has people."""
    add_template(database, "code", language="pt_BR", body="Oi {{1}}, {{2}}!", actor=TESTER)
    filled_draft()
    asked = CampaignChanges(name="Sale", template="promo:pt_BR", accounts=["sales"])
    empty_id = draft_campaign(database, asked, time_zone="UTC", actor=TESTER).id
    changes = CampaignChanges(template="code:pt_BR", parameters={"2": "A1"})
    change_campaign(database, empty_id, changes, actor=TESTER)
    add_recipients(database, empty_id, tmp_path / "people.csv", Reading(), actor=TESTER)
    assert warn_codes(empty_id) == []
    change_campaign(database, empty_id, CampaignChanges(parameters={"2": "B2"}), actor=TESTER)
    assert warn_codes(empty_id) == ["values_changed"]


def test_a_draft_of_an_older_version_says_nothing_of_changes(database, filled_draft, warn_codes):
    campaign_id = filled_draft()
    fetch(database, "UPDATE campaigns SET made_with = NULL")
    fetch(database, "UPDATE imports SET facts = NULL")
    fetch(database, "UPDATE templates SET components = replace(components::text, 'Oi', 'Adeus')::jsonb")
    assert warn_codes(campaign_id) == []


@pytest.mark.parametrize(("language", "is_warned"), [("en", True), ("es_AR", True), ("pt_PT", True), ("pt_BR", False)])
def test_a_language_that_the_country_of_the_people_does_not_speak_is_a_warning(
    database, filled_draft, language, is_warned, warn_codes
):
    if language != "pt_BR":
        add_template(database, "promo", language=language, body="Oi {{1}}!", actor=TESTER)
    campaign_id = filled_draft(template=f"promo:{language}")
    assert (warn_codes(campaign_id) == ["language_differs"]) is is_warned


def test_a_few_people_abroad_are_no_warning_about_the_language(filled_draft, warn_codes):
    assert warn_codes(filled_draft(f"{LIST}+14155550123,Al\n")) == []


def test_the_warning_about_the_language_has_the_countries_with_their_counts(filled_draft, look):
    british = "".join(f"+44791112345{number},Al\n" for number in range(3))
    (warning,) = look(filled_draft(f"{LIST}{british}+34612345678,Eva\n"))[0].warnings
    assert str(warning).startswith(
        "The template promo:pt_BR is in another language than that of the countries of 4 recipients of campaign 1. The"
        " phones are those of GB 3, BR 2, ES 1."
    )


def test_more_than_a_third_of_the_people_with_one_other_language_are_a_warning(filled_draft, look):
    people = [f"+551199999000{number}" for number in range(6)] + [f"+3461234567{number}" for number in range(4)]
    rows = "".join(f"{phone},Ana\n" for phone in people)
    (warning,) = look(filled_draft(f"phone,name\n{rows}"))[0].warnings
    assert str(warning).startswith(
        "The template promo:pt_BR is in the language of the countries of 6 people of campaign 1, but the countries of 4"
        " recipients have another language. The phones are those of BR 6, ES 4."
    )


@pytest.mark.parametrize("others", ["+447911123450,Al\n", "+447911123450,Al\n+34612345678,Eva\n+390236618300,Ugo\n"])
def test_the_language_of_the_most_people_is_no_warning(filled_draft, others, warn_codes):
    assert warn_codes(filled_draft(f"{LIST}{others}")) == []


@pytest.mark.parametrize(
    ("phone_and_language", "countries"),
    [
        (("+35191334560", "pt_BR"), ["Brazilian Portuguese", "Portugal"]),
        (("+35191334560", "pt_PT"), None),
        (("+551199999001", "pt_PT"), ["European Portuguese", "Brazil"]),
        (("+52155123450", "es_ES"), None),
        (("+44772123450", "en_US"), None),
    ],
)
def test_the_portuguese_of_another_country_is_a_warning(database, filled_draft, look, phone_and_language, countries):
    phone, language = phone_and_language
    if language != "pt_BR":
        add_template(database, "promo", language=language, body="Oi {{1}}!", actor=TESTER)
    rows = "".join(f"{phone}{number},Ana\n" for number in range(1, 4))
    warnings = look(filled_draft(f"phone,name\n{rows}", template=f"promo:{language}"))[0].warnings
    found = [each for each in warnings if each.code == "language_differs"]
    assert [[str(each.values["own"]), str(each.values["other"])] for each in found] == (
        [countries] if countries else []
    )


def test_the_template_in_the_other_portuguese_is_proposed_if_there_is_one(database, filled_draft, look):
    campaign_id = filled_draft("phone,name\n+351913345600,Ana\n")
    (warning,) = look(campaign_id)[0].warnings
    assert warning.values["change"].entry.value == ""
    add_template(database, "promo", language="pt_PT", body="Olá {{1}}!", actor=TESTER)
    (warning,) = look(campaign_id)[0].warnings
    assert warning.values["change"].entry.value == "promo:pt_PT"


@pytest.mark.parametrize(
    ("others", "codes"),
    [
        ("+447911123450,Al\n+447911123451,Jo\n", "GB (+44)"),
        ("+351913345600,Rui\n+351913345601,Zé\n", "PT (+351)"),
    ],
)
def test_the_warning_about_the_language_of_a_mixed_list_says_how_to_make_two_campaigns(
    filled_draft, look, others, codes
):
    warnings = look(filled_draft(f"phone,name\n+5511961230040,Ana\n+5521961230041,Bia\n{others}"))[0].warnings
    (warning,) = [each for each in warnings if each.code == "language_differs"]
    advice = advise(warning)
    assert f"move the rows of the phones of {codes} into a second file" in advice
    assert "(`revoada campaign import 1 FILE --replace`)" in advice
