"""The named statements of keeping.sql, beside those of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from workflow_engine.stores.sqlite.queries import SQL as LEDGER
from workflow_engine.stores.sqlite.queries import named, packaged

OWN: Mapping[str, str] = MappingProxyType(named(packaged("keeping/keeping.sql")))
SQL: Mapping[str, str] = MappingProxyType({**LEDGER, **OWN})
