package demo

import (
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/drill"
	"github.com/backout-dev/backout/internal/playground"
	"github.com/backout-dev/backout/internal/render"
	"github.com/backout-dev/backout/internal/watch"
)

// story tells what happens, once each, in numbered chapters with real times.
// Journal entries arrive from another goroutine than the rest.
type story struct {
	mu      sync.Mutex // guards everything below
	out     io.Writer
	style   render.Style
	step    time.Duration
	began   time.Time
	chapter int
	told    map[string]bool
	percent int
	asked   bool
	onset   time.Time
	toldP   float64 // the leading suspect's probability when it was last told
}

func newStory(out io.Writer, style render.Style, step time.Duration) *story {
	if out == nil {
		out = io.Discard
	}
	return &story{out: out, style: style, step: step, began: time.Now(), told: map[string]bool{}, percent: -1}
}

// once reports whether this is the first time that key is told.
func (s *story) once(key string) bool {
	if s.told[key] {
		return false
	}
	s.told[key] = true
	return true
}

func (s *story) head(title string) {
	s.chapter++
	fmt.Fprintf(s.out, "\n%s  %s\n", s.style.Paint(render.InkBold, fmt.Sprintf("%d  %s", s.chapter, title)), s.style.Paint(render.InkMuted, s.clock()))
}

func (s *story) clock() string { return fmt.Sprintf("+%.1f s", time.Since(s.began).Seconds()) }

func (s *story) line(format string, args ...any) {
	fmt.Fprintf(s.out, "  "+format+"\n", args...)
}

func (s *story) block(text string) {
	for _, l := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		fmt.Fprintln(s.out, "  "+l)
	}
}

func (s *story) opened(took time.Duration, url, token, tokenFile string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.head("A shop opens, and backout beside it")
	s.line("first traffic after %s; look yourself: %s", render.Span(took), s.style.Paint(render.InkRunning, url))
	s.line("deciding there needs the token %s (also in %s)", token, tokenFile)
	s.line("time runs fast here: %s stands for one minute", render.Span(s.step))
	s.head("backout learns what normal looks like")
}

func (s *story) learning(st watch.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := int(st.Progress()*4) * 25; p > s.percent {
		s.percent = p
		s.line("%s %3d %%  %s", s.style.Bar(float64(p)/100, 20), p, st)
	}
}

func (s *story) normal(r playground.Report, st watch.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line("%d services, %d instances, %.0f transactions a minute (latency p50 %.0f ms, p95 %.0f ms), shop and clients use %.0f %% of a core",
		r.Services, r.Instances, r.SinceStart.PerMinute, r.SinceStart.P50, r.SinceStart.P95, r.CPU*100)
	s.line("%d series, judged by a short history (median and MAD, Student's t)", st.Series)
	s.head("A working day: changes of every kind go out")
}

func (s *story) changes(all []backout.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range all {
		if s.once("change " + string(c.ID)) {
			s.line("%s %-10s %s %s %s %s", s.style.Paint(render.InkMuted, s.clock()), c.Kind, c.Component.Name(), c.From, s.style.Glyph("→"), c.To)
		}
	}
}

// incident tells what is new about the incident.
func (s *story) incident(inc backout.Incident) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onset = inc.Onset
	if s.once("detected " + string(inc.ID)) {
		s.head("Detected")
		for i, f := range inc.Findings {
			if i == 4 {
				break
			}
			s.line("%s %s: %s, expected %s (evidence %.0f, one such a %.0f samples when healthy; %s history)", s.style.Paint(render.InkBad, s.style.Glyph("✖")), subject(f), quantity(f.Kind, f.Observed), quantity(f.Kind, f.Expected), f.Evidence, f.Threshold, f.Mode)
		}
	}
	if a := inc.Attribution; a != nil && inc.State != backout.StateDetected && s.once("suspects "+string(inc.ID)+leader(*a)) {
		s.head("Who did it?")
		s.block(render.Suspects(*a, s.style, 4))
		s.toldP = leadingP(*a)
		if inc.FirstForecast != nil && s.once("cascade "+string(inc.ID)) {
			s.head("What is hit next, if nobody acts?")
			s.block(render.Cascade(*inc.FirstForecast, s.style, 9))
		}
	}
	s.decided(inc)
}

func leader(a backout.Attribution) string {
	if len(a.Suspects) == 0 || a.PNone >= a.Suspects[0].P {
		return "none"
	}
	return string(a.Suspects[0].Change)
}

func leadingP(a backout.Attribution) float64 {
	if len(a.Suspects) == 0 {
		return a.PNone
	}
	return max(a.PNone, a.Suspects[0].P)
}

func (s *story) decided(inc backout.Incident) {
	if p := inc.Plan; p != nil && s.once("plan "+p.Digest) {
		s.head("The way back")
		if a := inc.Attribution; a != nil && math.Abs(leadingP(*a)-s.toldP) > .05 {
			s.block(render.Suspects(*a, s.style, 1))
			s.toldP = leadingP(*a)
		}
		s.block(render.Plan(*p, s.style))
	}
	switch inc.State {
	case backout.StateWaiting:
		if s.once("waiting " + inc.Plan.Digest) {
			s.asked = true
			s.line("%s %s", s.style.Paint(render.InkWaits, "!"), inc.Why)
			if len(inc.Plan.Waves) > 0 {
				s.line("$ backout approve %s --digest %.8s --reason \"...\"", inc.ID, inc.Plan.Digest)
			}
		}
	case backout.StateExecuting:
		if s.once(fmt.Sprintf("executing %d", len(inc.Attempts))) {
			s.head("Carrying it out, in stages, each verified")
		}
	}
	if inc.State.Terminal() && s.once("end "+string(inc.ID)) {
		glyph, word, ink := render.StateMark(inc.State)
		s.head(strings.ToUpper(word[:1]) + word[1:])
		s.line("%s %s", s.style.Paint(ink, s.style.Glyph(glyph)), inc.Why)
	}
}

// entry tells one line of the journal as it is saved.
func (s *story) entry(e backout.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.Kind == backout.EntryStarted || e.Kind == backout.EntryIntent {
		return
	}
	s.line("%s %s", s.style.Paint(render.InkMuted, s.clock()), render.Entry(e, s.style))
}

func (s *story) timeIsUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line("%s the time for this performance is over", s.style.Paint(render.InkWaits, "!"))
}

// scored compares the run with the truth, which nobody has looked at before.
func (s *story) scored(r drill.Result, inc *backout.Incident, rep playground.Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.head("What really happened, and what it cost")
	if len(r.Truth) == 0 {
		s.line("truth: no change was guilty")
	} else {
		s.line("truth: %s", strings.Join(r.Truth, ", "))
	}
	s.line("since it began: %s", strings.Join([]string{"detected " + after(r.DetectedS), "first effect " + after(r.FirstEffectS), "recovered " + after(r.RecoveredS)}, ", "))
	s.line("taken back: %d, of these innocent %d (and %d that a contract demanded); unsafe states %d, unsafe requests %d", len(r.Reverted), r.InnocentReverted, r.ContractDemanded, r.UnsafeStates, r.UnsafeRequests)
	s.line("cost: %d failed transactions of %d, about %s of revenue", rep.Failed, rep.Transactions, render.Amount(rep.Lost))
	if inc != nil && inc.State == backout.StateRecovered && inc.Plan != nil && inc.Forecast != nil {
		s.line("without any action until somebody mends it by hand, %s later: about %s (estimated, at the rate forecast)", render.Span(inc.Forecast.Horizon.Std()), render.Amount(inc.Plan.CostNothing))
	}
	if rss := residentBytes(); rss > 0 {
		s.line("backout itself used %d MB of memory", rss>>20)
	}
	if r.AsExpected {
		s.line("%s as it should have ended", s.style.Paint(render.InkOK, s.style.Glyph("✔")))
	} else {
		s.line("%s not as it should have ended: %s", s.style.Paint(render.InkBad, s.style.Glyph("✖")), r.Why)
	}
}

func after(s *float64) string {
	if s == nil {
		return "never"
	}
	return fmt.Sprintf("after %.1f s", *s)
}

func subject(f backout.Finding) string {
	if f.ID.Subject.Journey != "" {
		return fmt.Sprintf("journey %s, %s", f.ID.Subject.Journey, f.Kind)
	}
	return fmt.Sprintf("%s, %s", f.ID.Subject.Service, f.Kind)
}

// quantity writes a signal's value in its unit.
func quantity(k backout.SignalKind, v float64) string {
	switch k {
	case backout.SignalLatency:
		return fmt.Sprintf("%.0f ms", v*1000)
	case backout.SignalErrors, backout.SignalSaturation:
		return fmt.Sprintf("%.1f %%", v*100)
	}
	return fmt.Sprintf("%.1f", v)
}

// shopReport turns the shop's report into the scorer's words.
func shopReport(r playground.Report) drill.ShopReport {
	return drill.ShopReport{
		Services: r.Services, Instances: r.Instances, Transactions: r.Transactions, FailedTransactions: r.Failed,
		TransactionsPerMinute: r.SinceStart.PerMinute, LatencyP50: r.P50, LatencyP95: r.P95, CPU: r.CPU, UnsafeRequests: r.Unsafe, LostRevenue: r.Lost,
	}
}

// residentBytes is the memory of this process, which holds backout and neither
// the shop nor its clients; 0 where the system does not tell.
func residentBytes() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64) // 0 = unknown
	return pages * int64(os.Getpagesize())
}
