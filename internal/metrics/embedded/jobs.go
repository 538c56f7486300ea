package embedded

import (
	"cmp"
	"maps"
	"net"
	"net/url"
	"path/filepath"
	"time"

	"github.com/prometheus/common/model"
	promconfig "github.com/prometheus/prometheus/config"
	_ "github.com/prometheus/prometheus/discovery/file" // makes file_sd_configs known
	_ "github.com/prometheus/prometheus/discovery/http" // makes http_sd_configs known
	"go.yaml.in/yaml/v3"
)

// discoveryPause is how long found targets wait before they are scraped.
// Prometheus waits 5 s twice to spare servers with thousands of targets that
// change all the time; a demonstration at 250 ms a step can't wait.
const discoveryPause = 200 * time.Millisecond

// Job is a set of targets that are scraped alike.
type Job struct {
	// Name becomes the label job. It is unique.
	Name string
	// Targets are addresses, host:port.
	Targets []string
	// URLs answer with targets in Prometheus' HTTP discovery format.
	URLs []string
	// Files hold targets in Prometheus' file discovery format; the last part of a
	// path may be a pattern such as *.json.
	Files []string
	// Refresh is how often URLs are asked again: half the interval when zero, but
	// between 500ms and 30s. Files are watched and read again at once.
	Refresh time.Duration
	// Interval between two scrapes; Config.Ask.ScrapeInterval when zero.
	Interval time.Duration
	// Path is /metrics when empty, Scheme http.
	Path, Scheme string
	// BearerTokenFile holds the token that targets and URLs ask for.
	BearerTokenFile string
	// Labels are put on every series of Targets.
	Labels map[string]string
}

// scrapeConfig writes the jobs as a Prometheus configuration and lets Prometheus
// read it, so that its own checks and defaults hold.
func (c Config) scrapeConfig() (*promconfig.Config, error) {
	jobs := []map[string]any{}
	for _, j := range c.Jobs {
		if err := j.check(); err != nil {
			return nil, err
		}
		jobs = append(jobs, j.prometheus(cmp.Or(j.Interval, c.Ask.ScrapeInterval)))
	}
	text, err := yaml.Marshal(map[string]any{
		"global":         map[string]any{"scrape_interval": model.Duration(c.Ask.ScrapeInterval).String(), "scrape_timeout": model.Duration(min(c.Ask.ScrapeInterval, 10*time.Second)).String()},
		"scrape_configs": jobs,
	})
	if err != nil {
		return nil, invalid("metrics jobs: %v", err)
	}
	loaded, err := promconfig.Load(string(text), c.Log)
	if err != nil {
		return nil, invalid("metrics jobs: %v", err)
	}
	return loaded, nil
}

func (j Job) check() error {
	if j.Name == "" {
		return invalid("metrics job: expected a name")
	}
	for _, t := range j.Targets {
		if host, port, err := net.SplitHostPort(t); err != nil || host == "" || port == "" {
			return invalid("metrics job %s: target %q: expected host:port", j.Name, t)
		}
	}
	for _, u := range j.URLs {
		p, err := url.Parse(u)
		if err != nil || p.Scheme != "http" && p.Scheme != "https" || p.Host == "" {
			return invalid("metrics job %s: targets url %q: expected http://HOST/PATH or https://HOST/PATH", j.Name, u)
		}
	}
	for _, f := range j.Files {
		switch filepath.Ext(f) {
		case ".json", ".yml", ".yaml":
		default:
			return invalid("metrics job %s: targets file %q: expected the ending .json, .yml or .yaml", j.Name, f)
		}
	}
	return nil
}

func (j Job) prometheus(interval time.Duration) map[string]any {
	out := map[string]any{
		"job_name":        j.Name,
		"scrape_interval": model.Duration(interval).String(),
		"scrape_timeout":  model.Duration(min(interval, 10*time.Second)).String(),
		"metrics_path":    cmp.Or(j.Path, "/metrics"),
		"scheme":          cmp.Or(j.Scheme, "http"),
		// Targets that don't say what they speak speak the plain text format.
		"fallback_scrape_protocol": string(promconfig.PrometheusText0_0_4),
	}
	access := map[string]any{}
	if j.BearerTokenFile != "" {
		access["authorization"] = map[string]any{"credentials_file": j.BearerTokenFile}
	}
	maps.Copy(out, access)
	if len(j.Targets) > 0 {
		out["static_configs"] = []map[string]any{{"targets": j.Targets, "labels": j.Labels}}
	}
	refresh := cmp.Or(j.Refresh, min(max(interval/2, 500*time.Millisecond), 30*time.Second))
	finders := []map[string]any{}
	for _, u := range j.URLs {
		f := map[string]any{"url": u, "refresh_interval": model.Duration(refresh).String()}
		maps.Copy(f, access)
		finders = append(finders, f)
	}
	if len(finders) > 0 {
		out["http_sd_configs"] = finders
	}
	if len(j.Files) > 0 {
		out["file_sd_configs"] = []map[string]any{{"files": j.Files, "refresh_interval": model.Duration(refresh).String()}}
	}
	return out
}
