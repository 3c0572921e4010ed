"""Sends WhatsApp campaigns, many at the same time. An error in one campaign does not stop the others."""
