package flagd

import (
	"cmp"
	"strconv"
	"strings"
)

// version is a parsed semantic version; build metadata does not take part.
type version struct {
	core [3]uint64
	pre  []string
}

// parseVersion is lenient as the format's implementations are: a leading v and
// missing minor or patch numbers are allowed.
func parseVersion(v any) (version, bool) {
	s, ok := v.(string)
	if !ok {
		if f, isNumber := v.(float64); isNumber {
			s = text(f)
		} else {
			return version{}, false
		}
	}
	s, _, _ = strings.Cut(strings.TrimPrefix(s, "v"), "+")
	s, pre, hasPre := strings.Cut(s, "-")
	parts := strings.Split(s, ".")
	if len(parts) > 3 {
		return version{}, false
	}
	var out version
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 64)
		if err != nil {
			return version{}, false
		}
		out.core[i] = n
	}
	if hasPre {
		out.pre = strings.Split(pre, ".")
	}
	return out, true
}

// compareVersions follows semver.org 2.0.0, section 11.
func compareVersions(a, b version) int {
	for i := range a.core {
		if c := cmp.Compare(a.core[i], b.core[i]); c != 0 {
			return c
		}
	}
	if len(a.pre) == 0 || len(b.pre) == 0 {
		return cmp.Compare(len(b.pre), len(a.pre)) // a release comes after its candidates
	}
	for i := 0; i < len(a.pre) && i < len(b.pre); i++ {
		x, errX := strconv.ParseUint(a.pre[i], 10, 64)
		y, errY := strconv.ParseUint(b.pre[i], 10, 64)
		c := 0
		switch {
		case errX == nil && errY == nil:
			c = cmp.Compare(x, y)
		case errX == nil:
			c = -1
		case errY == nil:
			c = 1
		default:
			c = strings.Compare(a.pre[i], b.pre[i])
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a.pre), len(b.pre))
}

// semVer is [version, operator, version]; null for what can't be compared.
func semVer(v []any) any {
	a, ok1 := parseVersion(v[0])
	b, ok2 := parseVersion(v[2])
	if !ok1 || !ok2 {
		return nil
	}
	c := compareVersions(a, b)
	switch v[1] {
	case "=":
		return c == 0
	case "!=":
		return c != 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	case ">=":
		return c >= 0
	case "^":
		return a.core[0] == b.core[0]
	case "~":
		return a.core[0] == b.core[0] && a.core[1] == b.core[1]
	}
	return nil
}
