"""SQLite tools: a user's own database asked by a model, read-only unless tables are opened for writing.

What a statement may do is decided by SQLite itself, through its authorizer, not by looking at the text: reading, and
where allowed changing rows of named tables. No ATTACH, no PRAGMA, no DDL, no function that reaches a file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from workflow_engine.errors import DeclarationError
from workflow_engine.spec.tool import Approval, InDoubt, Tool
from workflow_engine.tools.refused import Refused

if TYPE_CHECKING:
    import sqlite3

Scalar = str | int | float | None

LONGEST_SQL = 50_000
LARGEST_VALUE = 2**20
"""Bytes of one value, made or read."""
LARGEST_ANSWER = 100_000
"""Characters of rows that one query returns."""
STEPS = 2000
"""Of SQLite's machine, between two looks at the clock."""
# The names of actions: sqlite3 has them as numbers, and not those of functions and recursion.
_SELECT, _READ, _FUNCTION, _RECURSIVE, _INSERT, _UPDATE, _DELETE = 21, 20, 31, 33, 18, 23, 9
_OUTWARD = frozenset(
    {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "lsdir", "sqlite_compileoption_get"}
)


@dataclass(frozen=True)
class Database:
    """One file, and what may be done with it. `tables` are those to be read, None all; `writes` those to be changed."""

    path: Path
    rows: int
    limit: timedelta
    tables: frozenset[str] | None = None
    writes: frozenset[str] | bool = False

    def query(self, sql: str, parameters: list[Scalar] | None = None) -> str:
        """Run one SELECT; `parameters` fill its ? marks. Returns JSON: columns, rows, and whether there are more."""
        with self._open("ro", ()) as connection:
            return self._rows(connection.execute(sql, parameters or ()))

    def describe_tables(self) -> str:
        """Say which tables and views there are and how they were made."""
        with self._open("ro", None) as connection:
            found = connection.execute(
                "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'view') AND sql IS NOT NULL"
                " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
            ).fetchall()
        lines = [sql for name, sql in found if self.tables is None or name.lower() in self.tables]
        return "\n".join(lines)[:LARGEST_ANSWER] or "(no tables)"

    def change(self, sql: str, parameters: list[Scalar] | None = None) -> str:
        """Run one INSERT, UPDATE or DELETE, whole or not at all; `parameters` fill its ? marks."""
        with self._open("rw", self.writes) as connection:
            cursor = connection.execute(sql, parameters or ())
            returned = self._rows(cursor) if cursor.description else ""
            changed = cursor.rowcount
            # Only ours: a statement of the model's never ends the transaction.
            connection.set_authorizer(None)
            connection.execute("COMMIT")
        return f"{max(0, changed)} rows changed{returned and ': '}{returned}"

    def _rows(self, cursor: sqlite3.Cursor) -> str:
        columns = [each[0] for each in cursor.description or ()]
        rows: list[Any] = []
        room, more = LARGEST_ANSWER, False
        for row in cursor:
            shown = [_shown(each) for each in row]
            room -= len(to_json(shown))
            if len(rows) == self.rows or room < 0:
                more = True
                break
            rows.append(shown)
        return to_json({"columns": columns, "rows": rows, "more": more}, inf_nan_mode="strings").decode()

    @contextmanager
    def _open(self, mode: str, writes: Any) -> Iterator[sqlite3.Connection]:
        """A connection of one use. `writes` are the tables its statement may change; None is a statement of ours."""
        import sqlite3

        until = time.monotonic() + self.limit.total_seconds()
        try:
            connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode={mode}",
                uri=True,
                timeout=min(5.0, self.limit.total_seconds()),
                isolation_level=None,
                check_same_thread=False,
            )
        except sqlite3.Error as error:
            raise Refused(f"the database {self.path.name!r} cannot be opened: {error}") from error
        try:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_VALUE)
            connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, LONGEST_SQL)
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA query_only = ON" if mode == "ro" else "BEGIN IMMEDIATE")
            connection.set_progress_handler(lambda: time.monotonic() > until, STEPS)
            if writes is not None:
                connection.set_authorizer(self._judge(writes))
            yield connection
        except sqlite3.Error as error:
            raise Refused(self._why(error, late=time.monotonic() > until)) from error
        except (ValueError, OverflowError) as error:  # text no file can hold, a number over 64 bits
            raise Refused(f"SQLite cannot take this: {error}") from error
        finally:
            connection.close()

    def _judge(self, writes: Any) -> Callable[..., int]:
        def judge(action: int, first: str | None, second: str | None, _: str | None, within: str | None) -> int:
            return 0 if self._allows(writes, action, first or "", second or "", within) else 1

        return judge

    def _allows(self, writes: Any, action: int, first: str, second: str, within: str | None) -> bool:
        match action:
            case n if n in (_SELECT, _RECURSIVE):
                return True
            case n if n == _FUNCTION:
                return second.lower() not in _OUTWARD
            case n if n == _READ:
                # By the table alone: a view cannot be told from a subquery that was given its name.
                return self.tables is None or first.lower() in self.tables or first == ""
            case n if n in (_INSERT, _UPDATE, _DELETE) and writes:
                if first.lower().startswith("sqlite_"):
                    return False
                # `within` is a trigger: what it does is the word of whoever made the schema.
                return within is not None or writes is True or first.lower() in writes
            case _:
                return False

    def _why(self, error: sqlite3.Error, *, late: bool) -> str:
        if late:
            return f"the statement took longer than {self.limit.total_seconds():g} s and was stopped"
        text = str(error)
        if "not authorized" in text or "prohibited" in text or "readonly" in text:
            return f"{text}: that is not granted here"
        return f"SQLite: {text}"


def _shown(value: Any) -> Any:
    return f"({len(value)} bytes)" if isinstance(value, bytes) else value


def sqlite_tools(
    path: str | Path,
    *,
    write: bool | Sequence[str] = False,
    tables: Sequence[str] | None = None,
    rows: int = 200,
    limit: timedelta = timedelta(seconds=10),
    approval: Approval = "always",
    in_doubt: InDoubt = "ask",
    prefix: str = "",
) -> tuple[Tool[..., Any], ...]:
    """Tools describe_tables and query and, given `write`, change, for `tools=[*sqlite_tools("shop.db")]`.

    The database is opened read-only for each query. `tables` names the only tables to be read (a view is read through
    its tables); a query stops after `rows` rows and after the time `limit`. `write=["orders"]` lets `change` run one
    INSERT, UPDATE or DELETE on that table (True: on any), as an effect that needs a person's word unless `approval`
    says otherwise. Raises DeclarationError.
    """
    if rows < 1 or limit <= timedelta():
        raise DeclarationError(f"sqlite_tools: rows={rows!r}, limit={limit!r}", "give both more than nothing")
    if isinstance(tables, str) or isinstance(write, str):
        raise DeclarationError("sqlite_tools: tables are a list of names", f'["{write or tables}"]')
    named = None if tables is None else frozenset(each.lower() for each in tables)
    writes = write if isinstance(write, bool) else frozenset(each.lower() for each in write)
    if not writes and not isinstance(write, bool):
        raise DeclarationError("sqlite_tools: write= names no table", "leave it out, or name one")
    if not writes and (approval != "always" or in_doubt != "ask"):
        raise DeclarationError("sqlite_tools: approval= and in_doubt= are about writing", 'add write=["table"]')
    database = Database(Path(path), rows, limit, named, writes)
    of = f"The database is {Path(path).name!r}" + ("" if tables is None else f", of which only {', '.join(tables)}")

    def made(body: Callable[..., str], also: str = "", **policy: Any) -> Tool[..., Any]:
        text = " ".join((body.__doc__ or "").split())
        return Tool(f"{prefix}{body.__name__}", body, description=f"{text} {of}.{also}", **policy)

    within = f" At most {rows} rows, within {limit.total_seconds():g} s."
    tools = [made(database.describe_tables), made(database.query, within)]
    if writes:
        only = "" if writes is True else f" Only rows of {', '.join(sorted(writes))}."
        policy = {"effect": True, "in_doubt": in_doubt, "approval": approval, "risk": "write"}
        tools.append(made(database.change, only, **policy))
    return tuple(tools)
