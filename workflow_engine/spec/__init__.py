"""What a workflow is: frozen values without I/O."""
