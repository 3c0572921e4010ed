"""What the broker carries: task messages, and the filter for messages that are not ours."""
