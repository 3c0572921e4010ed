"""Names the parameters of a template for the fields in which a person gives their values."""

from __future__ import annotations

from campaigns.domain.filling import Parameter, ParameterKind
from console.texts import _


def label_parameter(parameter: Parameter) -> str:
    number = 0 if parameter.button_index is None else parameter.button_index + 1
    words = {
        ParameterKind.HEADER_TEXT: _("Text in the header, %(name)s", name=parameter.name),
        ParameterKind.MEDIA: _("Public https address of the picture, video or document in the header"),
        ParameterKind.FILENAME: _("Name with which the document is shown"),
        ParameterKind.BODY: _("Text in place of %(name)s", name="{{" + parameter.name + "}}"),
        ParameterKind.SUFFIX: _("End of the link of button %(n)s, after %(link)s", n=number, link=parameter.prefix),
        ParameterKind.PAYLOAD: _("Answer that button %(n)s sends back to you", n=number),
        ParameterKind.CODE: _("Code that button %(n)s copies", n=number),
    }
    return words[parameter.kind]
