-- Every statement the store makes, by name. `:words` are values.

-- name: insert_run
INSERT INTO runs (id, workflow, status, reason, created, updated, steps, target, epoch, seq, document, seal, fields, text,
    due, topics, within)
VALUES (:id, :workflow, :status, :reason, :created, :updated, :steps, :target, :epoch, :seq, :document, :seal, :fields, :text,
    :due, :topics, :within);

-- The fence is the WHERE: nothing is written for an owner who was superseded or whose journal has moved on.
-- name: advance
UPDATE runs SET updated = :updated, steps = :steps, seq = :seq, seal = :seal, fields = :fields, text = :text
WHERE key = :key AND epoch = :epoch AND seq = :before;

-- As `advance`, where an indexed column changes too: naming it costs a page more, so most steps do not.
-- name: turn
UPDATE runs SET updated = :updated, steps = :steps, seq = :seq, seal = :seal, fields = :fields, text = :text,
    status = :status, reason = :reason, document = :document, due = :due, topics = :topics
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

-- name: name_file
INSERT OR IGNORE INTO files (run, sha256, size, seal) VALUES (?, ?, ?, ?);

-- name: put_log
INSERT OR REPLACE INTO logs (run, take, part, seal, text) VALUES (?, ?, ?, ?, ?);

-- name: drop_log_parts
DELETE FROM logs WHERE run = ? AND take = ? AND part BETWEEN ? AND ?;

-- name: run_owned_under
SELECT 1 FROM runs WHERE key = ? AND epoch = ?;

-- name: logs
SELECT number, take, part, seal, text FROM logs WHERE run = ? AND number > ? ORDER BY number LIMIT ?;

-- name: run
SELECT key, id, workflow, status, reason, created, updated, steps, target, epoch, seq, document, seal, fields, text
FROM runs WHERE id = ?;

-- name: run_by_key
SELECT key, id, workflow, status, reason, created, updated, steps, target, epoch, seq, document, seal, fields, text
FROM runs WHERE key = ?;

-- name: key_of_run
SELECT key FROM runs WHERE id = ?;

-- name: name_of_key
SELECT id FROM runs WHERE key = ?;

-- name: run_unindexed
SELECT key FROM runs NOT INDEXED WHERE id = ?;

-- name: run_seal
SELECT seal FROM runs WHERE id = ?;

-- name: page_of_runs
SELECT key, id, workflow, status, reason, created, updated, steps, target, epoch, seq, document, seal, fields, text,
    EXISTS (SELECT 1 FROM letters WHERE letters.run = runs.key AND letters.taken IS NULL) AS letters,
    (SELECT max(seq) FROM journal WHERE journal.run = runs.key) AS last
FROM runs
WHERE key < :before AND (:children OR NOT EXISTS (
    SELECT 1 FROM runs AS inner INDEXED BY runs_within
    WHERE inner.within IS NOT NULL AND instr(inner.id, '-') AND inner.id = runs.id
))
ORDER BY key DESC;

-- name: page_of_runs_with_status
SELECT key, id, workflow, status, reason, created, updated, steps, target, epoch, seq, document, seal, fields, text,
    EXISTS (SELECT 1 FROM letters WHERE letters.run = runs.key AND letters.taken IS NULL) AS letters,
    (SELECT max(seq) FROM journal WHERE journal.run = runs.key) AS last
FROM runs
WHERE status = :status AND key < :before AND (:children OR NOT EXISTS (
    SELECT 1 FROM runs AS inner INDEXED BY runs_within
    WHERE inner.within IS NOT NULL AND instr(inner.id, '-') AND inner.id = runs.id
))
ORDER BY key DESC;

-- name: page_of_runs_of_workflow
SELECT key, id, workflow, status, reason, created, updated, steps, target, epoch, seq, document, seal, fields, text,
    EXISTS (SELECT 1 FROM letters WHERE letters.run = runs.key AND letters.taken IS NULL) AS letters,
    (SELECT max(seq) FROM journal WHERE journal.run = runs.key) AS last
FROM runs
WHERE workflow = :workflow AND key < :before AND (:children OR NOT EXISTS (
    SELECT 1 FROM runs AS inner INDEXED BY runs_within
    WHERE inner.within IS NOT NULL AND instr(inner.id, '-') AND inner.id = runs.id
))
ORDER BY key DESC;

-- name: page_of_runs_found
SELECT key, id, workflow, status, reason, created, updated, steps, target, epoch, seq, document, seal, fields, text,
    EXISTS (SELECT 1 FROM letters WHERE letters.run = runs.key AND letters.taken IS NULL) AS letters,
    (SELECT max(seq) FROM journal WHERE journal.run = runs.key) AS last
FROM runs
WHERE key < :before AND (instr(lower(id), :search) OR instr(lower(workflow), :search))
    AND (:status IS NULL OR status = :status) AND (:workflow IS NULL OR workflow = :workflow)
    AND (:children OR NOT EXISTS (
        SELECT 1 FROM runs AS inner INDEXED BY runs_within
        WHERE inner.within IS NOT NULL AND instr(inner.id, '-') AND inner.id = runs.id
    ))
ORDER BY key DESC;

-- Read from an index alone: what it says is there and the table does not show was lost.
-- name: keys_with_status
SELECT key FROM runs INDEXED BY runs_by_status WHERE status = ? AND key >= ? AND key < ?;

-- Read from the index on ids alone.
-- name: ids
SELECT key, id FROM runs INDEXED BY sqlite_autoindex_runs_1 WHERE key < ? AND id >= '' ORDER BY key DESC;

-- name: runs_with_prefix
SELECT id FROM runs WHERE id >= ? AND id < ? ORDER BY id LIMIT 3;

-- name: last_run
SELECT key, id, workflow, status, reason, created, updated, steps, target, epoch, seq, document, seal, fields, text
FROM runs ORDER BY key DESC LIMIT 1;

-- name: unfinished
SELECT id, key FROM runs WHERE status = 'running'
UNION ALL
SELECT id, key FROM runs
WHERE key IN (SELECT run FROM letters WHERE taken IS NULL) AND status = 'waiting'
ORDER BY key;

-- Runs that lie within others stand in an index of their own. It is not sealed, so their ids must say so as well: no
-- forged `within` hides a run that the engine named.
-- name: roots_with_prefix
SELECT id FROM runs WHERE id >= ? AND id < ?
    AND NOT EXISTS (SELECT 1 FROM runs AS inner INDEXED BY runs_within
        WHERE inner.within IS NOT NULL AND instr(inner.id, '-') AND inner.id = runs.id)
ORDER BY id LIMIT 3;

-- name: last_root
SELECT key, id, workflow, status, reason, created, updated, steps, target, epoch, seq, document, seal, fields, text
FROM runs
WHERE NOT EXISTS (SELECT 1 FROM runs AS inner INDEXED BY runs_within
    WHERE inner.within IS NOT NULL AND instr(inner.id, '-') AND inner.id = runs.id)
ORDER BY key DESC LIMIT 1;

-- name: keys_within
SELECT key FROM runs INDEXED BY runs_within WHERE within IS NOT NULL AND instr(id, '-') AND key >= ? AND key < ?;

-- name: last_places
SELECT coalesce((SELECT max(rowid) FROM journal), 0), coalesce((SELECT max(number) FROM letters), 0);

-- name: stirred
SELECT id FROM runs WHERE key IN (
    SELECT run FROM journal WHERE rowid > ? UNION SELECT run FROM letters WHERE number > ?
);

-- name: due
SELECT id FROM runs WHERE due <= ? ORDER BY due, key;

-- name: next_due
SELECT min(due) FROM runs WHERE due > ?;

-- Read from an index alone, of the few runs that listen to anything.
-- name: listening
SELECT key FROM runs INDEXED BY runs_by_topics WHERE topics IS NOT NULL AND instr(topics, ?) ORDER BY key;

-- name: insert_publication
INSERT INTO publications (name, at, seal, text) VALUES (?, ?, ?, ?);

-- name: publication
SELECT name, seal, text, done FROM publications WHERE name = ?;

-- name: undelivered
SELECT name, seal, text, done FROM publications WHERE done IS NULL ORDER BY number;

-- name: publications
SELECT name, seal, text, done FROM publications ORDER BY number;

-- name: deliver_publication
UPDATE publications SET done = 1 WHERE name = ? AND done IS NULL;

-- name: forget_publications
DELETE FROM publications WHERE done IS NOT NULL AND at <= ?;

-- name: found_by
SELECT due, topics, within FROM runs WHERE key = ?;

-- name: queued
SELECT id, workflow, key, target FROM runs INDEXED BY runs_queued
WHERE status = 'queued' AND workflow = :workflow AND key > :after ORDER BY key LIMIT :limit;

-- The next name in the index after this one: each costs one look, however many runs stand beneath it.
-- name: queue_after
SELECT min(workflow) FROM runs INDEXED BY runs_queued WHERE status = 'queued' AND workflow > ?;

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

-- name: counts_of_versions
SELECT field, count(*), max(version) FROM versions WHERE run = ? GROUP BY field;

-- name: writes
SELECT field, version, first, seq, op, seal, text FROM versions WHERE run = ? AND first > ? AND first <= ?
ORDER BY first, field, version;

-- name: beside_writes
SELECT field, max(version) FROM versions WHERE run = :run AND first <= :after GROUP BY field
UNION ALL SELECT field, min(version) FROM versions WHERE run = :run AND first > :until GROUP BY field;

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
SELECT questions.id, runs.id, runs.status
FROM questions JOIN runs ON runs.key = questions.run
WHERE questions.fate IS NULL
ORDER BY questions.number;

-- The runs in whose own rows open questions stand.
-- name: runs_that_ask
SELECT key, id, workflow, status, reason, created, updated, steps, target, epoch, seq, document, seal, fields, text
FROM runs WHERE status IN ('running', 'waiting') ORDER BY key;

-- A letter by a name or by what it answers: ways to it that do not lead through the index of those that wait.
-- name: letter_named
SELECT id, run, taken FROM letters WHERE id = ?;

-- name: letter_answering
SELECT id, run, taken FROM letters WHERE question = ?;

-- The words of several people on one question, each under the question's name and theirs.
-- name: letters_approving
SELECT id, taken FROM letters WHERE id >= ? AND id < ? AND run = ?;

-- name: letter_seal
SELECT seal FROM letters WHERE id = ?;

-- name: letter_waits
SELECT 1 FROM letters WHERE id = ? AND run = ? AND taken IS NULL;

-- name: fate
SELECT fate FROM questions WHERE id = ?;

-- name: boxes
SELECT runs.id FROM runs WHERE runs.key IN (SELECT run FROM letters WHERE taken IS NULL) ORDER BY runs.key;

-- name: has_letters
SELECT 1 FROM letters WHERE run = ? AND taken IS NULL LIMIT 1;

-- name: letters_waiting
SELECT id, taken, seal, text, question FROM letters WHERE run = ? AND taken IS NULL ORDER BY number;

-- name: people
SELECT number, seal, text FROM people ORDER BY number;

-- name: next_person
SELECT coalesce(max(number), 0) + 1 FROM people;

-- name: put_person
INSERT OR REPLACE INTO people (number, seal, text) VALUES (?, ?, ?);

-- name: drop_person
DELETE FROM people WHERE number = ?;

-- name: insert_notice
INSERT OR IGNORE INTO notices (run, seq, happened, due, seal, text) VALUES (?, ?, ?, ?, ?, ?);

-- name: notices_due
SELECT runs.id, notices.seq, notices.happened, notices.due, notices.seal, notices.text
FROM notices JOIN runs ON runs.key = notices.run
WHERE notices.due <= ? ORDER BY notices.due, notices.number LIMIT ?;

-- name: notices_newest
SELECT runs.id, notices.seq, notices.happened, notices.due, notices.seal, notices.text
FROM notices JOIN runs ON runs.key = notices.run
ORDER BY notices.number DESC LIMIT ?;

-- name: next_notice
SELECT min(due) FROM notices WHERE due IS NOT NULL;

-- name: notice
SELECT runs.id, notices.seq, notices.happened, notices.due, notices.seal, notices.text
FROM notices JOIN runs ON runs.key = notices.run
WHERE runs.id = ? AND notices.seq = ? AND notices.happened = ?;

-- name: update_notice
UPDATE notices SET due = ?, seal = ?, text = ?
WHERE run = (SELECT key FROM runs WHERE id = ?) AND seq = ? AND happened = ?;

-- name: schedules
SELECT name, seal, text FROM schedules ORDER BY name;

-- name: schedule
SELECT name, seal, text FROM schedules WHERE name = ?;

-- name: insert_schedule
INSERT INTO schedules (name, seal, text) VALUES (?, ?, ?);

-- name: update_schedule
UPDATE schedules SET seal = ?, text = ? WHERE name = ?;

-- name: delete_schedule
DELETE FROM schedules WHERE name = ?;

-- name: result
SELECT key, seal, text FROM results WHERE key = ?;

-- name: put_result
INSERT OR REPLACE INTO results (key, until, seal, text) VALUES (?, ?, ?, ?);

-- name: drop_some_results
DELETE FROM results WHERE number IN (SELECT number FROM results WHERE until <= ? ORDER BY until LIMIT 20);

-- name: trait
SELECT text FROM traits WHERE name = ?;

-- name: put_trait
INSERT OR REPLACE INTO traits (name, text) VALUES (?, ?);

-- name: data_version
PRAGMA data_version;

-- Checkpoints of foreign graphs

-- name: series
SELECT key, seal FROM series WHERE id = ?;

-- name: insert_series
INSERT INTO series (key, id, seal) VALUES (?, ?, ?);

-- name: page_of_series
SELECT key, id, seal FROM series WHERE key < ? ORDER BY key DESC LIMIT ?;

-- name: last_series
SELECT max(key) FROM series;

-- name: delete_series
DELETE FROM series WHERE key = ?;

-- name: line
SELECT lines.key, lines.series, lines.scope, lines.era, lines.number, lines.count, lines.newest, lines.updated, lines.seal
FROM series JOIN lines ON lines.series = series.key WHERE series.id = ? AND lines.scope = ?;

-- name: lines_of_series
SELECT key, series, scope, era, number, count, newest, updated, seal FROM lines WHERE series = ? ORDER BY scope;

-- name: insert_line
INSERT INTO lines (series, scope, era, number, count, newest, updated, seal) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: update_line
UPDATE lines SET era = :era, number = :number, count = :count, newest = :newest, updated = :updated, seal = :seal
WHERE key = :key;

-- name: delete_line
DELETE FROM lines WHERE key = ?;

-- name: put_checkpoint
INSERT OR REPLACE INTO checkpoints (line, id, parent, label, seal, text) VALUES (?, ?, ?, ?, ?, ?);

-- name: checkpoint
SELECT id, parent, label, seal, text FROM checkpoints WHERE line = ? AND id = ?;

-- name: checkpoint_seal
SELECT seal FROM checkpoints WHERE line = ? AND id = ?;

-- name: checkpoints_below
SELECT id, parent, label, seal, text FROM checkpoints WHERE line = ? AND id < ? ORDER BY id DESC;

-- name: checkpoints_of_line
SELECT id, parent, label, seal, text FROM checkpoints WHERE line = ? ORDER BY id DESC;

-- name: checkpoints_with_label
SELECT series.id, lines.scope, checkpoints.id
FROM checkpoints JOIN lines ON lines.key = checkpoints.line JOIN series ON series.key = lines.series
WHERE checkpoints.label = ?;

-- name: delete_checkpoint
DELETE FROM checkpoints WHERE line = ? AND id = ?;

-- name: delete_checkpoints
DELETE FROM checkpoints WHERE line = ?;

-- name: insert_piece
INSERT INTO pieces (key, after, source, kind, seal, data) VALUES (?, ?, ?, ?, ?, ?);

-- name: piece
SELECT after, source, kind, seal, data FROM pieces WHERE key = ?;

-- name: size_of_piece
SELECT kind, length(data) FROM pieces WHERE key = ?;

-- name: pieces_of_line
SELECT key FROM pieces WHERE key BETWEEN ? AND ?;

-- name: links_of_pieces
SELECT key, after, source FROM pieces WHERE key BETWEEN ? AND ?;

-- name: delete_piece
DELETE FROM pieces WHERE key = ?;

-- name: delete_pieces
DELETE FROM pieces WHERE key BETWEEN ? AND ?;

-- name: put_pending
INSERT OR REPLACE INTO pending (line, checkpoint, task, slot, seal, text) VALUES (?, ?, ?, ?, ?, ?);

-- name: pending_row
SELECT seal, text FROM pending WHERE line = ? AND checkpoint = ? AND task = ? AND slot = ?;

-- name: pending_on
SELECT checkpoint, task, slot, seal, text FROM pending WHERE line = ? AND checkpoint = ?;

-- name: pending_of_line
SELECT checkpoint, task, slot, seal, text FROM pending WHERE line = ?;

-- name: delete_pending_on
DELETE FROM pending WHERE line = ? AND checkpoint = ?;

-- name: delete_pending
DELETE FROM pending WHERE line = ?;
