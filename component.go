package backout

import (
	"fmt"
	"strings"
)

// ComponentKind says what sort of thing a component is, and with it which
// actuator can move it and how reversible its changes usually are.
type ComponentKind string

// The kinds of component.
const (
	KindDeployment     ComponentKind = "deployment"     // code running as instances of a service
	KindConfig         ComponentKind = "config"         // one configuration value of a service
	KindFlag           ComponentKind = "flag"           // one feature flag
	KindSchema         ComponentKind = "schema"         // the schema of one database
	KindTraffic        ComponentKind = "traffic"        // the weights of a load balancer or router
	KindInfrastructure ComponentKind = "infrastructure" // hosts, networks, quotas
)

// ComponentID names a component everywhere: locks, contracts, steps, snapshots
// and holds are keyed by it and by nothing else. Its form is
// kind:name@environment/location, for example deployment:payment@production/eu-1.
type ComponentID string

// NewComponentID joins the four parts of a component's name.
func NewComponentID(kind ComponentKind, name string, env Environment, loc Location) ComponentID {
	return ComponentID(fmt.Sprintf("%s:%s@%s/%s", kind, name, env, loc))
}

// Split takes a component's name apart. It fails when the form is not
// kind:name@environment/location with no part empty.
func (id ComponentID) Split() (kind ComponentKind, name string, env Environment, loc Location, err error) {
	k, rest, ok1 := strings.Cut(string(id), ":")
	n, place, ok2 := strings.Cut(rest, "@")
	e, l, ok3 := strings.Cut(place, "/")
	if !ok1 || !ok2 || !ok3 || k == "" || n == "" || e == "" || l == "" {
		return "", "", "", "", fmt.Errorf("component id %q: expected kind:name@environment/location", string(id))
	}
	return ComponentKind(k), n, Environment(e), Location(l), nil
}

// Kind is the part before the colon, or "" when the id is malformed.
func (id ComponentID) Kind() ComponentKind {
	k, _, _, _, err := id.Split()
	if err != nil {
		return ""
	}
	return k
}

// Name is the part between colon and at sign, or the whole id when malformed.
func (id ComponentID) Name() string {
	_, n, _, _, err := id.Split()
	if err != nil {
		return string(id)
	}
	return n
}

// Version names one state of a component: a release, a flag's variant, a
// configuration value's revision, a schema's migration number. Versions of one
// component are compared by [CompareVersions].
type Version string

// Level counts changes applied to a component since the start of the world's
// window: level 0 is the oldest state still known, the highest is the current.
type Level int

// Component is the smallest thing that can be changed and taken back by itself.
type Component struct {
	ID          ComponentID   `json:"id"`
	Kind        ComponentKind `json:"kind"`
	Name        string        `json:"name"`
	Service     ServiceID     `json:"service"` // the service whose behaviour it changes first
	Environment Environment   `json:"environment"`
	Location    Location      `json:"location"`
	Actuator    string        `json:"actuator"`          // which actuator moves it; empty = nobody can
	Locator     string        `json:"locator,omitempty"` // where that actuator finds it
	Instances   int           `json:"instances"`         // how many copies run; 0 = not counted
	Immovable   bool          `json:"immovable"`         // external consumers and providers: never a step
	// MinAvailable is how many instances must stay in service while it moves, and
	// MaxSurge how many may exist beyond Instances meanwhile; 0 = none.
	MinAvailable int `json:"min_available,omitempty"`
	MaxSurge     int `json:"max_surge,omitempty"`
	// Rollback is what going back with it does by itself; nil = nobody said.
	Rollback *Rollback `json:"rollback,omitempty"`
}

// CompareVersions orders two versions of one component: negative when a comes
// before b. Runs of digits compare as numbers, everything else as text, so
// 2.9.0 < 2.10.0 and 0041 < 0042. A leading v is ignored.
func CompareVersions(a, b Version) int {
	x, y := strings.TrimPrefix(string(a), "v"), strings.TrimPrefix(string(b), "v")
	for x != "" && y != "" {
		xd, yd := digits(x), digits(y)
		if xd > 0 && yd > 0 {
			xn, yn := strings.TrimLeft(x[:xd], "0"), strings.TrimLeft(y[:yd], "0")
			if len(xn) != len(yn) {
				return len(xn) - len(yn)
			}
			if c := strings.Compare(xn, yn); c != 0 {
				return c
			}
			x, y = x[xd:], y[yd:]
			continue
		}
		if x[0] != y[0] {
			return int(x[0]) - int(y[0])
		}
		x, y = x[1:], y[1:]
	}
	return len(x) - len(y)
}

// digits counts the leading decimal digits of s.
func digits(s string) int {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return i
		}
	}
	return len(s)
}
