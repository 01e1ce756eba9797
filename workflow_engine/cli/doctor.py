"""The command `doctor`: what this machine has, and what hinders."""

from __future__ import annotations

import typer

from workflow_engine.cli.options import Json, Store


def doctor(store: Store = None, json: Json = False) -> None:
    """Tell what works here: store, sandbox, pictures, model."""
    import sys

    from workflow_engine.cli.examination import examine
    from workflow_engine.cli.exits import Exit
    from workflow_engine.cli.figures import plain
    from workflow_engine.cli.stopping import run_loop
    from workflow_engine.cli.voice import DIM, emit, emit_json, painted, point

    found = run_loop(examine(store))
    if json:
        emit_json({"ok": all(each.verdict != "bad" for each in found), "checks": [each.document() for each in found]})
    else:
        broad = max(len(each.what) for each in found)
        for each in found:
            mark = each.sign
            emit(
                f"{painted(mark.on(sys.stdout), mark.ansi, sys.stdout)} "
                f"{painted(each.what.ljust(broad), DIM, sys.stdout)}  {plain(each.is_)}"
            )
            if each.cure:
                emit(f"  {' ' * broad}  {painted(plain(each.cure), DIM, sys.stdout)}")
    point(("run", "workflow run TARGET"))
    bad = {each.what for each in found if each.verdict == "bad"}
    if bad:
        raise typer.Exit(Exit.STORE if "store" in bad else Exit.FAILED)
