// Command attribution measures who is blamed: on incidents that others recorded
// and published, and (as tests) on generated worlds, always beside what everybody
// has: the latest change, the latest on a service that looks ill, the largest
// deviation.
//
//	go run ./bench/attribution -set changerca -data DIR -until 4m    a table
//	go run ./bench/attribution -set petshop -data DIR -o json        for machines
//	go test ./bench/attribution -v                                   generated worlds
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
// A world has about 50 services in layers, some of them providers, with
// autocorrelated latency and Poisson errors. One thing goes wrong: a change
// (rolled out in stages or at once, some of them with control instances, some
// silent where they were made), a provider, a service by itself, or a surge.
// Changes that did nothing are shipped around it, on the same service, its
// neighbours, the callers of a failing provider, and after the onset. The graph
// that is told lacks some dependencies and invents others, and trouble spreads
// by other numbers than the ranking supposes.
//
// The generator and the ranking have one author, so the gap to the baselines is
// an upper bound. Seeds below 10000 are for tuning; what is reported comes from
// seeds above that.
package main
