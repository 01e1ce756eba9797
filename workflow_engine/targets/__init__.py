"""Targets: from what a person types, or a run remembers, to the workflow. The only importer of users' files."""

from workflow_engine.targets.importing import BrokenFile
from workflow_engine.targets.label import Label, from_label
from workflow_engine.targets.target import Loaded, load

__all__ = ["BrokenFile", "Label", "Loaded", "from_label", "load"]
