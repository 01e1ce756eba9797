"""The named statements of keeping.sql, beside those of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from workflow_engine.stores.sqlite.queries import SQL as LEDGER
from workflow_engine.stores.sqlite.queries import named, packaged

SQL: Mapping[str, str] = MappingProxyType({**LEDGER, **named(packaged("keeping/keeping.sql"))})
