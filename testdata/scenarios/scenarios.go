// Package scenarios holds the scenarios that the program brings along, each a
// file that is test, example and drill at once: `backout drill run NAME` plays it
// in the live shop and scores it. Copy one to write your own.
//
// # A file
//
// A scenario is a txtar archive. What stands before its first section is for
// people; its one section, scenario.yaml, is read strictly (`backout drill check
// FILE` tells every problem as file:line:field). Names are those of the shop's
// table; a blind run replaces them. Times are model minutes, a range [from, to] is
// drawn from the seed, and so is everything that the file leaves open.
//
//	format: 1
//	sentence: what happens, in one sentence
//	locations: [eu-1, us-1]      # one or two places; absent = one
//	day: {deployments: 2, migration: true}   # innocent changes of a working day
//	ship:                        # in the order in which they refer to one another
//	- id: release                # what the rest of the file calls it
//	  deployment: payment        # or config, flag, traffic: a name, or a list of
//	                             # which one not shipped yet is drawn; or schema: "2"
//	  at: [5, 9]                 # after the beginning, or after another's begin:
//	  after: other
//	  stages: [0.33, 0.67, 1]    # shares; absent = one instance after another
//	  every: 4                   # minutes between stages
//	  audiences: [web, kestrel]  # of a flag: the clients it is on for, one a stage
//	  location: us-1             # of a deployment; absent = in each
//	  needs: other               # must have gone out wholly before
//	  chance: 0.5                # that it is shipped at all
//	  role: culprit              # or decoy, demanded, innocent
//	  by: release-bot
//	faults:                      # what is bad
//	- service: payment           # whose work is hurt; the datastore = all writes to it
//	  shipment: release          # wherever that holds, or from a time on, at: [8, 14],
//	                             # which with after: release counts from its begin
//	  wayBack: true              # instead: other releases, started since it went out
//	  client: nordwind           # only for this one
//	  location: us-1             # only there
//	  delay: [1, 2]              # until it is felt
//	  ramp: [7, 9]               # until it is felt wholly
//	  lasts: [3, 4]              # absent = for ever
//	  slow: [300, 450]           # times as long
//	  latencyMs: [300, 500]      # so much longer
//	  errors: [0.05, 0.1]        # share of requests that fail
//	contracts:                   # what the consumer ships needs what the provider ships
//	- {consumer: second, provider: first, reason: in words}
//	policy: {autonomy: act, approvalMinutes: 60, cooldownMinutes: 20, maxAttempts: 2}
//	expect:
//	  outcome: [halted, waiting] # any of recovered, no_action, waiting, frozen, halted
//	  reverted: [release]        # must go back
//	  demanded: [second]         # may go back along with them
//	  innocents: 0               # others that may have gone back
//	  audience: nordwind         # reverted flags go off for this client and nobody else
//	  detected: true             # it must have been noticed
//	  asked: true                # a person must (not) have been asked; absent = either
//
// Whatever a file expects, a run with an unsafe state or an unsafe request never
// ends as expected.
package scenarios

import "embed"

// Files holds NAME.txtar for each scenario.
//
//go:embed *.txtar
var Files embed.FS
