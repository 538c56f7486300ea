package cdevents_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/ingest"
	"github.com/backout-dev/backout/internal/ingest/cdevents"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

const sum = "sha256:0b31b1c02ff458ad9b7b81cbdf8f028bd54699fa151f221d1e8de6817db93427"

// memory keeps what arrives.
type memory struct {
	mu     sync.Mutex
	list   []backout.Observation
	alerts []backout.Alert
}

func (m *memory) Record(_ context.Context, list []backout.Observation) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list = append(m.list, list...)
	return nil
}

func (m *memory) Alert(_ context.Context, list []backout.Alert) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.alerts = append(m.alerts, list...)
	return nil
}

func component(id backout.ComponentID) backout.Component {
	kind, name, env, loc, err := id.Split()
	if err != nil {
		panic(err)
	}
	return backout.Component{ID: id, Kind: kind, Name: name, Environment: env, Location: loc}
}

func handler(t testing.TB, m *memory) http.Handler {
	t.Helper()
	door, err := ingest.NewDoor(ingest.DoorConfig{Tokens: []string{"secret"}, MaxBody: 1 << 20, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	h, err := cdevents.New(cdevents.Config{Recorder: m, Alerts: m, Door: door, Components: []backout.Component{
		component("deployment:payment@production/eu-1"), component("deployment:cart@production/eu-1"), component("deployment:cart@production/us-1"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

type reply struct {
	Accepted, Ignored, Clamped int
	Message                    string
	Errors                     []ingest.FieldError
}

func (r reply) fields() []string {
	out := []string{}
	for _, e := range r.Errors {
		out = append(out, e.Field)
	}
	return out
}

func send(t testing.TB, h http.Handler, r *http.Request) (int, reply) {
	t.Helper()
	r.Header.Set("Authorization", "Bearer secret")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var out reply
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatalf("answer %d %q is not JSON: %v", w.Code, w.Body, err)
	}
	return w.Code, out
}

func example(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// envelope is the CloudEvent around a CDEvent.
func envelope(t testing.TB, data []byte) cloudevents.Event {
	t.Helper()
	var body struct {
		Context struct{ ID, Source, Type string }
	}
	_ = json.Unmarshal(data, &body) // what is wrong is the handler's to say
	ev := cloudevents.NewEvent()
	ev.SetID(body.Context.ID)
	ev.SetSource(body.Context.Source)
	ev.SetType(body.Context.Type)
	if err := ev.SetData(cloudevents.ApplicationJSON, json.RawMessage(data)); err != nil {
		t.Fatal(err)
	}
	return ev
}

// post writes an event as somebody else's client would.
func post(t testing.TB, mode string, events ...cloudevents.Event) *http.Request {
	t.Helper()
	var r *http.Request
	var err error
	switch mode {
	case "structured":
		r, err = cloudevents.NewHTTPRequestFromEvent(cloudevents.WithEncodingStructured(t.Context()), "http://x"+cdevents.Path, events[0])
	case "binary":
		r, err = cloudevents.NewHTTPRequestFromEvent(cloudevents.WithEncodingBinary(t.Context()), "http://x"+cdevents.Path, events[0])
	default:
		r, err = cloudevents.NewHTTPRequestFromEvents(t.Context(), "http://x"+cdevents.Path, events)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const native = "/ci/shop#271069a8-fc18-44f1-b38f-9d70a1695819"

func TestServeHTTP_changes(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC)
	for name, want := range map[string]backout.Observation{
		"service-deployed":   {Component: "deployment:payment@production/eu-1", From: "2.13.2", To: "2.14.0", Digest: sum, Share: .25, Actor: "ci", Security: "CVE-2026-1234"},
		"service-upgraded":   {Component: "deployment:payment@production/eu-1", To: "2.14.0", Digest: sum, Share: 1},
		"service-rolledback": {Component: "deployment:payment@production/eu-1", To: "2.13.2", Share: 1, Title: "rolled back to 2.13.2"},
		"service-removed":    {Component: "deployment:payment@production/eu-1", To: "removed", Share: 1, Title: "removed"},
		"flag-changed":       {Component: "flag:express-checkout@production/eu-1", From: "off", To: "on", Share: .5, Audience: "beta", Actor: "ann", Title: "try it"},
		"schema-migrated":    {Component: "schema:orders@production/eu-1", From: "0041", To: "0042", Digest: "sha256:77", Share: 1},
	} {
		want.Source, want.NativeID, want.At = "cdevents", native, at
		for _, mode := range []string{"structured", "binary", "batch"} {
			m := &memory{}
			code, r := send(t, handler(t, m), post(t, mode, envelope(t, example(t, name))))
			if d := cmp.Diff([]backout.Observation{want}, m.list); code != 202 || r.Accepted != 1 || d != "" {
				t.Errorf("%s %s: answer %d %+v (-want +got):\n%s", name, mode, code, r, d)
			}
		}
	}
}

func TestServeHTTP_incidents(t *testing.T) {
	m := &memory{}
	h := handler(t, m)
	for _, name := range []string{"incident-resolved", "incident-detected", "incident-reported"} {
		ev := example(t, name)
		if name == "incident-resolved" {
			ev = bytes.Replace(ev, []byte("05:00:00Z"), []byte("05:03:00Z"), 1)
		}
		if code, r := send(t, h, post(t, "binary", envelope(t, ev))); code != 202 || r.Accepted != 1 {
			t.Fatalf("%s: answer %d %+v", name, code, r)
		}
	}
	got := backout.FoldAlerts(m.alerts)
	if len(got) != 1 || got[0].State != backout.AlertResolved || got[0].Subject.Service != "payment" || got[0].Environment != "production" || got[0].Name != "incident incident-123" {
		t.Errorf("%+v: want one alert about payment, over", got)
	}
	if a := m.alerts[1]; a.State != backout.AlertFiring || a.Title != "Response time above 100 ms" || m.alerts[2].URL == "" {
		t.Errorf("%+v", m.alerts)
	}
}

func TestServeHTTP_namesEveryMistake(t *testing.T) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, example(t, "service-deployed")); err != nil {
		t.Fatal(err)
	}
	good := compact.String()
	edit := func(pairs ...string) []byte {
		s := good
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(s, pairs[i]) {
				t.Fatalf("the example has no %q", pairs[i])
			}
			s = strings.Replace(s, pairs[i], pairs[i+1], 1)
		}
		return []byte(s)
	}
	for name, c := range map[string]struct {
		data []byte
		want []string
	}{
		"nothing inside":         {[]byte(`{}`), []string{"context", "subject"}},
		"not an object":          {[]byte(`[]`), []string{""}},
		"no content":             {[]byte(`{"context":{},"subject":{}}`), []string{"context.specversion", "context.id", "context.source", "context.type", "context.timestamp", "subject.id", "subject.content"}},
		"wrong types":            {edit(`"payment"`, `7`, `"production/eu-1"`, `null`, `0.25`, `"half"`), []string{"customData.backout.share_ratio", "subject.id", "subject.content.environment.id"}},
		"unknown fields":         {edit(`"subject":{`, `"colour":1,"subject":{"shape":2,`, `"artifactId"`, `"artifact": 3, "artifactId"`), []string{"subject.content.artifact", "subject.shape", "colour"}},
		"an empty artifact":      {edit(`"artifactId":"pkg:oci/payment@sha256%3A0b31b1c02ff458ad9b7b81cbdf8f028bd54699fa151f221d1e8de6817db93427?repository_url=registry.example/payment&tag=2.14.0"`, `"artifactId":""`), []string{"subject.content.artifactId"}},
		"no time":                {edit(`2026-03-04T05:00:00Z`, `yesterday`), []string{"context.timestamp"}},
		"the future":             {edit(`2026-03-04T05:00:00Z`, `2026-03-04T06:00:00Z`), []string{"context.timestamp"}},
		"several locations":      {edit(`"payment"`, `"cart"`, `production/eu-1`, `production`), []string{"subject.content.environment.id"}},
		"no location":            {edit(`production/eu-1`, `production/`), []string{"subject.content.environment.id"}},
		"a name with a place":    {edit(`"payment"`, `"payment@staging/x"`), []string{"subject.id"}},
		"a line break":           {edit(`"from":"2.13.2"`, `"from":"2.\n13"`), []string{"customData.backout.from"}},
		"from is to":             {edit(`"from":"2.13.2"`, `"from":"2.14.0"`), []string{"customData.backout.from"}},
		"custom data is no text": {edit(`"customData":{"backout"`, `"customData":{"backout":7,"x"`), []string{"customData.backout"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := &memory{}
			ev := envelope(t, []byte(good))
			_ = ev.SetData(cloudevents.ApplicationJSON, json.RawMessage(c.data))
			code, r := send(t, handler(t, m), post(t, "structured", ev))
			got := r.fields()
			slices.Sort(got)
			slices.Sort(c.want)
			if d := cmp.Diff(c.want, got); code != 400 || d != "" || len(m.list) > 0 {
				t.Errorf("answer %d %+v, %d recorded (-want +got):\n%s", code, r, len(m.list), d)
			}
		})
	}
}

func TestServeHTTP_envelopes(t *testing.T) {
	good := string(example(t, "service-deployed"))
	as := func(media, body string, header ...string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, cdevents.Path, strings.NewReader(body))
		r.Header.Set("Content-Type", media)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return r
	}
	other := envelope(t, []byte(good))
	other.SetID("another")
	ignored := envelope(t, []byte(good))
	ignored.SetType("dev.cdevents.pipelinerun.started.0.3.0")
	foreign := envelope(t, []byte(good))
	foreign.SetType("com.example.order.placed")
	spoofed := envelope(t, []byte(good))
	spoofed.SetType("dev.cdevents.backout-flag.changed.0.1.0")
	for name, c := range map[string]struct {
		request *http.Request
		status  int
		says    string
	}{
		"no JSON":                  {as("application/cloudevents+json", "{"), 400, "has mistakes"},
		"no CloudEvent":            {as("application/json", good), 400, "has mistakes"},
		"no attributes":            {as("application/cloudevents+json", `{"specversion":"1.0"}`), 400, "has mistakes"},
		"an unknown specification": {as("application/cloudevents+json", `{"specversion":"9","id":"1","source":"/x","type":"dev.cdevents.service.deployed.0.3.0"}`), 400, "has mistakes"},
		"no data":                  {as("application/cloudevents+json", `{"specversion":"1.0","id":"1","source":"/x","type":"dev.cdevents.service.deployed.0.3.0"}`), 400, "has mistakes"},
		"XML inside":               {as("application/xml", "<x/>", "ce-specversion", "1.0", "ce-id", "1", "ce-source", "/x", "ce-type", "dev.cdevents.service.deployed.0.3.0"), 415, "cloudevents"},
		"an empty batch":           {as("application/cloudevents-batch+json", `[]`), 400, "has mistakes"},
		"another id":               {post(t, "structured", other), 400, "has mistakes"},
		"no CDEvent":               {post(t, "binary", foreign), 400, "has mistakes"},
		"an event of no interest":  {post(t, "binary", ignored), 202, ""},
		"a custom event's name":    {post(t, "binary", spoofed), 202, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := &memory{}
			code, r := send(t, handler(t, m), c.request)
			if code != c.status || !strings.Contains(r.Message, c.says) || len(m.list) > 0 || code == 202 && r.Ignored != 1 {
				t.Errorf("answer %d %+v, want %d %q and nothing recorded", code, r, c.status, c.says)
			}
		})
	}
}

// What we told ourselves comes back over a broker: it is no incident and no change.
func TestServeHTTP_ourOwnEventsSayNothing(t *testing.T) {
	for _, name := range []string{"incident-detected", "service-rolledback"} {
		data := example(t, name)
		data = bytes.Replace(data, []byte(`"context": {`), []byte(`"customData": {"incident": "INC-1", "state": "recovered", "message": "m"}, "context": {"chainId": "INC-1",`), 1)
		m := &memory{}
		if code, r := send(t, handler(t, m), post(t, "binary", envelope(t, data))); code != 202 || r.Ignored != 1 || len(m.list)+len(m.alerts) > 0 {
			t.Errorf("%s: answer %d %+v, %d taken", name, code, r, len(m.list)+len(m.alerts))
		}
		other := bytes.Replace(data, []byte(`"chainId": "INC-1"`), []byte(`"chainId": "their-1"`), 1)
		if code, r := send(t, handler(t, m), post(t, "binary", envelope(t, other))); code != 202 || r.Accepted != 1 {
			t.Errorf("somebody else's %s: answer %d %+v", name, code, r)
		}
	}
}

func TestServeHTTP_aBatchIsAllOrNothing(t *testing.T) {
	good, bad := envelope(t, example(t, "service-deployed")), envelope(t, example(t, "flag-changed"))
	if err := bad.SetData(cloudevents.ApplicationJSON, json.RawMessage(strings.Replace(string(example(t, "flag-changed")), `"to": "on",`, "", 1))); err != nil {
		t.Fatal(err)
	}
	m := &memory{}
	code, r := send(t, handler(t, m), post(t, "batch", good, bad))
	if d := cmp.Diff([]string{"[1].subject.content.to"}, r.fields()); code != 400 || d != "" || len(m.list) > 0 {
		t.Errorf("answer %d, %d recorded (-want +got):\n%s", code, len(m.list), d)
	}
}

// FuzzServeHTTP: whatever arrives is answered, and what is recorded can be read
// back by our own strict reader.
func FuzzServeHTTP(f *testing.F) {
	names, err := filepath.Glob("testdata/*.json")
	if err != nil || len(names) == 0 {
		f.Fatal("no examples", err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		ev := envelope(f, data)
		one, err := json.Marshal(ev)
		if err != nil {
			f.Fatal(err)
		}
		f.Add("application/cloudevents+json", "", one)
		f.Add("application/cloudevents-batch+json", "", append(append([]byte("["), one...), ']'))
		f.Add("application/json", ev.Type(), data)
	}
	f.Fuzz(func(t *testing.T, media, kind string, body []byte) {
		m := &memory{}
		r := httptest.NewRequest(http.MethodPost, cdevents.Path, io.NopCloser(bytes.NewReader(body)))
		r.Header["Content-Type"] = []string{media}
		if kind != "" {
			r.Header["Ce-Specversion"], r.Header["Ce-Type"] = []string{"1.0"}, []string{kind}
			r.Header["Ce-Id"], r.Header["Ce-Source"] = []string{"271069a8-fc18-44f1-b38f-9d70a1695819"}, []string{"/ci/shop"}
		}
		code, _ := send(t, handler(t, m), r)
		if code >= 500 || code != 202 && len(m.list)+len(m.alerts) > 0 {
			t.Fatalf("answer %d with %d recorded", code, len(m.list))
		}
		for _, o := range m.list {
			if wrong := ingest.Check(o, now); len(wrong) > 0 {
				t.Errorf("recorded %+v: %v", o, wrong)
			}
		}
	})
}

// Events that come late, twice and in any order leave the same changes and alerts.
func TestServeHTTP_orderAndDuplicatesDontMatter(t *testing.T) {
	examples := map[string]string{}
	for _, name := range []string{"service-deployed", "service-upgraded", "service-rolledback", "service-removed", "flag-changed", "incident-detected", "incident-resolved"} {
		examples[name] = string(example(t, name))
	}
	rapid.Check(t, func(rt *rapid.T) {
		events := []cloudevents.Event{}
		for i := range rapid.IntRange(1, 8).Draw(rt, "n") {
			data := examples[rapid.SampledFrom(slices.Sorted(maps.Keys(examples))).Draw(rt, "kind")]
			minute := rapid.IntRange(0, 5).Draw(rt, "minute")
			data = strings.Replace(data, "05:00:00Z", fmt.Sprintf("05:0%d:00Z", minute), 1)
			data = strings.Replace(data, "271069a8-fc18-44f1-b38f-9d70a1695819", fmt.Sprint("e", i), 1)
			events = append(events, envelope(t, []byte(data)))
		}
		tell := func(events []cloudevents.Event) (changes []backout.Change, alerts []string) {
			m := &memory{}
			h := handler(t, m)
			for _, ev := range events {
				if code, r := send(t, h, post(t, "structured", ev)); code != 202 {
					rt.Fatalf("answer %d %+v", code, r)
				}
			}
			changes, _ = backout.Fold(m.list)
			for _, a := range backout.FoldAlerts(m.alerts) {
				alerts = append(alerts, fmt.Sprint(a.NativeID, a.State, a.Subject))
			}
			return changes, alerts
		}
		changes, alerts := tell(events)
		mixed := rapid.Permutation(append(slices.Clone(events), events[0])).Draw(rt, "mixed")
		gotChanges, gotAlerts := tell(mixed)
		if d := cmp.Diff(changes, gotChanges) + cmp.Diff(alerts, gotAlerts); d != "" {
			rt.Fatalf("another order says something else (-want +got):\n%s", d)
		}
	})
}
