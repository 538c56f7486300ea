package postmortem

import (
	"slices"
	"strings"
)

// public reads a record of the structured public postmortems. Their services, symptoms
// and mitigations are lists, some keys are spelt in several ways, and values may be null.
func (r *reader) public(rec *record, o map[string]any, where func(string) int) {
	for _, c := range []struct{ field, key string }{
		{"title", "title"}, {"started", "time"}, {"minutes", "duration"}, {"services", "service_name"}, {"services", "service name"}, {"symptoms", "impact symptom"}, {"link", "link"}, {"text", "summary"},
	} {
		if _, there := o[c.key]; !there {
			continue
		}
		rec.lines[c.field] = where(c.key)
		texts, ok := textsOf(o[c.key])
		if !ok {
			r.wrong(where(c.key), c.key, "expected a text, a number or a list of texts")
			continue
		}
		rec.fields[c.field] = append(rec.fields[c.field], texts...)
	}
	if len(rec.fields["link"]) > 1 {
		rec.fields["link"] = rec.fields["link"][:1]
	}
	rec.fields["symptoms"] = append(rec.fields["symptoms"], leaves(o["manifestation"])...)
	rec.lines["cause"], rec.fields["cause"] = where("operation"), []string{publicCause(o)}
	if m, ok := o["mitigation"].(map[string]any); ok {
		rec.lines["mitigation"], rec.fields["mitigation"] = where("mitigation"), leaves(m["label"])
	}
}

// leaves are all texts in a value, in order; those of objects by key.
func leaves(v any) []string {
	switch v := v.(type) {
	case string:
		if v = strings.TrimSpace(v); v != "" {
			return []string{v}
		}
	case []any:
		var out []string
		for _, x := range v {
			out = append(out, leaves(x)...)
		}
		return out
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		var out []string
		for _, k := range keys {
			out = append(out, leaves(v[k])...)
		}
		return out
	}
	return nil
}

// publicCause says what kind of change was under way, from the operation and the root
// cause's label: while nothing but normal operation went on, no change did it, whatever bug
// there was.
func publicCause(o map[string]any) string {
	operation := strings.ToLower(strings.Join(leaves(o["operation"]), " "))
	root := ""
	if c, ok := o["root cause"].(map[string]any); ok {
		root = strings.ToLower(strings.Join(leaves(c["label"]), " "))
	}
	switch {
	case operation == "":
		return "unknown"
	case strings.HasPrefix(operation, "normal"):
		return "none"
	case strings.Contains(root, "config") || strings.Contains(operation, "config"):
		return "config"
	case anyOf(operation, "migrat", "schema"):
		return "schema"
	case anyOf(operation, "traffic", "failover"):
		return "traffic"
	case anyOf(operation, "deploy", "rollout", "upgrade", "update", "code", "release", "change", "improvement"):
		return "deployment"
	case anyOf(operation, "maintenance", "build", "construct", "power", "network", "scale", "hardware", "repair", "storage"):
		return "infrastructure"
	}
	return "unknown"
}

func anyOf(text string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(text, p) })
}
