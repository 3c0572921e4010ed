"""Phone numbers: read, compared as people, and placed in time zones."""
