package flagd

import (
	"math"
	"strings"
)

// operations is JSONLogic's table of operators and the format's four more.
var operations = map[string]operation{
	"var":          {0, 2, buildVar},
	"missing":      {0, -1, buildMissing},
	"missing_some": {2, 2, buildMissingSome},
	"if":           {1, -1, buildIf},
	"?:":           {3, 3, buildIf},
	"and":          {1, -1, func(args []rule) rule { return buildUntil(args, false) }},
	"or":           {1, -1, func(args []rule) rule { return buildUntil(args, true) }},
	"!":            {1, 1, strict(func(v []any) any { return !truthy(v[0]) })},
	"!!":           {1, 1, strict(func(v []any) any { return truthy(v[0]) })},
	"==":           {2, 2, strict(func(v []any) any { return alike(v[0], v[1]) })},
	"!=":           {2, 2, strict(func(v []any) any { return !alike(v[0], v[1]) })},
	"===":          {2, 2, strict(func(v []any) any { return same(v[0], v[1]) })},
	"!==":          {2, 2, strict(func(v []any) any { return !same(v[0], v[1]) })},
	"<":            {2, 3, compare(func(c int) bool { return c < 0 })},
	"<=":           {2, 3, compare(func(c int) bool { return c <= 0 })},
	">":            {2, 2, compare(func(c int) bool { return c > 0 })},
	">=":           {2, 2, compare(func(c int) bool { return c >= 0 })},
	"+":            {1, -1, strict(func(v []any) any { return fold(v, 0, func(a, b float64) float64 { return a + b }) })},
	"*":            {2, -1, strict(func(v []any) any { return fold(v, 1, func(a, b float64) float64 { return a * b }) })},
	"-":            {1, 2, strict(minus)},
	"/":            {2, 2, strict(func(v []any) any { return finite(number(v[0]) / number(v[1])) })},
	"%":            {2, 2, strict(func(v []any) any { return finite(math.Mod(number(v[0]), number(v[1]))) })},
	"max":          {1, -1, strict(func(v []any) any { return fold(v, math.Inf(-1), math.Max) })},
	"min":          {1, -1, strict(func(v []any) any { return fold(v, math.Inf(1), math.Min) })},
	"cat":          {1, -1, strict(cat)},
	"substr":       {2, 3, strict(substr)},
	"in":           {2, 2, strict(contains)},
	"merge":        {1, -1, strict(merge)},
	"map":          {2, 2, buildMap},
	"filter":       {2, 2, buildFilter},
	"reduce":       {3, 3, buildReduce},
	"all":          {2, 2, func(args []rule) rule { return buildQuantifier(args, all) }},
	"some":         {2, 2, func(args []rule) rule { return buildQuantifier(args, some) }},
	"none":         {2, 2, func(args []rule) rule { return buildQuantifier(args, none) }},
	"fractional":   {1, -1, buildFractional},
	"starts_with":  {2, 2, strict(affix(strings.HasPrefix))},
	"ends_with":    {2, 2, strict(affix(strings.HasSuffix))},
	"sem_ver":      {3, 3, strict(semVer)},
}

func buildVar(args []rule) rule {
	return func(s *scope) any {
		if len(args) == 0 {
			return s.data
		}
		v := s.variable(text(args[0](s)))
		if v == nil && len(args) == 2 {
			return args[1](s)
		}
		return v
	}
}

func buildMissing(args []rule) rule {
	return func(s *scope) any {
		keys := each(args, s)
		if len(keys) == 1 {
			if l, ok := keys[0].([]any); ok {
				keys = l
			}
		}
		return absent(keys, s)
	}
}

func absent(keys []any, s *scope) []any {
	out := []any{}
	for _, k := range keys {
		if v := s.variable(text(k)); v == nil || v == "" {
			out = append(out, k)
		}
	}
	return out
}

func buildMissingSome(args []rule) rule {
	return func(s *scope) any {
		keys, _ := args[1](s).([]any)
		gone := absent(keys, s)
		if float64(len(keys)-len(gone)) >= number(args[0](s)) {
			return []any{}
		}
		return gone
	}
}

// buildIf takes condition, answer pairs and at the end an answer for the rest;
// without that the rest is null.
func buildIf(args []rule) rule {
	return func(s *scope) any {
		i := 0
		for ; i+1 < len(args); i += 2 {
			if truthy(args[i](s)) {
				return args[i+1](s)
			}
		}
		if i < len(args) {
			return args[i](s)
		}
		return nil
	}
}

// buildUntil is and/or: the first value with the given truth, else the last.
func buildUntil(args []rule, stop bool) rule {
	return func(s *scope) any {
		var v any
		for _, a := range args {
			if v = a(s); truthy(v) == stop {
				return v
			}
		}
		return v
	}
}

// compare holds between all neighbours, so that three arguments mean "between".
func compare(holds func(int) bool) func([]rule) rule {
	return strict(func(v []any) any {
		for i := 0; i+1 < len(v); i++ {
			if c, ok := order(v[i], v[i+1]); !ok || !holds(c) {
				return false
			}
		}
		return true
	})
}

// finite makes null of what JSON can't write.
func finite(f float64) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	return f
}

func fold(v []any, start float64, f func(a, b float64) float64) any {
	for _, x := range v {
		start = f(start, number(x))
	}
	return finite(start)
}

func minus(v []any) any {
	if len(v) == 1 {
		return finite(-number(v[0]))
	}
	return finite(number(v[0]) - number(v[1]))
}

func cat(v []any) any {
	var b strings.Builder
	for _, x := range v {
		b.WriteString(text(x))
	}
	return b.String()
}

// substr counts characters; negative start and length count from the end.
func substr(v []any) any {
	r := []rune(text(v[0]))
	n := len(r)
	from := clamp(number(v[1]), n)
	if len(v) == 2 {
		return string(r[from:])
	}
	l := number(v[2])
	if l < 0 {
		return string(r[from:max(from, clamp(l, n))])
	}
	return string(r[from:min(n, from+clamp(l, n))])
}

// clamp turns a position that may be negative into one in [0,n].
func clamp(f float64, n int) int {
	switch {
	case math.IsNaN(f):
		return 0
	case f < 0:
		return int(max(0, float64(n)+f))
	}
	return int(min(f, float64(n)))
}

func contains(v []any) any {
	switch x := v[1].(type) {
	case string:
		return v[0] != nil && strings.Contains(x, text(v[0]))
	case []any:
		for _, e := range x {
			if same(e, v[0]) {
				return true
			}
		}
	}
	return false
}

func merge(v []any) any {
	out := []any{}
	for _, x := range v {
		if l, ok := x.([]any); ok {
			out = append(out, l...)
		} else {
			out = append(out, x)
		}
	}
	return out
}

// affix compares ends of strings; what is no string never matches.
func affix(f func(s, part string) bool) func([]any) any {
	return func(v []any) any {
		s, ok1 := v[0].(string)
		part, ok2 := v[1].(string)
		return ok1 && ok2 && f(s, part)
	}
}
