package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDrill_listAndCheck(t *testing.T) {
	wrong := filepath.Join(t.TempDir(), "wrong.txtar")
	if err := os.WriteFile(wrong, []byte("-- scenario.yaml --\nformat: 1\nsentence: s\nfaults: [{service: nobody, at: 1, errors: 2}]\nexpect: {outcome: no_action}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	shipped := filepath.Join("..", "..", "testdata", "scenarios", "one-region.txtar")
	for _, c := range []struct {
		args   []string
		status int
		out    string
		errs   string
	}{
		{[]string{"drill", "list"}, 0, "two-releases-contract", ""},
		{[]string{"drill", "list", "-o", "json"}, 0, `"name":"one-client-flag"`, ""},
		{[]string{"drill", "check", shipped}, 0, "one-region.txtar is fine", ""},
		{[]string{"drill", "check", "bad-target"}, 0, "is fine", ""},
		{[]string{"drill", "check", wrong}, 2, "", wrong + `:4:faults[0].errors: found "2": expected a number from 0 to 1`},
		{[]string{"drill", "check", "nobody"}, 2, "", "expected one of bad-migration"},
		{[]string{"drill", "run", wrong}, 2, "", wrong + ":4:"},
		{[]string{"demo", "--scenario", "nobody"}, 2, "", "expected one of bad-migration"},
	} {
		var out, errs bytes.Buffer
		if status := Main(c.args, &out, &errs); status != c.status || !strings.Contains(out.String(), c.out) || !strings.Contains(errs.String(), c.errs) {
			t.Errorf("%v: status %d\n%s\n%s", c.args, status, out.String(), errs.String())
		}
	}
}
