package cli

import (
	"database/sql"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to tamper with the file

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app"
)

// recovered plays one incident from the switched flag to its verified end.
func (f *flagged) recovered() backout.IncidentID {
	f.Helper()
	f.switched()
	started := time.Now().UTC()
	f.until("the change is prepared", func() bool {
		_, out, _ := runOn(f.T, f.a, "change", "show", "express")
		return strings.Contains(out, "can go back")
	})
	f.alert(started, false)
	path := filepath.Join(f.dir, "plan.json")
	f.until("there is a plan with steps", func() bool {
		code, out, _ := runOn(f.T, f.a, "plan", "--out", path)
		return code == 2 && strings.Contains(out, "W1 ~ flag express")
	})
	go func() {
		f.until("the flag is off", func() bool { return f.variant() == "off" })
		f.alert(started, true)
	}()
	if code, out, errs := runOn(f.T, f.a, "apply", path, "--reason", "reviewed", "--by", "ann"); code != 0 {
		f.Fatalf("apply: exit %d, %q %q", code, out, errs)
	}
	all, err := f.a.Incidents(f.Context())
	if err != nil || len(all) != 1 {
		f.Fatalf("%+v, %v", all, err)
	}
	return all[0].ID
}

// An incident that ended leaves records that a running server, its folder and an
// export prove alike; whoever changes one of them is found out.
func TestAudit_ofARealIncident(t *testing.T) {
	if testing.Short() {
		t.Skip("runs an incident for some seconds")
	}
	f := serveFlags(t, "")
	id := f.recovered()
	data := filepath.Join(f.dir, "data")
	f.until("the end is anchored", func() bool {
		b, _ := os.ReadFile(app.AnchorFile(data))
		code, out, _ := runOn(t, f.a, "audit", "verify", "--anchors", app.AnchorFile(data))
		return strings.Contains(string(b), string(id)) && code == 0 && !strings.Contains(out, "came after the newest anchor")
	})
	for _, args := range [][]string{{}, {string(id)}} {
		if code, out, errs := runOn(t, f.a, append([]string{"audit", "verify"}, args...)...); code != 0 || !strings.Contains(out, "✔ whole: ") || !strings.Contains(out, "1 sealed journal") {
			t.Errorf("verify %v: exit %d, %q %q", args, code, out, errs)
		}
	}
	code, out, errs := runAlone("audit", "verify", "--data", data, "-o", "json")
	var r backout.AuditCheck
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 || !r.Whole || r.Copies != 1 || r.Anchors == 0 || r.Anchored != r.Entries || r.Journals != 1 {
		t.Errorf("offline: exit %d, %q %q, %v", code, out, errs, err)
	}
	_, export, _ := runOn(t, f.a, "audit", "export", string(id))
	file := filepath.Join(f.dir, "records.jsonl")
	keepFile(t, file, export)
	if code, out, errs := runAlone("audit", "verify", "--file", file, "--anchors", app.AnchorFile(data)); code != 0 {
		t.Errorf("export: exit %d, %q %q", code, out, errs)
	}
	keepFile(t, file, strings.Replace(export, "reviewed", "revised", 1))
	if code, out, _ := runAlone("audit", "verify", "--file", file); code != 2 || !strings.Contains(out, "✖ broken") || !strings.Contains(out, "was changed") || !strings.Contains(out, "expected: contents with hash") {
		t.Errorf("changed export: exit %d, %q", code, out)
	}
	keepFile(t, file, export[:len(export)/2])
	if code, _, errs := runAlone("audit", "verify", "--file", file); code != 1 {
		t.Errorf("half an export: exit %d, %q", code, errs)
	}
	f.history(id, data)
	f.reports(id, data)
	for sql, want := range map[string]string{
		"UPDATE run_entry SET body = replace(body, 'gate passed', 'gate halted')": "journal of " + string(id) + "/1",
		"DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)":              "missing at the end",
		"DELETE FROM anchor": "anchor 1 of ",
		"DELETE FROM audit":  "entry 1 is missing",
		"UPDATE audit SET body = replace(body, '\"by\":\"backout\"', '\"by\":\"backouT\"') WHERE seq = 2": "entry 2 was changed",
	} {
		copied := t.TempDir()
		copyDatabase(t, data, copied)
		tamper(t, copied, sql)
		if code, out, errs := runAlone("audit", "verify", "--data", copied); code != 2 || !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("%s: exit %d, %q %q, want %q", sql, code, out, errs, want)
		}
	}
}

// history asks for the same incident in every form.
func (f *flagged) history(id backout.IncidentID, data string) {
	f.Helper()
	for name, run := range map[string]func(args ...string) (int, string, string){
		"server": func(args ...string) (int, string, string) { return runOn(f.T, f.a, args...) },
		"folder": func(args ...string) (int, string, string) { return runAlone(append(args, "--data", data)...) },
	} {
		code, out, errs := run("history", "--since", "1h", "--service", "payment")
		for _, want := range []string{string(id), "✔ recovered", "flag express from on to off", "detected after", "verified after", "approved  by ann"} {
			if code != 0 || !strings.Contains(out, want) {
				f.Errorf("%s: history does not say %q: exit %d\n%s%s", name, want, code, out, errs)
			}
		}
		for _, none := range [][]string{{"--service", "web"}, {"--state", "halted"}} {
			if code, out, _ := run(append([]string{"history"}, none...)...); code != 0 || out != "No incidents.\n" {
				f.Errorf("%s: history %v: exit %d, %q", name, none, code, out)
			}
		}
		code, out, errs = run("history", string(id))
		at := 0
		for _, want := range []string{"audit   detected: ", "message ", "ann approved", "journal · carries out", "journal ✔ express is", "gate passed", "audit   recovered: ", "(on-call by console)"} {
			i := strings.Index(out, want)
			if code != 0 || i < 0 || i < at && !strings.HasPrefix(want, "(") && want != "message " {
				f.Errorf("%s: the timeline does not say %q in its place: exit %d\n%s%s", name, want, code, out, errs)
			}
			at = max(at, i)
		}
		if code, _, errs := run("history", "INC-none"); code != 1 || !strings.Contains(errs, "INC-none") {
			f.Errorf("%s: unknown incident: exit %d, %q", name, code, errs)
		}
	}
	code, out, _ := runOn(f.T, f.a, "history", "-o", "json")
	var doc struct{ Incidents []backout.Past }
	if err := json.Unmarshal([]byte(out), &doc); err != nil || code != 0 || len(doc.Incidents) != 1 || doc.Incidents[0].FirstEffect == nil || *doc.Incidents[0].FirstEffect >= *doc.Incidents[0].Verified {
		f.Errorf("exit %d, %q, %v", code, out, err)
	}
}

// reports writes the report in each format, from the server and from the folder.
func (f *flagged) reports(id backout.IncidentID, data string) {
	f.Helper()
	for _, format := range []string{"md", "html"} {
		live, offline := filepath.Join(f.dir, "live."+format), filepath.Join(f.dir, "offline."+format)
		code, _, errs := runOn(f.T, f.a, "report", string(id), "-o", live)
		other, _, more := runAlone("report", string(id), "-o", offline, "--data", data)
		if code != 0 || other != 0 {
			f.Fatalf("exit %d and %d, %q %q", code, other, errs, more)
		}
		for _, path := range []string{live, offline} {
			b, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			for _, want := range []string{"Recovery was verified by the signals. Taken back: flag express from on to off.", "gate passed: recovered", "flag express on is held until ", "on-call by console", "✔ whole: 1 audit log", "ann"} {
				if !strings.Contains(string(b), want) {
					f.Errorf("%s does not say %q", path, want)
				}
			}
		}
	}
	if code, _, errs := runOn(f.T, f.a, "report", "INC-none"); code != 1 || !strings.Contains(errs, "INC-none") {
		f.Errorf("unknown incident: exit %d, %q", code, errs)
	}
	if code, _, errs := runOn(f.T, f.a, "report", string(id), "-o", "x.pdf"); code != 2 || !strings.Contains(errs, ".md or .html") {
		f.Errorf("unknown format: exit %d, %q", code, errs)
	}
	res, err := http.Get(f.a.URL() + "/v1/incidents/" + string(id) + "/report")
	if err != nil {
		f.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if b, _ := io.ReadAll(res.Body); res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") || !strings.Contains(string(b), "<svg") {
		f.Errorf("%s %s", res.Status, res.Header.Get("Content-Type"))
	}
}

func keepFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// copyDatabase copies what audit verify reads, as somebody with a backup would.
func copyDatabase(t *testing.T, from, to string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(from, "backout.db")+"?mode=ro&_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Exec("VACUUM INTO ?", filepath.Join(to, "backout.db")); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(app.AnchorFile(from))
	if err != nil {
		t.Fatal(err)
	}
	keepFile(t, app.AnchorFile(to), string(b))
}

func tamper(t *testing.T, data, query string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(data, "backout.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	res, err := db.Exec(query)
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := res.RowsAffected(); n == 0 {
		t.Fatalf("%s changed nothing", query)
	}
}

func TestAudit_clearErrors(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"audit", "verify", "--data", dir}, "expected the folder that backout serve keeps its state in"},
		{[]string{"audit", "verify", "--data", dir, "--anchors", filepath.Join(dir, "none")}, "read copy of anchors"},
		{[]string{"audit", "verify", "--file", filepath.Join(dir, "none")}, "no such file"},
		{[]string{"audit", "verify", "--server", "http://127.0.0.1:1"}, "no answer from http://127.0.0.1:1"},
		{[]string{"history", "--since", "long ago", "--data", dir}, "--since"},
	} {
		if code, _, errs := runAlone(c.args...); code != 1 || !strings.Contains(errs, c.want) {
			t.Errorf("%v: exit %d, %q, want %q", c.args, code, errs, c.want)
		}
	}
}
