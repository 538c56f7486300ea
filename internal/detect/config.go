package detect

import (
	"cmp"
	"fmt"
	"time"
)

// Config sets up a Detector. The zero value works.
type Config struct {
	// ARL is the number of samples between false findings that is accepted for
	// each series on average, the A of the package comment. 0 means 1,000,000 while
	// a series has a short history: 150 series then give a false finding about every
	// 6,700 steps.
	ARL float64
	// LongARL is the same for series with a long history. 0 means ARL where that is
	// set, else 10,000,000: fifty services of three series each then give two false
	// findings in three months of minutes.
	LongARL float64
	// Warm is the number of samples before a series is judged; 0 means 40, the
	// least is 20.
	Warm int
	// Full is the number of healthy samples after which the series' own past
	// replaces Student's t; 0 means 1500, the least is 500.
	Full int
	// Overlap is how many steps the window behind one sample covers: 1 (also 0)
	// when windows don't overlap. It is a lower bound for the correlation that is
	// removed; correlation beyond it is estimated.
	Overlap float64
	// Accept is how long a series stays at a new level before that becomes its
	// baseline; 0 means 24 hours.
	Accept time.Duration
}

func (c Config) checked() (Config, error) {
	if c.LongARL == 0 {
		c.LongARL = cmp.Or(c.ARL, 1e7)
	}
	if c.ARL == 0 {
		c.ARL = 1e6
	}
	if c.Warm == 0 {
		c.Warm = 40
	}
	if c.Full == 0 {
		c.Full = 1500
	}
	if c.Overlap == 0 {
		c.Overlap = 1
	}
	if c.Accept == 0 {
		c.Accept = 24 * time.Hour
	}
	switch {
	case !(c.ARL >= 10 && c.ARL <= 1e12):
		return c, fmt.Errorf("check detector configuration: ARL is %v, expected 10 to 1e12 samples", c.ARL)
	case !(c.LongARL >= 10 && c.LongARL <= 1e12):
		return c, fmt.Errorf("check detector configuration: LongARL is %v, expected 10 to 1e12 samples", c.LongARL)
	case c.Warm < 20 || c.Warm > 1000:
		return c, fmt.Errorf("check detector configuration: Warm is %d, expected 20 to 1000 samples", c.Warm)
	case c.Full < 500 || c.Full < c.Warm:
		return c, fmt.Errorf("check detector configuration: Full is %d, expected at least 500 and Warm", c.Full)
	case !(c.Overlap >= 1 && c.Overlap <= 20):
		return c, fmt.Errorf("check detector configuration: Overlap is %v, expected 1 to 20 steps", c.Overlap)
	case c.Accept < 0:
		return c, fmt.Errorf("check detector configuration: Accept is %v, expected a positive span", c.Accept)
	}
	return c, nil
}
