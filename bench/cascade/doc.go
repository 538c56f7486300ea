// Command cascade measures what is foretold to be hit next, on incidents that
// others wrote down: where each began, and which way it went.
//
//	go run ./bench/cascade -set itbench -data DIR [-v]         a table
//	go run ./bench/cascade -set itbench -data DIR -o json      for machines
//	  -svg docs/pictures/cascade_bench.svg                     a picture
//
// No graph comes with the set, and the propagations are the answer. So each scenario
// is left out in turn: the graph is the union of the propagations of the other
// scenarios of the same application, and the same scenarios tell how often each of
// its ways was taken. Nothing else is learnt, and nothing is fitted here.
//
// Pods, deployment and service of a workload are one component. The roots are told
// to everybody: the components at which an incident began, or which the injected
// fault or setting touches first. They are no part of the answer. An incident that
// went nowhere has an empty answer, which counts as foretold when nothing was.
//
// backout's chances come from package forecast, the product's own cascade. Which
// components are foretold is then decided without a threshold: those with the
// largest expected F1. The baseline is everything that the same graph reaches.
package main
