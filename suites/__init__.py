"""The benchmarks, one file each; from an install: ``pytest --pyargs pytest_gptoss.suites``."""
