"""What a person will read of a template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from campaigns.domain.filling import Parameter, ParameterKind, list_parameters
from campaigns.domain.template import Button, ButtonKind, HeaderMedia, Template, render


@dataclass(frozen=True, slots=True)
class Preview:
    """The parts of a message, "" where there is none. What has no value stands as {{its name}}."""

    header: str
    body: str
    footer: str
    buttons: list[str]


def preview(template: Template, components: Sequence[Mapping[str, Any]], values: Mapping[str, str]) -> Preview:
    """Return a template as it reads with these values, by name of parameter."""
    parameters = list_parameters(template)
    by_button = {each.button_index: each for each in parameters if each.button_index is not None}
    raw_buttons = _raw_buttons(components)
    return Preview(
        header=_header(template, parameters, values),
        body=render(template.body_text, values),
        footer=next((str(part.get("text") or "") for part in components if _word(part, "type") == "FOOTER"), ""),
        buttons=[
            _button(button, raw_buttons[button.index], by_button.get(button.index), values)
            for button in template.buttons
        ],
    )


def _header(template: Template, parameters: Sequence[Parameter], values: Mapping[str, str]) -> str:
    if isinstance(template.header, HeaderMedia):
        given = {each.kind: _value(each, values) for each in parameters[:2]}
        name = given.get(ParameterKind.FILENAME, "") if "file name" in values else ""
        return " ".join(part for part in (f"[{template.header.kind}]", given[ParameterKind.MEDIA], name) if part)
    first = parameters[0] if parameters and parameters[0].kind is ParameterKind.HEADER_TEXT else None
    if first is None or template.header is None or first.name not in values:
        return template.header_text
    return render(template.header_text, {template.header.variable or "": values[first.name]})


def _button(button: Button, raw: Mapping[str, Any], parameter: Parameter | None, values: Mapping[str, str]) -> str:
    text = str(raw.get("text") or raw.get("type") or "").strip()
    given = "" if parameter is None else _value(parameter, values)
    match button.kind:
        case ButtonKind.URL:
            more = f"{button.url}{given}"
        case ButtonKind.QUICK_REPLY:
            more = f"sends back {given}" if parameter is not None and parameter.name in values else ""
        case ButtonKind.COPY_CODE:
            more = f"copies {given}"
        case _:
            more = str(raw.get("phone_number") or "")
    return f"[{text}] {more}".strip()


def _value(parameter: Parameter, values: Mapping[str, str]) -> str:
    return values.get(parameter.name, f"{{{{{parameter.name}}}}}")


def _raw_buttons(components: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    found = next((part.get("buttons") for part in components if _word(part, "type") == "BUTTONS"), None)
    return [each if isinstance(each, dict) else {} for each in found] if isinstance(found, list) else []


def _word(part: Mapping[str, Any], key: str) -> str:
    value = part.get(key)
    return value.upper() if isinstance(value, str) else ""
