"""Where runs are kept: in memory for tests, in a SQLite file for everything else."""
