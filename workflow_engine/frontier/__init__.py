"""Where a run stands and where leaving a node leads: decided purely, in one place."""
