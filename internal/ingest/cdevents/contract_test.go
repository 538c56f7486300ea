package cdevents_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"
)

// specification is where the JSON schemas of github.com/cdevents/spec lie, which
// are not part of this repository.
func specification(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("CDEVENTS_SPEC")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data", "contracts", "cdevents") // beside the checkout, where somebody keeps it there
	}
	if _, err := os.Stat(filepath.Join(dir, "schemas", "servicedeployed.json")); err != nil {
		t.Skipf("needs the schemas of github.com/cdevents/spec: set CDEVENTS_SPEC to a checkout of it (%v)", err)
	}
	return dir
}

// schemas compiles the published schemas, each under its own $id, and ours.
func schemas(t *testing.T, dirs ...string) func(id string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
				return err
			}
			doc, err := readJSON(path)
			if err != nil {
				return err
			}
			fields, ok := doc.(map[string]any)
			if id, isText := fields["$id"].(string); ok && isText {
				return c.AddResource(id, doc)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return func(id string) *jsonschema.Schema {
		t.Helper()
		s, err := c.Compile(id)
		if err != nil {
			t.Fatalf("compile %s: %v", id, err)
		}
		return s
	}
}

func readJSON(path string) (any, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(b))
}

const published = "https://cdevents.dev/0.6.0-draft/schema/"

// The standard's own examples are taken, and our examples are what the standard
// says they must be.
func TestStandard_examples(t *testing.T) {
	spec := specification(t)
	compile := schemas(t, filepath.Join(spec, "schemas"), filepath.Join(spec, "custom"))
	for name, id := range map[string]string{
		"service-deployed": "service-deployed-event", "service-upgraded": "service-upgraded-event", "service-rolledback": "service-rolledback-event", "service-removed": "service-removed-event",
		"incident-detected": "incident-detected-event", "incident-reported": "incident-reported-event", "incident-resolved": "incident-resolved-event",
		"flag-changed": "custom", "schema-migrated": "custom",
	} {
		schema := compile(published + id)
		ours, err := readJSON(filepath.Join("testdata", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(ours); err != nil {
			t.Errorf("our example %s: %v", name, err)
		}
		if id == "custom" {
			continue
		}
		theirs, err := os.ReadFile(filepath.Join(spec, "conformance", strings.Replace(name, "-", "_", 1)+".json"))
		if err != nil {
			t.Fatal(err)
		}
		m := &memory{}
		if code, r := send(t, handler(t, m), post(t, "structured", envelope(t, theirs))); code != 202 || r.Accepted != 1 {
			t.Errorf("the standard's example %s: answer %d %+v", name, code, r)
		}
	}
}

// What the published schema refuses we refuse, and what we refuse of a well-formed
// event the schema refuses, or we can't place it.
func TestStandard_sameVerdict(t *testing.T) {
	spec := specification(t)
	compile := schemas(t, filepath.Join(spec, "schemas"))
	for name, id := range map[string]string{"service-deployed": "service-deployed-event", "service-removed": "service-removed-event", "incident-reported": "incident-reported-event"} {
		sameVerdict(t, compile(published+id), name)
	}
}

func TestCustom_sameVerdictAsOurSchemas(t *testing.T) {
	compile := schemas(t, "schema")
	for _, name := range []string{"flag-changed", "schema-migrated"} {
		sameVerdict(t, compile("https://backout.dev/schema/cdevents/"+name+"/0.1.0"), name)
	}
}

// sameVerdict spoils an example in one place in every way there is, and compares.
func sameVerdict(t *testing.T, schema *jsonschema.Schema, name string) {
	t.Helper()
	whole := example(t, name)
	spoils := []any{nil, "", 7.5, true, []any{}, map[string]any{}, "::not a uri or a time::", "drop", "add"}
	h := handler(t, &memory{})
	for _, at := range paths(t, whole) {
		if strings.HasPrefix(at, "/customData/") || strings.HasPrefix(at, "/context/links") {
			continue // beside the standard, or not read
		}
		for _, spoil := range spoils {
			data := spoiled(t, whole, at, spoil)
			ev := envelope(t, whole) // the envelope stays as it was
			if err := ev.SetData(cloudevents.ApplicationJSON, json.RawMessage(data)); err != nil {
				t.Fatal(err)
			}
			doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			valid := schema.Validate(doc)
			code, r := send(t, h, post(t, "binary", ev))
			if (code == 202) != (valid == nil) && !stricter(name, at, spoil) {
				t.Errorf("%s with %s = %v: answer %d %v, schema: %v", name, at, spoil, code, r.Errors, valid)
			}
		}
	}
}

// stricter names where we ask for more than the schema: the context must say what
// the envelope says, and a version or a name must be one that can be kept.
func stricter(name, at string, spoil any) bool {
	text, isText := spoil.(string)
	if name == "service-removed" && strings.HasPrefix(at, "/subject/content") {
		return true // the standard lets it be removed from nowhere
	}
	switch at {
	case "/context/id", "/context/source", "/context/type":
		return isText && text != ""
	case "/subject/content/from", "/subject/content/to":
		return isText
	}
	return false
}

// paths lists every field of a document.
func paths(t *testing.T, whole []byte) []string {
	var doc any
	if err := json.Unmarshal(whole, &doc); err != nil {
		t.Fatal(err)
	}
	var out []string
	var walk func(at string, v any)
	walk = func(at string, v any) {
		out = append(out, at)
		if fields, ok := v.(map[string]any); ok {
			for k, v := range fields {
				walk(at+"/"+k, v)
			}
		}
	}
	for k, v := range doc.(map[string]any) {
		walk("/"+k, v)
	}
	return out
}

// spoiled is the document with one field replaced, dropped, or with one more in it.
func spoiled(t *testing.T, whole []byte, at string, spoil any) []byte {
	var doc map[string]any
	if err := json.Unmarshal(whole, &doc); err != nil {
		t.Fatal(err)
	}
	keys, in := strings.Split(at[1:], "/"), doc
	for _, k := range keys[:len(keys)-1] {
		in = in[k].(map[string]any)
	}
	last := keys[len(keys)-1]
	switch spoil {
	case "drop":
		delete(in, last)
	case "add":
		if inner, ok := in[last].(map[string]any); ok {
			inner["surplus"] = "x"
		}
	default:
		in[last] = spoil
	}
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Whatever our schemas allow is taken as a change.
func TestCustom_whatTheSchemaAllowsIsTaken(t *testing.T) {
	schema := schemas(t, "schema")("https://backout.dev/schema/cdevents/flag-changed/0.1.0")
	word := rapid.StringMatching(`[a-z][a-z0-9-]{0,8}`)
	rapid.Check(t, func(rt *rapid.T) {
		content := map[string]any{"environment": map[string]any{"id": word.Draw(rt, "env") + "/" + word.Draw(rt, "location")}, "to": "on", "share_ratio": rapid.Float64Range(.001, 1).Draw(rt, "share")}
		for _, k := range []string{"from", "audience", "actor", "title", "security"} {
			if rapid.Bool().Draw(rt, k) {
				content[k] = word.Draw(rt, k) + "!"
			}
		}
		data, err := json.Marshal(map[string]any{
			"context": map[string]any{"specversion": "0.6.0", "id": word.Draw(rt, "id"), "source": "/" + word.Draw(rt, "source"), "type": "dev.cdeventsx.backout-flag.changed.0.1.0", "timestamp": "2026-03-04T05:00:00+02:00"},
			"subject": map[string]any{"id": word.Draw(rt, "flag"), "content": content},
		})
		if err != nil {
			rt.Fatal(err)
		}
		doc, _ := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		m := &memory{}
		code, r := send(t, handler(t, m), post(t, "structured", envelope(t, data)))
		if err := schema.Validate(doc); err != nil || code != 202 || len(m.list) != 1 {
			rt.Fatalf("schema: %v, answer %d %+v", err, code, r)
		}
	})
}
