"""Finds phones of Brazil that people type to fill a cell, such as (11) 99999-9999. They may belong to a stranger."""

from __future__ import annotations

from campaigns.domain.phone.mask import mask_number

# The phone (11) 00000-0000 is not valid, so zeros are not looked for.
_ENDS = frozenset({*(str(digit) * 8 for digit in range(1, 10)), "12345678"})
_SHOWN = 5


class MadeUpSearch:
    """Collects such phones from the accepted rows of a list. `first`: the first rows, each with its phone, masked."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[tuple[int, str]] = []

    def add(self, row_number: int, number: str) -> None:
        """Add an accepted row. `number`: its phone in E.164."""
        if number[-8:] in _ENDS and number.startswith("+55"):
            self.count += 1
            if len(self.first) < _SHOWN:
                self.first.append((row_number, mask_number(number)))
