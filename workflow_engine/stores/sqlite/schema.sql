-- A store as it is made today. Its version is PRAGMA user_version; migrations/ leads older stores here.
--
-- `text` columns hold typed JSON. `seal` is a digest of the row's text and of everything that says where it belongs
-- (seals.py): a row that was damaged, edited or moved is found on reading. Texts come last in their tables, so that
-- looking for a row does not read the pages its text runs over to.

-- One row a run: where it stands. `fields` counts the versions of each field, so that a lost version is missed.
-- `due` is when the first of its questions or waits is over (microseconds since 1970), `topics` what it listens to (each
-- between line ends), `within` the run around it: all as its text says, here to be found by. They came later than the text, and stand behind it as SQLite
-- writes an added column down.
CREATE TABLE runs (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    workflow TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    created TEXT NOT NULL,
    updated TEXT NOT NULL,
    steps INTEGER NOT NULL,
    target TEXT,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    document TEXT,
    seal BLOB NOT NULL,
    fields TEXT NOT NULL,
    text TEXT NOT NULL
, due INTEGER, topics TEXT, within TEXT);
CREATE INDEX runs_by_workflow ON runs (workflow, key);
CREATE INDEX runs_by_status ON runs (status, key);
CREATE INDEX runs_by_due ON runs (due, key) WHERE due IS NOT NULL;
CREATE INDEX runs_by_topics ON runs (topics, key) WHERE topics IS NOT NULL;
CREATE INDEX runs_within ON runs (id, within) WHERE within IS NOT NULL;
-- The queue: what nobody took yet, so that the length of the list of runs does not matter to it.
CREATE INDEX runs_queued ON runs (workflow, key) WHERE status = 'queued';

-- The facts. That (run, seq) is unique is the second fence: two owners cannot both write the next fact.
CREATE TABLE journal (
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    seal BLOB NOT NULL,
    text TEXT NOT NULL
);
CREATE UNIQUE INDEX journal_by_seq ON journal (run, seq);

-- State, a row for each version of each field. `first` and `seq` number the first and last event of the version's batch.
CREATE TABLE versions (
    run INTEGER NOT NULL,
    field TEXT NOT NULL,
    version INTEGER NOT NULL,
    first INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    op TEXT NOT NULL,
    seal BLOB NOT NULL,
    text TEXT NOT NULL
);
CREATE UNIQUE INDEX versions_by_field ON versions (run, field, version);

-- Questions ever asked; `fate` is NULL while one is open.
CREATE TABLE questions (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    run INTEGER NOT NULL,
    seal BLOB NOT NULL,
    fate TEXT,
    fate_seal BLOB,
    text TEXT NOT NULL
);
CREATE INDEX questions_by_run ON questions (run, number);
CREATE INDEX questions_open ON questions (number) WHERE fate IS NULL;

-- Words from outside. That `question` is unique is what makes the first answer the only one.
CREATE TABLE letters (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    run INTEGER NOT NULL,
    question TEXT UNIQUE,
    taken INTEGER,
    seal BLOB NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX letters_waiting ON letters (run, number) WHERE taken IS NULL;

-- Workflows as JSON, by the digest of their text: runs of one version share one row.
CREATE TABLE documents (
    digest TEXT PRIMARY KEY,
    text TEXT NOT NULL
);

-- A fork shares its parent's versions: its own row has the op `shared` and names the run and version that holds them.
-- Here stands whose versions are shared by whom, so that a lender is not pruned from beneath its borrowers.
CREATE TABLE loans (
    lender INTEGER NOT NULL,
    borrower INTEGER NOT NULL,
    PRIMARY KEY (lender, borrower)
) WITHOUT ROWID;

-- What attempts said (record/logs.py), in parts. Best effort: nothing counts them, and a part that is lost is a gap.
CREATE TABLE logs (
    number INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    take INTEGER NOT NULL,
    part INTEGER NOT NULL,
    seal BLOB NOT NULL,
    text TEXT NOT NULL
);
CREATE UNIQUE INDEX logs_by_part ON logs (run, take, part);

-- People who prove who they are by a token, of which only a digest is kept.
CREATE TABLE people (
    number INTEGER PRIMARY KEY,
    seal BLOB NOT NULL,
    text TEXT NOT NULL
);

-- When runs are begun by themselves (record/schedule.py).
CREATE TABLE schedules (
    name TEXT PRIMARY KEY,
    seal BLOB NOT NULL,
    text TEXT NOT NULL
) WITHOUT ROWID;

-- Which contents of files (beside the store, by their SHA-256) a run names, or named once: they stay as long as it does.
CREATE TABLE files (
    run INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    seal BLOB NOT NULL,
    PRIMARY KEY (run, sha256)
) WITHOUT ROWID;
CREATE INDEX files_by_content ON files (sha256);

-- Results of nodes that need not do their work again (record/result.py). Nothing depends on them: any may go.
CREATE TABLE results (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    until INTEGER NOT NULL,
    seal BLOB NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX results_by_until ON results (until);

-- What happened that somebody may want to be told of (record/notice.py), and to whom it was told. `due` as above: when
-- somebody should look after it, NULL once all is settled.
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

-- What holds for the store as a whole, such as how its texts are encrypted.
CREATE TABLE traits (
    name TEXT PRIMARY KEY,
    text TEXT NOT NULL
) WITHOUT ROWID;

-- Checkpoints of foreign graphs (ports/checkpoints.py). One row for each execution of such a graph.
CREATE TABLE series (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    seal BLOB NOT NULL
);

-- One row for each scope of a series: the graph itself is "", the others are graphs within it. `era` is drawn anew when
-- pieces are removed, `number` is that of the newest piece, `newest` the greatest id of a checkpoint, so that its loss
-- is noticed.
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

-- A checkpoint: small scalars stand in its text, other values are pieces that it names.
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

-- Values, as bytes. The key is the line's, times 2^32, plus the piece's number, so that a line's pieces lie together.
-- `after` is the number of the piece it adds to, `source` that of the piece that holds the same data.
CREATE TABLE pieces (
    key INTEGER PRIMARY KEY,
    after INTEGER,
    source INTEGER,
    kind TEXT NOT NULL,
    seal BLOB NOT NULL,
    data BLOB NOT NULL
);

-- Writes of tasks that wait for the next checkpoint: a row for all ordinary ones of a task (slot 0), and one for each
-- special one.
CREATE TABLE pending (
    line INTEGER NOT NULL,
    checkpoint TEXT NOT NULL,
    task TEXT NOT NULL,
    slot INTEGER NOT NULL,
    seal BLOB NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (line, checkpoint, task, slot)
) WITHOUT ROWID;

-- What was published, by topic and id; `at` as `due` above. `done` once everybody who listened has it.
CREATE TABLE publications (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    done INTEGER,
    seal BLOB NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX publications_undelivered ON publications (number) WHERE done IS NULL;
