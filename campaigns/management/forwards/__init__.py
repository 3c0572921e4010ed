"""The use cases about webhooks that are passed on to other programs."""
