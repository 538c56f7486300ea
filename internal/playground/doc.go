// Package playground is a live shop: more than fifty services that call one
// another over real HTTP on the loopback, a client load that travels through
// them, and a director who ships changes, some of them bad.
// It exists so that the whole path of the program can be tried, shown and scored
// against something that really fails.
//
// # The model in one page
//
// A topology is a table of services. Each service has operations; an operation
// works for a moment (a timer, not the processor) and makes calls to other
// services. Each service runs as two or three instances, and each instance has a
// listener, a version, a bound on concurrent requests, and one finite pool of
// connections per callee. Calls have timeouts and at most one retry under a
// budget. Nothing else is scripted: when one service becomes slow, its callers'
// pools fill, then their own callers fail, and so on by themselves.
//
// Inventory hands out a finite number of reservations that checkout keeps while
// it waits for payment. So a slow payment starves inventory, which is a callee of
// checkout and not a caller of payment, and then browsing fails too.
//
// The fleet owns which instances run. A control API moves deployments, values of
// configuration and splits of traffic between versions, in shares, with etags and
// idempotency keys. Flags live in a flagd file that anyone may edit. The schema
// of the shop's SQLite file is moved by goose migrations.
//
// A scenario is a file (package testdata/scenarios tells the language) and is drawn
// from a seed: which versions there are, which changes are shipped when, which of
// them are decoys, and what is bad. Faults hurt a service's work wherever they
// hold: at a release, for a client with a flag on, in a location, on a schema, for
// a while. With two locations every service has a crew and a component in each,
// whose router prefers its own; everything else is global. The director carries
// it out after [Client.Begin] and reports each stage as an observation, as a CI
// system would. Only the director knows what is bad; what it knows ends up in
// truth.json, for the scorer to read afterwards.
//
// # Processes
//
// [RunShop] hosts the services and the control API, [RunLoad] is the clients, and
// [RunInstances] hosts the instances of the bad release in a process of their
// own, started by the shop through [Config.Spawn]. Load and instances send the
// shop a beat some times a second, with their numbers, and get the routes back.
// All of them end within two seconds of their context, and when their parent
// process is gone.
//
// With [Config.Blind], every name of the table is replaced before anything is
// built from it, so that no name tells what a thing is for.
package playground
