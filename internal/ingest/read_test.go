package ingest_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/ingest"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

const good = `{"source":"ci","native_id":"build-7","at":"2026-03-04T05:00:00Z","component":"deployment:cart@production/eu-1","to":"2.0"}`

func fields(problems []ingest.FieldError) []string {
	var out []string
	for _, p := range problems {
		out = append(out, p.Field)
	}
	return out
}

func TestRead_oneAndMany(t *testing.T) {
	want := backout.Observation{Source: "ci", NativeID: "build-7", At: now.Add(-6*time.Minute - 7*time.Second), Component: "deployment:cart@production/eu-1", To: "2.0", Share: 1}
	for _, body := range []string{good, " \n" + good + "\n", "[" + good + "]"} {
		r, problems := ingest.Read([]byte(body), now)
		if d := cmp.Diff([]backout.Observation{want}, r.Observations); d != "" || len(problems) > 0 {
			t.Errorf("%s: %v (-want +got):\n%s", body, problems, d)
		}
	}
	r, problems := ingest.Read([]byte("["+good+","+good+"]"), now)
	if len(r.Observations) != 2 || len(problems) > 0 {
		t.Errorf("two of the same: %d observations, %v", len(r.Observations), problems)
	}
}

func TestRead_namesEveryMistake(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want []string // fields
		says string
	}{
		"empty":            {``, []string{""}, "not JSON"},
		"text":             {`"hello"`, []string{""}, "expected an observation or an array"},
		"null":             {`null`, []string{""}, "expected an observation or an array"},
		"empty array":      {`[]`, []string{""}, "at least one"},
		"array of nothing": {`[null, 3]`, []string{"[0]", "[1]"}, "expected an observation"},
		"two values":       {good + good, []string{""}, "more after it"},
		"cut short":        {good[:30], []string{""}, "not JSON"},
		"nothing in it":    {`{}`, []string{"source", "native_id", "to", "component", "at"}, "missing"},
		"wrong types":      {`{"source":1,"at":"yesterday","share_ratio":"half","instances":"a","simulated":"no"}`, []string{"at", "instances", "share_ratio", "simulated", "source"}, "expected a time such as"},
		"unknown fields":   {strings.Replace(good, "{", `{"To":"3","colour":"red",`, 1), []string{"To", "colour"}, "unknown field; expected actor, at,"},
		"attachments": {strings.Replace(good, "{", `{"attachments":[{"kind":"pdf","name":"","body":""}],"built_against":{"payment":"1"},`, 1),
			[]string{"attachments[0].name", "attachments[0].kind", "attachments[0].body", "built_against"}, "expected one of [openapi proto descriptors migration]"},
		"attachments of texts": {strings.Replace(good, "{", `{"attachments":["a"],"built_against":3,`, 1), []string{"attachments", "built_against"}, "an array of attachments"},
		"position in array":    {"[" + good + "," + strings.Replace(good, "cart@production/eu-1", "cart", 1) + "]", []string{"[1].component"}, "kind:name@environment/location"},
		"too many":             {"[" + strings.Repeat(good+",", ingest.MaxReport) + good + "]", []string{""}, "at most 1000"},
	} {
		t.Run(name, func(t *testing.T) {
			r, problems := ingest.Read([]byte(c.body), now)
			if d := cmp.Diff(c.want, fields(problems)); d != "" || !strings.Contains(fmt.Sprint(problems), c.says) || len(r.Observations) > 0 {
				t.Errorf("%v does not say %q, or other fields (-want +got):\n%s", problems, c.says, d)
			}
		})
	}
}

func TestCheck_table(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*backout.Observation)
		want   string // field, empty = fine
	}{
		"as it is": {func(*backout.Observation) {}, ""},
		"every field": {func(o *backout.Observation) {
			o.From, o.Digest, o.Share, o.Instances, o.Actor = "1.9", "sha256:1", .25, []string{"a"}, "Zoë"
		}, ""},
		"blank source":      {func(o *backout.Observation) { o.Source = " " }, "source"},
		"no native id":      {func(o *backout.Observation) { o.NativeID = "" }, "native_id"},
		"no version":        {func(o *backout.Observation) { o.To = "" }, "to"},
		"same version":      {func(o *backout.Observation) { o.From = o.To }, "from"},
		"unknown kind":      {func(o *backout.Observation) { o.Component = "pod:cart@production/eu-1" }, "component"},
		"no location":       {func(o *backout.Observation) { o.Component = "deployment:cart@production" }, "component"},
		"line break":        {func(o *backout.Observation) { o.Title = "a\nb" }, "title"},
		"endless":           {func(o *backout.Observation) { o.Digest = strings.Repeat("x", 1025) }, "digest"},
		"broken text":       {func(o *backout.Observation) { o.Actor = "\xff" }, "actor"},
		"nameless instance": {func(o *backout.Observation) { o.Instances = []string{"a", ""} }, "instances[1]"},
		"share of nothing":  {func(o *backout.Observation) { o.Share = 0 }, "share_ratio"},
		"share above one":   {func(o *backout.Observation) { o.Share = 1.01 }, "share_ratio"},
		"share no number":   {func(o *backout.Observation) { o.Share = math.NaN() }, "share_ratio"},
		"no time":           {func(o *backout.Observation) { o.At = time.Time{} }, "at"},
		"fast clock":        {func(o *backout.Observation) { o.At = now.Add(5 * time.Minute) }, ""},
		"future":            {func(o *backout.Observation) { o.At = now.Add(5*time.Minute + 1) }, "at"},
		"long ago":          {func(o *backout.Observation) { o.At = now.AddDate(-1, 0, 0) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := backout.Observation{Source: "ci", NativeID: "7", At: now, Component: "deployment:cart@production/eu-1", To: "2.0", Share: 1}
			c.change(&o)
			if got := strings.Join(fields(ingest.Check(o, now)), " "); got != c.want {
				t.Errorf("mistakes in %q, want %q", got, c.want)
			}
		})
	}
}

func TestRead_clampsAFastClock(t *testing.T) {
	body := strings.Replace(good, "2026-03-04T05:00:00Z", "2026-03-04T06:10:00+01:00", 1) // 4 minutes ahead
	r, problems := ingest.Read([]byte("["+good+","+body+"]"), now)
	if len(problems) > 0 || r.Clamped != 1 || !r.Observations[1].At.Equal(now) || r.Observations[1].At.Location() != time.UTC {
		t.Errorf("report %+v, %v: want the second at the time of arrival", r, problems)
	}
}

// What the program itself writes, it reads back unchanged.
func TestRead_roundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		word := rapid.StringMatching(`[a-zé][a-z0-9.<&" -]{0,8}[a-z]`)
		list := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) backout.Observation {
			return backout.Observation{
				Source: word.Draw(rt, "source"), NativeID: word.Draw(rt, "id"), At: now.Add(-time.Duration(rapid.Int64Range(0, 1e15).Draw(rt, "age"))),
				Component: backout.NewComponentID(backout.KindFlag, word.Draw(rt, "name"), "production", "eu-1"),
				From:      "old", To: backout.Version("new" + word.Draw(rt, "to")), Share: rapid.Float64Range(1e-9, 1).Draw(rt, "share"),
				Instances: rapid.SliceOfN(word, 1, 3).Draw(rt, "instances"), Attempt: "INC-1/1", Simulated: rapid.Bool().Draw(rt, "simulated"),
			}
		}), 1, 5).Draw(rt, "list")
		body, err := json.Marshal(list)
		if err != nil {
			rt.Fatal(err)
		}
		r, problems := ingest.Read(body, now)
		if d := cmp.Diff(list, r.Observations); d != "" || len(problems) > 0 {
			rt.Fatalf("%v (-want +got):\n%s", problems, d)
		}
	})
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{good, "[" + good + "]", `[null]`, `{"at":null,"share_ratio":1e999}`, `{"instances":[null,1]}`, "\x00", `[[[[`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, problems := ingest.Read(body, now)
		if (len(r.Observations) == 0) == (len(problems) == 0) {
			t.Fatalf("%d observations and mistakes %v: expected either", len(r.Observations), problems)
		}
		for _, o := range r.Observations {
			if again := ingest.Check(o, now); len(again) > 0 || o.At.After(now) {
				t.Fatalf("accepted %+v although %v", o, again)
			}
		}
	})
}
