"""Checks a send as Meta does before it accepts one: the fields of the request, and the fit with the template."""

import re
from typing import Any

from simulator.catalogue import RefusalError
from simulator.config import Account, Template

_CALLBACK_DATA_LIMIT = 512
# Like Meta, accept separators between the digits of a phone number.
_PHONE = re.compile(r"\+?[0-9][0-9 ()\-]{4,24}")
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_TYPES = frozenset(
    {"text", "image", "video", "audio", "document", "sticker", "location", "contacts", "reaction", "interactive"}
)


def check_message(templates: tuple[Template, ...], account: Account, message: dict[str, Any]) -> Template | None:
    """Check a send; return its template, or None for other types. Raises RefusalError where Meta would refuse it."""
    if message.get("messaging_product") != "whatsapp":
        raise RefusalError(100, message="(#100) The parameter messaging_product is required.")
    to = message.get("to")
    if not to:
        raise RefusalError(100, message="(#100) The parameter to is required.")
    if not isinstance(to, str) or _PHONE.fullmatch(to) is None:
        raise RefusalError(131009, "Parameter value is not valid: to")
    callback_data = message.get("biz_opaque_callback_data")
    if callback_data is not None and not (
        isinstance(callback_data, str) and len(callback_data) <= _CALLBACK_DATA_LIMIT
    ):
        raise RefusalError(100, "biz_opaque_callback_data must be a string of at most 512 characters.")
    kind = message.get("type", "text")
    if kind == "template":
        return _check_template(templates, account, message.get("template"))
    if not isinstance(kind, str) or kind not in _TYPES:
        raise RefusalError(100, f"Param type must be one of {{TEMPLATE, {', '.join(sorted(_TYPES)).upper()}}}.")
    if not message.get(kind):
        raise RefusalError(131008, f"Parameter '{kind}' is mandatory for type '{kind}'")
    return None


def _check_template(templates: tuple[Template, ...], account: Account, sent: object) -> Template:
    if not isinstance(sent, dict):
        raise RefusalError(131008, "Parameter 'template' is mandatory for type 'template'")
    name = sent.get("name")
    language = sent.get("language")
    code = language.get("code") if isinstance(language, dict) else None
    if not (isinstance(name, str) and name and isinstance(code, str) and code):
        raise RefusalError(131008, "Template name and language code are mandatory.")
    if not templates:
        return Template(name=name, language=code)
    registered = next((t for t in templates if _is_registered_as(t, account, name, code)), None)
    if registered is None:
        raise RefusalError(132001, f"template name ({name}) does not exist in {code}")
    match registered.status:
        case "PAUSED":
            raise RefusalError(132015)
        case "DISABLED":
            raise RefusalError(132016)
        case "APPROVED":
            _check_parameters(registered, sent)
        case _:
            raise RefusalError(132001, f"template name ({name}) is not approved in {code}")
    return registered


def _is_registered_as(template: Template, account: Account, name: str, code: str) -> bool:
    return template.name == name and template.language == code and template.waba_id in ("", account.waba_id)


def find_variables(text: str) -> list[str]:
    """List the distinct variables of a template's text, in order."""
    return list(dict.fromkeys(_VARIABLE.findall(text)))


def _check_parameters(template: Template, sent: dict[str, Any]) -> None:
    expected = find_variables(template.body)
    bodies = [part for part in _list_objects(sent, "components") if str(part.get("type")).lower() == "body"]
    given = [parameter for body in bodies for parameter in _list_objects(body, "parameters")]
    if len(given) != len(expected):
        raise RefusalError(
            132000,
            f"body: number of localizable_params ({len(given)}) does not match "
            f"the expected number of params ({len(expected)})",
        )
    is_named = not all(variable.isdecimal() for variable in expected)
    if is_named and {parameter.get("parameter_name") for parameter in given} != set(expected):
        raise RefusalError(132012, f"body: parameter names do not match the expected {', '.join(expected)}")
    for component in template.components:
        match str(component.get("type")).upper():
            case "HEADER":
                _check_header(component, sent)
            case "BUTTONS":
                _check_buttons(component, sent)


def _check_header(component: dict[str, Any], sent: dict[str, Any]) -> None:
    kind = str(component.get("format", "TEXT")).lower()
    headers = [part for part in _list_objects(sent, "components") if str(part.get("type")).lower() == "header"]
    given = [parameter for header in headers for parameter in _list_objects(header, "parameters")]
    count = len(find_variables(str(component.get("text", "")))) if kind == "text" else 1
    if len(given) != count:
        raise RefusalError(132000, f"header: number of params ({len(given)}) does not match ({count})")
    for parameter in given:
        if parameter.get("type") != kind:
            raise RefusalError(132012, f"header: Format mismatch, expected {kind.upper()}")
        if kind != "text" and not _is_media(parameter.get(kind)):
            raise RefusalError(131008, f"header: {kind} needs an id or a link")


def _is_media(media: object) -> bool:
    if not isinstance(media, dict):
        return False
    sources = [media[key] for key in ("id", "link") if key in media]
    return len(sources) == 1 and isinstance(sources[0], str) and sources[0] != ""


def _check_buttons(component: dict[str, Any], sent: dict[str, Any]) -> None:
    given: dict[str, dict[str, Any]] = {}
    for part in _list_objects(sent, "components"):
        if str(part.get("type")).lower() == "button":
            given[str(part.get("index"))] = part
    for index, button in enumerate(_list_objects(component, "buttons")):
        filled = given.get(str(index))
        kind = str(button.get("type")).lower()
        if kind == "flow":
            _check_flow(index, filled)
            continue
        needs_value = kind in {"copy_code", "otp"} or (kind == "url" and "{{" in str(button.get("url")))
        if filled is None:
            if needs_value:
                raise RefusalError(131008, f"Button at index {index} of type {kind} requires a parameter")
            continue
        key = {"url": "text", "otp": "text", "quick_reply": "payload", "copy_code": "coupon_code"}.get(kind)
        values = [parameter.get(key or "") for parameter in _list_objects(filled, "parameters")]
        if key is None or (kind == "url" and not needs_value) or len(values) != 1 or not isinstance(values[0], str):
            raise RefusalError(132012, f"Button at index {index} of type {kind} does not take these parameters")
        if str(filled.get("sub_type")).lower() != {"otp": "url"}.get(kind, kind):
            raise RefusalError(132012, f"Button at index {index} is of type {kind}")
    if unknown := set(given) - {str(index) for index in range(len(_list_objects(component, "buttons")))}:
        raise RefusalError(132018, f"There is no button at index {min(unknown)}")


def _check_flow(index: int, filled: dict[str, Any] | None) -> None:
    """Check a flow button. Meta requires the button in a send, although its parameters are optional."""
    if filled is None:
        raise RefusalError(131009, f"Button at index {index} of type flow is missing in components")
    if str(filled.get("sub_type")).lower() != "flow":
        raise RefusalError(132012, f"Button at index {index} is of type flow")
    parameters = _list_objects(filled, "parameters")
    if len(parameters) > 1 or not all(map(_is_flow_action, parameters)):
        raise RefusalError(131009, f"Button at index {index} of type flow takes one parameter of type action")


def _is_flow_action(parameter: dict[str, Any]) -> bool:
    action = parameter.get("action")
    return (
        parameter.get("type") == "action"
        and isinstance(action, dict)
        and isinstance(action.get("flow_token", ""), str)
        and isinstance(action.get("flow_action_data", {}), dict)
    )


def _list_objects(parent: dict[str, Any], key: str) -> list[dict[str, Any]]:
    entries = parent.get(key) or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RefusalError(131009, f"Parameter value is not valid: {key}")
    return entries
