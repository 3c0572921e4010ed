"""The state of the installation, for the metrics."""
