CREATE TABLE loans (
    lender INTEGER NOT NULL,
    borrower INTEGER NOT NULL,
    PRIMARY KEY (lender, borrower)
) WITHOUT ROWID;
CREATE TABLE traits (
    name TEXT PRIMARY KEY,
    text TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE series (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    seal BLOB NOT NULL
);
CREATE TABLE lines (
    key INTEGER PRIMARY KEY,
    series INTEGER NOT NULL,
    scope TEXT NOT NULL,
    era INTEGER NOT NULL,
    number INTEGER NOT NULL,
    count INTEGER NOT NULL,
    newest TEXT NOT NULL,
    updated TEXT NOT NULL,
    seal BLOB NOT NULL,
    UNIQUE (series, scope)
);
CREATE TABLE checkpoints (
    line INTEGER NOT NULL,
    id TEXT NOT NULL,
    parent TEXT,
    label TEXT,
    seal BLOB NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (line, id)
) WITHOUT ROWID;
CREATE INDEX checkpoints_by_label ON checkpoints (label) WHERE label IS NOT NULL;
CREATE TABLE pieces (
    key INTEGER PRIMARY KEY,
    after INTEGER,
    source INTEGER,
    kind TEXT NOT NULL,
    seal BLOB NOT NULL,
    data BLOB NOT NULL
);
CREATE TABLE pending (
    line INTEGER NOT NULL,
    checkpoint TEXT NOT NULL,
    task TEXT NOT NULL,
    slot INTEGER NOT NULL,
    seal BLOB NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (line, checkpoint, task, slot)
) WITHOUT ROWID;
