"""`rejected.py` is for type checkers to read: run, it would raise at its first line."""

collect_ignore = ["rejected.py"]
