// Package execute carries out approved attempts, and nothing else: it never
// waits for an approval, never re-plans, and never writes the incident.
//
// # The model in one page
//
// [Executor.Start] begins one durable flow for one attempt. A plan is data, and
// the flow is its interpreter. Waves are carried out in order. In a wave the
// steps go side by side in rounds: round r brings every step to its stage r,
// then one gate decides for all of them, because signals can't tell apart what
// happened at the same time.
//
// A round is: look ([Actuator].Probe; what is there already is skipped), write
// the intents, try the effects, write the outcomes, gate. Each arrow between
// those is a record in the engine, so a kill at any moment costs at most the
// look or the effect that was under way, and that one begins by looking again.
//
// An effect is tried in one step of the engine: Probe, then [Guard], then Do
// with Probe's version for compare-and-swap, then Probe. The guard is asked in
// the same step, not before it, since a recorded answer would be replayed stale
// after a restart. What counts is what Probe sees, not what Do says: an actuator
// that says done and did nothing has not done it, and one that reports an error
// and did it has. With any doubt left the outcome is unknown; the run then halts
// and shows it to a person. An effect is never repeated blindly: it is tried again, a
// few times with pauses drawn at random, when it certainly was not taken because the
// target was out of reach, or when the target takes one key once only ([OnceByKey]).
// A step that a person does is an effect like any other: its Do waits for the answer
// to a row of [Tasks].
//
// A run locks every component it moves before it begins and gives them back with its
// last entry, so no two attempts ever have their hands on one component.
//
// The [Gate] is asked again and again until it says go on, stop (the symptom has
// gone: the rest is not needed), or halt (it got worse: this wave is taken back
// as far as the guard allows). While it can't see, the run is frozen. It is
// handed the time the round began and judges the whole window since, so nothing
// is lost when the asking starts over in another process.
//
// A person steers by [Executor.Control]: pause, resume, abort. The latest word
// is a row that every effect and gate reads fresh, so it can't be overtaken by a
// restart either. An abort cancels the effect under way, looks what became of
// it, and leaves every component where it is. That state is safe because the
// checker proved every intermediate state of the plan compatible, and the run's
// last entry states it. The kill switch ([Stopped]) is read at the same places; while
// it is on, runs wait.
//
// Where replicas share a database, another one carries a dead one's runs on. The
// [Fence] stops a process that may have been taken for dead from sending anything
// more, and who takes over waits for what may have been sent (see [Swapper]).
//
// Progress is a journal: [Executor.Run] reads it, Config.Tell hears it live.
package execute
