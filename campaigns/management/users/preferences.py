"""Changes the settings with which a user adapts the pages to themselves."""

from __future__ import annotations

from campaigns.domain.users.actor import Act, Actor
from campaigns.store.database import Connection, Database
from campaigns.store.users import users
from campaigns.store.users.audit import write_audit


def choose_updates(database: Database, user_id: int, *, wants_updates: bool, actor: Actor) -> None:
    """Choose whether the numbers of open pages change by themselves, in all browsers of the user."""

    def work(connection: Connection) -> None:
        if users.choose_updates(connection, user_id, wants_updates=wants_updates):
            before, after = {"wants_updates": not wants_updates}, {"wants_updates": wants_updates}
            write_audit(connection, actor, Act.USER_CHANGE, user_id, before=before, after=after)

    database.run(work)
