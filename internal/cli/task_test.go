package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

// byHand is a catalog in which the flag is switched by a person, whom nobody but
// people sees doing it.
func byHand(string) string {
	return strings.Replace(flagShop, "actuator: flagd, locator: 'FLAGS#express'", "actuator: desk", 1) + `---
apiVersion: backout.dev/v1alpha1
kind: Actuator
metadata: {name: desk}
spec: {manual: {deadline: 1m}, reversal: {loss: lossless, takes: 1s}}
---
apiVersion: backout.dev/v1alpha1
kind: Playbook
metadata: {name: express, title: switch express checkout}
spec: {component: 'flag:express@production/eu-1', owner: checkout desk, steps: ["log in", "switch {name} from {from} to {to}"]}
`
}

// The whole way: an alert, a plan, an approval, a person who is waited for, and the
// end, all by the command line.
func TestDone_fromTheAlertToTheEnd(t *testing.T) {
	for verb, want := range map[string]backout.State{"done": backout.StateRecovered, "refuse": backout.StateHalted} {
		t.Run(verb, func(t *testing.T) {
			f := serveWritten(t, byHand)
			if code, _, errs := runOn(t, f.a, verb); code != 1 || !strings.Contains(errs, "0 incidents are open") {
				t.Errorf("without an incident: exit %d, %q", code, errs)
			}
			f.switched()
			started := time.Now().UTC()
			f.alert(started, false)
			var inc backout.Incident
			state := func(s backout.State) func() bool {
				return func() bool {
					all, err := f.a.Incidents(t.Context())
					if err == nil && len(all) == 1 {
						inc = all[0]
					}
					return inc.State == s
				}
			}
			f.until("the plan waits", state(backout.StateWaiting))
			if code, out, _ := runOn(t, f.a, verb); code != 0 || !strings.Contains(out, "waits for nobody") {
				t.Errorf("before anything runs: exit %d, %q", code, out)
			}
			if code, _, errs := runOn(t, f.a, "approve", "--digest", inc.Plan.Digest, "--reason", "reviewed"); code != 0 {
				t.Fatal(errs)
			}
			step := inc.Plan.Steps()[0].ID
			f.until("somebody is waited for", func() bool {
				code, out, _ := runOn(t, f.a, verb, string(inc.ID))
				return code == somethingToDo && strings.Contains(out, step) && strings.Contains(out, "checkout desk") && strings.Contains(out, "2. switch express from on to off")
			})
			for name, args := range map[string][]string{"no reason": {step}, "no such step": {"nobody", "--reason", "as asked"}, "no such incident": {"INC-0", step, "--reason", "as asked"}} {
				if code, _, errs := runOn(t, f.a, append([]string{verb}, args...)...); code != 1 || errs == "" {
					t.Errorf("%s: exit %d, %q", name, code, errs)
				}
			}
			if code, _, errs := runOn(t, f.a, verb, step, "--reason", "as asked", "--by", "ann"); code != 0 {
				t.Fatal(errs)
			}
			if verb == "done" {
				f.alert(started, true) // the trouble ends with it
			}
			f.until("it ends", state(want))
			run, err := f.a.RunOf(t.Context(), inc.Attempts[0].ID)
			if err != nil {
				t.Fatal(err)
			}
			said := ""
			for _, e := range run.Entries {
				said += e.Text + "\n"
			}
			if !strings.Contains(said, "waits for checkout desk until") || verb == "refuse" && !strings.Contains(inc.Why, "ann said no: as asked") {
				t.Errorf("%s\n%s", inc.Why, said)
			}
			told := false
			for _, x := range inc.Told {
				told = told || strings.Contains(x.Text, "waits for checkout desk until")
			}
			if !told {
				t.Errorf("those on call were not told: %+v", inc.Told)
			}
		})
	}
}
