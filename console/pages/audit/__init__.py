"""The audit: who changed what, when and from where. No page changes an event."""
