"""What a command in the sandbox can reach: nothing of the host, on whatever footing it stands."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

import pytest

from workflow_engine import errors
from workflow_engine.ports.sandbox import Completed, Limits
from workflow_engine.sandbox import WORKSPACE, Bubblewrap


async def python(sandbox: Bubblewrap, code: str, workspace: Path, **more: object) -> Completed:
    return await sandbox.run([sys.executable, "-c", code], workspace=workspace, **more)  # type: ignore[arg-type]


async def test_a_listener_on_the_hosts_loopback_is_not_reached(footed: Bubblewrap, workspace: Path) -> None:
    calls = []
    server = await asyncio.start_server(lambda reader, writer: calls.append(writer), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        done = await python(footed, f"import socket; socket.create_connection(('127.0.0.1', {port}), 0.3)", workspace)
    assert done.exit == 1
    assert "ConnectionRefusedError" in done.stderr
    assert calls == []


async def test_an_abstract_socket_of_the_host_is_not_reached(footed: Bubblewrap, workspace: Path, marker: str) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{marker}")
        listener.listen()
        code = f"import socket; socket.socket(socket.AF_UNIX).connect('\\0{marker}')"
        assert "ConnectionRefusedError" in (await python(footed, code, workspace)).stderr


async def test_there_is_no_way_out_to_any_network(footed: Bubblewrap, workspace: Path) -> None:
    done = await python(footed, "import socket; print([name for _, name in socket.if_nameindex()])", workspace)
    assert done.stdout.strip() == "['lo']"


async def test_host_files_do_not_exist(footed: Bubblewrap, workspace: Path) -> None:
    secret = workspace.parent / "secret.txt"
    secret.write_text("the secret")
    outside = [
        str(secret),
        "/etc/shadow",
        "/etc/hostname",
        "/var/log",
        "/home",
        "/root/.ssh",
        str(Path(__file__).resolve()),
    ]
    code = f"import os; print([path for path in {outside!r} if os.path.lexists(path)])"
    assert (await python(footed, code, workspace)).stdout.strip() == "[]"


async def test_a_link_to_a_host_file_leads_nowhere(footed: Bubblewrap, workspace: Path) -> None:
    (workspace.parent / "secret.txt").write_text("the secret")
    (workspace / "link").symlink_to(workspace.parent / "secret.txt")
    done = await python(footed, "open('link').read()", workspace)
    assert "FileNotFoundError" in done.stderr


async def test_secrets_of_the_environment_are_invisible(
    footed: Bubblewrap, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "very-secret")
    code = """if True:
        import glob, os
        print(dict(os.environ))
        for path in glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline"):
            try:
                print(open(path, "rb").read())
            except OSError:
                pass
    """
    done = await python(footed, code, workspace)
    assert done.ok
    assert "very-secret" not in done.stdout
    assert "OPENAI" not in done.stdout


async def test_what_the_caller_gives_is_the_environment(sandbox: Bubblewrap, workspace: Path) -> None:
    done = await sandbox.run(["env"], workspace=workspace, env={"COLOUR": "green", "HOME": "/sandbox"})
    words = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert words["COLOUR"] == "green"
    assert words["HOME"] == "/sandbox"
    assert words["LANG"] == "C.UTF-8"


async def test_a_library_preloaded_for_the_command_is_loaded_by_nothing_before_it(
    sandbox: Bubblewrap, workspace: Path
) -> None:
    done = await sandbox.run(["true"], workspace=workspace, env={"LD_PRELOAD": "./nothing.so"})
    assert done.ok
    # The linker complains once for every program that sees the variable.
    assert done.stderr.count("nothing.so") == 1


async def test_no_other_process_is_seen(footed: Bubblewrap, workspace: Path) -> None:
    done = await python(footed, "import os; print(len([p for p in os.listdir('/proc') if p.isdigit()]))", workspace)
    assert int(done.stdout) <= 3


async def test_the_command_holds_no_capability_and_is_not_root(footed: Bubblewrap, workspace: Path) -> None:
    code = """if True:
        import os
        lines = dict(line.rstrip().split(":", 1) for line in open("/proc/self/status"))
        held = [int(lines[name], 16) for name in ("CapEff", "CapPrm", "CapAmb", "NoNewPrivs")]
        print(*held, 0 in os.getresuid(), os.getgroups())
    """
    assert (await python(footed, code, workspace)).stdout.strip() == "0 0 0 1 False []"


async def test_no_switch_of_the_kernel_can_be_opened_for_writing(footed: Bubblewrap, workspace: Path) -> None:
    # bwrap alone leaves /proc/sys writable to uid 0 in a user namespace; core_pattern there is a way out of any
    # sandbox. Opening shows it. Nothing is written or truncated, so that a hole found here does no harm to the machine.
    code = """if True:
        import os
        writable = []
        for top, folders, files in os.walk("/proc"):
            folders[:] = [folder for folder in folders if not folder.isdigit()]
            for file in files:
                try:
                    os.close(os.open(os.path.join(top, file), os.O_WRONLY | os.O_NONBLOCK))
                    writable.append(os.path.join(top, file))
                except OSError:
                    pass
        print(writable)
    """
    assert (await python(footed, code, workspace)).stdout.strip() == "[]"


async def test_only_the_workspace_and_scratch_space_can_be_written(footed: Bubblewrap, workspace: Path) -> None:
    # A folder to make instead of a file to write: were one of these the host's, an empty folder would be all it got.
    places = ["/", "/usr", "/etc", "/dev", "/proc", str(Path(sys.prefix) / "bin"), WORKSPACE, "/tmp", "/dev/shm"]
    code = f"""if True:
        import os
        able = []
        for place in {places!r}:
            try:
                os.mkdir(os.path.join(place, "made-in-the-sandbox"))
                able.append(place)
            except OSError:
                pass
        print(able)
    """
    assert (await python(footed, code, workspace)).stdout.strip() == str([WORKSPACE, "/tmp", "/dev/shm"])
    assert os.listdir(workspace) == ["made-in-the-sandbox"]


async def test_the_hosts_name_is_hidden_and_localhost_is_here(footed: Bubblewrap, workspace: Path) -> None:
    code = "import getpass, socket; print(socket.gethostname(), socket.gethostbyname('localhost'), getpass.getuser())"
    assert (await python(footed, code, workspace)).stdout.strip() == "sandbox 127.0.0.1 sandbox"


async def test_no_descriptor_of_the_engine_is_left_open(footed: Bubblewrap, workspace: Path) -> None:
    done = await python(footed, "import os; print(sorted(map(int, os.listdir('/proc/self/fd'))))", workspace)
    assert done.stdout.strip() == "[0, 1, 2, 3]"  # 3 is the listing itself


async def test_an_extra_folder_is_visible_at_its_place_and_read_only(workspace: Path, sandbox: Bubblewrap) -> None:
    extra = workspace.parent / "extra"
    extra.mkdir(mode=0o755)
    (extra / "data.txt").write_text("data")
    code = f"print(open('{extra}/data.txt').read()); open('{extra}/new', 'w')"
    done = await python(Bubblewrap(extra_readonly=[extra]), code, workspace)
    assert done.stdout.strip() == "data"
    assert "Read-only file system" in done.stderr
    assert "FileNotFoundError" in (await python(sandbox, code, workspace)).stderr


def test_an_extra_folder_that_does_not_exist_is_refused() -> None:
    with pytest.raises(errors.UsageError, match="does not exist"):
        Bubblewrap(extra_readonly=["/no/such/folder"])


async def test_the_workspace_goes_back_to_its_owner_without_setuid_bits(footed: Bubblewrap, workspace: Path) -> None:
    (workspace / "before").write_text("")
    done = await python(
        footed, "open('after', 'w'); open('before', 'a'); import os; os.mkdir('d'); open('d/x', 'w')", workspace
    )
    assert done.ok, done.stderr
    assert {(path.stat().st_uid, path.stat().st_gid) for path in [workspace, *workspace.rglob("*")]} == {
        (os.geteuid(), os.getegid())
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="the workspace is lent only by root")
async def test_a_file_with_a_second_name_elsewhere_is_not_lent(sandbox: Bubblewrap, workspace: Path) -> None:
    elsewhere = workspace.parent / "elsewhere"
    elsewhere.write_text("mine")
    os.chmod(elsewhere, 0o600)
    os.link(elsewhere, workspace / "linked")
    (workspace / "setuid").write_text("")
    done = await sandbox.run(["sh", "-c", "cat linked; touch own; chmod 4755 own"], workspace=workspace)
    assert "Permission denied" in done.stderr
    assert elsewhere.stat().st_uid == 0
    own = (workspace / "own").stat()
    assert (own.st_uid, own.st_mode & 0o7777) == (0, 0o755)


async def test_two_commands_share_a_workspace_at_once(sandbox: Bubblewrap, workspace: Path) -> None:
    many = [
        sandbox.run(["sh", "-c", f"echo {n} > f{n}"], workspace=workspace, limits=Limits(seconds=20)) for n in range(4)
    ]
    assert [done.exit for done in await asyncio.gather(*many)] == [0] * 4
    assert {path.stat().st_uid for path in workspace.iterdir()} == {os.geteuid()}
