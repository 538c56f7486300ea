package cli

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/internal/app"
)

// alarm lets an Alertmanager's alert about payment open an incident.
func alarm(t *testing.T, a *app.App) {
	t.Helper()
	start := time.Now().UTC().Add(-2 * time.Minute).Format(time.RFC3339)
	body := fmt.Sprintf(`{"version":"4","groupKey":"g","status":"firing","receiver":"backout","groupLabels":{},"commonLabels":{},"commonAnnotations":{},"externalURL":"http://am",
		"alerts":[{"status":"firing","labels":{"alertname":"HighErrors","service":"payment"},"annotations":{},"startsAt":%q,"endsAt":"0001-01-01T00:00:00Z","generatorURL":"","fingerprint":"f1"}]}`, start)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.URL()+"/v1/alerts/alertmanager", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+a.Token())
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		t.Fatalf("the alert was refused: %s", res.Status)
	}
}

func TestFix_announcedShownAndWithdrawn(t *testing.T) {
	a := serve(t, "")
	if code, _, errs := runOn(t, a, "fix", "announce", "--eta", "20m"); code != 1 || !strings.Contains(errs, "0 incidents are open") {
		t.Errorf("without an incident: exit %d, %q", code, errs)
	}
	alarm(t, a)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if code, out, _ := runOn(t, a, "status"); code == 0 && strings.Contains(out, "INC-") {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the alert opened no incident")
		}
	}
	for name, args := range map[string][]string{
		"no time":  {"fix", "announce"},
		"too sure": {"fix", "announce", "--eta", "20m", "--confidence", "1.5"},
	} {
		if code, _, errs := runOn(t, a, args...); code == 0 || errs == "" {
			t.Errorf("%s: exit %d, %q; want a refusal with a reason", name, code, errs)
		}
	}
	code, out, errs := runOn(t, a, "fix", "announce", "--eta", "20m", "--confidence", ".7", "--text", "hot fix 2.4.1", "--by", "ana")
	if code != 0 || !strings.Contains(out, "a fix is noted for") {
		t.Fatalf("announce: exit %d, %q %q", code, out, errs)
	}
	if code, out, _ := runOn(t, a, "show"); code != 0 || !strings.Contains(out, "ana announced a fix for") || !strings.Contains(out, "70 % sure: hot fix 2.4.1") {
		t.Errorf("show: exit %d\n%s", code, out)
	}
	if code, out, errs := runOn(t, a, "fix", "withdraw", "--by", "ana"); code != 0 || !strings.Contains(out, "no fix is waited for") {
		t.Errorf("withdraw: exit %d, %q %q", code, out, errs)
	}
	if code, _, errs := runOn(t, a, "fix", "withdraw"); code != 1 || !strings.Contains(errs, "no announced fix") {
		t.Errorf("withdraw again: exit %d, %q", code, errs)
	}
}
