package flagd

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// JSONLogic borrows its coercions from JavaScript; these are the ones it needs.

// truthy says what JSONLogic counts as true: unlike JavaScript, [] is false.
func truthy(v any) bool {
	switch x := v.(type) {
	case nil:
		return false
	case bool:
		return x
	case float64:
		return x != 0 && !math.IsNaN(x)
	case string:
		return x != ""
	case []any:
		return len(x) > 0
	}
	return true
}

// number coerces to a number; what is none becomes NaN.
func number(v any) float64 {
	switch x := v.(type) {
	case nil:
		return 0
	case bool:
		if x {
			return 1
		}
		return 0
	case float64:
		return x
	case string:
		s := strings.TrimSpace(x)
		if s == "" {
			return 0
		}
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return math.NaN()
		}
		return f
	}
	return math.NaN()
}

// text coerces to a string, as cat does.
func text(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case bool:
		return strconv.FormatBool(x)
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	case []any:
		parts := make([]string, len(x))
		for i := range x {
			parts[i] = text(x[i])
		}
		return strings.Join(parts, ",")
	}
	return fmt.Sprint(v)
}

// same is ===: equal without coercion. Lists and objects are never the same.
func same(a, b any) bool {
	switch a.(type) {
	case nil, bool, float64, string:
		switch b.(type) {
		case nil, bool, float64, string:
			return a == b
		}
	}
	return false
}

// alike is ==: equal after coercion, null only like null.
func alike(a, b any) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	as, aIsText := a.(string)
	bs, bIsText := b.(string)
	if aIsText && bIsText {
		return as == bs
	}
	return number(a) == number(b)
}

// order compares as < does: text with text, otherwise as numbers. ok is false
// when one of them is no number; every comparison is false then.
func order(a, b any) (c int, ok bool) {
	as, aIsText := a.(string)
	bs, bIsText := b.(string)
	if aIsText && bIsText {
		return strings.Compare(as, bs), true
	}
	x, y := number(a), number(b)
	return cmp.Compare(x, y), !math.IsNaN(x) && !math.IsNaN(y)
}

// plain brings a Go value from an evaluation context into JSON's types.
func plain(v any) any {
	switch x := v.(type) {
	case int:
		return float64(x)
	case int32:
		return float64(x)
	case int64:
		return float64(x)
	case uint:
		return float64(x)
	case uint64:
		return float64(x)
	case float32:
		return float64(x)
	case []string:
		out := make([]any, len(x))
		for i := range x {
			out[i] = x[i]
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = plain(x[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(x))
		for k := range x {
			out[k] = plain(x[k])
		}
		return out
	}
	return v
}
