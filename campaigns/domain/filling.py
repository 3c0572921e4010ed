"""How a campaign fills its template: what is the same for all, what each row brings, and whether it will pass."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from campaigns.domain.template import (
    MAX_BODY,
    MAX_HEADER,
    MAX_URL,
    Button,
    ButtonKind,
    HeaderMedia,
    HeaderText,
    MediaKind,
    ParameterFormat,
    Template,
    TemplateError,
    count_uses,
    variable_problem,
)

# Characters. Meta's pages name these for payloads and coupon codes; no page says how long a file name may be.
MAX_PAYLOAD = 128
MAX_CODE = 20
MAX_FILENAME = 240

_MEDIA_ID = re.compile(r"[0-9]{1,32}")
_LINK = re.compile(r"https://[^\s/?#@]+([/?#]\S*)?", re.IGNORECASE)
_SPACE = re.compile(r"\s")

# (values of one row) → which of them is wrong, and why
RowCheck = Callable[[Sequence[str]], tuple[int, str] | None]


class ParameterKind(StrEnum):
    HEADER_TEXT = "header_text"
    MEDIA = "media"  # a public https link, or the id of an upload
    FILENAME = "filename"  # under which a document is shown
    BODY = "body"
    SUFFIX = "suffix"  # the end of a button's URL
    PAYLOAD = "payload"  # what a quick reply sends back
    CODE = "code"  # what a button copies


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing that a message brings. `name` is what columns and `--set` call it; `most` counts characters."""

    kind: ParameterKind
    name: str
    most: int
    is_required: bool = True
    button_index: int | None = None

    def problem(self, value: str) -> str | None:
        """Tell why Meta would refuse `value`, as it goes on after the name of a column; or None."""
        match self.kind:
            case ParameterKind.MEDIA:
                return _media_problem(value, self.most)
            case ParameterKind.SUFFIX | ParameterKind.CODE if value.strip() and _SPACE.search(value):
                return "has a space, which ends the link" if self.kind is ParameterKind.SUFFIX else "has a space"
            case _:
                return variable_problem(value, max_length=self.most)


@dataclass(frozen=True, slots=True)
class Filling:
    """A template with what fills it. `fixed`: by name, the same for all; `columns`: what each row brings, as sent."""

    template: Template
    fixed: Mapping[str, str]
    columns: tuple[Parameter, ...]

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def room(self) -> int:
        """How many characters of the body are left to the rows."""
        length, uses = count_uses(self.template.body_text)
        return MAX_BODY - length - sum(len(self.fixed.get(name, "")) * count for name, count in uses.items())

    def make_check(self) -> RowCheck:
        """Return a function that tells what is wrong with the values of a row, also with all of them together."""
        columns = self.columns
        _, uses = count_uses(self.template.body_text)
        room = self.room
        weights = [uses[column.name] if column.kind is ParameterKind.BODY else 0 for column in columns]
        most_uses = max(weights, default=0)

        def check(values: Sequence[str]) -> tuple[int, str] | None:
            for position, (column, value) in enumerate(zip(columns, values, strict=True)):
                if problem := column.problem(value):
                    return position, problem
            if sum(map(len, values)) * most_uses <= room:  # nearly every row: worth a shortcut, rows are many
                return None
            lengths = [len(value) * weight for value, weight in zip(values, weights, strict=True)]
            if sum(lengths) <= room:
                return None
            return lengths.index(max(lengths)), f"makes the message longer than {MAX_BODY} characters"

        return check


def list_parameters(template: Template) -> tuple[Parameter, ...]:
    """Return all that a message may bring, in the order in which a send takes it, the optional ones among it."""
    header = "header" if "header" not in template.body_variables else "header 1"
    parameters: list[Parameter] = []
    if isinstance(template.header, HeaderMedia):
        parameters.append(Parameter(ParameterKind.MEDIA, header, MAX_URL))
        if template.header.kind is MediaKind.DOCUMENT:
            parameters.append(Parameter(ParameterKind.FILENAME, "file name", MAX_FILENAME, is_required=False))
    elif isinstance(template.header, HeaderText) and template.header.variable is not None:
        is_named = template.parameter_format is ParameterFormat.NAMED
        is_own = is_named and template.header.variable not in template.body_variables
        name = template.header.variable if is_own else header
        most = MAX_HEADER - count_uses(template.header_text)[0]
        parameters.append(Parameter(ParameterKind.HEADER_TEXT, name, most))
    parameters += [Parameter(ParameterKind.BODY, name, MAX_BODY) for name in template.body_variables]
    parameters += [parameter for button in template.buttons if (parameter := _parameter_of(button)) is not None]
    return tuple(parameters)


def fill(template: Template, given: Mapping[str, str | None]) -> Filling:
    """Fill a template with what is the same for all; the rest is left to the rows.

    In `given` None leaves an optional parameter to the rows too. Raise TemplateError for what does not fit, and for a
    template that no campaign can fill.
    """
    if template.unsupported:
        raise TemplateError(f"A campaign cannot fill the template {template}: {', '.join(template.unsupported)}.")
    parameters = list_parameters(template)
    names = [parameter.name for parameter in parameters]
    if strangers := [key for key in given if key not in names]:
        raise TemplateError(
            f"The template {template} has no {strangers[0]!r} to set, it takes {_describe(parameters)}."
        )
    for parameter in parameters:
        value = given.get(parameter.name)
        if value is not None and (problem := parameter.problem(value)):
            raise TemplateError(f"What is set for {parameter.name} of the template {template} {problem}.")
    fixed = {key: value for key, value in given.items() if value is not None}
    columns = tuple(
        parameter
        for parameter in parameters
        if parameter.name not in fixed and (parameter.is_required or parameter.name in given)
    )
    filling = Filling(template, fixed, columns)
    if filling.room < 0:
        raise TemplateError(f"What is set makes the template {template} longer than {MAX_BODY} characters.")
    return filling


def find_misfit(template: Template, given: Mapping[str, str | None], columns: Sequence[str]) -> str | None:
    """Tell in a sentence why a campaign that was made for another form of this template cannot be sent, or None."""
    try:
        names = fill(template, given).names
    except TemplateError as error:
        return str(error)
    if names == list(columns):
        return None
    takes, brings = ", ".join(names) or "nothing", ", ".join(columns) or "nothing"
    return f"The template {template} takes {takes} of each row now, its recipients bring {brings}."


def drop_empty(template: Template, given: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return what is given, without optional parameters that are empty: so a person takes one away."""
    optional = {parameter.name for parameter in list_parameters(template) if not parameter.is_required}
    return {name: value for name, value in given.items() if value != "" or name not in optional}


def read_key(text: str) -> str:
    """Return the name of a parameter as people write it: `1`, `{{nome}}`, `Button 1`."""
    return " ".join(text.strip().strip("{}").lower().split())


def is_media_id(value: str) -> bool:
    return _MEDIA_ID.fullmatch(value) is not None


def _parameter_of(button: Button) -> Parameter | None:
    name = f"button {button.index + 1}"
    match button.kind:
        case ButtonKind.URL if button.has_variable:
            return Parameter(ParameterKind.SUFFIX, name, MAX_URL - len(button.url), button_index=button.index)
        case ButtonKind.COPY_CODE if button.has_variable:
            return Parameter(ParameterKind.CODE, name, MAX_CODE, button_index=button.index)
        case ButtonKind.QUICK_REPLY:
            return Parameter(
                ParameterKind.PAYLOAD,
                name,
                MAX_PAYLOAD,
                is_required=button.has_variable,
                button_index=button.index,
            )
    return None


def _media_problem(value: str, most: int) -> str | None:
    if not value.strip():
        return "is empty"
    if len(value) > most:
        return f"is longer than {most} characters"
    if is_media_id(value):
        return None
    if not _LINK.fullmatch(value) or variable_problem(value, max_length=most):
        return "is neither a link that begins with https:// nor the id of an upload"
    return None


def _describe(parameters: Sequence[Parameter]) -> str:
    return ", ".join(each.name if each.is_required else f"{each.name} (optional)" for each in parameters) or "nothing"
