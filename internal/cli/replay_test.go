package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backout-dev/backout/internal/app/replay"
)

// example is a recording that comes with the program.
const example = "../app/replay/testdata/release"

func run(args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = Main(args, &o, &e)
	return code, o.String(), e.String()
}

func TestReplay_words(t *testing.T) {
	code, out, errs := run("replay", example)
	for _, want := range []string{
		"Who did it", "payment 2.4.0", "Where it goes", "The way back", "proven safe by an independent checker", "only time and place speak for", "nothing could be compared",
		"What was found out: deployment:payment@production/eu-1=2.4.0. ✔ ranked first", "culprit ranked first in 1",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in:\n%s", want, out)
		}
	}
	if code != 0 || !strings.Contains(errs, "INC-") {
		t.Errorf("status %d, stderr %q; expected 0 and progress", code, errs)
	}
}

func TestReplay_json(t *testing.T) {
	for _, args := range [][]string{{"--until", "4m"}, {"--at", "2026-11-24T09:56:00Z"}} {
		code, out, _ := run(append([]string{"replay", example, "-o", "json"}, args...)...)
		var r replay.Result
		d := json.NewDecoder(strings.NewReader(out))
		d.DisallowUnknownFields()
		if err := d.Decode(&r); err != nil || code != 0 || d.More() {
			t.Fatalf("%v: status %d, %v; expected one object", args, code, err)
		}
		if r.Format != 1 || len(r.Incidents) != 1 || r.Summary.Top1 != 1 || r.Incidents[0].Suspects[0].To != "2.4.0" {
			t.Errorf("%v: %+v", args, r.Summary)
		}
		for _, null := range []string{`"suspects":null`, `"origins":null`, `"findings":null`, `"steps":null`, `"missed":null`, `"notes":null`, `"incidents":null`} {
			if strings.Contains(out, null) {
				t.Errorf("%v: found %s", args, null)
			}
		}
	}
}

func TestReplay_noIncidents(t *testing.T) {
	code, out, _ := run("replay", example, "--to", "2026-11-24T09:40:00Z")
	if code != 0 || !strings.Contains(out, "No incidents: no signal left its baseline") || !strings.Contains(out, "16 of 16 series that may open an incident are judged") || !strings.Contains(out, "--at TIME") {
		t.Errorf("status %d:\n%s", code, out)
	}
}

func TestReplay_wrong(t *testing.T) {
	broken := t.TempDir()
	if err := os.CopyFS(broken, os.DirFS(example)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(broken, "changes.jsonl"), []byte(`{"source":"ci"`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"half a line":  {[]string{"replay", broken}, 2, "changes.jsonl:1:: half a line"},
		"no folder":    {[]string{"replay", "nowhere"}, 1, "expected a folder with catalog/"},
		"wrong until":  {[]string{"replay", example, "--until", "soon"}, 1, `--until "soon": expected a time after detection`},
		"wrong at":     {[]string{"replay", example, "--at", "noon"}, 1, `--at "noon": expected a time such as`},
		"wrong since":  {[]string{"replay", "record", "--since", "long"}, 1, `--since "long": expected a time such as 14d`},
		"nothing said": {[]string{"replay", "record"}, 1, "a catalog folder and a folder to write are needed"},
		"two sources":  {[]string{"replay", "record", "--changes", "x", "--server", "http://127.0.0.1:1"}, 1, "from one of them"},
	} {
		t.Run(name, func(t *testing.T) {
			if code, _, errs := run(c.args...); code != c.code || !strings.Contains(errs, c.says) {
				t.Errorf("status %d, %q; expected %d and %q", code, errs, c.code, c.says)
			}
		})
	}
}
