package cli

import (
	"strings"
	"testing"
	"time"
)

// A person takes an incident over and closes it; until then every command says what
// backout can't see.
func TestTakeOverAndClose(t *testing.T) {
	a := serve(t, "")
	alarm(t, a)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		code, out, _ := runOn(t, a, "status")
		if code == 0 && strings.Contains(out, "INC-") && strings.Contains(out, "can't see now: metrics, for ") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("no incident, or metrics that are there:\n%s", out)
		}
	}
	for _, args := range [][]string{{"show"}, {"plan"}} {
		if _, out, errs := runOn(t, a, args...); !strings.Contains(strings.Join(strings.Fields(out), " "), "can't see now: metrics, for ") {
			t.Errorf("%v does not say what backout can't see: %s %s", args, out, errs)
		}
	}
	if code, _, errs := runOn(t, a, "takeover"); code != 1 || !strings.Contains(errs, "reason: expected at least 3 characters") {
		t.Errorf("without a reason: exit %d, %q", code, errs)
	}
	code, out, errs := runOn(t, a, "takeover", "--reason", "I know this one", "--by", "ana")
	if code != 0 || !strings.Contains(out, "taken_over: ana carries on by hand: I know this one") {
		t.Fatalf("take over: exit %d, %q %q", code, out, errs)
	}
	id, _, _ := strings.Cut(out, " ")
	for name, args := range map[string][]string{
		"without a label":       {"close", id, "--reason", "we looked"},
		"another label":         {"close", id, "--reason", "we looked", "--as", "solved"},
		"an unknown cause":      {"close", id, "--reason", "we looked", "--as", "reviewed", "--cause", "c99"},
		"a false one's culprit": {"close", id, "--reason", "we looked", "--as", "false-alarm", "--cause", "none"},
	} {
		if code, _, errs := runOn(t, a, args...); code == 0 || errs == "" {
			t.Errorf("%s: exit %d, %q; want a refusal with a reason", name, code, errs)
		}
	}
	if code, out, errs := runOn(t, a, "close", id, "--as", "reviewed", "--cause", "none", "--reason", "a provider's outage", "--by", "ana"); code != 0 || !strings.Contains(out, "reviewed: ana closed it: a provider's outage") {
		t.Errorf("close: exit %d, %q %q", code, out, errs)
	}
}
