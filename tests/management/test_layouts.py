from __future__ import annotations

from campaigns.domain.template import template_from_components
from campaigns.management.layouts import Preview, preview

COMPONENTS = [
    {"type": "HEADER", "format": "DOCUMENT"},
    {"type": "BODY", "text": "Oi {{nome}}!"},
    {"type": "FOOTER", "text": "Responda SAIR"},
    {
        "type": "BUTTONS",
        "buttons": [
            {"type": "URL", "text": "Ver", "url": "https://example.com/{{1}}"},
            {"type": "QUICK_REPLY", "text": "Sair"},
            {"type": "PHONE_NUMBER", "text": "Ligar", "phone_number": "+551133334444"},
            {"type": "COPY_CODE", "text": "Copiar"},
        ],
    },
]


def show(components, **values):
    return preview(template_from_components("promo", "pt_BR", components), components, values)


def test_what_is_not_given_stands_by_its_name():
    assert show(COMPONENTS) == Preview(
        "[document] {{header}}",
        "Oi {{nome}}!",
        "Responda SAIR",
        ["[Ver] https://example.com/{{button 1}}", "[Sair]", "[Ligar] +551133334444", "[Copiar] copies {{button 4}}"],
    )


def test_values_stand_where_people_read_them():
    values = {"header": "https://a.b/c.pdf", "file name": "C.pdf", "button 1": "u", "button 2": "STOP", "button 4": "X"}
    assert show(COMPONENTS, nome="Ana", **values) == Preview(
        "[document] https://a.b/c.pdf C.pdf",
        "Oi Ana!",
        "Responda SAIR",
        ["[Ver] https://example.com/u", "[Sair] sends back STOP", "[Ligar] +551133334444", "[Copiar] copies X"],
    )


def test_a_header_of_text_and_a_body_have_variables_of_their_own():
    components = [{"type": "HEADER", "format": "TEXT", "text": "Para {{1}}"}, {"type": "BODY", "text": "Oi {{1}}"}]
    shown = show(components, **{"header": "Clientes", "1": "Ana"})
    assert (shown.header, shown.body) == ("Para Clientes", "Oi Ana")


def test_a_template_of_a_body_alone_has_no_other_part():
    assert show([{"type": "BODY", "text": "Oi"}]) == Preview("", "Oi", "", [])


def test_parts_that_are_no_text_do_not_break_the_preview():
    components = [
        {"type": "BODY", "text": "Oi"},
        {"type": "FOOTER", "text": None},
        {"type": "BUTTONS", "buttons": [7, {"type": "FLOW"}]},
    ]
    assert show(components[:2]).footer == ""
    assert show([components[0], {"type": "BUTTONS", "buttons": [{"type": "FLOW"}]}]).buttons == ["[FLOW]"]
