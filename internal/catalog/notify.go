package catalog

import (
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/backout-dev/backout"
)

// Notify says how people and programs are told.
type Notify struct {
	Link     string    `json:"link,omitempty"` // base URL of backout's pages, as readers reach them
	Channels []Channel `json:"channels"`
	// SecondAfter is how old the end of an incident gets at most before it goes to a second
	// channel; 0 = a minute.
	SecondAfter backout.Duration `json:"second_after,omitempty"`
	Watchdog    *Watchdog        `json:"watchdog,omitempty"`
}

// Channel is one way to reach somebody. What is secret is referred to, never
// written into the document.
type Channel struct {
	Name         string             `json:"name"`
	Kind         ChannelKind        `json:"kind"`
	URL          string             `json:"url,omitempty"`
	URLFrom      Reference          `json:"url_from,omitzero"`
	Secret       Reference          `json:"secret_from,omitzero"` // signs webhooks
	Token        Reference          `json:"token_from,omitzero"`  // of the Slack bot
	Conversation string             `json:"conversation,omitempty"`
	Source       string             `json:"source,omitempty"` // of CDEvents
	Audiences    []backout.Audience `json:"audiences"`
	// Fallback names the channel that the end of an incident goes to when this one
	// does not acknowledge it.
	Fallback string `json:"fallback,omitempty"`
}

// ChannelKind says which adapter a channel is.
type ChannelKind string

// The kinds of channel.
const (
	ChannelConsole  ChannelKind = "console"
	ChannelWebhook  ChannelKind = "webhook"
	ChannelSlack    ChannelKind = "slack"
	ChannelCDEvents ChannelKind = "cdevents"
)

// Reference says where a secret lies: in a file or in an environment variable.
type Reference struct {
	File string `json:"file,omitempty"`
	Env  string `json:"env,omitempty"`
}

// LoadNotify reads a file that holds one Notify document. The error is [Problems]
// when it could be read but is wrong.
func LoadNotify(name string, doc []byte) (Notify, error) {
	l := newLoader()
	l.file(name, string(doc))
	l.finish()
	switch {
	case len(l.problems) > 0:
		return Notify{}, l.problems.sorted()
	case l.out.Notify == nil || len(l.names) != 1:
		return Notify{}, Problems{{name, 1, "", "expected one document of kind Notify and no other"}}
	}
	return *l.out.Notify, nil
}

func readNotify(e *entity) {
	n := Notify{Channels: []Channel{}}
	stands := map[string]cursor{}
	e.spec.fields(map[string]func(cursor){
		"link":        address(&n.Link),
		"secondAfter": span(&n.SecondAfter),
		"watchdog":    func(c cursor) { n.Watchdog = readWatchdog(c) },
		"channels": func(c cursor) {
			c.list(func(x cursor) {
				one := readChannel(x)
				if _, twice := stands[one.Name]; twice {
					x.wrong("name %q stands twice: expected a name of its own", one.Name)
				}
				stands[one.Name] = x
				n.Channels = append(n.Channels, one)
			})
		},
	})
	if len(n.Channels) == 0 && n.Watchdog == nil {
		e.wrong("spec.channels: expected at least one channel, or a watchdog")
	}
	fallbacks := []string{}
	for _, c := range n.Channels {
		if _, known := stands[c.Fallback]; c.Fallback != "" && (!known || c.Fallback == c.Name) {
			stands[c.Name].wrong("fallback %q: expected the name of another channel", c.Fallback)
		}
		fallbacks = append(fallbacks, c.Fallback)
	}
	for _, c := range n.Channels {
		if len(c.Audiences) == 0 && !slices.Contains(fallbacks, c.Name) {
			stands[c.Name].wrong("audiences: expected at least one, since no channel falls back to this one")
		}
	}
	if !e.any("notify") && e.unique("notify", e.name) {
		e.out.Notify = &n
		return
	}
	e.wrong("a Notify document stands somewhere already: expected one")
}

func readChannel(x cursor) Channel {
	c := Channel{Audiences: []backout.Audience{}}
	x.fields(map[string]func(cursor){
		"name": text(&c.Name), "kind": oneOf(&c.Kind, ChannelConsole, ChannelWebhook, ChannelSlack, ChannelCDEvents),
		"url": address(&c.URL), "urlFrom": reference(&c.URLFrom), "secretFrom": reference(&c.Secret), "tokenFrom": reference(&c.Token),
		"conversation": text(&c.Conversation), "source": text(&c.Source), "fallback": text(&c.Fallback),
		"audiences": func(l cursor) {
			l.list(func(a cursor) {
				var one backout.Audience
				oneOf(&one, backout.Audiences()...)(a)
				c.Audiences = append(c.Audiences, one)
			})
		},
	})
	if c.Name == "" {
		x.wrong("name: expected a value")
	}
	if c.Name == string(ChannelConsole) && c.Kind != ChannelConsole {
		x.wrong("name: expected another one: console is the one that is always there")
	}
	if c.Kind == "" {
		if !x.has(x.file, x.field+".kind") {
			x.wrong("kind: expected one of console, webhook, slack, cdevents")
		}
		return c // what it needs depends on the kind
	}
	if err := c.fits(); err != nil {
		x.wrong("%v", err)
	}
	return c
}

// fits checks that a channel has what its kind needs and nothing else.
func (c Channel) fits() error {
	none := Reference{}
	hasURL := c.URL != "" || c.URLFrom != none
	switch {
	case c.URL != "" && c.URLFrom != none:
		return errors.New("url, urlFrom: expected one of them")
	case c.Kind != ChannelWebhook && c.Secret != none:
		return errors.New("secretFrom: expected only with kind webhook")
	case c.Kind != ChannelSlack && (c.Token != none || c.Conversation != ""):
		return errors.New("tokenFrom, conversation: expected only with kind slack")
	case c.Kind != ChannelCDEvents && c.Source != "":
		return errors.New("source: expected only with kind cdevents")
	}
	switch c.Kind {
	case ChannelConsole:
		if hasURL {
			return errors.New("url: expected none with kind console")
		}
	case ChannelWebhook:
		if !hasURL || c.Secret == none {
			return errors.New("expected url or urlFrom, and secretFrom")
		}
	case ChannelSlack:
		switch {
		case c.URL != "":
			return errors.New("url: expected urlFrom: the address of an incoming webhook is a secret")
		case hasURL == (c.Token != none) || (c.Token != none) != (c.Conversation != ""):
			return errors.New("expected either urlFrom (an incoming webhook), or tokenFrom and conversation (a bot)")
		}
	case ChannelCDEvents:
		if !hasURL {
			return errors.New("expected url or urlFrom")
		}
		if slices.ContainsFunc(c.Audiences, func(a backout.Audience) bool { return a != backout.AudienceMachines }) {
			return errors.New("audiences: expected machines with kind cdevents: it needs the facts that only they get")
		}
	}
	return nil
}

func address(into *string) func(cursor) {
	return func(c cursor) {
		s, ok := c.scalar()
		if !ok {
			return
		}
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
			c.wrong("expected an address such as https://example.com/path, without a user")
			return
		}
		*into = s
	}
}

func reference(into *Reference) func(cursor) {
	return func(c cursor) {
		c.fields(map[string]func(cursor){"file": text(&into.File), "env": text(&into.Env)})
		if (into.File == "") == (into.Env == "") {
			c.wrong("expected {file: PATH} or {env: NAME}")
		}
	}
}

// String says where a secret lies, without it.
func (r Reference) String() string {
	if r.File != "" {
		return fmt.Sprintf("file %s", r.File)
	}
	return fmt.Sprintf("environment variable %s", r.Env)
}
