"""Where code nobody vouches for runs: bubblewrap, or the plain subprocess that says it is unsandboxed."""

from workflow_engine.sandbox.bubblewrap import WORKSPACE, Bubblewrap
from workflow_engine.sandbox.choose import Probe, open_sandbox, probe
from workflow_engine.sandbox.files import FileRefused, collect, unpack
from workflow_engine.sandbox.plain import PlainSubprocess

__all__ = [
    "WORKSPACE",
    "Bubblewrap",
    "FileRefused",
    "PlainSubprocess",
    "Probe",
    "collect",
    "open_sandbox",
    "probe",
    "unpack",
]
