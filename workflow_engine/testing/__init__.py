"""The public kit for tests: a clock that jumps, a seeded mint, and the sentences every ledger must keep."""
