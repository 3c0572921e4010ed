"""Finds mobile phones of Brazil without their 9, and tells whether the list is old or a digit was lost."""

from __future__ import annotations

from dataclasses import dataclass, field

from campaigns.domain.phone.mask import mask_number
from campaigns.domain.phone.number import PhoneKind

_SHOWN = 5
# Up to this number of rows, or this part of the mobile phones of a list, is a slip, if at least this number of times
# as many mobile phones have their 9.
_FEW, _SELDOM, _TIMES = 2, 0.02, 3


@dataclass(frozen=True, slots=True)
class MobilesWithoutNine:
    """Mobile phones of Brazil without their 9. `first`: the first rows, each with the number, masked.

    `is_slip`: so few phones of the list lack the 9 that a digit was probably lost, which may be any digit.
    """

    count: int
    first: list[tuple[int, str]] = field(default_factory=list)
    is_slip: bool = False


class NineSearch:
    """Collects these phones from the accepted rows of a list."""

    def __init__(self) -> None:
        self._count = self._others_count = 0
        self._first: list[tuple[int, str]] = []

    def add(self, row_number: int, number: str, kind: PhoneKind | None) -> None:
        """Add an accepted row. `number`: its phone in E.164."""
        if kind is PhoneKind.WITHOUT_NINE:
            self._count += 1
            if len(self._first) < _SHOWN:
                self._first.append((row_number, mask_number(number)))
        elif kind is None and number.startswith("+55"):
            self._others_count += 1

    def find(self) -> MobilesWithoutNine | None:
        if not self._count:
            return None
        mobiles = self._count + self._others_count
        is_slip = self._count <= max(_FEW, mobiles * _SELDOM) and self._others_count >= self._count * _TIMES
        return MobilesWithoutNine(self._count, self._first, is_slip)
