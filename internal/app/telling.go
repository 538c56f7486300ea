package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app/wire"
	"github.com/backout-dev/backout/internal/catalog"
	"github.com/backout-dev/backout/internal/notify"
)

// reach is what a notifier's constructor gets: the channel as it is configured,
// with its secrets read.
type reach struct {
	catalog.Channel
	url, secret, token string
	link               string
	out                io.Writer
	threads            notify.Threads
}

// openNotifier wires the outbox to the configured channels; the console is always
// there for on-call.
func (a *App) openNotifier() error {
	n, dir, err := a.howToTell()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(n.Channels, func(c catalog.Channel) bool { return c.Kind == catalog.ChannelConsole }) {
		n.Channels = append(n.Channels, catalog.Channel{Name: "console", Kind: catalog.ChannelConsole, Audiences: []backout.Audience{backout.AudienceOnCall}})
	}
	secondChannels(n.Channels)
	all, err := openChannels(n, dir, a.cfg.Console, a.store)
	if err != nil {
		return err
	}
	if a.watchdogs, err = openWatchdogs(n.Watchdog, dir); err != nil {
		return err
	}
	a.channels = map[backout.Audience][]string{}
	for _, c := range n.Channels {
		for _, to := range c.Audiences {
			a.channels[to] = append(a.channels[to], c.Name)
		}
	}
	a.notifier, err = notify.New(wire.Outbox{Store: a.store}, all)
	return err
}

// secondChannels gives each channel that is all its audience has, and has no fallback,
// on-call's as one: a page that somebody passes on is better than silence. Programs
// are left out, since people can't hear for them.
func secondChannels(all []catalog.Channel) {
	for i, c := range all {
		if c.Fallback != "" || c.Kind == catalog.ChannelConsole || !onlyWay(all, c) {
			continue
		}
		for _, o := range all { // the console is last, and always there
			if o.Name != c.Name && o.Kind != catalog.ChannelCDEvents && slices.Contains(o.Audiences, backout.AudienceOnCall) {
				all[i].Fallback = o.Name
				break
			}
		}
	}
}

// onlyWay reports whether people of any audience hear by this channel alone.
func onlyWay(all []catalog.Channel, c catalog.Channel) bool {
	return slices.ContainsFunc(c.Audiences, func(a backout.Audience) bool {
		return a != backout.AudienceMachines && !slices.ContainsFunc(all, func(o catalog.Channel) bool { return o.Name != c.Name && slices.Contains(o.Audiences, a) })
	})
}

// howToTell finds the configuration and the folder that its files are relative to.
func (a *App) howToTell() (catalog.Notify, string, error) {
	switch {
	case a.cfg.Notify != "":
		return readNotify(a.cfg.Notify)
	case a.catalog.Notify != nil:
		return *a.catalog.Notify, a.cfg.Catalog, nil
	}
	return catalog.Notify{}, ".", nil
}

func readNotify(file string) (n catalog.Notify, dir string, err error) {
	doc, err := os.ReadFile(file)
	if err != nil {
		return n, "", fmt.Errorf("read how people are told: %w", err)
	}
	n, err = catalog.LoadNotify(file, doc)
	return n, filepath.Dir(file), err
}

func openChannels(n catalog.Notify, dir string, out io.Writer, threads notify.Threads) ([]notify.Channel, error) {
	var all []notify.Channel
	for _, c := range n.Channels {
		r := reach{Channel: c, url: c.URL, link: n.Link, out: out, threads: threads}
		var errs []error
		for into, from := range map[*string]catalog.Reference{&r.url: c.URLFrom, &r.secret: c.Secret, &r.token: c.Token} {
			if from != (catalog.Reference{}) {
				var err error
				*into, err = secret(from, dir)
				errs = append(errs, err)
			}
		}
		if err := errors.Join(errs...); err != nil {
			return nil, fmt.Errorf("open channel %s: %w", c.Name, err)
		}
		to, err := notifiers[c.Kind](r)
		if err != nil {
			return nil, fmt.Errorf("open channel %s: %w", c.Name, err)
		}
		all = append(all, notify.Channel{Name: c.Name, Notifier: to, Fallback: c.Fallback, SecondAfter: n.SecondAfter.Std()})
	}
	return all, nil
}

// secret reads what a reference refers to.
func secret(r catalog.Reference, dir string) (string, error) {
	value := os.Getenv(r.Env)
	if r.File != "" {
		path := r.File
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("read secret: %w", err)
		}
		value = string(b)
	}
	if value = strings.TrimSpace(value); value == "" {
		return "", fmt.Errorf("read secret: %s is empty: expected the secret there", r)
	}
	return value, nil
}

// Tested is what one channel did with a test message; Err is nil when its receiver
// acknowledged it.
type Tested struct {
	Channel string
	Kind    string
	Err     error
}

// TestNotify sends a test message by each channel of a file. It needs no running
// backout and leaves nothing behind. A watchdog gets one
// heartbeat of an environment named test, and should page three periods later.
func TestNotify(ctx context.Context, file string, out io.Writer) ([]Tested, error) {
	n, dir, err := readNotify(file)
	if err != nil {
		return nil, err
	}
	all, err := openChannels(n, dir, out, forgetful{})
	if err != nil {
		return nil, err
	}
	now, tested := time.Now().UTC(), []Tested{}
	for i, c := range n.Channels {
		m := backout.Message{
			Incident: "TEST", Audience: backout.AudienceOnCall, Key: "test/" + now.Format(time.RFC3339Nano), At: now,
			Text: "Test message from backout: there is no incident. Nothing is asked of you.", Facts: backout.Facts{Services: []backout.ServiceID{}, TakenBack: []backout.TakenBack{}},
		}
		if len(c.Audiences) > 0 {
			m.Audience = c.Audiences[0]
		}
		call, cancel := context.WithTimeout(ctx, 15*time.Second)
		tested = append(tested, Tested{c.Name, string(c.Kind), all[i].Notifier.Notify(call, m)})
		cancel()
	}
	watchdogs, err := openWatchdogs(n.Watchdog, dir)
	if err != nil {
		return nil, err
	}
	for i, b := range watchdogs {
		call, cancel := context.WithTimeout(ctx, heartbeatTimeout)
		_, err := b.to.Beat(call, backout.Health{Format: 1, At: now, StartedAt: now, Environment: "test", Loops: []backout.Loop{}}.Judge(), b.every)
		tested = append(tested, Tested{b.name, "watchdog " + string(n.Watchdog.Receivers[i].Kind), err})
		cancel()
	}
	return tested, nil
}

// forgetful keeps no threads: each test message stands alone.
type forgetful struct{}

func (forgetful) Thread(context.Context, string) (string, error)              { return "", nil }
func (forgetful) KeepThread(context.Context, string, time.Time, string) error { return nil }
