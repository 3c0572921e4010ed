"""The tables about webhooks that are passed on to other programs."""
