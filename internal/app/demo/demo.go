// Package demo plays the main job for somebody watching: it starts a shop with
// real traffic and backout beside it, lets backout learn a short normal, ships
// about ten changes of which one (or none) is bad, narrates what backout sees,
// decides and does, and scores the run against the truth afterwards.
//
// The shop, its clients and the culprit's instances are processes of their own.
// backout gets its facts over its public ports only: it scrapes metrics, receives
// observations on its webhook, reads catalog files and moves things through its
// actuators. The truth is read once, when the run has ended.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app"
	"github.com/backout-dev/backout/internal/drill"
	"github.com/backout-dev/backout/internal/playground"
	"github.com/backout-dev/backout/internal/render"
	"github.com/backout-dev/backout/internal/watch"
)

// Config says what to play.
type Config struct {
	Scenario string
	Seed     uint64
	Blind    bool // replace every name, so that nothing can be guessed from one
	Short    bool // at most 45 seconds
	Approve  bool // ask before acting
	// Kubernetes runs the shop's deployments in a local cluster, see package local.
	Kubernetes bool
	Dir        string // where to keep everything; "" = a temporary folder
	Listen     string
	Story      io.Writer // the narration
	Style      render.Style
	// Confirm asks the person for approval; nil = approval comes over the page or
	// the command line.
	Confirm func(ctx context.Context, question string) (bool, error)
	Log     *slog.Logger

	shadow bool // backout looks on; somebody else acts, or nobody
}

// pace is how long one model minute lasts, and how long each part may take.
type pace struct {
	step, limit time.Duration
}

func (c Config) pace() pace {
	if c.Kubernetes {
		// A control plane on the same machine takes its share of it, rollouts take their time,
		// and what a cluster dates with whole seconds is dated well enough.
		return pace{1500 * time.Millisecond, 255 * time.Second}
	}
	if c.Short {
		return pace{250 * time.Millisecond, 41 * time.Second}
	}
	return pace{time.Second, 170 * time.Second}
}

// show is one performance.
type show struct {
	Config
	pace
	dir     string
	began   time.Time
	app     *app.App
	cluster *cluster // nil = the shop runs its deployments itself
	shop    *playground.Client
	story   *story
	mu      sync.Mutex
	found   []backout.Finding // guarded by mu
	moments []drill.Moment    // guarded by mu
	failed  chan error        // a process or loop that ended too early
}

// Run plays one performance and scores it.
func Run(ctx context.Context, c Config) (r drill.Result, err error) {
	err = play(ctx, c, func(ctx context.Context, s *show) error {
		incidents, err := s.follow(ctx)
		if err != nil {
			return err
		}
		if r, err = s.score(ctx, incidents); err != nil {
			return err
		}
		return s.wrote(ctx)
	})
	return r, err
}

// play opens everything, lets backout learn what is normal, begins the scenario
// and hands over. Whatever happens, all it started has ended when it returns.
func play(ctx context.Context, c Config, perform func(context.Context, *show) error) error {
	s := &show{Config: c, pace: c.pace(), failed: make(chan error, 4), began: time.Now()}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	s.story = newStory(c.Story, c.Style, s.step)
	s.dir = c.Dir
	if s.dir == "" {
		dir, err := os.MkdirTemp("", "backout-demo-")
		if err != nil {
			return fmt.Errorf("make demo folder: %w", err)
		}
		defer os.RemoveAll(dir)
		s.dir = dir
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("make demo folder: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer func() { s.cluster.close() }() // when nobody uses it any more
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	if err := s.open(ctx, &running); err != nil {
		return err
	}
	s.story.opened(time.Since(s.began), s.app.URL(), s.app.Token(), s.app.TokenFile())
	if err := s.learnNormal(ctx); err != nil {
		return err
	}
	if err := s.shop.Begin(ctx, s.app.URL()+"/v1/observations", s.app.Token()); err != nil {
		return fmt.Errorf("begin the scenario: %w", err)
	}
	return perform(ctx, s)
}

// open starts the shop, its load and backout.
func (s *show) open(ctx context.Context, running *sync.WaitGroup) error {
	args := []string{"--scenario", s.Scenario, "--seed", strconv.FormatUint(s.Seed, 10), "--step", s.step.String()}
	if s.Blind {
		args = append(args, "--blind")
	}
	within := 20 * time.Second
	if s.Kubernetes {
		if err := s.openCluster(ctx, running); err != nil {
			return err
		}
		// As many transactions in a model minute as there are without a cluster.
		rate := 200 / s.step.Seconds()
		args, within = append(args, "--kubeconfig", s.cluster.pipeline, "--rate", strconv.FormatFloat(rate, 'f', 0, 64)), podsWithin
	}
	if err := s.spawn(ctx, running, "shop", args...); err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var err error
	if s.shop, err = s.dial(wait); err != nil {
		return err
	}
	if s.Kubernetes {
		if err := s.cluster.install(ctx, s); err != nil {
			return err
		}
	}
	if err := s.spawn(ctx, running, "load"); err != nil {
		return err
	}
	if err := yield(); err != nil {
		s.Log.Warn("the shop has to share the processors with backout on equal terms", "error", err)
	}
	return s.openBackout(ctx, running)
}

func (s *show) dial(ctx context.Context) (*playground.Client, error) {
	got := make(chan error, 1)
	var c *playground.Client
	go func() {
		var err error
		c, err = playground.Dial(ctx, s.dir)
		got <- err
	}()
	select {
	case err := <-got:
		return c, err
	case err := <-s.failed:
		return nil, err
	}
}

func (s *show) openBackout(ctx context.Context, running *sync.WaitGroup) error {
	tokenFile := filepath.Join(s.dir, "token")
	token, err := os.ReadFile(tokenFile)
	if err != nil {
		return fmt.Errorf("read the shop's token: %w", err)
	}
	cfg := app.Config{
		Catalog: filepath.Join(s.dir, "catalog"), Data: filepath.Join(s.dir, "backout"), Listen: s.Listen,
		Targets: s.shop.Ready.Targets, TargetsTokenFile: tokenFile, Step: s.step, Minute: s.step,
		Playground: s.shop.Ready.Control, PlaygroundToken: string(token), Seed: s.Seed, Heard: s.heard, Tell: s.story.entry, Log: s.Log,
	}
	switch {
	case s.shadow:
		cfg.Autonomy = backout.AutonomyShadow
	case s.Approve:
		cfg.Autonomy = backout.AutonomyAsk
	}
	if s.app, err = app.New(ctx, cfg); err != nil {
		return err
	}
	running.Go(func() {
		if err := s.app.Run(ctx); err != nil && ctx.Err() == nil {
			s.failed <- fmt.Errorf("backout ended: %w", err)
		}
	})
	return nil
}

// spawn starts a process of the playground; it ends with ctx.
func (s *show) spawn(ctx context.Context, running *sync.WaitGroup, role string, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, append([]string{"playground", role, "--dir", s.dir}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 3 * time.Second
	log, err := os.Create(filepath.Join(s.dir, role+".log"))
	if err != nil {
		return fmt.Errorf("start %s: %w", role, err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", role, err), log.Close())
	}
	running.Go(func() {
		defer log.Close()
		if err := cmd.Wait(); ctx.Err() == nil {
			text, _ := os.ReadFile(log.Name()) // without it the error stands alone
			s.failed <- fmt.Errorf("the %s ended too early: %w: %s", role, err, text)
		}
	})
	return nil
}

func (s *show) heard(r watch.Report) {
	s.mu.Lock()
	s.found = append(s.found, r.Findings...)
	s.mu.Unlock()
}

// learnNormal waits until backout knows what normal looks like.
func (s *show) learnNormal(ctx context.Context) error {
	tick := time.NewTicker(s.step)
	defer tick.Stop()
	for deadline := time.Now().Add(200 * s.step); ; {
		st := s.app.Readiness()
		if s.story.learning(st); st.Warm() {
			report, err := s.shop.Report(ctx)
			if err != nil {
				return fmt.Errorf("ask the shop how it is: %w", err)
			}
			s.story.normal(report, st)
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("learn normal: still %s after %s", st, 200*s.step)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-s.failed:
			return err
		case <-tick.C:
		}
	}
}
