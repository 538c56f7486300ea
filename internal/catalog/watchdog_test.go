package catalog

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

func TestLoadNotify_watchdog(t *testing.T) {
	const head = "apiVersion: backout.dev/v1alpha1\nkind: Notify\nmetadata: {name: x}\nspec:\n  watchdog: "
	got, err := LoadNotify("notify.yaml", []byte(head+"{every: 30s, receivers: [{name: checks, kind: webhook, urlFrom: {file: checks.url}, method: GET}, {name: am, kind: alertmanager, url: \"http://am:9093\"}]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := &Watchdog{Every: backout.Duration(30 * time.Second), Receivers: []WatchdogReceiver{
		{Name: "checks", Kind: WatchdogWebhook, URLFrom: Reference{File: "checks.url"}, Method: "GET"}, {Name: "am", Kind: WatchdogAlertmanager, URL: "http://am:9093"},
	}}
	if d := cmp.Diff(want, got.Watchdog); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for doc, want := range map[string]string{
		"{}": "receivers: expected at least one",
		"{every: 10ms, receivers: [{name: a, kind: webhook, url: \"http://a\"}]}":                                      "notify.yaml:5:spec.watchdog.every: found 10ms: expected from 1s to 1h0m0s",
		"{receivers: [{name: a, kind: pigeon, url: \"http://a\"}]}":                                                    "expected one of webhook, alertmanager",
		"{receivers: [{name: a, kind: webhook}]}":                                                                      "url, urlFrom: expected one of them",
		"{receivers: [{name: a, kind: alertmanager, url: \"http://a\", method: GET}]}":                                 "method: expected only with kind webhook",
		"{receivers: [{name: a, kind: webhook, url: \"http://a\"}, {name: a, kind: alertmanager, url: \"http://a\"}]}": "stands twice",
		"{receivers: [{kind: webhook, url: \"http://a\"}]}":                                                            "name: expected a value",
	} {
		if _, err := LoadNotify("notify.yaml", []byte(head+doc+"\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", doc, err, want)
		}
	}
	if n, err := LoadNotify("notify.yaml", []byte(head+"{receivers: [{name: a, kind: webhook, url: \"http://a\"}]}\n")); err != nil || n.Watchdog.Every.Std() != time.Minute {
		t.Errorf("%+v, %v: want a minute when nothing is said", n.Watchdog, err)
	}
}
