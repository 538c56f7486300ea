package catalog

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

const notifyFile = `apiVersion: backout.dev/v1alpha1
kind: Notify
metadata: {name: shop}
spec:
  link: https://backout.example.com
  channels:
    - {name: chat, kind: slack, tokenFrom: {env: SLACK_TOKEN}, conversation: C0123, audiences: [on-call, support], fallback: pager}
    - {name: pager, kind: webhook, url: "https://pager.example.com/hook", secretFrom: {file: pager.secret}}
    - {name: plain, kind: slack, urlFrom: {file: slack.url}, audiences: [executive]}
    - {name: bus, kind: cdevents, url: "http://broker.svc/default", source: /backout/eu, audiences: [machines]}
    - {name: here, kind: console, audiences: [on-call]}
`

func TestLoadNotify(t *testing.T) {
	got, err := LoadNotify("notify.yaml", []byte(notifyFile))
	if err != nil {
		t.Fatal(err)
	}
	want := Notify{Link: "https://backout.example.com", Channels: []Channel{
		{Name: "chat", Kind: ChannelSlack, Token: Reference{Env: "SLACK_TOKEN"}, Conversation: "C0123", Audiences: []backout.Audience{"on-call", "support"}, Fallback: "pager"},
		{Name: "pager", Kind: ChannelWebhook, URL: "https://pager.example.com/hook", Secret: Reference{File: "pager.secret"}, Audiences: []backout.Audience{}},
		{Name: "plain", Kind: ChannelSlack, URLFrom: Reference{File: "slack.url"}, Audiences: []backout.Audience{"executive"}},
		{Name: "bus", Kind: ChannelCDEvents, URL: "http://broker.svc/default", Source: "/backout/eu", Audiences: []backout.Audience{"machines"}},
		{Name: "here", Kind: ChannelConsole, Audiences: []backout.Audience{"on-call"}},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestLoadNotify_namesWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct{ channel, want string }{
		"unknown field":       {"{name: a, kind: console, audience: [on-call]}", "notify.yaml:6:spec.channels[0].audience: unknown field: expected one of audiences, conversation, fallback, kind"},
		"unknown kind":        {"{name: a, kind: fax, audiences: [on-call]}", `spec.channels[0].kind: found "fax": expected one of console, webhook, slack, cdevents`},
		"a taken name":        {"{name: console, kind: cdevents, url: 'https://x', audiences: [machines]}", "console is the one that is always there"},
		"no kind":             {"{name: a, audiences: [on-call]}", "kind: expected one of"},
		"unknown audience":    {"{name: a, kind: console, audiences: [everybody]}", `spec.channels[0].audiences[0]: found "everybody": expected one of on-call, support, executive, status-page, machines`},
		"nobody":              {"{name: a, kind: console}", "audiences: expected at least one"},
		"a secret inside":     {"{name: a, kind: slack, url: 'https://hooks.slack.com/services/T/B/x', audiences: [on-call]}", "the address of an incoming webhook is a secret"},
		"both ways":           {"{name: a, kind: slack, urlFrom: {env: A}, tokenFrom: {env: B}, conversation: C1, audiences: [on-call]}", "expected either urlFrom"},
		"half a bot":          {"{name: a, kind: slack, tokenFrom: {env: B}, audiences: [on-call]}", "expected either urlFrom"},
		"unsigned":            {"{name: a, kind: webhook, url: 'https://x', audiences: [on-call]}", "expected url or urlFrom, and secretFrom"},
		"no address":          {"{name: a, kind: webhook, url: x, secretFrom: {env: A}, audiences: [on-call]}", "spec.channels[0].url: expected an address"},
		"file and env":        {"{name: a, kind: slack, urlFrom: {env: A, file: B}, audiences: [on-call]}", "spec.channels[0].urlFrom: expected {file: PATH} or {env: NAME}"},
		"events for people":   {"{name: a, kind: cdevents, url: 'https://x', audiences: [executive]}", "expected machines with kind cdevents"},
		"falls back to none":  {"{name: a, kind: console, audiences: [on-call], fallback: b}", `fallback "b": expected the name of another channel`},
		"falls back to it":    {"{name: a, kind: console, audiences: [on-call], fallback: a}", `fallback "a": expected the name of another channel`},
		"the same name twice": {"{name: a, kind: console, audiences: [on-call]}\n    - {name: a, kind: console, audiences: [on-call]}", `notify.yaml:7:spec.channels[1]: name "a" stands twice`},
	} {
		t.Run(name, func(t *testing.T) {
			doc := "apiVersion: backout.dev/v1alpha1\nkind: Notify\nmetadata: {name: x}\nspec:\n  channels:\n    - " + c.channel + "\n"
			_, err := LoadNotify("notify.yaml", []byte(doc))
			var ps Problems
			if !errors.As(err, &ps) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want a problem with %q", err, c.want)
			}
			if err := load(doc); err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(c.want, "notify.yaml")) {
				t.Errorf("in a catalog: got %v, want a problem with %q", err, c.want)
			}
		})
	}
	for name, doc := range map[string]string{"nothing": "", "another kind": base, "two": notifyFile + "---\n" + notifyFile} {
		if _, err := LoadNotify("notify.yaml", []byte(doc)); err == nil || !strings.Contains(err.Error(), "expected one") {
			t.Errorf("%s: %v, want one document asked for", name, err)
		}
	}
}
