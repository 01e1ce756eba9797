"""Bodies that run in a process of their own, so that a time limit can really stop them.

Values cross as typed JSON. Errors cross as what they are, so that `retry=Retry(on=...)` still knows them: a pickle is
read only from the child this process started itself, never from a store.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import logging
import os
import pickle
import sys
import traceback
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_process
import anyio.to_thread
from pydantic import TypeAdapter

from workflow_engine.bodies import capture
from workflow_engine.bodies.apart import marked, stand_apart
from workflow_engine.bodies.channel import Mouth, channel, opened
from workflow_engine.errors import StepError, UsageError
from workflow_engine.record.codec import encode
from workflow_engine.spec.file import SHELF, LendingShelf, named
from workflow_engine.spec.nodes import Function, Node


async def call_in_child(node: Function[Any, Any], given: Mapping[str, Any]) -> Any:
    """The body's value; the child is killed on cancellation. Raises what the body raised, and StepError if it died."""
    types = {each.name: each.type for each in node.signature.parameters}
    texts = {name: TypeAdapter(types[name]).dump_json(value).decode() for name, value in given.items()}
    body = inspect.unwrap(node.body)
    place = (body.__module__, inspect.getsourcefile(body) or "", body.__qualname__)
    try:
        with channel(capture.ear()) as folder:
            async with _lent(texts.values()) as shelf:
                value, error = await _begun(place, texts, folder, shelf)
    except anyio.BrokenWorkerProcess as broken:
        if broken.args:
            raise StepError(f"the process of {node.name} could not start: {broken.__cause__ or broken}") from broken
        cure = "it ran out of memory, was killed, or left by os._exit"
        raise StepError(f"the process of {node.name} died before it answered", cure) from broken
    if error is not None:
        raise _unpacked(error)
    return TypeAdapter(node.signature.returns).validate_json(value)


@asynccontextmanager
async def _lent(texts: Iterable[str]) -> AsyncIterator[LendingShelf | None]:
    """The shelf of the child, with the files that its values name. To copy them may take a while."""
    shelf = SHELF.get()
    if shelf is None:
        yield None
        return
    lending = shelf.lent([each for text in texts for each in named(text)])
    lent = await anyio.to_thread.run_sync(lending.__enter__)
    try:
        yield lent
    except BaseException as error:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(lending.__exit__, type(error), error, error.__traceback__)
        raise
    await anyio.to_thread.run_sync(lending.__exit__, None, None, None)


async def _begun(
    place: tuple[str, str, str], texts: Mapping[str, str], folder: str | None, shelf: LendingShelf | None
) -> tuple[str, bytes | None]:
    """The child's word. One that died before its body began is started once more: a Ctrl-C may have met it."""
    level, parent = logging.getLogger().level, os.getpid()
    for last in (False, True):
        with marked() as mark:
            try:
                return await anyio.to_process.run_sync(
                    _in_child, place, texts, folder, level, shelf, str(mark.path), parent, cancellable=True
                )
            except anyio.BrokenWorkerProcess:
                if last or mark.group is not None:
                    raise
    raise AssertionError("the last try returns or raises")


def refuse_in_child() -> None:
    """Raise errors.UsageError in a child that imports its parent's script only to find a body in it."""
    # anyio takes __main__ away while it runs the parent's script under another name.
    if "__main__" not in sys.modules:
        raise UsageError(
            "a node with process=True makes this script start itself again",
            'put the lines that run a workflow under: if __name__ == "__main__":',
        )


def _in_child(
    place: tuple[str, str, str],
    texts: Mapping[str, str],
    folder: str | None,
    level: int,
    shelf: LendingShelf | None,
    mark: str,
    parent: int,
) -> tuple[str, bytes | None]:
    stand_apart(mark, parent)
    with _pipes_apart(folder), _heard(folder, level):
        SHELF.set(shelf)
        try:
            node = _found(*place)
            types = {each.name: each.type for each in node.signature.parameters}
            value = node.body(**{name: TypeAdapter(types[name]).validate_json(text) for name, text in texts.items()})
            return encode(TypeAdapter(node.signature.returns), value, f"{node.name} returned"), None
        except (Exception, SystemExit) as error:
            return "", _packed(error)


@contextmanager
def _pipes_apart(folder: str | None) -> Iterator[None]:
    """Keep the pipes to the parent from the body and from programs it starts: what they print goes through the channel.

    0 and 1 carry the values; nobody reads 2, and who fills it waits for ever.
    """
    kept = [(number, os.dup(number)) for number in (0, 1, 2)]
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    for number, name in ((1, "out"), (2, "err")):
        end = nothing if folder is None else opened(folder, name)
        os.dup2(end, number)
        if end != nothing:
            os.close(end)
    try:
        yield
    finally:
        for number, pipe in kept:
            os.dup2(pipe, number)
            os.close(pipe)
        os.close(nothing)


@contextmanager
def _heard(folder: str | None, level: int) -> Iterator[None]:
    """Let the parent hear what the body prints and logs."""
    mouth = None if folder is None else Mouth(folder)
    root = logging.getLogger()
    if not root.handlers and root.level == logging.WARNING:  # as in the parent, where nobody here set up another way
        root.setLevel(level)
    token = capture.listen(mouth)
    try:
        yield
    finally:
        capture.unlisten(token)
        if mouth is not None:
            mouth.close()


def _packed(error: BaseException) -> bytes:
    frames = [each for each in traceback.extract_tb(error.__traceback__) if each.filename != __file__]
    text = "".join(traceback.format_list(frames[-8:]))
    try:
        packed = pickle.dumps((error, text))
        pickle.loads(packed)
    except Exception:  # an error may hold anything
        return pickle.dumps((StepError("".join(traceback.format_exception_only(error)).strip()), text))
    return packed


def _unpacked(packed: bytes) -> BaseException:
    # The child knows this process's __main__ under the name that multiprocessing gives it.
    sys.modules.setdefault("__mp_main__", sys.modules["__main__"])
    error: BaseException
    try:
        error, text = pickle.loads(packed)
    except Exception as problem:  # its class is found there and not here
        return StepError(f"the body raised an error that cannot be brought here: {problem}")
    if text:
        error.add_note(text)
    return error


def _found(module_name: str, file: str, qualname: str) -> Node:
    module = sys.modules.get(module_name)
    if module is None or not hasattr(module, qualname.split(".")[0]):
        try:
            module = importlib.import_module(module_name)
        except ImportError:
            found = importlib.util.spec_from_file_location(module_name, file)
            if found is None or found.loader is None:
                raise
            module = importlib.util.module_from_spec(found)
            sys.modules[module_name] = module
            sys.path.insert(0, str(Path(file).parent))
            found.loader.exec_module(module)
    body: Any = module
    for part in qualname.split("."):
        body = getattr(body, part)
    return body if isinstance(body, Node) else Node(qualname, body)
