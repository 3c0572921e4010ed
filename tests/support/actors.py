"""Who makes the changes of the tests."""

from campaigns.domain.users.actor import Actor, ActorKind, Surface

TESTER = Actor("tester", ActorKind.CLI, Surface.CLI)
