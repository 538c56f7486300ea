package flagd

import (
	"encoding/json"
	"reflect"
	"strconv"
)

// whole is how finely shares are written: ten thousandths.
const whole = 10000

// uncounted is the share given to a branch that can't be counted.
const uncounted = 0.01

// front is one rule of ours in front of what was there.
type front struct {
	variant  string
	weight   int    // of whole; set for a share
	audience string // set for one audience
	all      bool   // set for everybody
}

// condition is the rule's condition in JSON's types.
func (f front) condition(key string) any {
	var c string
	switch {
	case f.all:
		return true
	case f.audience != "":
		a, _ := json.Marshal(f.audience) // strings always marshal
		c = `{"or":[{"==":[{"var":"targetingKey"},` + string(a) + `]},{"==":[{"var":"client"},` + string(a) + `]}]}`
	default:
		salt, _ := json.Marshal("backout/" + key + "/")
		c = `{"==":[{"fractional":[{"cat":[` + string(salt) + `,{"var":"targetingKey"}]},["in",` + strconv.Itoa(f.weight) +
			`],["out",` + strconv.Itoa(whole-f.weight) + `]]},"in"]}`
	}
	var v any
	_ = json.Unmarshal([]byte(c), &v) // written above
	return v
}

// peel takes our rules off the front of targeting, outermost first.
func peel(key string, node any) (ours []front, rest any) {
	for {
		f, inner, ok := peelOne(key, node)
		if !ok {
			return ours, node
		}
		ours, node = append(ours, f), inner
	}
}

func peelOne(key string, node any) (front, any, bool) {
	args := argsOf(node, "if")
	if len(args) != 3 {
		return front{}, nil, false
	}
	v, ok := args[1].(string)
	if !ok {
		return front{}, nil, false
	}
	for _, f := range []front{{variant: v, all: true}, {variant: v, audience: audienceIn(args[0])}, {variant: v, weight: weightIn(args[0])}} {
		if (f.all || f.audience != "" || f.weight > 0) && reflect.DeepEqual(args[0], f.condition(key)) {
			return f, args[2], true
		}
	}
	return front{}, nil, false
}

// wrap puts our rules back in front.
func wrap(key string, ours []front, rest any) any {
	for i := len(ours) - 1; i >= 0; i-- {
		rest = map[string]any{"if": []any{ours[i].condition(key), ours[i].variant, rest}}
	}
	return rest
}

// argsOf gives an operation's arguments, nil when node is another one.
func argsOf(node any, op string) []any {
	m, ok := node.(map[string]any)
	if !ok || len(m) != 1 {
		return nil
	}
	args, _ := m[op].([]any)
	return args
}

func audienceIn(cond any) string {
	if or := argsOf(cond, "or"); len(or) == 2 {
		if eq := argsOf(or[0], "=="); len(eq) == 2 {
			s, _ := eq[1].(string)
			return s
		}
	}
	return ""
}

func weightIn(cond any) int {
	if eq := argsOf(cond, "=="); len(eq) == 2 {
		if fr := argsOf(eq[0], "fractional"); len(fr) == 3 {
			if in, _ := fr[1].([]any); len(in) == 2 {
				w, _ := in[1].(float64)
				return int(w)
			}
		}
	}
	return 0
}

// count spreads the slice [lo,hi) of the audience over variants.
type count struct {
	key, fallback string
	shares        map[string]float64
}

func (c count) add(variant string, share float64) {
	if share > 0 {
		c.shares[variant] += share
	}
}

func (c count) spread(node any, lo, hi float64) {
	if hi <= lo {
		return
	}
	f, rest, ours := peelOne(c.key, node)
	switch x := node.(type) {
	case nil:
		c.add(c.fallback, hi-lo)
	case string:
		c.add(x, hi-lo)
	case bool:
		c.add(strconv.FormatBool(x), hi-lo)
	default:
		switch {
		case ours && f.all:
			c.add(f.variant, hi-lo)
		case ours && f.audience != "":
			c.spread(rest, lo, hi)
		case ours:
			cut := min(max(float64(f.weight)/whole, lo), hi)
			c.add(f.variant, cut-lo)
			c.spread(rest, cut, hi)
		default:
			c.theirs(node, lo, hi)
		}
	}
}

// theirs counts what people wrote.
func (c count) theirs(node any, lo, hi float64) {
	if parts := argsOf(node, "fractional"); parts != nil {
		c.split(parts, hi-lo)
		return
	}
	args := argsOf(node, "if")
	left := hi
	for i := 0; i+1 < len(args); i += 2 {
		part := min(uncounted, (hi-lo)/float64(len(args)))
		c.spread(args[i+1], left-part, left)
		left -= part
	}
	if len(args)%2 == 1 {
		c.spread(args[len(args)-1], lo, left)
		return
	}
	c.add(c.fallback, left-lo)
}

// split counts a fractional; what is not a plain weight counts as none.
func (c count) split(parts []any, share float64) {
	total, weights := 0.0, map[string]float64{}
	for _, p := range parts {
		l, ok := p.([]any)
		if !ok || len(l) == 0 {
			continue
		}
		v, ok := l[0].(string)
		w := 1.0
		if len(l) > 1 {
			w, _ = l[1].(float64)
		}
		if ok && w > 0 {
			weights[v] += w
			total += w
		}
	}
	if total == 0 {
		c.add(c.fallback, share)
	}
	for v, w := range weights {
		c.add(v, share*w/total)
	}
}
