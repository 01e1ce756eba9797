"""What a run was: events, the run they fold into, and typed JSON. Frozen values without I/O."""
