"""Importing: a page becomes a run of this store, in one transaction, and is examined before that is committed."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

from workflow_engine.errors import Conflict, InputError, RunOwned, StoreError
from workflow_engine.record.ids import RunId
from workflow_engine.stores.sqlite import logs
from workflow_engine.stores.sqlite import writing as rows
from workflow_engine.stores.sqlite.keeping import contents, graphs
from workflow_engine.stores.sqlite.keeping.connecting import Stop, writing
from workflow_engine.stores.sqlite.keeping.examining import Tally, harms
from workflow_engine.stores.sqlite.keeping.replay import Replay, replay
from workflow_engine.stores.sqlite.keeping.statements import SQL
from workflow_engine.stores.sqlite.seals import seal
from workflow_engine.stores.sqlite.transaction import begin, impatient
from workflow_engine.stores.texts import letter_text


def take(path: Path, text: str, stop: Stop) -> RunId:
    """The run of a page. Raises InputError, Conflict, StoreError."""
    told = replay(text)
    every = [(each, packed_whole(each)) for each in (told, *told.within)]
    run = told.run.id
    with writing(path, stop, create=True) as (db, owners):
        if not owners.take(run):
            raise RunOwned(f"run {run} is in this store, and is being driven", "import it elsewhere: --store PATH")
        impatient(db)
        for each, _ in every:
            contents.keep(path, each.files)
        begin(db)
        try:
            keys = [_keep(db, each, packed) for each, packed in every]
            for key, (each, _) in zip(keys, every, strict=True):
                for harm in harms(db, key, each.run.id, Tally()):
                    raise InputError(
                        f"the document cannot be imported: {harm.what}", "export the run once more where it is"
                    )
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
    return run


def packed_whole(told: Replay) -> rows.Packed:
    """All batches as one: only what the last of them leaves in the run's own row is stored."""
    packed: list[rows.Packed] = []
    for batch in told.batches:
        try:
            packed.append(rows.pack(batch, told.epoch, packed[-1].row if packed else None))
        except StoreError as error:
            raise InputError(f"the document cannot be imported: {error.what}", error.cure) from error
    return replace(
        packed[-1],
        before=0,
        turn=True,
        journal=[each for one in packed for each in one.journal],
        versions=[each for one in packed for each in one.versions],
        documents=[each for one in packed for each in one.documents],
        asked=[each for one in packed for each in one.asked],
        closed=[each for one in packed for each in one.closed],
        taken=(),
    )


def _keep(db: sqlite3.Connection, told: Replay, packed: rows.Packed) -> int:
    run = told.run.id
    if db.execute(SQL["key_of_run"], (run,)).fetchone() is not None:
        raise Conflict(f"run {run} is in this store already", "import it elsewhere: --store PATH")
    try:
        key = rows.create(db, packed)
        for letter, taken in told.letters:
            text = letter_text(letter)
            db.execute(SQL["insert_letter"], (letter.id, key, letter.settles, seal(text, letter.run, "letter"), text))
            if taken is not None:
                db.execute(SQL["take_letter"], (taken, letter.id, key))
        db.executemany(SQL["put_log"], logs.rows_of(told.run.id, key, told.logs))
        graphs.take(db, run, told.graphs)
        named = (name for name, _ in told.files)
        db.executemany(SQL["name_file"], [(key, *each, rows.file_seal(told.run.id, *each)) for each in named])
    except sqlite3.IntegrityError as error:
        raise InputError(
            f"the document cannot be imported: something of run {run} is in this store under that name ({error})",
            "import it elsewhere: --store PATH",
        ) from error
    return key
