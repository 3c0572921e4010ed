from __future__ import annotations

import pytest

from campaigns.domain.filling import fill, list_parameters, read_key
from campaigns.domain.template import TemplateError, template_from_components

BODY = {"type": "BODY", "text": "Oi {{1}}, hoje {{2}}."}
BUTTONS = {
    "type": "BUTTONS",
    "buttons": [
        {"type": "URL", "text": "Ver", "url": "https://example.com/{{1}}"},
        {"type": "QUICK_REPLY", "text": "Sair"},
        {"type": "PHONE_NUMBER", "text": "Ligar", "phone_number": "+551133334444"},
        {"type": "COPY_CODE", "text": "Copiar"},
    ],
}


def make(*components):
    return template_from_components("promo", "pt_BR", components or (BODY,))


def image(kind="IMAGE"):
    return {"type": "HEADER", "format": kind}


def names(template):
    return [each.name if each.is_required else f"({each.name})" for each in list_parameters(template)]


def test_the_parameters_come_in_the_order_of_a_send():
    assert names(make(BUTTONS, BODY, image())) == ["header", "1", "2", "button 1", "(button 2)", "button 4"]
    assert names(make(image("DOCUMENT"), BODY)) == ["header", "(file name)", "1", "2"]


def test_a_header_text_is_called_header_by_number_and_by_its_own_name():
    assert names(make({"type": "HEADER", "format": "TEXT", "text": "Para {{1}}"}, BODY)) == ["header", "1", "2"]
    named = {"type": "HEADER", "format": "TEXT", "text": "Para {{nome}}"}
    assert names(make(named, {"type": "BODY", "text": "Oi {{cidade}}"})) == ["nome", "cidade"]


def test_no_two_parameters_bear_the_same_name():
    named = {"type": "HEADER", "format": "TEXT", "text": "{{header}}"}
    for header in (named, image(), {"type": "HEADER", "format": "TEXT", "text": "{{nome}}"}):
        found = names(make(header, {"type": "BODY", "text": "{{header}} {{nome}}"}))
        assert len(found) == len(set(found)) == 3


def test_the_rows_bring_what_is_not_the_same_for_all():
    filling = fill(make(image("VIDEO"), BODY, BUTTONS), {"header": "https://example.com/a.mp4", "2": "20%"})
    assert filling.names == ["1", "button 1", "button 4"]


def test_an_optional_parameter_is_a_column_only_when_asked_for():
    assert fill(make(image("DOCUMENT"), BODY), {"file name": None}).names == ["header", "file name", "1", "2"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (
            {"3": "x"},
            "The template promo:pt_BR has no '3' to set, it takes header, 1, 2, button 1, button 2 (optional)",
        ),
        ({"1": ""}, "The value for 1 of the template promo:pt_BR is empty."),
        ({"1": "a\nb"}, "The value for 1 of the template promo:pt_BR has a line break."),
        ({"header": "http://example.com/a.png"}, "is neither a link that begins with https:// nor the id of an upload"),
        ({"button 2": "x" * 129}, "is longer than 128 characters"),
        (
            {"button 1": "https://other.example/u"},
            "is a link to other.example, and the button's link leads to example.com",
        ),
        ({"button 4": "x" * 21}, "is longer than 20 characters"),
        ({"file name": "a.pdf"}, "has no 'file name' to set"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(given, reason):
    with pytest.raises(TemplateError) as refused:
        fill(make(image(), BODY, BUTTONS), given)
    assert reason in str(refused.value)
    assert str(refused.value).endswith(".")


def test_a_template_that_needs_what_we_cannot_give_is_refused():
    with pytest.raises(TemplateError, match=r"cannot fill the template promo:pt_BR: component CAROUSEL\."):
        fill(make(BODY, {"type": "CAROUSEL", "cards": []}), {})


@pytest.mark.parametrize("value", ["https://example.com/a.png?x=1", "HTTPS://EXAMPLE.COM", "1013859600285441"])
def test_media_is_a_link_or_an_id(value):
    (header,) = list_parameters(make(image(), {"type": "BODY", "text": "Oi"}))
    assert header.problem(value) is None


@pytest.mark.parametrize(
    "value",
    [
        *("http://example.com/a.png", "https://", "https:///a", "example.com/a.png", "https://exa mple.com", "1" * 33),
        *("https://user@example.com/a.png", "https://example.com/a\x00", "https://example.com/\ud800", "١٢٣"),
    ],
)
def test_what_meta_could_not_fetch_is_no_media(value):
    (header,) = list_parameters(make(image(), {"type": "BODY", "text": "Oi"}))
    assert header.problem(value) == "is neither a link that begins with https:// nor the id of an upload"


def test_media_has_a_length_too():
    (header,) = list_parameters(make(image(), {"type": "BODY", "text": "Oi"}))
    assert header.problem("") == "is empty"
    assert header.problem("https://example.com/" + "a" * 1980) is None
    assert header.problem("https://example.com/" + "a" * 1981) == "is longer than 2000 characters"


def test_the_whole_link_of_a_button_has_room_for_2000_characters():
    button = list_parameters(make(BODY, BUTTONS))[2]
    assert button.problem("a" * (2000 - len("https://example.com/"))) is None
    assert button.problem("a" * (2001 - len("https://example.com/"))) == "is longer than 1980 characters"


def test_the_whole_header_has_room_for_60_characters():
    header = list_parameters(make({"type": "HEADER", "format": "TEXT", "text": "Para {{1}}!"}, BODY))[0]
    assert header.problem("a" * 54) is None
    assert header.problem("a" * 55) == "is longer than 54 characters"


def check(values, given=(), text="Oi {{1}}, hoje {{2}}, {{2}}."):
    filling = fill(make(image(), {"type": "BODY", "text": text}), dict(given))
    return filling.make_reader()(values)


def test_a_row_that_fits_is_returned_without_spaces_around_its_values():
    assert check(["77", " Ana\u00a0", "20%"]) == ["77", "Ana", "20%"]


def test_the_first_wrong_value_of_a_row_is_named():
    assert check(["77", "Ana", "a\tb"]) == (2, "has a tab")
    assert check(["x", "", "a\tb"])[0] == 0


def test_the_whole_body_has_room_for_1024_characters_and_the_longest_value_is_to_blame():
    fixed = len("Oi , hoje , .")
    assert isinstance(check(["77", "a" * (1024 - fixed - 4), "bb"]), list)
    assert check(["77", "a" * (1025 - fixed - 4), "bb"]) == (1, "makes the message longer than 1024 characters")
    assert check(["77", "a" * 500, "b" * 300]) == (2, "makes the message longer than 1024 characters")


def test_what_is_the_same_for_all_takes_room_from_the_rows():
    assert isinstance(check(["77", "a" * 500], {"2": "b" * 200}), list)
    assert check(["77", "a" * 700], {"2": "b" * 200}) == (1, "makes the message longer than 1024 characters")


def test_values_for_all_that_make_every_message_too_long_are_refused_at_once():
    with pytest.raises(TemplateError, match="longer than 1024 characters"):
        fill(make(), {"1": "a" * 600, "2": "b" * 600})


@pytest.mark.parametrize("text", ["button 1", " Button  1", "{{button 1}}"])
def test_a_key_is_read_as_people_write_it(text):
    assert read_key(text) == "button 1"
