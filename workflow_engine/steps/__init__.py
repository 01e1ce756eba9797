"""One step: attempt the body, decide where it leads, commit. Both executors call it; neither knows how it works."""
