"""Programs that Revoada is compared with: usual ways to send, and lower bounds of the CPU time."""
