// Package attribution measures internal/attribute on generated worlds, beside
// the baselines that everybody has: the latest change, and the latest change on
// a service that looks ill.
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
