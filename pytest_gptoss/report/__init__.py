"""What people read: the progress line and the terminal summary."""
