package backout

import "slices"

// Pool is capacity that components share: the nodes of a cluster, the connections
// of a database, one service spread over places. Its members are those that are
// listed, or else everything in a place.
type Pool struct {
	ID          string        `json:"id"`
	Components  []ComponentID `json:"components"`
	Environment Environment   `json:"environment,omitempty"`
	Location    Location      `json:"location,omitempty"`
	// Quota is how many instances of all members may exist at once, old and new
	// together; 0 = no bound.
	Quota int `json:"quota,omitempty"`
	// MaxUnavailable is how many instances of all members may be out of service at
	// once; 0 = no bound.
	MaxUnavailable int `json:"max_unavailable,omitempty"`
}

// Has reports whether a component is a member.
func (p Pool) Has(c Component) bool {
	if len(p.Components) > 0 {
		return slices.Contains(p.Components, c.ID)
	}
	return p.Environment == c.Environment && (p.Location == "" || p.Location == c.Location)
}
