"""The pages that send messages again: failed messages by class, and uncertain messages."""
