package cdevents

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/notify/notifytest"
)

// receiver is a CloudEvents receiver: it reads with the SDK and keeps what the
// specification makes unique, source and id.
type receiver struct {
	t        *testing.T
	mu       sync.Mutex
	fault    notifytest.Fault     // guarded by mu
	received []notifytest.Receipt // guarded by mu
	bodies   [][]byte             // guarded by mu
	failAt   int                  // guarded by mu: fails this many-th event, once
}

func (r *receiver) Received() []notifytest.Receipt {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.received)
}

func (r *receiver) Break(f notifytest.Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = f
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch r.fault {
	case notifytest.Away:
		w.WriteHeader(http.StatusInternalServerError)
		return
	case notifytest.Refusing:
		w.WriteHeader(http.StatusUnsupportedMediaType)
		return
	case notifytest.Busy:
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if r.failAt--; r.failAt == 0 {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	e, err := cehttp.NewEventFromHTTPRequest(req)
	if err != nil || e.Validate() != nil {
		r.t.Errorf("not a CloudEvent: %v, %v", err, e)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var ev Event
	if err := e.DataAs(&ev); err != nil || ev.Context.ID != e.ID() || ev.Context.Type != e.Type() || ev.Context.Source != e.Source() || ev.Subject.ID != e.Subject() || !ev.Context.Timestamp.Equal(e.Time()) {
		r.t.Errorf("envelope and event differ: %s, %v", e, err)
	}
	text, _ := ev.Subject.Content["description"].(string)
	r.received = append(r.received, notifytest.Receipt{ID: e.Source() + " " + e.ID(), Text: text})
	r.bodies = append(r.bodies, e.Data())
	w.WriteHeader(http.StatusAccepted)
}

func open(t *testing.T, r *receiver, link string) *Events {
	t.Helper()
	srv := httptest.NewServer(r)
	t.Cleanup(srv.Close)
	e, err := New(Config{URL: srv.URL, Link: link})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEvents_conform(t *testing.T) {
	r := &receiver{t: t}
	notifytest.Conform(t, notifytest.Subject{Notifier: open(t, r, "https://backout.example.com"), Receiver: r})
}

// every is one message of each kind that becomes other events.
func every() map[string]backout.Message {
	back := []backout.TakenBack{
		{Component: "deployment:payment@production/eu-1", Kind: "deployment", Service: "payment", From: "2.14.0", To: "2.13.2", Share: 1},
		{Component: "flag:express@production/eu-1", Kind: "flag", From: "on", To: "off", Share: .5},
	}
	out := map[string]backout.Message{"test": notifytest.Message("TEST", "test", "")}
	for _, s := range []backout.State{
		backout.StateDetected, backout.StateAttributed, backout.StatePlanned, backout.StateWaiting, backout.StateApproved, backout.StateExecuting, backout.StateRecovered, backout.StateSelfRecovered,
		backout.StateNoAction, backout.StateHalted, backout.StateFrozen, backout.StateAborted, backout.StateTakenOver, backout.StateShadowed, backout.StateFalseAlarm, backout.StateReviewed,
	} {
		m := notifytest.Message("INC-1", string(s), s)
		m.At = m.At.In(time.FixedZone("CET", 3600))
		out[string(s)] = m
		m.Facts.Approval = &backout.Approval{By: backout.Principal{Name: "Ann Ö. <a@b>"}, Digest: "ab12", Reason: "looks right", Yes: s == backout.StateApproved}
		m.Facts.TakenBack = back
		out[string(s)+" by a person"] = m
		m.Facts.Services, m.Facts.Environment = []backout.ServiceID{}, ""
		out[string(s)+" with little known"] = m
	}
	return out
}

func TestEvents_kinds(t *testing.T) {
	for name, want := range map[string]string{
		"detected": "incident.detected.0.3.0", "attributed": "incident.reported.0.3.0", "waiting": "approval.created.0.1.0", "approved by a person": "approval.closed.0.1.0",
		"approved": "x.backout-incident.approved.0.1.0", "executing": "x.backout-incident.executing.0.1.0", "self_recovered": "incident.resolved.0.3.0",
		"recovered by a person": "service.rolledback.0.3.0 service.rolledback.0.3.0 incident.resolved.0.3.0", "recovered": "incident.resolved.0.3.0",
		"halted by a person": "x.backout-incident.halted.0.1.0", "aborted by a person": "approval.closed.0.1.0 x.backout-incident.aborted.0.1.0", "test": "x.backout-incident.tested.0.1.0",
	} {
		got := []string{}
		for _, e := range events(Config{Source: "/backout", Link: "https://b"}, every()[name]) {
			kind := strings.TrimPrefix(e.Context.Type, "dev.cdevents")
			got = append(got, strings.TrimPrefix(kind, "."))
		}
		if d := cmp.Diff(want, strings.Join(got, " ")); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// An event that fails in the middle is sent again under the id that it had.
func TestEvents_repeatUnderTheSameIDs(t *testing.T) {
	r := &receiver{t: t, failAt: 2}
	e, m := open(t, r, ""), every()["recovered by a person"]
	if err := e.Notify(t.Context(), m); err == nil {
		t.Fatal("acknowledged though one event failed")
	}
	if err := e.Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	ids := map[string]int{}
	for _, x := range r.Received() {
		ids[x.ID]++
	}
	if len(ids) != 3 || len(r.Received()) != 4 {
		t.Errorf("received %v: want three events, the first of them twice", r.Received())
	}
}

// The published schemas (testdata/schemas, from cdevents/spec 0.6.0-draft,
// Apache-2.0) accept every event that we send.
func TestEvents_fitTheSchemas(t *testing.T) {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	ids := map[string]string{} // file's name without .json -> schema id
	files, err := filepath.Glob("testdata/schemas/*.json")
	more, _ := filepath.Glob("testdata/schemas/links/*.json")
	if err != nil || len(files) < 7 || len(more) == 0 {
		t.Fatalf("%d and %d schemas, %v", len(files), len(more), err)
	}
	for _, f := range append(files, more...) {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		id, _ := doc.(map[string]any)["$id"].(string)
		if err := c.AddResource(id, doc); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		ids[strings.TrimSuffix(filepath.Base(f), ".json")] = id
	}
	schemas := map[string]*jsonschema.Schema{}
	for name, m := range every() {
		for _, link := range []string{"https://backout.example.com", ""} {
			r := &receiver{t: t}
			if err := open(t, r, link).Notify(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			for _, body := range r.bodies {
				validate(t, c, schemas, ids, name, body)
			}
		}
	}
	if len(schemas) < 7 {
		t.Errorf("only %d kinds of event were checked", len(schemas))
	}
}

func validate(t *testing.T, c *jsonschema.Compiler, schemas map[string]*jsonschema.Schema, ids map[string]string, name string, body []byte) {
	t.Helper()
	var ev Event
	if err := json.Unmarshal(body, &ev); err != nil {
		t.Fatal(err)
	}
	kind := "custom"
	if p := strings.Split(ev.Context.Type, "."); p[1] == "cdevents" {
		kind = p[2] + p[3]
	}
	if schemas[kind] == nil {
		s, err := c.Compile(ids[kind])
		if err != nil {
			t.Fatalf("schema of %s: %v", ev.Context.Type, err)
		}
		schemas[kind] = s
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if err := schemas[kind].Validate(doc); err != nil {
		t.Errorf("%s: %s\n%v", name, body, err)
	}
}
