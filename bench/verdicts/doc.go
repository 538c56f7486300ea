// Command verdicts measures whether a move of a series is rightly laid at the door
// of a change: pairs of one change and one KPI, labelled by people.
//
//	go run ./bench/verdicts -set kontrast -data DIR            a table
//	go run ./bench/verdicts -set kontrast -data DIR -o json    for machines
//	  -svg docs/pictures/verdicts.svg    the scores as a picture
//	  -errors DIR                        one picture for each wrong answer
//
// The judgement is package coincide with its frozen defaults, the same for every
// series; one number is fitted here, the threshold. The cases are split by pair (two
// changes of one KPI) into those whose SHA-256 is even and odd; the threshold is
// fitted on one half and measured on the other, and both directions are averaged.
// Everybody's rules get the same samples, the same halves and the same fit. At most
// 120 minutes after the end of a change are handed over, and how many rows there
// are is not.
//
// The set has no licence and is not part of this repository; pictures of its
// series are written where -errors says, for looking at, not for publishing.
package main
