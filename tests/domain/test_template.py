from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.domain.template import (
    Button,
    ButtonKind,
    HeaderMedia,
    HeaderText,
    MediaKind,
    ParameterFormat,
    TemplateError,
    parse_body,
    render,
    template_from_components,
    variable_problem,
)

BODY = {"type": "BODY", "text": "Olá {{1}}"}
POSITIONAL, NAMED = ParameterFormat.POSITIONAL, ParameterFormat.NAMED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Olá", (POSITIONAL, ())),
        ("Olá {{1}}, {{2}}", (POSITIONAL, ("1", "2"))),
        ("{{2}} before {{1}}, {{2}} again", (POSITIONAL, ("1", "2"))),
        ("Olá {{first_name}}, {{code}} {{first_name}}", (NAMED, ("first_name", "code"))),
        ("{{line_2}} {a} }} {", (NAMED, ("line_2",))),
        (" ".join(f"{{{{{n}}}}}" for n in range(1, 12)), (POSITIONAL, tuple(str(n) for n in range(1, 12)))),
    ],
)
def test_the_variables_of_a_body_are_found_in_order(text, expected):
    assert parse_body(text) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "The body is empty."),
        ("{{1}} {{3}}", "The body has {{3}} but no {{2}}: number the variables without gaps."),
        ("{{2}}", "The body has {{2}} but no {{1}}"),
        ("{{0}} {{1}}", "The body has {{0}}: numbers start at 1"),
        ("{{01}}", "The body has {{01}}: numbers start at 1"),
        ("Olá {{1}} {{name}}", "The body mixes numbers with the name {{name}}"),
        ("Olá {{Name}}", "The body has {{Name}} at character 5"),
        ("Olá {{ 1 }}", "The body has {{ 1 }} at character 5"),
        ("Olá {{}}", "The body has {{}} at character 5"),
        ("{{\u0661}}", "at character 1"),
        ("Olá {{name", "The body opens a variable at character 5 and does not close it."),
        ("a" * 1025, "The body has 1025 characters, at most 1024 are allowed."),
    ],
)
def test_a_wrong_body_is_refused_with_a_sentence_that_says_where(text, problem):
    with pytest.raises(TemplateError, match=re.escape(problem)):
        parse_body(text)


@given(st.text(alphabet="{}1203a_ \n", max_size=40))
def test_a_body_is_refused_or_can_be_filled_completely(text):
    try:
        parameter_format, variables = parse_body(text)
    except TemplateError:
        return
    assert "{{" not in render(text, dict.fromkeys(variables, "x"))
    assert (parameter_format is POSITIONAL) == (variables == tuple(str(n + 1) for n in range(len(variables))))


def test_a_template_of_meta_is_read_with_all_its_parts():
    components = [
        {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["https://…"]}},
        {"type": "BODY", "text": "Hallo {{first_name}}, Code {{code}}"},
        {"type": "FOOTER", "text": "Stopp: Knopf drücken"},
        {
            "type": "BUTTONS",
            "buttons": [
                {"type": "URL", "text": "Ansehen", "url": "https://example.com/{{1}}"},
                {"type": "QUICK_REPLY", "text": "Abmelden"},
                {"type": "PHONE_NUMBER", "text": "Anrufen", "phone_number": "+4915112345678"},
                {"type": "URL", "text": "Impressum", "url": "https://example.com/"},
            ],
        },
    ]
    template = template_from_components("spring_sale", "de", components)
    assert template.parameter_format is NAMED
    assert template.header == HeaderMedia(MediaKind.IMAGE)
    assert template.body_variables == ("first_name", "code")
    assert template.buttons == (
        Button(0, ButtonKind.URL, has_variable=True, prefix="https://example.com/"),
        Button(1, ButtonKind.QUICK_REPLY),
        Button(2, ButtonKind.OTHER),
        Button(3, ButtonKind.URL),
    )
    assert template.unsupported == ()
    assert template.variable_count == 3


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"type": "HEADER", "format": "TEXT", "text": "Oferta"}, HeaderText()),
        ({"type": "HEADER", "format": "TEXT", "text": "Oferta {{1}}"}, HeaderText("1")),
        ({"type": "HEADER", "text": "Oferta"}, HeaderText()),
        ({"type": "header", "format": "video"}, HeaderMedia(MediaKind.VIDEO)),
        ({"type": "HEADER", "format": "DOCUMENT"}, HeaderMedia(MediaKind.DOCUMENT)),
    ],
)
def test_a_header_is_a_text_or_a_media(header, expected):
    assert template_from_components("oferta", "pt_BR", [header, BODY]).header == expected


def test_a_header_variable_comes_first_and_counts():
    header = {"type": "HEADER", "format": "TEXT", "text": "{{1}}"}
    assert template_from_components("oferta", "pt_BR", [header, BODY]).variable_count == 2


def test_a_named_header_makes_the_template_named():
    header = {"type": "HEADER", "format": "TEXT", "text": "{{shop}}"}
    body = {"type": "BODY", "text": "Olá"}
    assert template_from_components("oferta", "pt_BR", [header, body]).parameter_format is NAMED


def test_an_authentication_code_goes_into_body_and_button():
    components = [
        {"type": "BODY", "text": "*{{1}}* is your code."},
        {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]},
    ]
    template = template_from_components("login", "en_US", components)
    assert template.buttons == (Button(0, ButtonKind.URL, has_variable=True),)


def test_a_flow_button_takes_nothing_and_is_known_by_its_place():
    buttons = [
        {"type": "QUICK_REPLY", "text": "Sair"},
        {"type": "FLOW", "text": "Abrir", "flow_id": 123, "flow_action": "NAVIGATE", "navigate_screen": "S"},
        {"type": "URL", "text": "Ver", "url": "https://example.com/{{1}}"},
    ]
    template = template_from_components("oferta", "pt_BR", [BODY, {"type": "BUTTONS", "buttons": buttons}])
    assert template.buttons[1] == Button(1, ButtonKind.FLOW)
    assert template.unsupported == ()
    assert template.variable_count == 2


def test_what_we_cannot_fill_is_named():
    components = [
        {"type": "HEADER", "format": "LOCATION"},
        BODY,
        {"type": "CAROUSEL", "cards": []},
        {"type": "BUTTONS", "buttons": [{"type": "MPM"}, None]},
        {},
        "noise",
    ]
    template = template_from_components("oferta", "pt_BR", components)
    assert template.header is None
    assert template.unsupported == (
        "header LOCATION",
        "button MPM",
        "button without type",
        "component CAROUSEL",
        "component without type",
    )


@pytest.mark.parametrize(
    ("name", "language", "components", "problem"),
    [
        ("Spring Sale", "de", [BODY], "The template name 'Spring Sale' is not"),
        ("a" * 513, "de", [BODY], "The template name"),
        ("sale", "de-DE", [BODY], "The language 'de-DE' is not a code"),
        ("sale", "de", [], "The body is empty"),
        ("sale", "de", [{"type": "BODY", "text": None}], "The body is empty"),
        (
            "sale",
            "de",
            [{"type": "HEADER", "format": "TEXT", "text": "x" * 61}, BODY],
            "The header has 61 characters",
        ),
        (
            "sale",
            "de",
            [{"type": "HEADER", "format": "TEXT", "text": "{{1}} {{2}}"}, BODY],
            "The header has 2 variables",
        ),
        (
            "sale",
            "de",
            [{"type": "HEADER", "format": "TEXT", "text": "{{shop}}"}, BODY],
            "The header has named variables and the body positional ones",
        ),
    ],
)
def test_a_wrong_template_is_refused(name, language, components, problem):
    with pytest.raises(TemplateError, match=re.escape(problem)):
        template_from_components(name, language, components)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("Ada", None),
        ("São João 🎉", None),
        ("four    spaces", None),
        ("a" * 1024, None),
        ("", "is empty"),
        ("  ", "is empty"),
        ("a" * 1025, "is longer than 1024 characters"),
        ("two\nlines", "has a line break"),
        ("two\r\n", "has a line break"),
        ("two\u2028lines", "has a line break"),
        ("tab\there", "has a tab"),
        ("five     spaces", "has more than 4 spaces in a row"),
        ("nul\0", "has a control character"),
        ("half \ud800 pair", "has a control character"),
    ],
)
def test_a_value_that_meta_refuses_is_found_before_it_is_sent(value, problem):
    assert variable_problem(value) == problem


def test_a_longer_value_may_be_allowed_where_there_is_room():
    assert variable_problem("u" * 1500, max_length=2000) is None


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("Olá {{1}}, {{2}}. Tchau {{1}}!", {"1": "Ada", "2": "A7"}, "Olá Ada, A7. Tchau Ada!"),
        ("{{2}} {{1}}", {"1": "first", "2": "second"}, "second first"),
        ("Olá {{name}}", {"name": "Ada"}, "Olá Ada"),
        ("Olá {{1}} {{2}}", {"1": "Ada"}, "Olá Ada {{2}}"),
        ("{{1}} {{2}}", {"1": "{{2}}", "2": "x"}, "{{2}} x"),
        ("{{1}}", {"1": r"\1 \g<0>"}, r"\1 \g<0>"),
    ],
)
def test_a_body_is_rendered_as_the_person_reads_it(text, values, expected):
    assert render(text, values) == expected
