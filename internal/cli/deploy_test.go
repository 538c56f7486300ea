package cli

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app"
)

const pay = "deployment:payment@production/eu-1"

type command struct {
	args []string
	code int
	want string // on stdout or stderr
}

func runAll(t *testing.T, a *app.App, all []command) {
	t.Helper()
	for _, c := range all {
		if code, out, errs := runOn(t, a, c.args...); code != c.code || !strings.Contains(out+errs, c.want) {
			t.Errorf("%v: exit %d, %q %q; want %d and %q", c.args, code, out, errs, c.code, c.want)
		}
	}
}

// locked takes a deploy lock and gives its token.
func locked(t *testing.T, a *app.App, component, to, owner string) string {
	t.Helper()
	code, out, errs := runOn(t, a, "check", "--deploy", component, "--to", to, "--lock", "30m", "--owner", owner, "-o", "json")
	var answer backout.DeployAnswer
	if err := json.Unmarshal([]byte(out), &answer); code != 0 || err != nil || answer.Lock == nil || answer.Lock.Token == "" {
		t.Fatalf("exit %d, %q %q: want a lock", code, out, errs)
	}
	return answer.Lock.Token
}

func TestDeploy_locksOfPipelines(t *testing.T) {
	a := serve(t, "")
	deploy := func(to string, more ...string) []string {
		return append([]string{"check", "--deploy", pay, "--to", to}, more...)
	}
	token := locked(t, a, pay, "2.14.0", "ci-1")
	runAll(t, a, []command{
		{deploy("2.15.0", "--lock", "5m", "--owner", "ci-2"), 2, "payment 2.15.0: ‖ held\n  · ci-1 is deploying 2.14.0 here until"},
		{deploy("2.15.0"), 2, "→ what to do: wait for ci-1"},
		{deploy("2.14.1", "--owner", "ci-1"), 0, "payment 2.14.1: ✔ may be deployed"},
		{[]string{"lock", "renew", pay, "--token", token, "--for", "1h"}, 0, "deploy lock until"},
		{[]string{"lock", "renew", pay, "--token", "guessed"}, 2, "held by ci-1"},
		{[]string{"status"}, 0, pay + ": ci-1 deploys 2.14.0, lock until"},
		{deploy("2.15.0", "--lock", "5m"), 1, "--owner: expected who deploys"},
		{[]string{"check", "--deploy", pay}, 1, "--to: expected the version"},
		{[]string{"check", "--deploy", "deployment:typo@production/eu-1", "--to", "1"}, 1, "the catalog knows no deployment:typo"},
		// seen live everywhere, the deployment is over
		{[]string{"change", "record", "--component", pay, "--from", "2.13.0", "--to", "2.14.0", "--share", ".5"}, 0, ""},
		{deploy("2.15.0"), 2, "ci-1 is deploying"},
		{[]string{"change", "record", "--component", pay, "--from", "2.13.0", "--to", "2.14.0"}, 0, ""},
		{[]string{"lock", "renew", pay, "--token", token}, 2, "it was released"},
		{deploy("2.15.0"), 0, "may be deployed"},
	})
	token = locked(t, a, pay, "2.15.0", "ci-2")
	runAll(t, a, []command{{[]string{"lock", "release", pay, "--token", token}, 0, ""}, {deploy("2.16.0"), 0, "may be deployed"}})
}

func TestHold_byAPerson(t *testing.T) {
	a := serve(t, "")
	runAll(t, a, []command{
		{[]string{"hold", "list"}, 0, "Nothing is held."},
		{[]string{"hold", "add", pay, "--reason", "debugging the ledger", "--by", "ann", "--for", "2h"}, 0, "held by ann until"},
		{[]string{"hold", "add", pay, "--reason", "x", "--by", "ann"}, 1, "reason: expected at least 3 characters"},
		{[]string{"hold", "add", pay, "--reason", "for ever", "--by", "ann", "--for", "-1h"}, 1, "until: expected a time ahead"},
		{[]string{"hold", "add", pay, "--reason", "a disguise", "--by", "backout INC-1"}, 1, "backout's own holds"},
		{[]string{"check", "--deploy", pay, "--to", "9", "--digest", "sha256:aa", "--lock", "5m", "--owner", "ci-1"}, 2, "ann holds it until"},
		{[]string{"check", "--deploy", pay, "--to", "9"}, 2, "what to do: backout hold release " + pay},
		{[]string{"status"}, 0, pay + ": ann holds it until"},
		{[]string{"hold", "list", "-o", "json"}, 0, `"release_rule":"person"`},
		{[]string{"hold", "release", pay, "--reason", "done", "--owner", "bob"}, 1, "nothing holds " + pay},
		{[]string{"hold", "release", pay, "--reason", "found it", "--by", "ann"}, 0, "the hold by ann is over (debugging the ledger)"},
		// the lock that was asked for with it is not left behind
		{[]string{"check", "--deploy", pay, "--to", "9"}, 0, "may be deployed"},
	})
}

func TestStop_onEverySurface(t *testing.T) {
	a := serve(t, "")
	page := func() string {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.URL()+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	const said = "ann stopped everything (strange plans)"
	runAll(t, a, []command{
		{[]string{"stop"}, 1, "reason"},
		{[]string{"stop", "--reason", "x"}, 1, "at least 3 characters"},
		{[]string{"stop", "--reason", "strange plans", "--by", "ann"}, 0, said},
		{[]string{"status"}, 0, said},
		{[]string{"status", "-o", "json"}, 0, `"reason":"strange plans"`},
	})
	if p := page(); !strings.Contains(p, said) || !strings.Contains(p, "left without a person: 3 of 3 plans an hour") {
		t.Errorf("the page does not say so:\n%s", p)
	}
	runAll(t, a, []command{{[]string{"go", "--reason", "looked at", "--by", "bob"}, 0, "the kill switch is off"}})
	if _, out, _ := runOn(t, a, "status"); strings.Contains(out, "stopped everything") || strings.Contains(page(), said) {
		t.Errorf("it is off and shown as on: %s", out)
	}
}

// An attempt takes the wheel from a pipeline, is stopped midway, carries on, and leaves
// the bad version held.
func TestRun_takesOverAndCanBeStopped(t *testing.T) {
	if testing.Short() {
		t.Skip("runs an incident for some seconds")
	}
	f := serveFlags(t, "")
	f.switched()
	started, path := time.Now().UTC(), filepath.Join(f.dir, "plan.json")
	f.alert(started, false)
	f.until("there is a plan with steps", func() bool {
		code, out, _ := runOn(t, f.a, "plan", "--out", path)
		return code == 2 && strings.Contains(out, "on → off")
	})
	token := locked(t, f.a, string(express), "on2", "ci-7")
	ended := make(chan string, 1)
	go func() {
		_, out, errs := runOn(t, f.a, "apply", path, "--reason", "reviewed", "--by", "ann")
		ended <- out + errs
	}()
	f.until("the flag is in between", func() bool { return f.variant() == "in between" })
	runAll(t, f.a, []command{
		{[]string{"stop", "--reason", "wait a moment", "--by", "bob"}, 0, "bob stopped everything"},
		{[]string{"lock", "renew", string(express), "--token", token}, 2, "taken over by INC-"},
		{[]string{"check", "--deploy", string(express), "--to", "on2"}, 2, "backout is taking things back here (INC-"},
		{[]string{"check", "--deploy", pay, "--to", "3"}, 2, "backout is taking things back here (INC-"}, // of the same service
		{[]string{"status"}, 0, "no deploys while INC-"},
	})
	f.until("people are told", func() bool {
		incidents, err := f.a.Incidents(t.Context())
		if err != nil || len(incidents) != 1 || incidents[0].Stop == nil {
			return false
		}
		for _, told := range incidents[0].Told {
			if told.Audience == backout.AudienceOnCall && strings.Contains(told.Text, "bob stopped everything") {
				return true
			}
		}
		return false
	})
	f.alert(started, true)      // all is well: the gate would let it go on or end it
	time.Sleep(2 * time.Second) // eight samples: nothing to wait for, since nothing must happen
	if v := f.variant(); v != "in between" {
		t.Errorf("stopped, and yet the flag went %s", v)
	}
	select {
	case out := <-ended:
		t.Fatalf("it ended although it was stopped: %s", out)
	default:
	}
	runAll(t, f.a, []command{{[]string{"go", "--reason", "looked at", "--by", "bob"}, 0, "off"}})
	if out := <-ended; !strings.Contains(out, "waits: the kill switch is on") || !strings.Contains(out, "carries on: the kill switch is off") || !strings.Contains(out, "recovered") {
		t.Errorf("the progress does not say that it was stopped and went on: %s", out)
	}
	f.until("pipelines may deploy again", func() bool {
		code, _, _ := runOn(t, f.a, "check", "--deploy", pay, "--to", "3")
		return code == 0
	})
	runAll(t, f.a, []command{
		{[]string{"check", "--deploy", string(express), "--to", "on"}, 2, "version on was bad"},
		{[]string{"check", "--deploy", string(express), "--to", "on2"}, 0, "may be deployed"},
		{[]string{"lock", "renew", string(express), "--token", token}, 2, "taken over by INC-"},
		{[]string{"hold", "release", string(express), "--reason", "it was innocent", "--by", "ann"}, 0, "the hold by backout INC-"},
		{[]string{"check", "--deploy", string(express), "--to", "on"}, 0, "may be deployed"},
		{[]string{"status"}, 0, string(express) + ": moved by INC-"}, // no source reported it: the journal did
	})
}
