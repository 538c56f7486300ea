package playground

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/open-feature/go-sdk/openfeature"

	"github.com/backout-dev/backout/internal/catalog"
)

// Two of the scenarios that the program brings along.
const (
	ScenarioPaymentDegraded = "payment-degraded" // one release of payment leaks: it becomes slow, then fails
	ScenarioExternalOutage  = "external-outage"  // the card network degrades; no change is to blame
)

// Config says how to run one of the playground's processes. The zero value of
// each field but Dir is usable.
type Config struct {
	// Dir is the folder that the processes share; it is made when it is absent.
	Dir string
	// Step is the sampling step and the model minute: everything scripted lasts
	// multiples of it. 0 = one second. (shop)
	Step time.Duration
	// Seed decides the versions, the changes, their times and the names of a blind
	// run. (shop)
	Seed uint64
	// Scenario is the name of one that the program brings along, or a file;
	// "" = payment-degraded. (shop)
	Scenario string
	// Blind replaces every name by a neutral one. (shop)
	Blind bool
	// Rate is how many transactions arrive in a second; pools are sized for it.
	// 0 = 200. (shop)
	Rate float64
	// Flags opens a provider over a flagd file; nil = all flags keep their default
	// of off. A provider with Init, Shutdown or Run(ctx) error has them called. (shop)
	Flags func(path string) (openfeature.FeatureProvider, error)
	// Spawn prepares, and does not start, a process of the given role, whose
	// standard input and output the shop then takes; nil = the bad release runs in
	// the shop's own process. The only role is "instances". (shop)
	Spawn func(ctx context.Context, role string, args ...string) (*exec.Cmd, error)
	// Pods run the shop's deployments in a cluster; nil = the shop runs them itself. (shop)
	Pods Pods
	// In and Out are what the parent process wrote and reads; they must be the
	// standard input and output. (instances)
	In  io.Reader
	Out io.Writer
	// ParentPID is the process whose end ends this one; 0 = the parent at the time
	// of the call.
	ParentPID int
	// told is Scenario, read.
	told catalog.Scenario
	// Log receives the process's log; nil = nothing is logged.
	Log *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" {
		return c, errors.New("configure playground: Dir is empty, expected the folder that its processes share")
	}
	abs, err := filepath.Abs(c.Dir)
	if err != nil {
		return c, fmt.Errorf("configure playground: %w", err)
	}
	c.Dir = abs
	c.Step = cmp.Or(c.Step, time.Second)
	c.Rate = cmp.Or(c.Rate, 200)
	c.Scenario = cmp.Or(c.Scenario, ScenarioPaymentDegraded)
	if c.told, err = OpenScenario(c.Scenario); err != nil {
		return c, fmt.Errorf("configure playground: %w", err)
	}
	if c.Step < 10*time.Millisecond || c.Rate < 0 {
		return c, fmt.Errorf("configure playground: step %s and rate %g must be at least 10ms and positive", c.Step, c.Rate)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.ParentPID = cmp.Or(c.ParentPID, os.Getppid())
	return c, nil
}

// withParent gives a context that also ends when the parent process is gone, so
// that no shop outlives the program that started it.
func withParent(ctx context.Context, parent int) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if os.Getppid() != parent {
					cancel()
					return
				}
			}
		}
	}()
	return ctx, cancel
}
