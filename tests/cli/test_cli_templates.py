from __future__ import annotations

import pytest


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
        ("new", "en", "Hi {{2}}", "numbers without gaps"),
        ("new", "en", "Hi {{1}", "does not close it"),
        ("new", "en", "x" * 1025, "1024"),
    ],
)
def test_a_template_that_meta_would_not_approve_is_refused(house, name, language, body, reason):
    line = house.refusal("template", "add", name, "--language", language, "--body", body)
    assert reason.replace("numbers", "number") in line
