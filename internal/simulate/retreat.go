package simulate

// retreat is how far something was taken back, by minute: who has the former version
// again stops suffering within some minutes, while what was begun is finished and
// queues empty.
type retreat struct {
	stages []stage
	drain  float64 // minutes
}

// at is the share that is back and drained.
func (b retreat) at(t float64) float64 {
	done, last := 0.0, 0.0
	for _, s := range b.stages {
		drained := 1.0
		if b.drain > 0 {
			drained = max(0, min(1, (t-s.minute)/b.drain))
		} else if t < s.minute {
			drained = 0
		}
		done += (s.share - last) * drained
		last = s.share
	}
	return max(0, min(1, done))
}
