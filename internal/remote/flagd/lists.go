package flagd

// The operators that evaluate a rule for every element of a list; inside it,
// var looks into the element.

func elements(r rule, s *scope) []any {
	l, _ := r(s).([]any)
	return l
}

func buildMap(args []rule) rule {
	return func(s *scope) any {
		out := []any{}
		for _, e := range elements(args[0], s) {
			out = append(out, args[1](s.with(e)))
		}
		return out
	}
}

func buildFilter(args []rule) rule {
	return func(s *scope) any {
		out := []any{}
		for _, e := range elements(args[0], s) {
			if truthy(args[1](s.with(e))) {
				out = append(out, e)
			}
		}
		return out
	}
}

func buildReduce(args []rule) rule {
	return func(s *scope) any {
		acc := args[2](s)
		for _, e := range elements(args[0], s) {
			acc = args[1](s.with(map[string]any{"current": e, "accumulator": acc}))
		}
		return acc
	}
}

func buildQuantifier(args []rule, holds func(hits, n int) bool) rule {
	return func(s *scope) any {
		l, hits := elements(args[0], s), 0
		for _, e := range l {
			if truthy(args[1](s.with(e))) {
				hits++
			}
		}
		return holds(hits, len(l))
	}
}

// all is false for an empty list, as JSONLogic has it.
func all(hits, n int) bool  { return n > 0 && hits == n }
func some(hits, _ int) bool { return hits > 0 }
func none(hits, _ int) bool { return hits == 0 }
