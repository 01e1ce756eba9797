"""Driving runs: the verbs, our executor, recovery and the event stream."""
