from __future__ import annotations

import pytest

from tests.store.rows import fetch


def test_a_template_is_stored_as_meta_lists_it(house):
    row = house.json("template", "list")[0]
    assert (row["name"], row["language"], row["status"]) == ("promo", "pt_BR", "approved")
    assert row["components"] == [{"type": "BODY", "text": "Oi {{1}}!"}]


def test_the_list_tells_the_columns_of_a_file(house):
    house.ok("template", "add", "code", "--language", "en", "--body", "{{name}}, your code is {{code}}")
    output = house.ok("template", "list")
    assert "phone, 1" in output
    assert "phone, name, code" in output


def test_the_same_name_in_another_language_is_another_template(house):
    house.ok("template", "add", "promo", "--language", "en", "--body", "Hi {{1}}!")
    assert len(house.json("template", "list")) == 2


@pytest.mark.parametrize(
    ("name", "language", "body", "reason"),
    [
        ("promo", "pt_BR", "Oi!", "There is a template promo:pt_BR already."),
        ("Promo", "en", "Hi", "The template name 'Promo' is not"),
        ("new", "english", "Hi", "language"),
        ("new", "en", " ", "The body is empty."),
        ("new", "en", "Hi {{2}}", "number the variables without gaps"),
        ("new", "en", "Hi {{1}", "does not close it"),
        ("new", "en", "x" * 1025, "1024"),
    ],
)
def test_a_template_that_meta_would_not_approve_is_refused(house, name, language, body, reason):
    line = house.refusal("template", "add", name, "--language", language, "--body", body)
    assert reason in line


@pytest.fixture
def meta(house, far):
    """`meta({template}, …)`: what Meta lists from now on."""
    house.environment["GRAPH_API_URL"] = f"{far.url}/v24.0"

    def list_these(*templates, **more):
        far.script(templates=[{"language": "pt_BR", "body": "Oi {{1}}!", **each} for each in templates], **more)

    return list_these


def test_sync_shows_what_is_new_changed_and_gone(house, meta):
    meta({"name": "promo"}, {"name": "old"})
    output = house.ok("template", "sync")
    assert "WABA 22: 2 templates, 2 new, changed or gone." in output
    meta({"name": "promo", "status": "PAUSED"}, {"name": "fresh"})
    output = house.ok("template", "sync")
    for words in (["fresh:pt_BR", "new", "approved"], ["old:pt_BR", "gone", "deleted"], ["promo:pt_BR", "changed"]):
        assert any(all(word in line for word in words) for line in output.splitlines()), words
    assert "status approved → paused" in output
    assert "WABA 22: 2 templates, nothing has changed." in house.ok("template", "sync", "sales")


def test_sync_of_a_waba_without_templates_asks_whether_it_is_the_right_one(house, meta):
    meta()
    told = house.ok("template", "sync")
    assert "WABA 22: Meta lists no template. Is 22 the WhatsApp Business Account that has your templates?" in told


def test_sync_as_json_has_the_changes_of_each_waba(house, meta):
    meta({"name": "promo"})
    (row,) = house.json("template", "sync", "--waba", "22")
    assert (row["waba_id"], row["count"], row["error"], row["skipped"], row["misfits"]) == ("22", 1, None, [], [])
    assert row["changes"] == [
        {"name": "promo", "language": "pt_BR", "kind": "new", "status": "approved", "details": ""}
    ]


def test_a_sync_that_meta_refuses_is_one_sentence_and_an_exit_code(house, meta):
    meta(template_reads="error:190")
    line = house.refusal("template", "sync")
    assert line == (
        "Not all templates could be read. WABA 22: Request failed with status code 401 (code 190): Error validating "
        "access token: Session has expired on Tuesday, 22-Sep-26 10:00:00 PDT. Make a new token (Business settings, "
        "System users), then `revoada account set support --token-stdin`."
    )
    assert house.refusal("template", "sync", "nobody").startswith("There is no account nobody")


def test_sync_rings_the_campaigns_that_waited(house, meta, people, database):
    meta({"name": "promo", "status": "PAUSED"})
    house.ok("template", "sync")
    house(
        *("campaign", "create", "Sale", "--template", "promo:pt_BR", "--account", "sales"),
        *("--recipients", str(people)),
    )
    fetch(database, "UPDATE campaigns SET status = 'running', started_at = now(), waiting_reason = 'template'")
    meta({"name": "promo"})
    house.ok("template", "sync")
    assert house.enqueued == [1]


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        (
            {"body": "Oi {{1}} {{2}}!"},
            "The template promo:pt_BR now takes 1, 2 from each row, but the campaign's rows have 1.",
        ),
        ({"body": "Oi!"}, "The template promo:pt_BR now takes nothing from each row, but the campaign's rows have 1."),
        (
            {"components": [{"type": "CAROUSEL", "cards": []}]},
            "A campaign cannot fill the template promo:pt_BR: component CAROUSEL.",
        ),
        ({"body": ""}, "The template promo:pt_BR cannot be sent: The body is empty."),
    ],
)
def test_a_campaign_says_why_it_no_longer_fits_its_template(house, meta, create, form, reason):
    meta({"name": "promo"})
    house.ok("template", "sync")
    campaign_id = create()
    assert house.json("campaign", "show", campaign_id)["misfit"] is None
    meta({"name": "promo", **form})
    house.ok("template", "sync")
    assert house.json("campaign", "show", campaign_id)["misfit"] == reason
    assert reason in house.ok("campaign", "show", campaign_id)
    assert house.refusal("campaign", "preview", campaign_id) == reason
    house.ok("campaign", "cancel", campaign_id)
    assert house.json("campaign", "show", campaign_id)["misfit"] is None


def test_show_previews_a_template_and_tells_what_must_be_filled(house, meta):
    header = {"type": "HEADER", "format": "IMAGE"}
    buttons = [
        {"type": "URL", "text": "Ver", "url": "https://example.com/{{1}}"},
        {"type": "QUICK_REPLY", "text": "Sair"},
    ]
    meta({"name": "rich", "quality": "GREEN", "components": [header, {"type": "BUTTONS", "buttons": buttons}]})
    house.ok("template", "sync")
    output = house.ok("template", "show", "rich:pt_BR", "--var", "1=Ana", "--var", "button 1=u")
    for shown in (
        "Oi Ana!",
        "[image] {{header}}",
        "[Ver] https://example.com/u",
        "phone, header, 1, button 1",
        "GREEN",
    ):
        assert shown in output
    (row,) = house.json("template", "show", "rich:pt_BR")
    assert [each["name"] for each in row["parameters"] if not each["required"]] == ["button 2"]
    assert row["preview"]["body"] == "Oi {{1}}!"
    assert (row["status"], row["category"], row["quality"], row["waba_id"]) == ("approved", "MARKETING", "GREEN", "22")


def test_show_refuses_what_the_template_does_not_take(house):
    assert "no template none:en" in house.refusal("template", "show", "none:en")
    assert "has no 'x' to set" in house.refusal("template", "show", "promo:pt_BR", "--var", "x=1")
    assert "is empty" in house.refusal("template", "show", "promo:pt_BR", "--var", "1=")


def test_a_template_that_cannot_be_sent_is_listed_and_shown_with_the_reason(house, meta):
    meta({"name": "odd", "components": [{"type": "CAROUSEL", "cards": []}]}, {"name": "bare", "body": ""})
    house.ok("template", "sync")
    for output in (house.ok("template", "list"), house.ok("template", "show", "odd:pt_BR")):
        assert "component CAROUSEL" in output
    assert "The body is empty." in house.ok("template", "list")
    (row,) = house.json("template", "show", "bare:pt_BR")
    assert (row["preview"], row["cannot_be_sent"]) == (
        None,
        "The template bare:pt_BR cannot be sent: The body is empty.",
    )


def test_a_draft_whose_template_takes_other_values_now_is_one_warning(house, meta, create):
    meta({"name": "promo", "body": "Oi {{1}}!"})
    house.ok("template", "sync")
    create("Sale")
    meta({"name": "promo", "body": "Oi {{1}}, {{2}}!"})
    (warning,) = house("template", "sync").stderr.splitlines()
    assert warning.startswith("Warning: the template of campaign 1 takes other values now")


def test_a_draft_whose_text_was_edited_is_one_warning(house, meta, create):
    meta({"name": "promo", "body": "Oi {{1}}!"})
    house.ok("template", "sync")
    create("Sale")
    meta({"name": "promo", "body": "Tchau {{1}}!"})
    (warning,) = house("template", "sync").stderr.splitlines()
    assert warning.startswith("Warning: campaign 1 (Sale) is draft and sends the edited template promo:pt_BR.")


def test_a_start_shows_the_text_of_now_and_says_that_it_was_edited(house, meta, create):
    meta({"name": "promo", "body": "Oi {{1}}!"})
    house.ok("template", "sync")
    campaign_id = create("Sale")
    meta({"name": "promo", "body": "Tchau {{1}}!"})
    assert (
        "was edited at Meta after the draft of campaign 1 was made."
        in house("campaign", "start", campaign_id, "--yes").stderr
    )
    assert "Tchau Ana!" in house.ok("campaign", "preview", campaign_id)


def test_a_start_with_yes_says_that_meta_does_not_answer(house, meta, create):
    meta({"name": "promo", "body": "Oi {{1}}!"})
    house.ok("template", "sync")
    campaign_id = create("Sale")
    started = house("campaign", "start", campaign_id, "--yes", GRAPH_API_URL="http://127.0.0.1:9/v24.0")
    assert started.exit_code == 0
    assert "Warning: The template promo:pt_BR of campaign 1 could not be read again at Meta" in started.stderr
