package flagd

import (
	"fmt"
	"strconv"
	"strings"
)

// scope is what a rule sees while it is evaluated.
type scope struct {
	data any            // what var looks into; the element inside map, filter, ...
	root map[string]any // the evaluation context; fractional needs it everywhere
	flag string
	now  int64 // seconds since 1970, for $flagd.timestamp
}

// rule is one compiled node.
type rule func(s *scope) any

// compiler turns JSON into rules; refs guards against circular $ref.
type compiler struct {
	shared map[string]any
	refs   []string
}

// maxDepth bounds nesting so that no file can exhaust the stack.
const maxDepth = 200

func (c *compiler) compile(node any, depth int) (rule, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	switch x := node.(type) {
	case map[string]any:
		return c.operation(x, depth)
	case []any:
		items, err := c.list(x, depth)
		if err != nil {
			return nil, err
		}
		return func(s *scope) any { return each(items, s) }, nil
	}
	return func(*scope) any { return node }, nil
}

func (c *compiler) list(nodes []any, depth int) ([]rule, error) {
	out := make([]rule, len(nodes))
	for i, n := range nodes {
		r, err := c.compile(n, depth+1)
		if err != nil {
			return nil, err
		}
		out[i] = r
	}
	return out, nil
}

func (c *compiler) operation(m map[string]any, depth int) (rule, error) {
	if len(m) == 0 {
		return func(*scope) any { return nil }, nil
	}
	if len(m) > 1 {
		return nil, fmt.Errorf("a rule has exactly one operation, found %d keys", len(m))
	}
	for name, raw := range m {
		if name == "$ref" {
			return c.reference(raw, depth)
		}
		args, isList := raw.([]any)
		if !isList {
			args = []any{raw}
		}
		items, err := c.list(args, depth)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if name == "fractional" {
			if err := checkFractional(args); err != nil {
				return nil, fmt.Errorf("fractional: %w", err)
			}
		}
		op, ok := operations[name]
		if !ok {
			return nil, fmt.Errorf("operation %q is unknown", name)
		}
		if len(items) < op.min || op.max >= 0 && len(items) > op.max {
			return nil, fmt.Errorf("%s: expected %s, found %d", name, op.arity(), len(items))
		}
		return op.build(items), nil
	}
	return nil, nil // not reached: the map has one key
}

func (c *compiler) reference(raw any, depth int) (rule, error) {
	name, ok := raw.(string)
	if !ok {
		return nil, fmt.Errorf("$ref: expected the name of a shared rule, found %T", raw)
	}
	target, ok := c.shared[name]
	if !ok {
		return nil, fmt.Errorf("$ref: no shared rule %q under $evaluators", name)
	}
	for _, r := range c.refs {
		if r == name {
			return nil, fmt.Errorf("$ref: %s refers to itself", strings.Join(append(c.refs, name), " > "))
		}
	}
	c.refs = append(c.refs, name)
	defer func() { c.refs = c.refs[:len(c.refs)-1] }()
	return c.compile(target, depth+1)
}

// operation describes one operator: how many arguments and how to build it.
type operation struct {
	min, max int // max < 0: any number
	build    func(args []rule) rule
}

func (o operation) arity() string {
	switch {
	case o.max < 0:
		return fmt.Sprintf("at least %d arguments", o.min)
	case o.min == o.max:
		return fmt.Sprintf("%d arguments", o.min)
	}
	return fmt.Sprintf("%d to %d arguments", o.min, o.max)
}

// each evaluates all rules.
func each(args []rule, s *scope) []any {
	out := make([]any, len(args))
	for i, a := range args {
		out[i] = a(s)
	}
	return out
}

// strict makes an operator of a function of its evaluated arguments.
func strict(f func(v []any) any) func([]rule) rule {
	return func(args []rule) rule {
		return func(s *scope) any { return f(each(args, s)) }
	}
}

// look follows a dotted path into data; nil when it leads nowhere.
func look(data any, path string) any {
	if path == "" {
		return data
	}
	for part := range strings.SplitSeq(path, ".") {
		switch x := data.(type) {
		case map[string]any:
			data = x[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(x) {
				return nil
			}
			data = x[i]
		default:
			return nil
		}
	}
	return data
}

// variable is var, with the two values that the format injects.
func (s *scope) variable(path string) any {
	switch path {
	case "$flagd.flagKey":
		return s.flag
	case "$flagd.timestamp":
		return float64(s.now)
	}
	if m, ok := s.data.(map[string]any); ok {
		if v, ok := m[path]; ok { // keys that contain dots
			return v
		}
	}
	return look(s.data, path)
}

// with is the scope of one element.
func (s *scope) with(data any) *scope {
	t := *s
	t.data = data
	return &t
}
