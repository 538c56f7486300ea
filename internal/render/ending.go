package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// ending is the expected end of what waits or runs; nil where nothing does.
func ending(inc backout.Incident) *backout.ETA {
	switch inc.State {
	case backout.StateExecuting, backout.StateApproved:
		return inc.ETA
	case backout.StateWaiting:
		if inc.Plan != nil && len(inc.Plan.Waves) > 0 {
			return inc.ETA
		}
	}
	return nil
}

// Ends says when the trouble is expected to be over: if the diagnosis is right, and how
// likely that is, never one of them alone.
func Ends(e backout.ETA) string {
	if len(e.Stays) > 0 {
		return "no end in sight: " + strings.Join(e.Stays, ", ") + " gets more work than it does, so what waits there does not drain"
	}
	early, middle, late := e.Ends()
	clock := Clock
	if late.Sub(early) >= roughly { // seconds would promise what nobody knows
		clock = func(t time.Time) string { return t.Round(time.Minute).UTC().Format("15:04") }
	}
	return fmt.Sprintf("back by about %s (%s-%s) if the diagnosis is right (%s)", clock(middle), clock(early), clock(late), Percent(e.Right))
}

// Expected is one sentence about when it is over, without its full stop; "" where no plan
// waits or runs, or nobody foresaw its end.
func Expected(inc backout.Incident) string {
	e := ending(inc)
	switch {
	case e == nil:
		return ""
	case inc.State == backout.StateWaiting:
		return Capital(after(*e))
	}
	return Capital(Ends(*e))
}

// Capital begins a sentence.
func Capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// after is what [Ends] says of a plan that waits: as long as nobody says yes nothing ends.
func after(e backout.ETA) string {
	if len(e.Stays) > 0 {
		return Ends(e)
	}
	return fmt.Sprintf("back about %s after a yes (%s) if the diagnosis is right (%s)", rough(e.P50), between(e.P10, e.P90), Percent(e.Right))
}

// roughly is how long a foretold time, or what lies between its quantiles, must be to be
// told in whole minutes.
const roughly = 5 * time.Minute

func rough(d backout.Duration) string {
	if d.Std() >= roughly {
		return Span(d.Std().Round(time.Minute))
	}
	return Span(d.Std())
}

// between names the unit once where both ends have the same: "6-20 min".
func between(a, b backout.Duration) string {
	from, to := rough(a), rough(b)
	n, unit, one := strings.Cut(from, " ")
	if _, other, same := strings.Cut(to, " "); one && same && unit == other {
		from = n
	}
	return from + "-" + to
}

// EitherWay says when it is over whether the diagnosis is right or not, the second of the
// two answers; "" where the first says that there is no end in sight.
func EitherWay(e backout.ETA) string {
	switch {
	case len(e.Stays) > 0:
		return ""
	case e.Any90 != nil:
		return fmt.Sprintf("right or not: in %s with 50 %%, in %s with 90 %%", rough(*e.Any50), rough(*e.Any90))
	case e.Any50 != nil:
		return fmt.Sprintf("right or not: in %s with 50 %%; with 90 %% no end can be foreseen", rough(*e.Any50))
	}
	return "right or not: no end can be foreseen"
}

// recovery is the whole answer, for who looks closely.
func recovery(e backout.ETA, waits bool) string {
	said := Ends(e)
	if waits {
		said = after(e)
	}
	text := "  " + said + "\n"
	if len(e.Stays) > 0 {
		return text
	}
	parts := fmt.Sprintf("acting %s, showing %s, proving %s", Span(e.Parts.Acting.Std()), Span(e.Parts.Effect.Std()), Span(e.Parts.Verifying.Std()))
	if e.Parts.Draining > 0 {
		parts += ", draining " + Span(e.Parts.Draining.Std())
	}
	text += "  " + parts + "; " + basis(e.Fitted, "recovery") + "\n"
	return text + "  " + EitherWay(e) + "\n"
}

// basis says what foretold times rest on.
func basis(fitted int, what string) string {
	all := map[string]string{"hit": "past hits", "recovery": "past recoveries"}[what]
	if fitted == 0 {
		return fmt.Sprintf("times are a prior: fewer than 9 %s are known", all)
	}
	return fmt.Sprintf("times are fitted to %d %s", fitted, all)
}
