"""Enqueues tasks in the message broker, counts the waiting tasks, and filters the messages of other programs."""
