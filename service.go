package backout

// ServiceID names a service, data store or external provider in the graph.
type ServiceID string

// ServiceKind says how much of a service is ours.
type ServiceKind string

// The kinds of service.
const (
	ServiceOwn       ServiceKind = "service"   // we run its code
	ServiceDatastore ServiceKind = "datastore" // we run it, its schema is ours
	ServiceExternal  ServiceKind = "external"  // a provider: seen only through its callers, never changed by us
)

// Tier is a service's criticality: 0 is the most critical, 3 the least.
type Tier int

// Service is something that answers requests.
type Service struct {
	ID     ServiceID   `json:"id"`
	Kind   ServiceKind `json:"kind"`
	System string      `json:"system,omitempty"`
	Owner  string      `json:"owner,omitempty"`
	Tier   Tier        `json:"tier"`
}

// JourneyID names a journey.
type JourneyID string

// Journey is a path that customers travel through the product, with what a
// minute of it is worth. Its value is lost in proportion to the share of
// attempts that fail.
type Journey struct {
	ID             JourneyID   `json:"id"`
	Name           string      `json:"name"`
	Services       []ServiceID `json:"services"` // critical path: each must work for the journey to work
	ValuePerMinute Money       `json:"value_per_minute"`
	Tier           Tier        `json:"tier"`
}

// Feature is a part of the product that a flag switches.
type Feature struct {
	ID       string      `json:"id"`
	Flag     ComponentID `json:"flag"`
	Journeys []JourneyID `json:"journeys"`
	// ValuePerMinute is what needlessly switching the feature off loses.
	ValuePerMinute Money `json:"value_per_minute"`
}

// Client is a customer with an agreement of its own.
type Client struct {
	ID       string `json:"id"`
	Audience string `json:"audience"` // the flag system's key for this client
	// SLA is the promised share of successful requests.
	SLA float64 `json:"sla_ratio"`
	// Penalty is owed for each minute below the SLA.
	Penalty Money `json:"penalty_per_minute"`
}
