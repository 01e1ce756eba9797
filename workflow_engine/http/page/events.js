// The kinds of events a run's journal has, as the stream names them. tests/page holds them to the engine's own list.
export const KINDS = `run_created run_forked run_claimed code_changed run_migrated effect_started subflow_entered
attempt_failed item_finished item_failed talk_began call_started call_finished call_failed call_ruled step_finished
step_failed question_asked question_answered question_reminded question_reassigned question_approved question_expired
question_withdrawn wait_began signal_received signal_refused wait_expired step_withdrawn run_interrupted run_failed
run_cancelled`.split(/\s+/);

/** What runs driven by this server tell besides: a body began, an agent speaks, somebody listens. They have no number. */
export const SPOKEN = ["began", "said", "heard"];

/** How a list says it: the event's own words, without its fields. */
export const inWords = (kind) => kind.replaceAll("_", " ");
