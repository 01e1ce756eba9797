"""SQLite tools: what a model may ask of a database, and what its SQL cannot do."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from workflow_engine import Tool
from workflow_engine.errors import DeclarationError
from workflow_engine.tools import Refused, sqlite_tools

SCHEMA = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT, price REAL, photo BLOB);
CREATE TABLE people (name TEXT, password TEXT);
CREATE TABLE log (what TEXT);
CREATE VIEW names AS SELECT name FROM people;
CREATE TRIGGER noted AFTER UPDATE ON orders BEGIN INSERT INTO log VALUES ('order changed'); END;
INSERT INTO orders VALUES (1, 'tea', 2.5, x'0102'), (2, 'cup', 9, NULL);
INSERT INTO people VALUES ('anna', 'hunter2');
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "a shop?#%.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCHEMA)
    return path


def tools(path: Path, **given: Any) -> dict[str, Tool[..., Any]]:
    return {each.name: each for each in sqlite_tools(path, **given)}


def rows(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def test_a_database_is_described_and_queried(shop: Path) -> None:
    made = tools(shop)
    assert list(made) == ["describe_tables", "query"]
    assert "CREATE TABLE orders" in made["describe_tables"]()
    found = json.loads(made["query"]("SELECT item, price, photo FROM orders WHERE id = ?", [1]))
    assert found == {"columns": ["item", "price", "photo"], "rows": [["tea", 2.5, "(2 bytes)"]], "more": False}
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 9) SELECT i FROM n"
    assert json.loads(tools(shop, rows=3)["query"](many)) == {"columns": ["i"], "rows": [[1], [2], [3]], "more": True}


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM orders", "UPDATE orders SET price = 0", "INSERT INTO log VALUES ('x')", "DROP TABLE orders",
        "CREATE TABLE t (a)", "CREATE TEMP TABLE t (a)", "ATTACH 'other.db' AS o", "PRAGMA writable_schema = 1",
        "PRAGMA database_list", "SELECT * FROM pragma_database_list", "SELECT load_extension('x')", "VACUUM",
        "VACUUM INTO 'copy.db'", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT a", "REINDEX", "ANALYZE", "DETACH main",
        "SELECT 1; DELETE FROM orders", "SELECT writefile('x', 'y')", "SELECT * FROM nothing", "", "nonsense",
        "SELECT ?", "SELECT '\ud800'", "SELECT '\0", "EXPLAIN DELETE FROM orders", "x" * 60_000,
        "WITH a AS (SELECT 1) DELETE FROM orders", "REPLACE INTO orders (id) VALUES (1)",
    ],
)  # fmt: skip
def test_reading_is_all_a_query_can_do(shop: Path, sql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop.parent)
    before = shop.read_bytes()
    try:
        tools(shop)["query"](sql)
    except Refused:
        pass
    else:
        assert sql in ("", "REINDEX")  # there is nothing to do
    assert shop.read_bytes() == before
    assert [each.name for each in shop.parent.iterdir()] == [shop.name]


def test_a_slow_statement_is_stopped(shop: Path) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n"
    began = time.monotonic()
    with pytest.raises(Refused, match=r"took longer than 0\.2 s"):
        tools(shop, limit=timedelta(seconds=0.2))["query"](endless)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("sql", ["SELECT zeroblob(1000000000)", "SELECT hex(randomblob(900000))"])
def test_a_huge_value_is_not_made(shop: Path, sql: str) -> None:
    with pytest.raises(Refused, match="too big"):
        tools(shop)["query"](sql)


def test_a_huge_answer_is_cut(shop: Path) -> None:
    sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT hex(zeroblob(10000)) FROM n"
    found = tools(shop)["query"](sql)
    assert len(found) < 110_000
    assert json.loads(found)["more"]


def test_only_named_tables_and_views_are_read(shop: Path) -> None:
    made = tools(shop, tables=["orders"])
    assert json.loads(made["query"]("SELECT count(*) FROM Orders"))["rows"] == [[2]]
    with_both = tools(shop, tables=["names", "people"])
    assert json.loads(with_both["query"]("SELECT * FROM names"))["rows"] == [["anna"]]
    assert "password" not in made["describe_tables"]()
    for sql in (
        "SELECT password FROM people",
        "SELECT count(*) FROM people",
        "SELECT sql FROM sqlite_master",
        "SELECT (SELECT password FROM people) FROM orders",
        "SELECT * FROM names",
        "WITH names AS (SELECT password FROM people) SELECT * FROM names",
        "WITH orders AS (SELECT password FROM people) SELECT * FROM orders",
        "SELECT * FROM (SELECT password FROM people) AS names",
    ):
        with pytest.raises(Refused):
            made["query"](sql)


def test_a_change_is_an_effect_on_named_tables_that_waits_for_a_person(shop: Path) -> None:
    change = tools(shop, write=["orders"])["change"]
    assert (change.effect, change.approval, change.in_doubt, change.risk) == (True, "always", "ask", "write")
    assert change("UPDATE orders SET price = ? WHERE id = 1", [3]) == "1 rows changed"
    assert rows(shop, "SELECT price FROM orders WHERE id = 1") == [(3.0,)]
    assert rows(shop, "SELECT what FROM log") == [("order changed",)]
    assert change("INSERT INTO orders (item) VALUES ('pot') RETURNING id").startswith("1 rows changed: {")
    for sql in (
        "UPDATE people SET password = ''", "DELETE FROM log", "DROP TABLE orders", "ATTACH 'o.db' AS o", "COMMIT",
        "DELETE FROM sqlite_master", "PRAGMA user_version = 3",
        "CREATE TRIGGER t AFTER UPDATE ON orders BEGIN SELECT 1; END",
    ):  # fmt: skip
        with pytest.raises(Refused):
            change(sql)
    assert rows(shop, "SELECT password FROM people") == [("hunter2",)]


def test_a_change_that_breaks_off_changes_nothing(shop: Path) -> None:
    change = tools(shop, write=True, limit=timedelta(seconds=0.2))["change"]
    endless = "INSERT INTO orders (item) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i FROM n"
    with pytest.raises(Refused, match="took longer"):
        change(endless)
    assert rows(shop, "SELECT count(*) FROM orders") == [(2,)]


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    for name in ("query", "change"):
        with pytest.raises(Refused, match="cannot be opened"):
            tools(tmp_path / "no.db", write=True)[name]("SELECT 1")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "given",
    [{"rows": 0}, {"limit": timedelta()}, {"tables": "orders"}, {"write": []}, {"write": "orders"},
     {"in_doubt": "rerun"}],
)  # fmt: skip
def test_a_declaration_that_means_nothing_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError):
        sqlite_tools("shop.db", **given)
