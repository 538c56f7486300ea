// Package replay plays a recorded folder: the path of a running backout
// (measure, detect, attribute, forecast, plan, check, permit) over facts of the
// past, acting on nothing. It also records such folders, out of a running
// Prometheus and the changes that somebody kept.
//
// # The model
//
// A virtual clock steps through the recording. At each step the same watch asks
// the same PromQL of an embedded Prometheus that holds the recorded samples, the
// same responder opens incidents and walks them, and every question, to the
// metrics or to the world, sees what had happened by then and nothing later.
// [Play] runs as a program would have that was started at [Config].From with the
// samples before as its history.
//
// What comes out is what that program would have said: for each incident the
// suspects with their probabilities, the forecast and the plan as of its own
// decision, or as of a fixed time after detection ([Config].Until), or as of any
// moment ([Config].At). Labels in replay.yaml are compared with the answers after
// the last of them was given.
package replay
