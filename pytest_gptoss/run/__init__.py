"""Running what was selected: scheduler, journal, grading, run directory and results."""
