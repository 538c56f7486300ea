// Command response measures how long the way back takes, from the moment a change
// begins to do harm until recovery is proven:
//
//	go run ./bench/response --scrape 15s -o json
//
// # How it simulates
//
// A product of 18 services in three layers releases nine changes in an hour; one of
// them, drawn by the seed, does harm on the instances that have it, and the harm
// travels to callers with a lag and a loss. What the metrics backend would answer is
// drawn from that: counts of failures and sums of latencies with correlated noise,
// averaged over a step and one scrape interval as a rate over scrapes is. The step is
// the scrape interval. Instances take 20 seconds to be replaced and then queues drain.
//
// Everything that decides and acts is the real thing: watch and detect, respond with
// attribution, forecast, planner, checker and policy, the executor on its durable engine
// with SQLite on a real disk, guard and gates. Time is that of a testing/synctest
// bubble, so an hour passes in seconds and every timer in the program is exact. synctest
// lives in tests only, which is why the command runs this folder's test.
//
// # What it prints
//
// Seconds from the onset to: detected (an incident is open), first_effect (the target
// has taken the first effect), verified (the incident is recovered). Medians are over
// the runs that got there; how many did, took back the guilty change, or ended
// otherwise stands beside them.
package main
