"""The facts that a journal is made of, by what they are about. Their union, and their JSON, are `record/events.py`."""
