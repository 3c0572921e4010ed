"""Portfolios: accounts that share a limit of people per 24 hours."""

from __future__ import annotations

from typing import Annotated

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import Field

from api.access import demands
from api.context import actor, parts
from api.once import Answer, carry_out
from api.schemas import Id, In, Moment, Out, Text
from campaigns.domain.users.scopes import Scope
from campaigns.management.accounts import add_portfolio, change_portfolio, missing_portfolio
from campaigns.store.database import Database
from campaigns.store.portfolios import list_portfolios

blueprint = APIBlueprint("portfolios", __name__, tag="Accounts")

DailyLimit = Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)]


class Portfolio(Out):
    """`people_count`: the people who count towards the limit now. `next_slot_at`: when one more may be messaged."""

    id: Id
    name: str
    daily_limit: int
    people_count: int
    next_slot_at: Moment | None
    created_at: Moment


class PortfolioList(Out):
    items: list[Portfolio]


class NewPortfolio(In):
    name: Text
    daily_limit: DailyLimit = Field(description="The limit of people per 24 hours that Meta shows.")


class PortfolioChange(In):
    """Members that are not sent stay as they are."""

    name: Text = ""
    daily_limit: DailyLimit = 1


@blueprint.get("/portfolios")
@demands(Scope.ACCOUNTS_READ)
@blueprint.output(PortfolioList)
def list_portfolios_() -> PortfolioList:
    """List all portfolios, the oldest first."""
    return PortfolioList(items=[Portfolio.show(each) for each in parts().database.run(list_portfolios)])


@blueprint.post("/portfolios")
@demands(Scope.ACCOUNTS_WRITE)
@blueprint.input(NewPortfolio)
@blueprint.output(Portfolio, 201)
def add_portfolio_(json_data: NewPortfolio) -> Response:
    """Add a portfolio without accounts."""

    def change(database: Database) -> Answer:
        portfolio_id = add_portfolio(database, json_data.name, actor=actor(), daily_limit=json_data.daily_limit)
        location = f"{request.script_root}/v1/portfolios/{portfolio_id}"
        return Answer(_find(database, portfolio_id), 201, {"Location": location})

    return carry_out(change)


@blueprint.get("/portfolios/<id:portfolio_id>")
@demands(Scope.ACCOUNTS_READ)
@blueprint.output(Portfolio)
def read_portfolio(portfolio_id: int) -> Portfolio:
    """Read a portfolio."""
    return _find(parts().database, portfolio_id)


@blueprint.patch("/portfolios/<id:portfolio_id>")
@demands(Scope.ACCOUNTS_WRITE)
@blueprint.input(PortfolioChange)
@blueprint.output(Portfolio)
def change_portfolio_(portfolio_id: int, json_data: PortfolioChange) -> Response:
    """Change a portfolio. Campaigns that waited for its limit go on if it is raised."""
    changes = json_data.model_dump(exclude_unset=True)

    def change(database: Database) -> Answer:
        found = _find(database, portfolio_id)
        _row, to_enqueue = change_portfolio(database, found.name, actor=actor(), **changes)
        return Answer(_find(database, portfolio_id), to_enqueue=to_enqueue)

    return carry_out(change)


def _find(database: Database, portfolio_id: int) -> Portfolio:
    """Return a portfolio. Raises Refusal if there is none with this id."""
    for row in database.run(list_portfolios):
        if row.id == portfolio_id:
            return Portfolio.show(row)
    raise missing_portfolio(str(portfolio_id))
