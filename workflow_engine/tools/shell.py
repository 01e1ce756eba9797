"""The shell tool: a command in the sandbox, on the step's workspace or a folder, with limits and no network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from workflow_engine.errors import DeclarationError, Infrastructure, UsageError
from workflow_engine.ports.sandbox import Completed, Limits
from workflow_engine.sandbox import open_sandbox
from workflow_engine.spec.step import Step
from workflow_engine.spec.tool import Approval, InDoubt, Tool
from workflow_engine.tools.refused import Refused

LONGEST_COMMAND = 20_000


@dataclass(frozen=True)
class Shell:
    """Runs commands on one folder, each in a sandbox of its own."""

    limits: Limits
    unsandboxed: Literal["allowed", "refused"]
    root: Path | None = None

    async def in_workspace(self, command: str, step: Step) -> str:
        """Run a shell command in your workspace."""
        return await self._run(command, step.workspace)

    async def in_folder(self, command: str) -> str:
        """Run a shell command in a folder."""
        assert self.root is not None
        if not self.root.is_dir():
            raise Refused(f"the folder {self.root.name!r} is not there")
        return await self._run(command, self.root)

    async def _run(self, command: str, folder: Path) -> str:
        if not command.strip() or "\0" in command or len(command) > LONGEST_COMMAND:
            raise Refused(f"a command is a text of 1 to {LONGEST_COMMAND} characters without NUL")
        try:
            command.encode()
        except UnicodeEncodeError:
            raise Refused("the command is not UTF-8 text") from None
        try:
            async with open_sandbox(unsandboxed=self.unsandboxed) as sandbox:
                done = await sandbox.run(["/bin/sh", "-c", command], workspace=folder, limits=self.limits)
        except UsageError as error:  # not for the model to mend
            cure = 'install bubblewrap, or say shell_tool(unsandboxed="allowed")'
            raise Infrastructure(error.what, cure, retryable=False) from error
        return _shown(done)


def _shown(done: Completed) -> str:
    how = f"exit {done.exit}" if done.stopped_by is None else f"stopped: {done.stopped_by}"
    parts = [how if done.isolated else f"{how} (unsandboxed)"]
    parts += [
        f"--- {name}\n{text.rstrip()}" for name, text in (("stdout", done.stdout), ("stderr", done.stderr)) if text
    ]
    return "\n".join(parts)


def shell_tool(
    root: str | Path | None = None,
    *,
    limits: Limits = Limits(output_kb=64),  # noqa: B008 - frozen
    approval: Approval | None = None,
    in_doubt: InDoubt = "ask",
    unsandboxed: Literal["allowed", "refused"] = "refused",
    name: str = "run_command",
) -> Tool[..., Any]:
    """A tool that runs one shell command in the sandbox: no network, no host files, `limits` on time and size.

    It works in the step's own workspace, which is rebuilt after a crash by running the commands again, or in the folder
    `root`, where a command is an effect and `in_doubt` counts. Where the machine has no sandbox the step fails, unless
    `unsandboxed="allowed"`: then every command needs a person's word, unless `approval` says otherwise. Raises
    DeclarationError.
    """
    if unsandboxed not in ("allowed", "refused"):
        raise DeclarationError(f"shell_tool: unsandboxed={unsandboxed!r}", "it is allowed or refused")
    if root is None and in_doubt != "ask":
        raise DeclarationError("shell_tool: in_doubt= without a root", "a workspace is rebuilt: nothing is in doubt")
    shell = Shell(limits, unsandboxed, None if root is None else Path(root))
    open_to_all = unsandboxed == "allowed"
    policy: dict[str, Any] = {
        "risk": "danger" if open_to_all else "write",
        "approval": approval or ("always" if open_to_all else "never"),
    }
    where = "your workspace" if root is None else f"the folder {str(root)!r}"
    about = (
        f"Run a command with /bin/sh in {where}. No network; at most {limits.seconds:g} s, "
        f"{limits.memory_mb} MB of memory and {limits.output_kb} KB of output. Returns its exit code and output."
    )
    if root is None:
        return Tool(name, shell.in_workspace, description=about, **policy)
    return Tool(name, shell.in_folder, description=about, effect=True, in_doubt=in_doubt, **policy)
