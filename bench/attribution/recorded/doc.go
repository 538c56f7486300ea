// Package recorded turns cases that others recorded and published into replay
// folders, the form in which `backout replay` reads an incident: a catalog, the
// changes as observations, the measurements as OpenMetrics text with timestamps,
// and the signals that ask for them. The data themselves stay where they are;
// nothing here knows what they are called in a particular case.
//
// # What an operator could have known
//
// A case ends at its cut-off. What lies later must not reach the folder, because
// it tells the answer: measurements after it, rollout stages that were completed
// after it, the pods of those stages, and changes that began after the trouble was
// noticed (these can't be the cause). The label is read by [ReadChangeRCA] and
// [ReadPetShop] into [Truth] and written nowhere.
//
// # What the sets don't tell
//
// Neither set has everything that a signal asks for, so two assumptions are made
// alike for all cases. Where a success rate comes without a number of requests, one
// request a second is assumed. Where the calm part was recorded at another time
// than the incident, it is moved to end where the incident's recording begins.
package recorded
