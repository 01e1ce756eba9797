-- Every statement the store makes, by name. `:words` are values.

-- name: insert_run
INSERT INTO runs (id, workflow, status, reason, created, updated, steps, target, epoch, seq, document, seal, fields, text)
VALUES (:id, :workflow, :status, :reason, :created, :updated, :steps, :target, :epoch, :seq, :document, :seal, :fields, :text);

-- The fence is the WHERE: nothing is written for an owner who was superseded or whose journal has moved on.
-- name: advance
UPDATE runs SET updated = :updated, steps = :steps, seq = :seq, seal = :seal, fields = :fields, text = :text
WHERE key = :key AND epoch = :epoch AND seq = :before;

-- As `advance`, where an indexed column changes too: naming it costs a page more, so most steps do not.
-- name: turn
UPDATE runs SET updated = :updated, steps = :steps, seq = :seq, seal = :seal, fields = :fields, text = :text,
    status = :status, reason = :reason, document = :document
WHERE key = :key AND epoch = :epoch AND seq = :before;

-- name: raise_epoch
UPDATE runs SET epoch = :epoch, seal = :seal WHERE key = :key;

-- name: insert_event
INSERT INTO journal (run, seq, seal, text) VALUES (?, ?, ?, ?);

-- name: insert_version
INSERT INTO versions (run, field, version, first, seq, op, seal, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_loan
INSERT OR IGNORE INTO loans (lender, borrower) VALUES (?, ?);

-- name: insert_document
INSERT OR IGNORE INTO documents (digest, text) VALUES (?, ?);

-- name: insert_question
INSERT INTO questions (id, run, seal, text) VALUES (?, ?, ?, ?);

-- name: close_question
UPDATE questions SET fate = ?, fate_seal = ? WHERE id = ? AND run = ?;

-- name: insert_letter
INSERT INTO letters (id, run, question, seal, text) VALUES (?, ?, ?, ?, ?);

-- name: take_letter
UPDATE letters SET taken = ? WHERE id = ? AND run = ?;

-- name: run
SELECT key, id, workflow, status, reason, created, updated, steps, target, epoch, seq, document, seal, fields, text
FROM runs WHERE id = ?;

-- name: run_by_key
SELECT key, id, workflow, status, reason, created, updated, steps, target, epoch, seq, document, seal, fields, text
FROM runs WHERE key = ?;

-- name: key_of_run
SELECT key FROM runs WHERE id = ?;

-- name: run_unindexed
SELECT key FROM runs NOT INDEXED WHERE id = ?;

-- name: run_seal
SELECT seal FROM runs WHERE id = ?;

-- name: page_of_runs
SELECT key, id, workflow, status, reason, created, updated, steps, target, epoch, seq, document, seal, fields, text,
    EXISTS (SELECT 1 FROM letters WHERE letters.run = runs.key AND letters.taken IS NULL) AS letters
FROM runs
WHERE key < :before
ORDER BY key DESC;

-- name: page_of_runs_with_status
SELECT key, id, workflow, status, reason, created, updated, steps, target, epoch, seq, document, seal, fields, text,
    EXISTS (SELECT 1 FROM letters WHERE letters.run = runs.key AND letters.taken IS NULL) AS letters
FROM runs
WHERE status = :status AND key < :before
ORDER BY key DESC;

-- name: page_of_runs_of_workflow
SELECT key, id, workflow, status, reason, created, updated, steps, target, epoch, seq, document, seal, fields, text,
    EXISTS (SELECT 1 FROM letters WHERE letters.run = runs.key AND letters.taken IS NULL) AS letters
FROM runs
WHERE workflow = :workflow AND key < :before
ORDER BY key DESC;

-- Read from the index on ids alone.
-- name: ids
SELECT key, id FROM runs INDEXED BY sqlite_autoindex_runs_1 WHERE key < ? AND id >= '' ORDER BY key DESC;

-- name: runs_with_prefix
SELECT id FROM runs WHERE id >= ? AND id < ? ORDER BY id LIMIT 3;

-- name: last_run
SELECT id FROM runs ORDER BY key DESC LIMIT 1;

-- name: unfinished
SELECT id, key FROM runs WHERE status = 'running'
UNION ALL
SELECT id, key FROM runs
WHERE status = 'waiting' AND EXISTS (SELECT 1 FROM letters WHERE letters.run = runs.key AND letters.taken IS NULL)
ORDER BY key;

-- name: event_seal
SELECT seal FROM journal WHERE run = ? AND seq = ?;

-- name: version_seal
SELECT seal FROM versions WHERE run = ? AND field = ? AND version = ?;

-- name: events
SELECT seq, seal, text FROM journal WHERE run = ? AND seq > ? ORDER BY seq;

-- name: last_event
SELECT max(seq) FROM journal WHERE run = ?;

-- name: versions
SELECT version, first, seq, op, seal, text FROM versions WHERE run = ? AND field = ? AND version <= ? ORDER BY version DESC;

-- name: version
SELECT first, seq, op, seal, text FROM versions WHERE run = ? AND field = ? AND version = ?;

-- name: places_of_versions
SELECT version, first FROM versions WHERE run = ? AND field = ? ORDER BY version;

-- name: document
SELECT text FROM documents WHERE digest = ?;

-- name: question
SELECT questions.id, questions.seal, questions.text, questions.fate, questions.fate_seal, runs.id, runs.status,
    letters.seal, letters.text
FROM questions LEFT JOIN runs ON runs.key = questions.run LEFT JOIN letters ON letters.question = questions.id
WHERE questions.id = ?;

-- name: questions_of_run
SELECT questions.id, questions.seal, questions.text, questions.fate, questions.fate_seal, runs.id, runs.status,
    letters.seal, letters.text
FROM questions JOIN runs ON runs.key = questions.run LEFT JOIN letters ON letters.question = questions.id
WHERE questions.run = ? ORDER BY questions.number;

-- name: questions_open
SELECT questions.id, questions.seal, questions.text, questions.fate, questions.fate_seal, runs.id, runs.status,
    letters.seal, letters.text
FROM questions JOIN runs ON runs.key = questions.run LEFT JOIN letters ON letters.question = questions.id
WHERE questions.fate IS NULL AND letters.id IS NULL AND runs.status NOT IN ('succeeded', 'cancelled')
ORDER BY questions.number;

-- name: letter_seal
SELECT seal FROM letters WHERE id = ?;

-- name: letter_waits
SELECT 1 FROM letters WHERE id = ? AND run = ? AND taken IS NULL;

-- name: boxes
SELECT runs.id FROM runs WHERE runs.key IN (SELECT run FROM letters WHERE taken IS NULL) ORDER BY runs.key;

-- name: has_letters
SELECT 1 FROM letters WHERE run = ? AND taken IS NULL LIMIT 1;

-- name: letters_waiting
SELECT id, taken, seal, text FROM letters WHERE run = ? AND taken IS NULL ORDER BY number;

-- name: data_version
PRAGMA data_version;
