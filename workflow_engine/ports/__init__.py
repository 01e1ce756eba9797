"""The Protocols through which the rooms of floor 4 meet: what each part must do, never how."""
