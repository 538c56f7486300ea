package playground

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// scraped is what one scrape of every target adds up to.
type scraped struct {
	requests, errors, seconds map[string]float64 // by service
	calls, callErrors         map[string]float64 // by caller>callee
	journeys, journeyErrors   map[string]float64
	series                    map[string]int // by instance
	text                      string
}

func scrape(t *testing.T, c *Client) scraped {
	t.Helper()
	s := scraped{map[string]float64{}, map[string]float64{}, map[string]float64{}, map[string]float64{}, map[string]float64{}, map[string]float64{}, map[string]float64{}, map[string]int{}, ""}
	var targets []target
	raw := fetch(t, c.Ready.Targets)
	if err := json.Unmarshal([]byte(raw), &targets); err != nil {
		t.Fatal(err)
	}
	s.text = raw
	for _, tg := range targets {
		body := fetch(t, "http://"+tg.Targets[0]+"/metrics")
		s.text += body
		s.read(t, tg, body)
	}
	return s
}

func (s *scraped) read(t *testing.T, tg target, body string) {
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	s.series[tg.Labels["instance"]] = strings.Count(body, "\n") - strings.Count(body, "\n# ")
	for name, f := range families {
		for _, m := range f.GetMetric() {
			l := map[string]string{}
			for _, p := range m.GetLabel() {
				l[p.GetName()] = p.GetValue()
			}
			failed := l["result"] == "error"
			var all, errs map[string]float64
			key := tg.Labels["service"]
			switch name {
			case "shop_requests_total":
				all, errs = s.requests, s.errors
			case "shop_calls_total":
				all, errs, key = s.calls, s.callErrors, l["caller"]+">"+l["callee"]
			case "shop_journeys_total":
				all, errs, key = s.journeys, s.journeyErrors, l["journey"]
			case "shop_request_seconds":
				s.seconds[key] += m.GetHistogram().GetSampleSum()
				continue
			default:
				continue
			}
			all[key] += m.GetCounter().GetValue()
			if failed {
				errs[key] += m.GetCounter().GetValue()
			}
		}
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Log(err) // an instance may stop between discovery and scrape
		return ""
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Log(err)
	}
	return string(raw)
}
