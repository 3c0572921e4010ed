"""The token of the request, and its user."""

from __future__ import annotations

from apiflask import APIBlueprint

from api.access import ANY_TOKEN, demands, list_allowed
from api.context import token
from api.schemas import Id, Moment, Out
from campaigns.domain.users.rights import Role
from campaigns.domain.users.scopes import Scope

blueprint = APIBlueprint("me", __name__)


class TokenFacts(Out):
    id: Id
    name: str
    scopes: list[Scope]
    expires_at: Moment


class UserFacts(Out):
    id: Id
    name: str
    role: Role


class Me(Out):
    token: TokenFacts
    user: UserFacts


@blueprint.get("/me")
@demands(ANY_TOKEN)
@blueprint.output(Me)
def read_me() -> Me:
    """Read the token of this request and its user.

    `scopes` has those that count now: a token never may do more than its user.
    """
    found = token()
    facts = TokenFacts.show(found, scopes=sorted(list_allowed()))
    return Me(token=facts, user=UserFacts.show(found, id=found.user_id, name=found.owner))
