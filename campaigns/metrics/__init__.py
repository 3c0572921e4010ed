"""The metrics that Prometheus reads: what they are, the counting in each process, and the port that serves them."""
