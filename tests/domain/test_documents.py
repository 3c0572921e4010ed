"""CPF and CNPJ are told from phones by their check digits."""

from __future__ import annotations

import pytest

from campaigns.domain.phone.documents import is_document


@pytest.mark.parametrize(
    "text", ["529.982.247-25", "52998224725", "1234567890", "123456789-09", "11.222.333/0001-81", "11222333000181"]
)
def test_a_cpf_or_a_cnpj_is_a_document_also_without_its_first_zeros(text):
    assert is_document(text)


@pytest.mark.parametrize(
    "text", ["529.982.247-26", "11.222.333/0001-82", "111.111.111-11", "00000000000", "", "Ana", "+55 11 99999-0001"]
)
def test_other_numbers_are_no_documents(text):
    assert not is_document(text)
