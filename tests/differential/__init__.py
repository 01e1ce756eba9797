"""The two executors against each other, on random workflows that crash."""
