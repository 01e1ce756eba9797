"""The verbs of an engine, by what they are for: each file a class, which `service.py` puts together."""
