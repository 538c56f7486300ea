// Package engine runs durable flows: functions whose progress survives the
// death of the process. It is a thin layer over DBOS Transact, knows nothing of
// plans or incidents, and is the only package that imports DBOS.
//
// # The model in one page
//
// A [Database] is a SQLite file, held by one process, or a PostgreSQL database,
// shared by replicas. An [Engine] keeps its progress in it, next to the tables of
// whoever shares the handle, so that both can commit together.
//
// Each flow belongs to one executor: the process that runs it. When a replica has
// died, another one calls [Engine.Adopt] with its name. Whether it has died is not
// for the engine to say. What a replica that was only thought dead still records
// is refused, since each take-over gives a flow another owner.
//
// A [FlowFunc] is an ordinary function registered under a name and started under
// an id; starting the same id again changes nothing. It does its work through
// [Step], [Transaction] and [Together], each of which is recorded when it ends.
// After a crash the function runs again from the top: what was recorded answers
// at once with its old value, and the first thing that was not recorded is done
// for real. Three rules follow.
//
//   - A flow must be deterministic between its steps: no clock, no random
//     numbers, no map order, no goroutines of its own. What differs from run to
//     run belongs inside a step.
//   - A step that was under way when the process died runs again. Whoever writes
//     one looks first whether its work is done already.
//   - A recorded step never looks again. What must be fresh when an effect is
//     tried (a permission, a kill switch) is asked inside that effect's step.
//
// Steps return values and no errors. An outcome, good or bad, is a value for the
// flow to decide on. If the engine itself can't record one (a full disk, a lost
// database, a connection that was cut), the flow is parked: it does nothing more,
// [Engine.Parked] says why, and after a while it is put up for anybody alive to
// resume from the last record. A flow whose code panics waits for the next start
// of the process, since only another program mends that. This is why a flow can't
// end half way by mistake, and why none is left lying.
//
// There are no queues and no messages here. Queues poll, which costs a second of
// latency; a message is consumed once and then as stale as any recorded answer.
// Who wants to steer a flow writes a row and lets the step read it fresh.
package engine
