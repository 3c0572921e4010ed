"""The lists of accounts, templates and changes."""

from __future__ import annotations

from campaigns.domain.users.rights import Role
from campaigns.management.accounts import add_template
from tests.support.actors import TESTER


def collect(program, path):
    """All items of a list, page by page."""
    items, page = [], program.ok("GET", path)
    while True:
        items += page["items"]
        if page["next"] is None:
            return items
        page = program.ok("GET", f"{path}&cursor={page['next']}")


def test_accounts_are_listed_without_their_tokens(house, program):
    listed = collect(program, "/accounts?limit=1")
    assert [(each["id"], each["name"], each["active"], each["quality"]) for each in listed] == [
        ("1", "sales", True, ""),
        ("2", "support", True, ""),
    ]
    assert program.ok("GET", "/accounts/2") == listed[1]
    assert not any("token" in name for name in listed[0])


def test_templates_are_listed_by_name(house, program):
    for name in ("aviso", "natal"):
        add_template(house, name, language="pt_BR", body="Oi!", actor=TESTER)
    listed = collect(program, "/templates?limit=2")
    assert [each["name"] for each in listed] == ["aviso", "natal", "promo"]
    assert listed[2]["components"] == [{"type": "BODY", "text": "Oi {{1}}!"}]
    assert [each["name"] for each in collect(program, "/templates?text=nat&status=approved")] == ["natal"]
    assert program.problem("GET", "/templates?account=nobody") == (404, "account_missing")


def test_the_audit_is_listed_newest_first(house, api, program):
    maria = api.program(Role.OPERATOR, name="maria")
    campaign_id = maria.ok("POST", "/campaigns", {"name": "Sale", "template": "promo:pt_BR"})["id"]
    events = collect(program, "/audit?limit=2")
    assert (events[0]["what"], events[0]["actor"], events[0]["target_id"]) == ("campaign.create", "maria", campaign_id)
    assert events[0]["after"]["name"] == "Sale"
    assert [each["at"] for each in events] == sorted((each["at"] for each in events), reverse=True)
    assert [each["what"] for each in collect(program, f"/audit?campaign_id={campaign_id}")] == ["campaign.create"]
    assert {each["actor"] for each in collect(program, "/audit?actor=tester&what=token.add")} == {"tester"}
    assert collect(program, "/audit?since=2100-01-01T00:00:00Z") == []


def test_who_may_see_no_phones_gets_the_audit_with_masked_phones(house, api):
    operator, viewer = api.program(Role.OPERATOR), api.program(Role.VIEWER)
    body = {"name": "Sale", "template": "promo:pt_BR", "parameters": {"1": "+55 11 99999-0001"}}
    operator.ok("POST", "/campaigns", body)
    seen = [
        each.ok("GET", "/audit?what=campaign.create")["items"][0]["after"]["parameters"]["1"]
        for each in (operator, viewer)
    ]
    assert "9999" in seen[0]
    assert seen[0] != seen[1]
    assert "99999-0001" not in seen[1]
