// Command attribution measures who is blamed: on incidents that others recorded
// and published, and on generated ones whose cause is known, always beside what
// everybody has: the latest change, the latest on a service that looks ill, the
// largest deviation, a vote on anomalies.
//
//	go run ./bench/attribution --set changerca --data DIR --until 4m    a table
//	go run ./bench/attribution --set petshop --data DIR -o json         for machines
//	go run ./bench/attribution --set simulator --cases 2000             generated worlds
//	go run ./bench/attribution --set simulator --shifted --svg FILE     and a picture
//
// # Recorded incidents
//
// Package recorded turns each case into a replay folder, which is played as
// `backout replay` plays it, with the defaults of the program: detector, ranking and
// plan are the same code, and nothing is set for a set. The peers get the same
// samples. Data are not part of this repository; without them it says where they
// come from. docs/EVALUATION.md tells what was measured.
//
// # Generated worlds
//
// Package simulate makes them, and tells what they are made of. Detector and ranking
// get what a replay would give them; a test plays some of them as replays to see that
// this is so. What is reported comes from the test split. With --peers our ranking is
// left out: that is how the difficulty of the worlds was set, on the training split,
// before anybody knew what the ranking does on them.
//
// # Which cases a figure is about
//
// Ranking (AC@k, MRR, exam) is about cases in which a change did it, or in sets
// without changes a service. Calibration and "first answer right" are about all
// cases, and "no change" is one of the answers where changes are known.
package main
