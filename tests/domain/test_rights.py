"""The table of rights: what each role may do, written once more from the design."""

from __future__ import annotations

import pytest

from campaigns.domain.users.rights import Right, Role, list_rights

# The first role that has the right.
LEAST = {
    Right.SEE: Role.VIEWER,
    Right.CAMPAIGN_DRAFT: Role.PLANNER,
    Right.CAMPAIGN_ASK_APPROVAL: Role.PLANNER,
    Right.CAMPAIGN_APPROVE: Role.OPERATOR,
    Right.CAMPAIGN_START: Role.OPERATOR,
    Right.CAMPAIGN_TEST: Role.OPERATOR,
    Right.CAMPAIGN_PAUSE: Role.OPERATOR,
    Right.CAMPAIGN_RESUME: Role.OPERATOR,
    Right.CAMPAIGN_CANCEL: Role.OPERATOR,
    Right.CAMPAIGN_CHANGE: Role.OPERATOR,
    Right.CAMPAIGN_RETRY: Role.OPERATOR,
    Right.OPTOUT_REVIEW: Role.OPERATOR,
    Right.SUPPRESSION_CHANGE: Role.OPERATOR,
    Right.PHONES_SEE: Role.OPERATOR,
    Right.PHONES_DOWNLOAD: Role.OPERATOR,
    Right.TEMPLATE_SYNC: Role.OPERATOR,
    Right.SYSTEM_SEE: Role.OPERATOR,
    Right.PRICES_CHANGE: Role.ADMIN,
    Right.ACCOUNT_CHECK: Role.OPERATOR,
    Right.ACCOUNT_CHANGE: Role.ADMIN,
    Right.PORTFOLIO_CHANGE: Role.ADMIN,
    Right.TEMPLATE_ADD: Role.ADMIN,
    Right.TOKEN_CHANGE: Role.ADMIN,
    Right.HOOK_CHANGE: Role.ADMIN,
    Right.USER_CHANGE: Role.ADMIN,
    Right.CAMPAIGN_RETRY_UNCERTAIN: Role.ADMIN,
    Right.PERSON_FORGET: Role.ADMIN,
    Right.SYSTEM_REPAIR: Role.ADMIN,
}


@pytest.mark.parametrize("right", Right)
@pytest.mark.parametrize("role", Role)
def test_a_role_has_the_rights_of_the_roles_before_it(role, right):
    order = list(Role)
    assert (right in list_rights(role)) == (order.index(role) >= order.index(LEAST[right]))
