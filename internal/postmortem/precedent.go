package postmortem

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/recall"
)

// precedents turns records into precedents, and what is wrong with them into problems.
func (r *reader) precedents() []backout.Precedent {
	dayFirst := r.dayFirst()
	seen := map[string]int{}
	out := []backout.Precedent{}
	for _, rec := range r.records {
		id := rec.text("id")
		switch first, twice := seen[id]; {
		case id == "":
			r.wrong(rec.at("id"), "id", "expected a name that stays the same, so that importing again changes nothing")
		case twice:
			r.wrong(rec.at("id"), "id", "%q is in line %d already", id, first)
		}
		seen[id] = rec.at("id")
		out = append(out, r.precedent(rec, id, dayFirst))
	}
	return out
}

func (r *reader) precedent(rec record, id string, dayFirst bool) backout.Precedent {
	p := backout.Precedent{
		Format: 1, ID: backout.PrecedentID(r.source + ":" + id), Source: r.source, Title: rec.text("title"), Link: rec.text("link"), Did: strings.Join(rec.fields["mitigation"], "; "),
		Label: backout.LabelUnknown, Outcome: backout.PrecedentNotKnown, Moved: []backout.PrecedentMove{},
	}
	p.At = r.when(rec, "started", dayFirst)
	p.Took = r.took(rec, p.At, dayFirst)
	r.cause(rec, &p)
	r.outcome(rec, &p)
	for _, s := range rec.fields["services"] {
		if s = strings.ToLower(strings.TrimSpace(s)); s != "" && !slices.Contains(p.Signature.Services, backout.ServiceID(s)) {
			p.Signature.Services = append(p.Signature.Services, backout.ServiceID(s))
		}
	}
	p.Signature.Profile = told(rec.fields["symptoms"])
	p.Signature.Tokens = recall.Tokens(strings.Join([]string{rec.text("title"), rec.text("symptoms"), rec.text("text")}, " "))
	if len(p.Signature.Services) == 0 && len(p.Signature.Profile) == 0 && len(p.Signature.Tokens) == 0 {
		r.wrong(rec.line, "services", "nothing says what it looked like: expected services, symptoms, a title or a text")
	}
	return p
}

// told is what people's words say of an effect: at the origin, as far as can be. What is
// not mentioned was as ever.
func told(symptoms []string) []backout.ProfileCell {
	text := strings.ToLower(strings.Join(symptoms, " "))
	if strings.TrimSpace(text) == "" {
		return nil
	}
	var out []backout.ProfileCell
	for _, k := range []struct {
		kind  backout.SignalKind
		words []string
	}{
		{backout.SignalLatency, []string{"latenc", "slow", "performance", "delay", "response time"}},
		{backout.SignalErrors, []string{"error", "fail", "unavailab", "availab", "timeout", "timed out", "reject", "5xx", "http 5", "outage", "down"}},
		{backout.SignalSaturation, []string{"saturat", "cpu", "memory", "disk", "utiliz", "utilis", "capacity", "resource", "overload", "queue"}},
		{backout.SignalTraffic, []string{"traffic", "packet", "connectiv", "load", "requests"}},
		{backout.SignalKPI, []string{"order", "revenue", "sale", "checkout", "conversion", "sign-up", "signup", "payment"}},
	} {
		level := 0.0
		if anyOf(text, k.words...) {
			level = 1
		}
		out = append(out, backout.ProfileCell{Kind: k.kind, Reach: backout.ReachOrigin, Level: level})
	}
	return out
}

var kinds = []backout.ComponentKind{backout.KindDeployment, backout.KindConfig, backout.KindFlag, backout.KindSchema, backout.KindTraffic, backout.KindInfrastructure}

func (r *reader) cause(rec record, p *backout.Precedent) {
	switch text := strings.ToLower(rec.text("cause")); {
	case text == "" || text == "unknown":
	case text == "none":
		p.Label = backout.LabelNone
	case slices.Contains(kinds, backout.ComponentKind(text)):
		p.Label, p.Cause = backout.LabelChange, backout.ComponentKind(text)
	default:
		r.wrong(rec.at("cause"), "cause", "%q: expected deployment, config, flag, schema, traffic, infrastructure (the kind of change that did it), none (no change did) or unknown", text)
	}
}

func (r *reader) outcome(rec record, p *backout.Precedent) {
	did := MitigationOf(p.Did)
	switch text := strings.ToLower(rec.text("worked")); text {
	case "":
		if p.Did != "" && p.Took > 0 {
			p.Outcome = backout.PrecedentTold
		}
		if did == MitigationByItself {
			p.Outcome = backout.PrecedentByItself
		}
	case "yes", "true", "1":
		p.Outcome = backout.PrecedentTold
	case "no", "false", "0":
		p.Outcome = backout.PrecedentUnresolved
	default:
		r.wrong(rec.at("worked"), "worked", "%q: expected yes or no", text)
	}
	if did == MitigationRollback && p.Cause != "" {
		p.Moved = append(p.Moved, backout.PrecedentMove{Kind: p.Cause})
	}
}

var slashed = regexp.MustCompile(`^(\d{1,2})/(\d{1,2})/(\d{4})$`)

// dayFirst says whether dates with slashes have the day first. One whose first number is
// beyond 12 says so for the whole file, one whose second is says the contrary; both are a
// problem, and neither is told as an assumption.
func (r *reader) dayFirst() bool {
	day, month, any := 0, 0, false
	for _, rec := range r.records {
		for _, f := range []string{"started", "ended"} {
			m := slashed.FindStringSubmatch(rec.text(f))
			if m == nil {
				continue
			}
			any = true
			if a, _ := strconv.Atoi(m[1]); a > 12 {
				day = rec.at(f)
			}
			if b, _ := strconv.Atoi(m[2]); b > 12 {
				month = rec.at(f)
			}
		}
	}
	switch {
	case day > 0 && month > 0:
		r.wrong(max(day, month), "started", "dates with the day first (line %d) and with the month first (line %d) in one file: write them as 2006-01-02", day, month)
	case any && day == 0 && month == 0:
		r.notes = append(r.notes, "dates such as 02/01/2006 are read with the month first: no date in the file says which it is")
	}
	return day > 0
}

var layouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"}

func (r *reader) when(rec record, field string, dayFirst bool) time.Time {
	text := rec.text(field)
	for _, layout := range layouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	layout := "1/2/2006"
	if dayFirst {
		layout = "2/1/2006"
	}
	if t, err := time.Parse(layout, text); err == nil {
		return t.UTC()
	}
	r.wrong(rec.at(field), field, "%q: expected a time such as 2026-11-24T10:00:00Z or 2026-11-24 10:00, or a day such as 2026-11-24 or 11/24/2026", text)
	return time.Time{}
}

// took is how long it lasted, from either field.
func (r *reader) took(rec record, from time.Time, dayFirst bool) backout.Duration {
	if rec.text("ended") != "" {
		end := r.when(rec, "ended", dayFirst)
		if !end.IsZero() && end.Before(from) {
			r.wrong(rec.at("ended"), "ended", "%s is before it started", rec.text("ended"))
		}
		return backout.Duration(end.Sub(from))
	}
	text := rec.text("minutes")
	if text == "" {
		return 0
	}
	m, err := strconv.ParseFloat(text, 64)
	if err != nil || m < 0 || math.IsInf(m, 0) || math.IsNaN(m) || m > 10*365*24*60 {
		r.wrong(rec.at("minutes"), "minutes", "%q: expected how many minutes it lasted", text)
		return 0
	}
	return backout.Duration(m * float64(time.Minute))
}

// Mitigation is what sort of thing was done about an incident.
type Mitigation string

// The mitigations.
const (
	MitigationRollback Mitigation = "rollback" // something was taken back
	MitigationFix      Mitigation = "fix"      // something new was shipped
	MitigationTraffic  Mitigation = "traffic"  // load was moved, reduced or kept away
	MitigationRestart  Mitigation = "restart"
	MitigationCapacity Mitigation = "capacity"
	MitigationRepair   Mitigation = "repair" // hardware, power, lines, data
	MitigationByItself Mitigation = "by_itself"
	MitigationOther    Mitigation = "other"
)

// MitigationOf tells it from words; the first in this order that occurs counts, since
// who rolls back and restarts as well says the former first when asked what helped.
func MitigationOf(text string) Mitigation {
	text = strings.ToLower(text)
	for _, m := range []struct {
		as    Mitigation
		words []string
	}{
		{MitigationRollback, []string{"roll back", "rollback", "rolled back", "rolling back", "roll-back", "revert", "backed out", "back out", "undo", "previous version", "stop configuration change", "stop deployment", "stop the deployment", "halt"}},
		{MitigationByItself, []string{"self heal", "self-heal", "automatic", "no operation", "by itself"}},
		{MitigationTraffic, []string{"redirect", "reroute", "route traffic", "divert", "shift", "traffic", "failover", "fail over", "failed over", "block", "load", "throttl", "isolat", "drain"}},
		{MitigationCapacity, []string{"capacity", "scale", "add ", "increase", "allocat", "provision", "quota"}},
		{MitigationRestart, []string{"restart", "reboot", "recycle", "reset", "reinitial"}},
		{MitigationFix, []string{"fix", "patch", "deploy", "update", "config", "roll out", "upgrade", "change", "mitigation"}},
		{MitigationRepair, []string{"repair", "restore", "replace", "recover", "reconnect", "power", "rebuild"}},
	} {
		if anyOf(text, m.words...) {
			return m.as
		}
	}
	return MitigationOther
}

// Worth says what imported incidents serve for, in words.
func Worth(all []backout.Precedent, now time.Time) string {
	alike, causes, none, did, when, fresh := 0, 0, 0, 0, 0, 0.0
	for _, p := range all {
		if len(p.Signature.Services) > 0 {
			alike++
		}
		switch p.Label {
		case backout.LabelChange:
			causes, fresh = causes+1, fresh+recall.Fresh(p, now)
		case backout.LabelNone:
			none, fresh = none+1, fresh+recall.Fresh(p, now)
		}
		if p.Did != "" {
			did++
		}
		if p.Took > 0 {
			when++
		}
	}
	return fmt.Sprintf("%d name services, to be compared with; %d say what was done, %d how long it took; %d name a kind of change as the cause and %d say that none did it, which counts for %.1f incidents today, since each halves in 180 days",
		alike, did, when, causes, none, fresh)
}
