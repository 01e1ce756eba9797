"""What the surroundings say: settings from the environment, each beaten by the argument of the same name."""

from workflow_engine.settings.settings import Settings, read_settings

__all__ = ["Settings", "read_settings"]
