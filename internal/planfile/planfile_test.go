package planfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

const payment, flag = backout.ComponentID("deployment:payment@production/eu-1"), backout.ComponentID("flag:express@production/eu-1")

// example takes a flag back, then the release that it needs.
func example() backout.Plan {
	minute := backout.Duration(time.Minute)
	step := func(id string, c backout.ComponentID, from, to backout.Version) backout.Step {
		return backout.Step{
			ID: id, Component: c, Service: "payment", Kind: c.Kind(), From: from, To: to, FromLevel: 1, Reverts: []backout.ChangeID{backout.ChangeID(c)}, P: .8,
			Stages: []backout.Stage{{Share: .5, Bake: 3 * minute}, {Share: 1, Bake: 5 * minute}}, Takes: 9 * minute, Loss: backout.LossNone, Why: "it is <likely> & so",
		}
	}
	p := backout.Plan{
		Format: 1, ID: "P-1", Incident: "INC-1", MadeAt: time.Date(2026, 3, 2, 12, 0, 0, 5000, time.UTC), Action: backout.ActionRollBack, Summary: "Take both back.",
		Waves: []backout.Wave{{Steps: []backout.Step{step("1.1", flag, "on", "off")}}, {Steps: []backout.Step{step("2.1", payment, "2", "1")}}},
		Left:  []backout.Left{{Change: "c", Component: "schema:ledger@production/eu-1", P: .1, Why: "additive"}}, Success: .8,
		Cost: backout.Money{Minor: 100, Currency: "EUR"}, Certificate: backout.Certificate{Safe: true, Checks: []string{"a"}}, Ruling: backout.Ruling{Approvers: 1, Reasons: []string{"ask"}},
		Grounds: []backout.Ground{{Of: string(payment), What: "live version", Is: "2"}, {Of: "policy", What: "version", Is: "1"}},
	}
	return resealed(p)
}

// resealed is a plan as its maker leaves it.
func resealed(p backout.Plan) backout.Plan {
	p.Fingerprint = backout.FingerprintOf(p.Grounds)
	p.Digest = p.ExecutableDigest()
	return p
}

func written(t testing.TB, f backout.PlanFile) []byte {
	t.Helper()
	b, err := Write(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadWrite_roundTrip(t *testing.T) {
	for name, f := range map[string]backout.PlanFile{
		"steps":         Make(example()),
		"nothing to do": Make(resealed(backout.Plan{Format: 1, Action: backout.ActionNone})),
		"errored":       Errored(backout.Plan{}, errors.New("no world")),
	} {
		b := written(t, f)
		got, err := Read("plan.json", b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(f, got); diff != "" {
			t.Errorf("%s (-written +read):\n%s", name, diff)
		}
		if again := written(t, got); !bytes.Equal(b, again) {
			t.Errorf("%s: written again it is another file", name)
		}
	}
	if f := Make(example()); !f.Applyable || !f.Complete || f.Errored {
		t.Errorf("flags %+v", f)
	}
}

// What is wrong is named with its place; nothing is given.
func TestRead_refusals(t *testing.T) {
	text := string(written(t, Make(example())))
	swap := func(old, new string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("the file has no %q", old)
		}
		return strings.Replace(text, old, new, 1)
	}
	for name, c := range map[string]struct{ file, want string }{
		"empty":                     {" \n", "empty: expected a plan file"},
		"cut":                       {text[:len(text)/2], "the file ends in the middle"},
		"cut in the last line":      {strings.TrimRight(text, "\n}"), "the file ends in the middle"},
		"no JSON":                   {"plan: yes", "line 1"},
		"another thing":             {`{"id":"INC-1"}`, "format: missing"},
		"a list":                    {`[]`, "expected an object"},
		"newer format":              {swap(`"format": 1`, `"format": 2`), "format: 2: expected 1"},
		"unknown field":             {swap(`"success_p"`, `"succes_p"`), `unknown field "succes_p"`},
		"unknown field in a step":   {swap(`"from_level"`, `"fromlevel"`), `unknown field "fromlevel"`},
		"a field twice":             {swap(`"applyable": true`, `"applyable": true, "applyable": true`), "line 3: applyable: this field is there twice"},
		"a field twice, other case": {swap(`"waves": [`, `"Waves": [], "waves": [`), "waves: this field is there twice"},
		"text for a number":         {swap(`"success_p": 0.8`, `"success_p": "high"`), "success_p: a JSON string: expected a number"},
		"a number for a flag":       {swap(`"applyable": true`, `"applyable": 1`), "applyable: a JSON number: expected true or false"},
		"a span without unit":       {swap(`"bake": "3m0s"`, `"bake": "3"`), `duration "3": expected a number with a unit`},
		"two plans":                 {text + text, "something follows the plan"},
		"another target":            {swap(`"to": "off"`, `"to": "gone"`), "plan.digest"},
		"another share":             {swap(`"share_ratio": 0.5`, `"share_ratio": 0.6`), "plan.digest"},
		"a shorter bake":            {swap(`"bake": "3m0s"`, `"bake": "1m0s"`), "plan.digest"},
		"another digest":            {swap(example().Digest, strings.Repeat("0", 64)), "plan.digest"},
		"another fingerprint":       {swap(example().Fingerprint, strings.Repeat("0", 32)), "plan.digest"},
		"other grounds":             {swap(`"is": "2"`, `"is": "3"`), "plan.fingerprint"},
		"called applyable":          {swap(`"applyable": true`, `"applyable": false`), "applyable: false: expected true"},
		"called incomplete":         {swap(`"complete": true`, `"complete": false`), "complete: false: expected true"},
		"other words":               {swap(`Take both back.`, `Take nothing back.`), "seal"},
		"another reason":            {swap(`additive`, `harmless`), "seal"},
		"no seal":                   {swap(`"seal": "`+Make(example()).Seal+`"`, `"seal": ""`), "seal"},
		"an error beside a plan":    {swap(`"errored": false`, `"errored": false, "error": "x"`), "error: a plan without error"},
	} {
		got, err := Read("plan.json", []byte(c.file))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "plan.json: ") || backout.CodeOf(err) != backout.CodeInvalid {
			t.Errorf("%s: %v; want plan.json: ... %s", name, err, c.want)
		}
		if diff := cmp.Diff(backout.PlanFile{}, got); diff != "" {
			t.Errorf("%s: it gave a plan all the same", name)
		}
	}
}

// A file whose digests were made to fit is still held to what values can be.
func TestVerify_values(t *testing.T) {
	for name, c := range map[string]struct {
		alter func(*backout.Plan)
		want  string
	}{
		"action":      {func(p *backout.Plan) { p.Action = "explode" }, `plan.action: "explode"`},
		"component":   {func(p *backout.Plan) { p.Waves[0].Steps[0].Component = "x" }, "plan.waves[0].steps[0].component"},
		"kind":        {func(p *backout.Plan) { p.Waves[1].Steps[0].Kind = "flag" }, `plan.waves[1].steps[0].kind: "flag": expected "deployment"`},
		"no target":   {func(p *backout.Plan) { p.Waves[0].Steps[0].To = "" }, "steps[0].to"},
		"probability": {func(p *backout.Plan) { p.Waves[0].Steps[0].P = 7 }, "steps[0].p: 7"},
		"share":       {func(p *backout.Plan) { p.Waves[0].Steps[0].Stages[1].Share = 1.5 }, "stages[1]: share 1.5"},
		"format":      {func(p *backout.Plan) { p.Format = 3 }, "plan.format: 3"},
	} {
		p := example()
		c.alter(&p)
		if err := Verify(Make(resealed(p))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	for name, alter := range map[string]func(*backout.PlanFile){
		"applyable": func(f *backout.PlanFile) { f.Applyable = true },
		"no reason": func(f *backout.PlanFile) { f.Error = "" },
		"the seal":  func(f *backout.PlanFile) { f.Seal = "x" },
	} {
		f := Errored(backout.Plan{}, errors.New("no world"))
		if alter(&f); Verify(f) == nil {
			t.Errorf("an errored plan passes with another %s", name)
		}
	}
}

func TestCompare(t *testing.T) {
	if d := Compare(Make(example()), Make(example())); !d.Same || len(d.Executable)+len(d.Words) > 0 {
		t.Errorf("a plan differs from itself: %+v", d)
	}
	for name, c := range map[string]struct {
		alter func(*backout.Plan)
		same  bool
		want  Detail
	}{
		"words":       {func(p *backout.Plan) { p.Summary = "Both back." }, true, Detail{"summary", "Take both back.", "Both back."}},
		"probability": {func(p *backout.Plan) { p.Waves[0].Steps[0].P = .9 }, true, Detail{"probability of " + string(flag), "0.80", "0.90"}},
		"side effect": {func(p *backout.Plan) { p.Waves[1].Steps[0].SideEffects = []backout.SideEffect{{Words: "cold cache"}} }, true, Detail{"side effects of " + string(payment), "", "cold cache"}},
		"impossible":  {func(p *backout.Plan) { p.Impossible = []backout.Impossibility{{Change: "c", Why: "held"}} }, true, Detail{"what can't go back", "", "c: held"}},
		"what stays":  {func(p *backout.Plan) { p.Left = nil }, true, Detail{"what stays", "c: additive", ""}},
		"a step less": {func(p *backout.Plan) { p.Waves = p.Waves[:1] }, false, Detail{"step " + string(payment), "2 to 1", ""}},
		"target":      {func(p *backout.Plan) { p.Waves[1].Steps[0].To = "0" }, false, Detail{"step " + string(payment), "2 to 1", "2 to 0"}},
		"order": {func(p *backout.Plan) { p.Waves[0], p.Waves[1] = p.Waves[1], p.Waves[0] }, false,
			Detail{"wave of " + string(flag), "1", "2"}},
		"stages": {func(p *backout.Plan) { p.Waves[1].Steps[0].Stages = p.Waves[1].Steps[0].Stages[1:] }, false,
			Detail{"stages of " + string(payment), "50 % for 3m0s, 100 % for 5m0s", "100 % for 5m0s"}},
		"audience": {func(p *backout.Plan) { p.Waves[0].Steps[0].Stages[0].Audience = "acme" }, false,
			Detail{"stages of " + string(flag), "50 % for 3m0s, 100 % for 5m0s", "50 % for 3m0s for acme, 100 % for 5m0s"}},
		"grounds": {func(p *backout.Plan) { p.Grounds[0].Is = "3" }, false, Detail{"live version of " + string(payment), "2", "3"}},
	} {
		p := example()
		c.alter(&p)
		d := Compare(Make(example()), Make(resealed(p)))
		found := false
		for _, x := range append(d.Executable, d.Words...) {
			found = found || x == c.want
		}
		if d.Same != c.same || !found || c.same == (len(d.Executable) > 0) {
			t.Errorf("%s: %+v; want same %t and %+v", name, d, c.same, c.want)
		}
	}
}

// FuzzRead: whatever comes in, Read gives an error or a file that agrees with itself
// and is the same when written and read again.
func FuzzRead(f *testing.F) {
	f.Add(written(f, Make(example())))
	f.Add(written(f, Errored(backout.Plan{}, errors.New("no world"))))
	f.Add([]byte(`{"format":1,"plan":{"format":1,"waves":[{"steps":null}],"made_at":"2026-03-02T12:00:00+02:00"}}`))
	f.Add([]byte(`{"format":1,"FORMAT":1}`))
	f.Add([]byte(strings.Repeat("[", 100)))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, in := range [][]byte{b, fitted(b)} {
			got, err := Read("x", in)
			if err != nil {
				if backout.CodeOf(err) != backout.CodeInvalid || !strings.HasPrefix(err.Error(), "x: ") {
					t.Fatalf("error %v", err)
				}
				continue
			}
			again, err := Read("x", written(t, got))
			if err != nil {
				t.Fatalf("written again it is refused: %v", err)
			}
			if diff := cmp.Diff(got, again); diff != "" {
				t.Fatalf("written again it is another file:\n%s", diff)
			}
			if d := Compare(got, again); !d.Same || len(d.Executable)+len(d.Words) > 0 {
				t.Fatalf("it differs from itself: %+v", d)
			}
		}
	})
}

// fitted gives what can be read the digests that fit, so that the fuzzer gets past
// them.
func fitted(b []byte) []byte {
	var f backout.PlanFile
	if json.Unmarshal(b, &f) != nil || f.Errored {
		return nil
	}
	f.Plan.Format = 1
	out, err := Write(Make(resealed(f.Plan)))
	if err != nil {
		return nil
	}
	return out
}
