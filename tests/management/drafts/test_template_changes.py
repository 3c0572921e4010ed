"""A draft takes another template only if the values of its people fit it."""

from __future__ import annotations

import pytest
from psycopg.types.json import Jsonb

from campaigns.management.accounts import add_account, add_template
from campaigns.management.campaigns import CampaignChanges, change_campaign
from campaigns.management.drafts.imports import add_recipients
from campaigns.management.recipients import Reading
from campaigns.secrets import make_key
from tests.management.drafts.lists import ANA
from tests.store.rows import fetch
from tests.support.actors import TESTER
from tests.support.campaigns import read_campaign, refusal

KEY = make_key()


def test_a_draft_without_people_takes_a_template_with_other_variables(house, draft, write):
    campaign_id = draft()
    change_campaign(house, campaign_id, CampaignChanges(template="offer:en"), actor=TESTER)
    assert read_campaign(house, campaign_id).columns == ["1", "2"]
    add_recipients(house, campaign_id, write(ANA, columns="phone,name,off"), Reading(), actor=TESTER)
    assert (
        refusal(change_campaign, house, campaign_id, CampaignChanges(template="promo:en"), actor=TESTER)
        == "recipients_misfit"
    )


def add_stored(database, name, *components, waba="1", language="en"):
    row = "INSERT INTO templates (name, language, components, waba_id) VALUES (%s, %s, %s, %s)"
    fetch(database, row, name, language, Jsonb(list(components)), waba)


def body(text):
    return {"type": "BODY", "text": text}


def link(url):
    return {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "See", "url": url}]}


@pytest.mark.parametrize(
    ("bodies", "fits"),
    [
        (("Hi {{name}}, use {{code}}", "Code {{code}} for {{name}}"), False),
        (("Hi {{name}}, use {{code}}", "{{code}} until {{date}}"), False),
        (("Hi {{name}}, use {{code}}", "{{name}} until {{date}}"), False),
        (("Hi {{name}}, use {{code}}", "Hello {{name}}: {{code}}!"), True),
        (("Hi {{name}}, use {{code}}", "Hi {{first_name}}, use {{coupon}}"), True),
        (("Hi {{1}}, use {{2}}", "Hi {{name}}, use {{code}}"), True),
    ],
)
def test_values_go_to_another_template_only_under_the_same_or_all_new_names(house, draft, write, bodies, fits):
    for name, text in zip(("old", "new"), bodies, strict=True):
        add_template(house, name, language="en", body=text, actor=TESTER)
    campaign_id = draft(template="old:en")
    columns = ",".join(["phone", *read_campaign(house, campaign_id).columns])
    add_recipients(house, campaign_id, write(ANA, columns=columns), Reading(), actor=TESTER)
    change = CampaignChanges(template="new:en")
    if fits:
        change_campaign(house, campaign_id, change, actor=TESTER)
    else:
        assert refusal(change_campaign, house, campaign_id, change, actor=TESTER) == "recipients_misfit"


def test_a_name_that_moves_from_the_header_to_the_body_does_not_take_the_value_of_the_other(house, draft, write):
    def header(text):
        return {"type": "HEADER", "format": "TEXT", "text": text}

    add_stored(house, "old", header("For {{name}}"), body("Use {{code}}"))
    add_stored(house, "new", header("Use {{code}}"), body("For {{name}}"))
    campaign_id = draft(template="old:en")
    add_recipients(house, campaign_id, write(ANA, columns="phone,name,code"), Reading(), actor=TESTER)
    assert (
        refusal(change_campaign, house, campaign_id, CampaignChanges(template="new:en"), actor=TESTER)
        == "recipients_misfit"
    )


def test_ends_of_links_are_not_sent_behind_another_beginning(house, draft, write):
    add_stored(house, "old", body("Hi"), link("https://shop.example/{{1}}"))
    add_stored(house, "same", body("Hello"), link("https://shop.example/{{1}}"))
    add_stored(house, "new", body("Hi"), link("https://other.example/a/{{1}}"))
    campaign_id = draft(template="old:en")
    add_recipients(house, campaign_id, write(ANA, columns="phone,button 1"), Reading(), actor=TESTER)
    assert (
        refusal(change_campaign, house, campaign_id, CampaignChanges(template="new:en"), actor=TESTER) == "links_differ"
    )
    change_campaign(house, campaign_id, CampaignChanges(template="same:en"), actor=TESTER)


def test_a_value_for_all_may_go_behind_another_beginning(house, draft, write):
    add_stored(house, "old", body("Hi {{1}}"), link("https://shop.example/{{1}}"))
    add_stored(house, "new", body("Hi {{1}}"), link("https://other.example/{{1}}"))
    campaign_id = draft(template="old:en", parameters={"button 1": "sale"})
    add_recipients(house, campaign_id, write(ANA), Reading(), actor=TESTER)
    change_campaign(house, campaign_id, CampaignChanges(template="new:en"), actor=TESTER)


def test_accounts_whose_wabas_have_other_beginnings_of_a_link_share_no_campaign(house, draft):
    add_account(house, "agency", phone_number_id="2", waba_id="2", token="t", secret_key=KEY, actor=TESTER)
    for waba, url in (("1", "https://shop.example/{{1}}"), ("2", "https://agency.example/{{1}}")):
        add_stored(house, "see", body("Hi"), link(url), waba=waba)
        add_stored(house, "plain", body("Hi"), link(url.partition("{{")[0]), waba=waba)
    assert refusal(draft, template="see:en", accounts=["sales", "agency"]) == "template_differs"
    draft(template="plain:en", accounts=["sales", "agency"])
