// Package render turns nouns into words. It knows how people read numbers: a
// probability carries its word in the text, money is rounded to what is known,
// a duration to what matters, and nothing unknown is printed as zero.
//
// The rules are one place for terminal, page, message and report alike, so that
// the same incident reads the same everywhere:
//
//   - probabilities are whole per cents with a word: "likely (87 %)"; never 0 or 100
//   - money is "about", two significant figures, with its 10-90 % interval
//   - every status is a glyph, a word and a colour, so that it survives a
//     greyscale print and a colour-blind reader
//
// [Style] carries what the medium can show (colour, symbols, width); everything
// here is a pure function of a noun and a style.
package render

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// Percent writes a probability as whole per cents; the ends are "<1 %" and
// ">99 %" since nothing here is impossible or certain.
func Percent(p float64) string {
	switch v := math.Round(p * 100); {
	case math.IsNaN(p):
		return "unknown"
	case v < 1:
		return "<1 %"
	case v > 99:
		return ">99 %"
	default:
		return fmt.Sprintf("%.0f %%", v)
	}
}

// Likelihood is the word for a probability.
func Likelihood(p float64) string {
	switch {
	case math.IsNaN(p):
		return "unknown"
	case p >= .95:
		return "almost certain"
	case p >= .70:
		return "likely"
	case p >= .40:
		return "about even"
	case p >= .10:
		return "unlikely"
	}
	return "very unlikely"
}

// Chance is the word with its number: "likely (87 %)".
func Chance(p float64) string { return fmt.Sprintf("%s (%s)", Likelihood(p), Percent(p)) }

// Amount writes money rounded to two significant figures of its major unit:
// "€1,700", "SEK 90". Unknown currencies are written before the number.
func Amount(m backout.Money) string {
	v := math.Abs(float64(m.Minor)) / 100
	sign := ""
	if m.Minor < 0 {
		sign = "-"
	}
	if v >= 10 {
		scale := math.Pow(10, math.Floor(math.Log10(v))-1)
		v = math.Round(v/scale) * scale
	} else {
		v = math.Round(v*10) / 10
	}
	number := thousands(v)
	if symbol, ok := currencySymbols[m.Currency]; ok {
		return sign + symbol + number
	}
	return strings.TrimSpace(sign + m.Currency + " " + number)
}

var currencySymbols = map[string]string{"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}

func thousands(v float64) string {
	if v < 10 && v != math.Trunc(v) {
		return fmt.Sprintf("%.1f", v)
	}
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Rate writes money a minute with its interval: "about €1,700/min (1,300-2,300)".
func Rate(r backout.MoneyRange) string {
	if r.P90.Minor == 0 && r.P50.Minor == 0 {
		return "nothing measurable"
	}
	return fmt.Sprintf("about %s/min (%s-%s)", Amount(r.P50), bare(r.P10), bare(r.P90))
}

func bare(m backout.Money) string {
	return Amount(backout.Money{Minor: m.Minor})
}

// Span writes a duration to the precision people use: 400 ms, 2.5 s, 12 s, 3 min 20 s, 2 h 5 min.
func Span(d time.Duration) string {
	if d >= 10*time.Second {
		d = d.Round(time.Second) // 59.7 s is a minute
	}
	switch {
	case d < 0:
		return "-" + Span(-d)
	case d > 0 && d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0") + " s"
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		return joinParts(int(d.Minutes()), "min", int(d.Seconds())%60, "s")
	}
	return joinParts(int(d.Hours()), "h", int(d.Minutes())%60, "min")
}

func joinParts(a int, au string, b int, bu string) string {
	if b == 0 {
		return fmt.Sprintf("%d %s", a, au)
	}
	return fmt.Sprintf("%d %s %d %s", a, au, b, bu)
}

// ShortName is a component's name without its place: "payment", "flag express".
func ShortName(id backout.ComponentID) string {
	if k := id.Kind(); k != backout.KindDeployment && k != "" {
		return string(k) + " " + id.Name()
	}
	return id.Name()
}

// Names calls components by their short names, and says the location of those whose
// short name others of them have as well.
func Names(ids []backout.ComponentID) func(backout.ComponentID) string {
	places := map[string]map[backout.ComponentID]bool{}
	for _, id := range ids {
		if places[ShortName(id)] == nil {
			places[ShortName(id)] = map[backout.ComponentID]bool{}
		}
		places[ShortName(id)][id] = true
	}
	return func(id backout.ComponentID) string {
		_, _, _, at, err := id.Split()
		if err != nil || at == "" || len(places[ShortName(id)]) < 2 {
			return ShortName(id)
		}
		return ShortName(id) + " in " + string(at)
	}
}

// What names a change the way people say it: "payment 2.14.0", "flag express on".
func What(id backout.ComponentID, to backout.Version) string {
	return ShortName(id) + " " + string(to)
}

// SideEffect writes what a step does by itself, with its price where that is known.
func SideEffect(e backout.SideEffect) string {
	if e.Priced && e.Cost.Minor > 0 {
		return fmt.Sprintf("%s (about %s)", e.Words, Amount(e.Cost))
	}
	return e.Words
}

// Plural writes a count with its noun: "1 step", "3 steps".
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
