// Package manual lets people do a step of a plan.
//
// # The model in one page
//
// An effect becomes a task ([backout.Task]): who is to do it, how (the component's
// playbook), until when. [Mover.Do] opens it, puts into the run's journal for whom it
// waits and until when, and then waits until one of these comes first:
//
//	the machine sees it done      done, whether or not somebody said so
//	a person says that it is done done; if the machine disagrees the executor says so
//	a person refuses it           not done
//	the deadline                  not done, and whoever it is escalated to hears of it
//
// The task is a row that is kept under the effect's key. A Do that begins again after
// a kill finds it, with the deadline that it had and with the answer if one came
// meanwhile. The first answer counts, and the deadline is one.
//
// Where no machine can see the component, [Recorded] answers what is live: the newest
// of what people said about it and of what its changes brought.
package manual
