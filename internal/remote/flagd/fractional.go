package flagd

import (
	"errors"
	"fmt"
	"math"
)

// checkFractional finds, when the file is read, what would otherwise fail for
// every evaluation: shares that are no list of a variant and a whole weight.
func checkFractional(args []any) error {
	shares, sum := args, 0.0
	if len(args) > 0 {
		if _, ok := args[0].([]any); !ok {
			shares = args[1:]
		}
	}
	if len(shares) == 0 {
		return errors.New("expected at least one share")
	}
	for i, a := range shares {
		l, ok := a.([]any)
		if !ok || len(l) < 1 || len(l) > 2 {
			return fmt.Errorf("share %d: expected [variant, weight]", i+1)
		}
		if len(l) == 1 {
			sum++
			continue
		}
		switch w := l[1].(type) {
		case float64:
			if w < 0 || w != math.Trunc(w) {
				return fmt.Errorf("share %d: weight %v: expected a whole number, not negative", i+1, w)
			}
			sum += w
		case map[string]any: // computed when evaluated
		default:
			return fmt.Errorf("share %d: expected a number as weight", i+1)
		}
	}
	if sum > math.MaxInt32 {
		return fmt.Errorf("weights sum to %.0f: expected at most %d", sum, math.MaxInt32)
	}
	return nil
}

// buildFractional splits by hash. The first argument, when it is no share, is
// the value to hash; without it, or when it is null, the flag's key followed by
// the targeting key is. The 32-bit hash is scaled onto the sum of the weights,
// so that every weight is exact and growing the first share keeps its members.
func buildFractional(args []rule) rule {
	return func(s *scope) any {
		v := each(args, s)
		key, ok := v[0].(string)
		if _, isShare := v[0].([]any); !isShare {
			v = v[1:]
		}
		if !ok {
			tk, has := s.root["targetingKey"].(string)
			if !has {
				return nil
			}
			key = s.flag + tk
		}
		total := uint64(0)
		weights := make([]uint64, len(v))
		for i := range v {
			weights[i] = weight(v[i])
			total += weights[i]
		}
		if total == 0 || total > math.MaxInt32 {
			return nil
		}
		bucket := uint64(murmur32(key)) * total >> 32
		for i := range v {
			if bucket < weights[i] {
				return v[i].([]any)[0]
			}
			bucket -= weights[i]
		}
		return nil
	}
}

// weight reads a share's weight: 1 when it has none, 0 when it is negative or
// not a number.
func weight(share any) uint64 {
	l, ok := share.([]any)
	if !ok || len(l) == 0 {
		return 0
	}
	if len(l) == 1 {
		return 1
	}
	w, ok := l[1].(float64)
	if !ok || !(w > 0) || w > math.MaxInt32 {
		return 0
	}
	return uint64(w)
}
