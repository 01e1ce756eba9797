-- What house-keeping asks of a store, beside the statements of queries.sql. `:words` are values.

-- name: keys
SELECT key FROM runs NOT INDEXED WHERE key > ? ORDER BY key LIMIT 500;

-- The way to runs whose table cannot be read through: the ids stand in an index of their own.
-- name: keys_in_index
SELECT key, id FROM runs INDEXED BY sqlite_autoindex_runs_1 WHERE id >= '' ORDER BY key;

-- name: name_of_run
SELECT id FROM runs WHERE key = ?;

-- name: events_of_run
SELECT seq, seal, text FROM journal WHERE run = ? ORDER BY seq;

-- name: versions_of_run
SELECT field, version, first, seq, op, seal, text FROM versions WHERE run = ? ORDER BY field, version;

-- name: versions_of_field
SELECT version, first, seq, op, seal, text FROM versions WHERE run = ? AND field = ? ORDER BY version;

-- name: asked_of_run
SELECT id, seal, text, fate, fate_seal FROM questions WHERE run = ? ORDER BY number;

-- name: letter_that_answers
SELECT run, taken, text FROM letters WHERE question = ?;

-- name: letter_that_approves
SELECT run, taken, text FROM letters WHERE id = ?;

-- name: letters
SELECT letters.id, letters.run, letters.question, letters.taken, letters.seal, letters.text, runs.id, runs.seq,
    questions.run
FROM letters LEFT JOIN runs ON runs.key = letters.run LEFT JOIN questions ON questions.id = letters.question
ORDER BY letters.number;

-- name: letters_of_run
SELECT id, taken, seal, text FROM letters WHERE run = ? ORDER BY number;

-- name: orphans_in_journal
SELECT run, count(*) FROM journal WHERE NOT EXISTS (SELECT 1 FROM runs WHERE key = journal.run) GROUP BY run;

-- name: orphans_in_versions
SELECT run, count(*) FROM versions WHERE NOT EXISTS (SELECT 1 FROM runs WHERE key = versions.run) GROUP BY run;

-- name: orphans_in_questions
SELECT run, count(*) FROM questions WHERE NOT EXISTS (SELECT 1 FROM runs WHERE key = questions.run) GROUP BY run;

-- name: orphans_in_letters
SELECT run, count(*) FROM letters WHERE NOT EXISTS (SELECT 1 FROM runs WHERE key = letters.run) GROUP BY run;

-- name: orphans_in_logs
SELECT run, count(*) FROM logs WHERE NOT EXISTS (SELECT 1 FROM runs WHERE key = logs.run) GROUP BY run;

-- name: orphans_in_files
SELECT run, count(*) FROM files WHERE NOT EXISTS (SELECT 1 FROM runs WHERE key = files.run) GROUP BY run;

-- name: orphans_in_notices
SELECT run, count(*) FROM notices WHERE NOT EXISTS (SELECT 1 FROM runs WHERE key = notices.run) GROUP BY run;

-- name: every_notice
SELECT runs.id, notices.seq, notices.happened, notices.due, notices.seal, notices.text
FROM notices JOIN runs ON runs.key = notices.run ORDER BY notices.number;

-- name: every_file
SELECT runs.id, files.sha256, files.size, files.seal FROM files JOIN runs ON runs.key = files.run
ORDER BY files.sha256, files.run;

-- name: files_named
SELECT DISTINCT sha256, size FROM files ORDER BY sha256;

-- name: files_of_run
SELECT sha256, size, seal FROM files WHERE run = ? ORDER BY sha256;

-- name: file_is_named
SELECT 1 FROM files WHERE sha256 = ? LIMIT 1;

-- name: every_log
SELECT runs.id, logs.take, logs.part, logs.seal, logs.text
FROM logs JOIN runs ON runs.key = logs.run ORDER BY logs.number;

-- name: first_event
SELECT text FROM journal WHERE run = ? AND seq = 1;

-- name: loan
SELECT 1 FROM loans WHERE lender = ? AND borrower = ?;

-- name: borrowers
SELECT borrower FROM loans WHERE lender = ?;

-- name: shared_of_run
SELECT field, version, first, seq, op, seal, text FROM versions WHERE run = ? AND op = 'shared' ORDER BY field, version;

-- name: make_own
UPDATE versions SET op = ?, seal = ?, text = ? WHERE run = ? AND field = ? AND version = ?;

-- name: candidates
SELECT key, id, workflow, status, updated FROM runs WHERE key < ? ORDER BY key DESC LIMIT 500;

-- name: runs_within
SELECT key, id, within FROM runs INDEXED BY runs_within WHERE within IS NOT NULL AND id >= ? AND id < ? ORDER BY id;

-- name: drop_journal
DELETE FROM journal WHERE run = ?;

-- name: drop_versions
DELETE FROM versions WHERE run = ?;

-- name: drop_questions
DELETE FROM questions WHERE run = ?;

-- name: drop_letters
DELETE FROM letters WHERE run = ?;

-- name: drop_logs
DELETE FROM logs WHERE run = ?;

-- name: drop_files
DELETE FROM files WHERE run = ?;

-- name: drop_notices
DELETE FROM notices WHERE run = ?;

-- name: drop_loans
DELETE FROM loans WHERE lender = :run OR borrower = :run;

-- name: drop_run
DELETE FROM runs WHERE key = ?;

-- name: drop_documents
DELETE FROM documents WHERE digest NOT IN (SELECT document FROM runs WHERE document IS NOT NULL);

-- name: series_between
SELECT key, id FROM series WHERE id >= ? AND id < ? ORDER BY id;

-- name: some_series
SELECT key, id FROM series NOT INDEXED WHERE key > ? ORDER BY key LIMIT 500;

-- name: stray_lines
SELECT count(*) FROM lines WHERE NOT EXISTS (SELECT 1 FROM series WHERE key = lines.series);

-- name: stray_checkpoints
SELECT count(*) FROM checkpoints WHERE NOT EXISTS (SELECT 1 FROM lines WHERE key = checkpoints.line);

-- name: every_result
SELECT key, seal, text FROM results ORDER BY number;

-- name: drop_results
DELETE FROM results WHERE until <= ?;
