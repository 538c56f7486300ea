package postmortem

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

const csvFile = "\ufeffid,title,started,ended,services,symptoms,cause,mitigation,worked\n" +
	"1,\"Payments, late\",13/02/2026,13/02/2026,payment; shop,high latency,deployment,rolled back payment,\n" +
	"2,Search down,2026-03-01 10:00,2026-03-01 10:30,search,errors,none,restarted it,yes\n"

func TestRead_csv(t *testing.T) {
	all, notes, err := Read("old.csv", "wiki", []byte(csvFile))
	if err != nil || len(all) != 2 || len(notes) != 0 {
		t.Fatalf("%v, %v, %v", all, notes, err)
	}
	a, b := all[0], all[1]
	if a.ID != "wiki:1" || !a.At.Equal(time.Date(2026, 2, 13, 0, 0, 0, 0, time.UTC)) || a.Label != backout.LabelChange || a.Cause != backout.KindDeployment || a.Title != "Payments, late" {
		t.Errorf("%+v", a)
	}
	if diff := cmp.Diff([]backout.ServiceID{"payment", "shop"}, a.Signature.Services); diff != "" || a.Moved[0].Kind != backout.KindDeployment {
		t.Errorf("%s %+v", diff, a.Moved)
	}
	if b.Took.Std() != 30*time.Minute || b.Label != backout.LabelNone || b.Outcome != backout.PrecedentTold || !b.Imported() {
		t.Errorf("%+v", b)
	}
	for _, c := range b.Signature.Profile {
		if want := map[backout.SignalKind]float64{backout.SignalErrors: 1}[c.Kind]; c.Level != want {
			t.Errorf("%s: %g, want %g", c.Kind, c.Level, want)
		}
	}
}

func TestRead_jsonInBothShapes(t *testing.T) {
	list := `[{"id": "1", "title": "x", "started": "2026-03-01", "minutes": 12.5, "services": ["a", "b"], "worked": false, "mitigation": "rolled back a", "cause": "flag"}]`
	for name, body := range map[string]string{"list": list, "named": `{"format": 1, "incidents": ` + list + `}`} {
		all, _, err := Read("h.json", "wiki", []byte(body))
		if err != nil || len(all) != 1 || all[0].Took.Std() != 750*time.Second || all[0].Outcome != backout.PrecedentUnresolved || all[0].Cause != backout.KindFlag {
			t.Errorf("%s: %+v, %v", name, all, err)
		}
	}
}

// One record in the shape of the public set, made up.
const public = `{
 "cloud-1": {"title": "T", "link": ["https://example.com/1"], "time": "09/24/2018", "summary": "Disks were slow.", "service name": ["Disks", "Queue"],
  "impact symptom": ["performance"], "duration": 90, "manifestation": ["service unavailable", {"system kpi": ["high latency"]}],
  "root cause": {"label": [{"layer-1": "internal causes", "layer-2": "software bugs", "layer-3": "config"}], "details": ""},
  "operation": ["rollout"], "mitigation": {"label": ["roll back"], "details": ""}, "human error": false},
 "cloud-2": {"title": "U", "link": [], "time": "9/4/2018", "summary": "Power was lost.", "service_name": null, "impact symptom": ["availability"], "duration": null,
  "manifestation": [], "root cause": {"label": null}, "operation": ["normal operation"], "mitigation": null}
}`

func TestRead_publicPostmortems(t *testing.T) {
	all, notes, err := Read("structured.json", "postmortems", []byte(public))
	if err != nil || len(all) != 2 || len(notes) != 0 {
		t.Fatalf("%v, %v, %v", all, notes, err)
	}
	a, b := all[0], all[1]
	if a.ID != "postmortems:cloud-1" || a.Took.Std() != 90*time.Minute || a.Cause != backout.KindConfig || a.Did != "roll back" || len(a.Signature.Services) != 2 || a.Outcome != backout.PrecedentTold {
		t.Errorf("%+v", a)
	}
	if !b.At.Equal(time.Date(2018, 9, 4, 0, 0, 0, 0, time.UTC)) || b.Label != backout.LabelNone || b.Took != 0 || b.Outcome != backout.PrecedentNotKnown {
		t.Errorf("%+v", b)
	}
}

func TestRead_problemsNameTheirPlaces(t *testing.T) {
	for name, c := range map[string]struct{ file, body, want string }{
		"unknown column": {"a.csv", "id,title,owner\n1,x,y\n", "a.csv:1:owner: there is no such column"},
		"no id":          {"a.csv", "id,title,started\n,x,2026-01-01\n", "a.csv:2:id: expected a name"},
		"twice":          {"a.csv", "id,title,started\n1,x,2026-01-01\n1,y,2026-01-01\n", `a.csv:3:id: "1" is in line 2 already`},
		"bad time":       {"a.csv", "id,title,started\n1,x,yesterday\n", `a.csv:2:started: "yesterday": expected a time such as`},
		"bad minutes":    {"a.csv", "id,title,started,minutes\n1,x,2026-01-01,-3\n", `a.csv:2:minutes: "-3": expected how many`},
		"ends early":     {"a.csv", "id,title,started,ended\n1,x,2026-01-02,2026-01-01\n", "a.csv:2:ended: 2026-01-01 is before it started"},
		"bad cause":      {"a.csv", "id,title,started,cause\n\"1\",\"two\nlines\",2026-01-01,gremlins\n", `a.csv:3:cause: "gremlins": expected deployment`},
		"mixed dates":    {"a.csv", "id,title,started\n1,x,13/02/2026\n2,x,02/13/2026\n", "a.csv:3:started: dates with the day first (line 2) and with the month first (line 3)"},
		"short row":      {"a.csv", "id,title,started\n1,x\n", "a.csv:2:column 1: wrong number of fields"},
		"says nothing":   {"a.csv", "id,started\n1,2026-01-01\n", "a.csv:2:services: nothing says what it looked like"},
		"bad json":       {"a.json", "[\n{\"id\": 1,}\n]", "a.json:2:json: invalid character"},
		"json field":     {"a.json", "[\n{\"id\": \"1\", \"title\": \"x\",\n\"started\": \"soon\"}\n]", `a.json:3:started: "soon"`},
		"json unknown":   {"a.json", "[{\"id\": \"1\",\n\"owner\": 3}]", "a.json:2:owner: there is no such field"},
		"json object":    {"a.json", "[{\"id\": \"1\",\n\"services\": {\"a\": 1}}]", "a.json:2:services: expected a text"},
		"other ending":   {"a.xml", "<a/>", "expected a file that ends in .csv or .json"},
		"nothing":        {"a.json", "[]", "it has no incidents"},
	} {
		all, _, err := Read(c.file, "s", []byte(c.body))
		if err == nil || len(all) != 0 || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v; want %q", name, all, err, c.want)
		}
	}
	_, _, err := Read("a.csv", "s", []byte("id,title,started\n1,slow,soon\n2,down,later\n"))
	var all Problems
	if !errors.As(err, &all) || len(all) != 2 {
		t.Errorf("%v: want both problems at once", err)
	}
}

func TestRead_ambiguousDatesAreSaid(t *testing.T) {
	_, notes, err := Read("a.csv", "s", []byte("id,title,started\n1,slow,02/03/2026\n"))
	if err != nil || len(notes) != 1 || !strings.Contains(notes[0], "month first") {
		t.Errorf("%v, %v", notes, err)
	}
}

func TestMitigationOf(t *testing.T) {
	for text, want := range map[string]Mitigation{
		"Rolled back the release, restarted pods": MitigationRollback, "apply a hotfix": MitigationFix, "redirect traffic": MitigationTraffic, "restart service": MitigationRestart,
		"add capacity": MitigationCapacity, "restore power": MitigationRepair, "self heal": MitigationByItself, "": MitigationOther, "called the vendor": MitigationOther,
	} {
		if got := MitigationOf(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("a.csv", csvFile)
	f.Add("a.json", public)
	f.Fuzz(func(t *testing.T, name, body string) {
		all, _, err := Read(name, "s", []byte(body))
		if (err == nil) != (len(all) > 0) {
			t.Errorf("%d incidents with %v", len(all), err)
		}
	})
}
