from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.domain.account import cap_tokens, suggest_limit

accounts = st.integers(1, 6)
portfolios = st.dictionaries(accounts, st.integers(1, 3))
slots = st.fixed_dictionaries({1: st.integers(-5, 40), 2: st.integers(-5, 40), 3: st.integers(-5, 40)})


@given(tokens=st.dictionaries(accounts, st.integers(1, 30)), portfolios=portfolios, left=slots)
def test_no_portfolio_gets_more_tokens_than_slots_and_no_other_account_fewer(tokens, portfolios, left):
    allowed, full = cap_tokens(tokens, portfolios, left)
    assert full == {each for each in portfolios.values() if left[each] <= 0}
    for account_id, count in tokens.items():
        if account_id not in portfolios:
            assert allowed[account_id] == count
    for portfolio_id in set(portfolios.values()):
        mine = [each for each in tokens if portfolios.get(each) == portfolio_id]
        given_count = sum(allowed.get(each, 0) for each in mine)
        assert given_count == max(min(left[portfolio_id], sum(tokens[each] for each in mine)), 0)


@pytest.mark.parametrize(("tier", "limit"), [("TIER_2K", 2_000), ("TIER_UNLIMITED", None), ("", None), ("NEW", None)])
def test_what_meta_calls_a_tier_is_a_number(tier, limit):
    assert suggest_limit(tier) == limit
