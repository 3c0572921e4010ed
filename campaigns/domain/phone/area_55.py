"""Finds phones of Brazil that begin with 55, which is the country code and also an area code, and may be either.

`55981413114` is a mobile phone of the area code 55, or a number with the country code that has lost its area code. The
second reading has no valid phone, so the first one would always be sent to, and perhaps to a stranger.
"""

from __future__ import annotations

UNCLEAR = (
    "begins with 55, which may be the area code 55, or the country code of a number that lost its area code: write it"
    " with +55 and its area code"
)
# The digits of a number without its country code, with its area code.
_NATIONAL = range(10, 12)
_SEVERAL = 2  # phones of the area code 55 that are certain


class AreaSearch:
    """Collects such phones from the accepted rows of a list, and judges them by the other phones."""

    def __init__(self) -> None:
        self._with_code = self._others = self._certain = 0
        self._rows: list[int] = []

    def add(self, row_number: int, text: str, number: str) -> None:
        """Add an accepted row. `number`: the phone in E.164 that was read from `text`."""
        if not number.startswith("+55"):
            return
        has_code = text.lstrip("+0 (\t\u200e\u202a").startswith("55")
        if not number.startswith("+5555"):
            self._with_code += has_code
            self._others += not has_code
        elif sum(map(str.isdigit, text)) not in _NATIONAL:
            self._with_code += 1
            self._certain += 1
        elif "(55" in text:
            self._others += 1
            self._certain += 1
        else:
            self._rows.append(row_number)

    def find(self) -> list[int]:
        """Return the rows whose phone may be either.

        They are clear if the list has no phone with a country code. If most phones have one, no phone without it is
        clear. In between, they are clear if several other phones are certainly of the area code 55.
        """
        if self._with_code > self._others or (self._with_code and self._certain < _SEVERAL):
            return self._rows
        return []
