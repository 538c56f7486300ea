// Package command moves and sees components by programs that you have: a script, a
// tool of your platform.
//
// # The model in one page
//
// A program is a list of arguments, and no shell reads it. Fields such as {service}
// and {to} stand in the arguments and in variables; each argument stays one argument,
// and a value that would make an option of one (by a leading dash) is refused. The
// program gets the variables that were named and nothing else of ours, and BACKOUT_KEY,
// the effect's key, which is the same however often the effect is sent.
//
// Exit code 0 means done, every other one unknown, unless it was given a meaning: not
// done, or conflict (not done, because somebody else moved it). A program that can't
// be started is not done.
//
// When its time is over, or the run is aborted, the program's process group gets
// SIGTERM and, after a grace, SIGKILL; what it had done by then is unknown. When we
// are killed, the kernel kills the program. What it had started itself may go on: such
// processes still carry BACKOUT_KEY, and [Mover.Do] waits for them instead of starting a
// second one beside them (both on Linux; elsewhere the probe alone says what became of
// it).
//
// The last lines that the program wrote stand in the run's journal, without the
// secrets that it was given. A [Prober]'s program prints the document of
// execute.ReadSight.
package command
