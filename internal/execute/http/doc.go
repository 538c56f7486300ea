// Package http moves and sees components by requests to a server that you have: a
// deployer, a job runner, a load balancer's API.
//
// # The model in one page
//
// A [Mover] sends one request for one effect. Fields such as {service} and {to}
// stand in its path, query, headers and JSON body, never in its host. Each value is
// written for its place: escaped in path and query, a JSON string in the body (a
// number where a field that is one stands alone), refused where it has no place,
// such as a line break in a header. So no version's name can become anything else.
//
// The effect's key goes along as Idempotency-Key. Where a header or the body carries
// {ifVersion}, which is what the probe saw (the ETag), the request is a
// compare-and-swap.
//
// What an answer means:
//
//	2xx                      done; 202 is accepted: unknown until it is seen
//	412                      not done, somebody moved it meanwhile (conflict)
//	other 4xx                not done; but unknown for 408, 409, 425 and 429
//	3xx                      unknown; 307 and 308 are followed on the same host only
//	5xx, no answer, timeout  unknown
//	never connected          not done
//
// Statuses can be given another meaning. A [Prober] sends a GET and reads the answer:
// by CEL expressions over body, status and headers, or, without any, as the document
// of execute.ReadSight.
//
// Secrets are asked for at each request and stand in no error. Answers are read up to
// a bound, and proxies are those of the environment.
package http
