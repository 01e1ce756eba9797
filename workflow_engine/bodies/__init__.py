"""How each kind of node does its work: it returns an intent, and never calls an executor."""
