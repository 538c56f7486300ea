package backout

// Rollback is what somebody wrote down about going back with a component: what
// the way back itself does to the product. Everything is optional; what is not
// said is not guessed.
type Rollback struct {
	// Startup is the time from starting an instance until it serves.
	Startup Duration `json:"startup,omitempty"`
	// Utilisation asks for the share of the present capacity that is in use now,
	// all instances together; 1 = just enough. See [QuantityUtilisation].
	Utilisation string `json:"utilisation,omitempty"`
	// CacheWarmup is how long an instance's cache stays cold after its start, and
	// CachePenalty the share of its work that is as good as lost meanwhile, on
	// average, in [0,1].
	CacheWarmup  Duration `json:"cache_warmup,omitempty"`
	CachePenalty float64  `json:"cache_penalty_ratio,omitempty"`
	Queue        *Queue   `json:"queue,omitempty"`
	Writes       *Writes  `json:"writes,omitempty"`
}

// Queue is what a component takes its work from.
type Queue struct {
	Backlog string `json:"backlog"` // asks for the messages that wait now
	Inflow  string `json:"inflow"`  // asks for the messages that arrive in a second
	// DrainRate is how many messages all instances together take in a second.
	DrainRate float64 `json:"drain_rate_per_s"`
	// DelayPenalty is the share of the component's work that is as good as lost
	// while messages wait, in [0,1].
	DelayPenalty float64 `json:"delay_penalty_ratio,omitempty"`
}

// Writes is what a component's newer versions write that older ones did not.
type Writes struct {
	Query string `json:"query"` // asks for how many are written in a second
	Unit  string `json:"unit"`  // what is counted, in the plural: orders
	// Since is the version that began to write the newer form; going back to it or
	// to a later one harms nothing. Empty = every version has a form of its own.
	Since Version `json:"since,omitempty"`
	Fate  Fate    `json:"fate"`
	// Each is what one is worth when it is lost or unreadable, or what it costs to
	// migrate it; zero = nobody said.
	Each Money `json:"each"`
}

// Fate is what becomes of newer data when older code comes back.
type Fate string

// The fates.
const (
	FateUnreadable Fate = "unreadable" // it stays, but the older version can't read it
	FateLost       Fate = "lost"       // it is dropped
	FateMigrated   Fate = "migrated"   // it must be brought into the older form
)

// Quantity names something about a component that only metrics know.
type Quantity string

// The quantities.
const (
	QuantityUtilisation Quantity = "utilisation" // share of the present capacity in use; may exceed 1
	QuantityBacklog     Quantity = "backlog"     // messages that wait
	QuantityInflow      Quantity = "inflow"      // messages a second
	QuantityWrites      Quantity = "writes"      // newer rows, objects or messages a second
)

// Questions are the queries that must be asked before taking the component back
// can be priced, by what they ask for.
func (r *Rollback) Questions() map[Quantity]string {
	out := map[Quantity]string{}
	ask := func(q Quantity, query string) {
		if query != "" {
			out[q] = query
		}
	}
	if r == nil {
		return out
	}
	ask(QuantityUtilisation, r.Utilisation)
	if r.Queue != nil {
		ask(QuantityBacklog, r.Queue.Backlog)
		ask(QuantityInflow, r.Queue.Inflow)
	}
	if r.Writes != nil {
		ask(QuantityWrites, r.Writes.Query)
	}
	return out
}

// Load is what the metrics answered about one component. A quantity that is in
// neither map was not asked for.
type Load struct {
	Values  map[Quantity]float64 `json:"values"`
	Missing map[Quantity]string  `json:"missing"` // why there is no value
}
