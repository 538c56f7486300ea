package app

import (
	"github.com/backout-dev/backout/internal/catalog"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/execute/flagd"
	"github.com/backout-dev/backout/internal/execute/goose"
	"github.com/backout-dev/backout/internal/execute/playground"
	"github.com/backout-dev/backout/internal/metrics"
	"github.com/backout-dev/backout/internal/metrics/embedded"
	"github.com/backout-dev/backout/internal/metrics/prometheus"
	"github.com/backout-dev/backout/internal/notify"
	"github.com/backout-dev/backout/internal/notify/cdevents"
	"github.com/backout-dev/backout/internal/notify/console"
	"github.com/backout-dev/backout/internal/notify/slack"
	"github.com/backout-dev/backout/internal/notify/webhook"
)

// The tables of adapters: one a port, kind to constructor.

var actuators = map[string]func(Config) (execute.Actuator, error){
	"flagd": func(Config) (execute.Actuator, error) { return flagd.New(flagd.Config{}), nil },
	"goose": func(Config) (execute.Actuator, error) { return goose.New(goose.Config{}), nil },
	"playground": func(c Config) (execute.Actuator, error) {
		return playground.New(playground.Config{URL: c.Playground, Token: c.PlaygroundToken})
	},
}

var notifiers = map[catalog.ChannelKind]func(reach) (notify.Notifier, error){
	catalog.ChannelConsole: func(r reach) (notify.Notifier, error) { return console.New(r.out), nil },
	catalog.ChannelWebhook: func(r reach) (notify.Notifier, error) {
		return webhook.New(webhook.Config{URL: r.url, Secret: r.secret, Link: r.link})
	},
	catalog.ChannelSlack: func(r reach) (notify.Notifier, error) {
		if r.token == "" {
			return slack.NewIncoming(r.url, r.link)
		}
		return slack.New(slack.Config{Name: r.Name, Token: r.token, Conversation: r.Conversation, Link: r.link, Threads: r.threads})
	},
	catalog.ChannelCDEvents: func(r reach) (notify.Notifier, error) {
		return cdevents.New(cdevents.Config{URL: r.url, Source: r.Source, Link: r.link})
	},
}

// openActuators makes those that the catalog names; one that is not configured
// is an error only when something needs it.
func openActuators(c Config, named map[string]bool) (map[string]execute.Actuator, error) {
	out := map[string]execute.Actuator{}
	for kind := range named {
		make, ok := actuators[kind]
		if !ok {
			continue // components of an unknown actuator are shown and never moved
		}
		a, err := make(c)
		if err != nil {
			return nil, err
		}
		out[kind] = a
	}
	return out, nil
}

// openMetrics opens the backend: a server somebody runs already, or our own.
func openMetrics(c Config) (metrics.Sampler, *embedded.Metrics, error) {
	ask := metrics.Config{ScrapeInterval: c.Scrape}
	if c.Prometheus != "" {
		s, err := prometheus.New(prometheus.Config{URL: c.Prometheus, Ask: ask})
		return s, nil, err
	}
	m, err := embedded.New(embedded.Config{
		Dir: c.Data + "/metrics", Ask: ask, Lookback: 5 * c.Step, Log: c.Log,
		Jobs: []embedded.Job{{Name: "targets", URLs: []string{c.Targets}, BearerTokenFile: c.TargetsTokenFile, Interval: c.Scrape}},
	})
	return m, m, err
}
