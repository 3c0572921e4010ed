"""The page for engineers: what is wrong, the processes, the queues, the versions and the settings."""
