CREATE TABLE loans (
    lender INTEGER NOT NULL,
    borrower INTEGER NOT NULL,
    PRIMARY KEY (lender, borrower)
) WITHOUT ROWID;
CREATE TABLE logs (
    number INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    take INTEGER NOT NULL,
    part INTEGER NOT NULL,
    seal BLOB NOT NULL,
    text TEXT NOT NULL
);
CREATE UNIQUE INDEX logs_by_part ON logs (run, take, part);
CREATE TABLE people (
    number INTEGER PRIMARY KEY,
    seal BLOB NOT NULL,
    text TEXT NOT NULL
);
CREATE TABLE files (
    run INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    seal BLOB NOT NULL,
    PRIMARY KEY (run, sha256)
) WITHOUT ROWID;
CREATE INDEX files_by_content ON files (sha256);
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
ALTER TABLE runs ADD COLUMN due INTEGER;
ALTER TABLE runs ADD COLUMN topics TEXT;
ALTER TABLE runs ADD COLUMN within TEXT;
CREATE INDEX runs_by_due ON runs (due, key) WHERE due IS NOT NULL;
CREATE INDEX runs_by_topics ON runs (topics, key) WHERE topics IS NOT NULL;
CREATE INDEX runs_within ON runs (id, within) WHERE within IS NOT NULL;
-- When the first open question of a run expires: 2026-01-02T03:04:05.678Z, as microseconds.
UPDATE runs SET due = (
    SELECT min(
        CAST(strftime('%s', substr(json_extract(each.value, '$.due'), 1, 19)) AS INTEGER) * 1000000
        + CASE substr(json_extract(each.value, '$.due'), 20, 1)
            WHEN '.' THEN CAST(substr(rtrim(substr(json_extract(each.value, '$.due'), 21), 'Z') || '000000', 1, 6) AS INTEGER)
            ELSE 0
        END
    )
    FROM json_each(runs.text, '$.open') AS each
)
WHERE status IN ('running', 'waiting') AND json_valid(text);
CREATE INDEX runs_queued ON runs (workflow, key) WHERE status = 'queued';
CREATE TABLE schedules (
    name TEXT PRIMARY KEY,
    seal BLOB NOT NULL,
    text TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE publications (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    done INTEGER,
    seal BLOB NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX publications_undelivered ON publications (number) WHERE done IS NULL;
CREATE TABLE results (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    until INTEGER NOT NULL,
    seal BLOB NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX results_by_until ON results (until);
CREATE TABLE notices (
    number INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    happened TEXT NOT NULL,
    due INTEGER,
    seal BLOB NOT NULL,
    text TEXT NOT NULL
);
CREATE UNIQUE INDEX notices_by_event ON notices (run, seq, happened);
CREATE INDEX notices_by_due ON notices (due) WHERE due IS NOT NULL;
