"""Shows a message as its person will read it: the parts of its template with the values of the person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from campaigns.domain.filling import Parameter, ParameterKind, list_parameters
from campaigns.domain.template import Button, ButtonKind, HeaderMedia, MediaKind, Template, render


@dataclass(frozen=True, slots=True)
class LaidOutButton:
    """A button of a message.

    `detail`: the link of the button, the answer that it sends back, the code that it copies, or the phone number that
    it calls; "" if it has none of these.
    """

    kind: ButtonKind
    text: str
    detail: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The parts of a message. A part that the message lacks is "".

    `media`: the kind of the header if it is no text. Then `header` is the address or the id of the media, and
    `file_name` the name with which a document is shown. Where a parameter has no value, its name stands in double
    braces.
    """

    media: MediaKind | None
    header: str
    file_name: str
    body: str
    footer: str
    buttons: list[LaidOutButton]


def lay_out(template: Template, components: Sequence[Mapping[str, Any]], values: Mapping[str, str]) -> Layout:
    """Return the parts of a message with these values. The keys of `values` are the names of the parameters."""
    parameters = list_parameters(template)
    by_button = {each.button_index: each for each in parameters if each.button_index is not None}
    raw_buttons = _raw_buttons(components)
    media, header, file_name = _header(template, parameters, values)
    return Layout(
        media=media,
        header=header,
        file_name=file_name,
        body=render(template.body_text, values),
        footer=next((str(part.get("text") or "") for part in components if _word(part, "type") == "FOOTER"), ""),
        buttons=[
            _button(button, raw_buttons[button.index], by_button.get(button.index), values)
            for button in template.buttons
        ],
    )


@dataclass(frozen=True, slots=True)
class Preview:
    """The texts of the parts of a message, as the command line shows them. A part that the message lacks is "".

    Where a parameter has no value, its name stands in double braces.
    """

    header: str
    body: str
    footer: str
    buttons: list[str]


def preview(template: Template, components: Sequence[Mapping[str, Any]], values: Mapping[str, str]) -> Preview:
    """Return the texts of a template with these values. The keys of `values` are the names of the parameters."""
    layout = lay_out(template, components, values)
    header = layout.header
    if layout.media is not None:
        header = " ".join(part for part in (f"[{layout.media}]", layout.header, layout.file_name) if part)
    return Preview(header, layout.body, layout.footer, [_describe_button(each) for each in layout.buttons])


def _describe_button(button: LaidOutButton) -> str:
    words = {ButtonKind.QUICK_REPLY: "sends back ", ButtonKind.COPY_CODE: "copies "}.get(button.kind, "")
    return f"[{button.text}] {words}{button.detail}" if button.detail else f"[{button.text}]"


def _header(
    template: Template, parameters: Sequence[Parameter], values: Mapping[str, str]
) -> tuple[MediaKind | None, str, str]:
    """Return the kind of the media, the text or the address of the header, and the name of its file."""
    if isinstance(template.header, HeaderMedia):
        given = {each.kind: _value(each, values) for each in parameters[:2]}
        name = given.get(ParameterKind.FILENAME, "") if "file name" in values else ""
        return template.header.kind, given[ParameterKind.MEDIA], name
    first = parameters[0] if parameters and parameters[0].kind is ParameterKind.HEADER_TEXT else None
    if first is None or template.header is None or first.name not in values:
        return None, template.header_text, ""
    return None, render(template.header_text, {template.header.variable or "": values[first.name]}), ""


def _button(
    button: Button, raw: Mapping[str, Any], parameter: Parameter | None, values: Mapping[str, str]
) -> LaidOutButton:
    text = str(raw.get("text") or raw.get("type") or "").strip()
    given = "" if parameter is None else _value(parameter, values)
    match button.kind:
        case ButtonKind.URL:
            detail = f"{button.prefix}{given}" if button.has_variable else str(raw.get("url") or "")
        case ButtonKind.QUICK_REPLY:
            detail = given if parameter is not None and parameter.name in values else ""
        case ButtonKind.COPY_CODE:
            detail = given
        case _:
            detail = str(raw.get("phone_number") or "")
    return LaidOutButton(button.kind, text, detail)


def _value(parameter: Parameter, values: Mapping[str, str]) -> str:
    return values.get(parameter.name, f"{{{{{parameter.name}}}}}")


def _raw_buttons(components: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    found = next((part.get("buttons") for part in components if _word(part, "type") == "BUTTONS"), None)
    return [each if isinstance(each, dict) else {} for each in found] if isinstance(found, list) else []


def _word(part: Mapping[str, Any], key: str) -> str:
    value = part.get(key)
    return value.upper() if isinstance(value, str) else ""
