// Package catalog reads what people wrote down about a product, in folders of
// YAML files, and gives it as the glossary's nouns.
//
// # The model in one page
//
// Every document is an entity: apiVersion, kind, metadata and spec. Three families
// are read.
//
// Backstage's entities (apiVersion backstage.io/v1alpha1) are taken as they are:
// Component and Resource become services, dependsOn and consumesApis become
// dependencies, System and Group are what services belong to. What Backstage has
// no field for stands in annotations: backout.dev/tier (0 is the most critical,
// default 2), and backout.dev/soft, /async and /holds, which list those entries
// of dependsOn or consumesApis that are soft, asynchronous, or keep a resource
// of the other side while they wait.
//
// Our own entities (apiVersion backout.dev/v1alpha1) say the rest: Component
// (what can be changed), Journey, Feature, Client, Contract, Policy, SignalSet,
// Playbook, Actuator (how things are moved by your own means), Notify (how people are told; see [LoadNotify]), and what limits the way
// back: DataFormat, PointOfNoReturn, Pool, Consumer and Switch. Their fields are
// camelCase and are those of the glossary.
//
// What limits the way back is written so:
//
//	Component        minAvailable, maxSurge: instances that stay in service, and that may
//	                 exist beyond the usual ones, while it moves
//	DataFormat       writer, writes {from, to}, reader (default: the writer), reads {from,
//	                 to}, lost, loss (lossy or one_way), reason
//	PointOfNoReturn  component, versions {from, to}, after (a duration), rows, lost, loss
//	                 (one_way or lossy), reason
//	Pool             components, or environment and location; quota, maxUnavailable
//	Consumer         component (immovable), users, query (PromQL, one series a version),
//	                 versionLabel, lossyAbove, forbiddenAbove (shares of the users),
//	                 journeys, share (of their attempts)
//	Switch           members, router (of kind traffic), reason
//	Policy           limits {components, services, instances, value}, securityApprovers,
//	                 and in freezes services, environment and location; maxFailureAge,
//	                 settle and budget {plansPerHour, plansPerDay, stepsPerHour,
//	                 stepsPerDay} in model time; killSwitch
//
// How things are moved and seen is written so ({service}, {to} and the other fields
// of backout.Effect.Fields may stand in url, headers, body, args, set and promql):
//
//	Actuator  one of
//	            http     method, url, headers, headersFrom, tokenFrom, body (any JSON),
//	                     tls {caFile, certFile, keyFile}, timeout, done, notDone, conflict
//	            command  args, dir, pass (our variables that it gets), set, setFrom, timeout,
//	                     grace, done, notDone, conflict (exit codes)
//	            manual   owner, deadline, escalateTo, escalateAfter
//	            kubernetes  fieldManagers (who writes a workload once when somebody deploys, and
//	                     not again by itself: what they wrote may be taken over), patience
//	                     (10m), capacity (2m). Its name is kubernetes, and nothing stands beside
//	          probe: one of
//	            http     url and the like; version or shares, healthy, versions (CEL)
//	            command  args and the like; it prints JSON
//	            query    promql, versionLabel
//	          within: how long an effect may take to show; onceByKey: the target takes
//	            an effect's key once only
//	          reversal {loss, lost, shares, mixed, takes, headroom}
//	Playbook  component, owner, text, steps, link
//
// When a way back has worked is written so:
//
//	SuccessCriteria  environment, services (none = all), objectives [{signal, service,
//	                 journey, weight, keyObjective}], analyses, totalScore {passPercentage
//	                 (100), warningPercentage (as much)}. Weights left out everywhere are
//	                 the journeys' money
//
// A Cluster is a Kubernetes cluster whose changes are read; it is one location:
//
//	Cluster          environment, location (default: its name), one of kubeconfig (with
//	                 context), server (https; with tokenFrom {file} or {env}, caFile) and
//	                 inCluster, namespaces (none = all), timeout (10s), bake (10m: how long
//	                 a release must have worked to be one that can be gone back to).
//	                 Relative paths are the catalog's. A Component with the locator
//	                 CLUSTER/NAMESPACE/KIND/NAME is that workload; others are found
//	                 holds (false: the cluster itself refuses what is held), breakGlass
//	                 (groups of its users that may deploy it nevertheless)
//
// A quantile, such as the 99th percentile of latency, is watched as the share of requests
// that are slower than it: a signal of kind errors whose query counts those requests.
//
// Argo Rollouts' AnalysisTemplate and ClusterAnalysisTemplate (apiVersion
// argoproj.io/v1alpha1) are taken as they are, with the providers prometheus, web and job. A job
// runs in the template's namespace, in the cluster that the annotation backout.dev/cluster
// names, and is kept for an hour at least. An
// argument without a value is filled in by the gate: service, component, environment,
// location, from, to. Other providers, range queries, unchecked certificates and values
// from secrets are problems.
//
// [Load] is strict: an unknown field, a name used twice, a reference that leads
// nowhere, a second currency or a cycle of hard dependencies is an error. It
// reports all of them together as [Problems], each with file, line, field and
// what was expected, because a catalog is mended in an editor and not by
// guessing one error at a time.
package catalog
