package backout

// Switch is a set of components that a router can turn from one set of versions to
// another at once, such as a blue and a green pair behind one load balancer. No
// mixed state of its members is ever live, so a pair that no order makes safe can
// still be taken back together.
type Switch struct {
	ID      string        `json:"id"`
	Members []ComponentID `json:"members"`
	Router  ComponentID   `json:"router"` // what turns them, a component of kind traffic
	Reason  string        `json:"reason,omitempty"`
	File    string        `json:"file,omitempty"` // file:line where it is declared
}
