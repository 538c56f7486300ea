package forecast

import (
	"fmt"
)

// warnings tells where retries would push a service over its capacity: callers
// that try again multiply the load by 1 + retries × the share that fails.
func (s *simulation) warnings() []string {
	out := []string{}
	retries := s.q.Retries
	if retries <= 0 {
		retries = 2
	}
	for _, v := range s.q.World.Graph.Services {
		used, ok := s.q.Saturation[v.ID]
		failing := s.q.ErrorRatio[v.ID]
		if !ok || failing < 0.01 {
			continue
		}
		if need := used * (1 + float64(retries)*failing); need > tooFull && used <= 1 {
			out = append(out, fmt.Sprintf("retry storm: %s uses %.0f %% of its capacity while %.0f %% of calls to it fail; %d retries each would need %.0f %%",
				v.ID, 100*used, 100*failing, retries, 100*need))
		}
	}
	return out
}
