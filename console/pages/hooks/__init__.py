"""The pages about hooks: addresses of other programs that get a POST for each event."""
