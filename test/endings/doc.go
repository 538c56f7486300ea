// Package endings states, for what can go wrong while backout takes something back,
// which ending is right, and drives the real path to it (see package town: all is the
// product's own but the outside and the clock). For each is held: the incident's last
// state, what is live, what on-call heard last, the last line of the journal; and of
// all: the terminal message was delivered, the audit chain holds, nothing moved after
// the end, no component was moved by two hands of ours at once.
//
//	scenario                                  right ending
//	the actuator says ok but did nothing      halted: what is seen counts; not sent again without a person
//	the actuator says error but did it        recovered: what is seen counts
//	the actuator hangs                        halted, outcome unknown: a person looks
//	the actuator hangs, and the deed shows    halted; on-call was told that the outcome is unknown, and not
//	  long after                                that nothing was changed
//	the target is broken too                  halted: back to where it was, and a person decides
//	the symptom disappears mid-plan           recovered, the rest of the plan is left out
//	the wrong culprit was chosen              halted: the innocent is put back, and a person decides
//	metrics vanish mid-gate                   frozen while blind, and told so; recovered when it sees
//	metrics never come back                   frozen, and told so, until a person has aborted it
//	a second incident starts                  the first is recovered by itself; the second opens and is recovered
//	a part of it has another cause            recovered with a warning, what helped stays; the rest opens another: no_action
//	someone deploys by hand meanwhile         the attempt halts and the person's version stays; self_recovered if that helped
//	someone takes it back by hand meanwhile   recovered
//	the kill switch mid-stage                 nothing moves while it is on, and the run says why it waits; recovered after
//	backout is restarted mid-stage            recovered, each stage done once
//	nobody hears the end                      recovered; the end is told when somebody listens again
//
// Two replicas and a partition need real connections to a real PostgreSQL, so that
// ending is stated and held in internal/fleet (partition_test.go): completed by the one
// that is left, or aborted on its word; each effect once and in order, one end in the
// journal, and the one that was cut off does nothing more when its connection is back.
package endings
