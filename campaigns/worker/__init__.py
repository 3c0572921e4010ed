"""What one worker process is."""
