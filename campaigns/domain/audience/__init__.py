"""People of an earlier campaign, chosen by what became of their messages."""
