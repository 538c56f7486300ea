package flagd

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/diegoholiveira/jsonlogic/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"
)

func example(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "shop.flagd.json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The reference values are those of SMHasher's MurmurHash3_x86_32 with seed 0.
func TestMurmur_reference(t *testing.T) {
	for in, want := range map[string]uint32{
		"": 0, "hello": 0x248bfa47, "hello, world": 0x149bbb7f, "The quick brown fox jumps over the lazy dog": 0x2e4ff723,
	} {
		if got := murmur32(in); got != want {
			t.Errorf("murmur32(%q) = %08x, want %08x", in, got, want)
		}
	}
}

func TestEvaluate_answers(t *testing.T) {
	d, err := Parse(example(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		key  string
		ctx  map[string]any
		want Resolution
	}{
		{"express-checkout", map[string]any{"email": "a@example.com"}, Resolution{"on", true, ReasonTargeted}},
		{"express-checkout", map[string]any{"client": "globex"}, Resolution{"on", true, ReasonTargeted}},
		{"express-checkout", nil, Resolution{"off", false, ReasonDefault}},
		{"search-ranking", map[string]any{}, Resolution{"classic", "classic", ReasonDefault}}, // no key to hash
		{"page-size", map[string]any{"app": "2.10.0"}, Resolution{"large", 50.5, ReasonTargeted}},
		{"page-size", map[string]any{"app": "2.1.0-rc.1"}, Resolution{"small", 20.0, ReasonDefault}},
		{"page-size", map[string]any{"app": 3}, Resolution{"large", 50.5, ReasonTargeted}},
		{"banner", nil, Resolution{Reason: ReasonDisabled}},
		{"code-default", nil, Resolution{Reason: ReasonDefault}},
	} {
		got, err := d.Evaluate(tc.key, tc.ctx, time.Unix(0, 0))
		if err != nil {
			t.Errorf("%s %v: %v", tc.key, tc.ctx, err)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s %v (-want +got):\n%s", tc.key, tc.ctx, diff)
		}
	}
	if _, err := d.Evaluate("nobody", nil, time.Now()); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown flag: %v, want %v", err, ErrNotFound)
	}
}

// answer evaluates one rule as the targeting of a flag whose variants are v0..v9.
func answer(t testing.TB, targeting string, ctx map[string]any) (any, error) {
	t.Helper()
	var node any
	if err := json.Unmarshal([]byte(targeting), &node); err != nil {
		t.Fatal(err)
	}
	c := compiler{}
	r, err := c.compile(node, 0)
	if err != nil {
		return nil, err
	}
	root, _ := plain(ctx).(map[string]any)
	return r(&scope{data: root, root: root, flag: "f", now: 1700000000}), nil
}

func TestRule_answers(t *testing.T) {
	ctx := map[string]any{"a": 3, "s": "abc", "l": []any{1.0, 2.0, 3.0}, "o": map[string]any{"p": "q"}, "x.y": "dotted"}
	for _, tc := range []struct {
		rule string
		want any
	}{
		{`{"var":"o.p"}`, "q"}, {`{"var":"l.1"}`, 2.0}, {`{"var":["no","d"]}`, "d"}, {`{"var":"x.y"}`, "dotted"},
		{`{"var":"$flagd.flagKey"}`, "f"}, {`{"var":"$flagd.timestamp"}`, 1700000000.0},
		{`{"missing":["a","zz"]}`, []any{"zz"}}, {`{"missing_some":[1,["a","zz"]]}`, []any{}},
		{`{"and":[1,"x",0,2]}`, 0.0}, {`{"or":["",null,"x"]}`, "x"}, {`{"!":[[]]}`, true}, {`{"!!":"0"}`, true},
		{`{"==":[1,"1"]}`, true}, {`{"===":[1,"1"]}`, false}, {`{"==":[null,0]}`, false}, {`{"!=":["a","b"]}`, true},
		{`{"<":[1,{"var":"a"},5]}`, true}, {`{"<=":[1,9,5]}`, false}, {`{">":["b","a"]}`, true}, {`{"<":["b",5]}`, false},
		{`{"+":[1,"2",3]}`, 6.0}, {`{"-":5}`, -5.0}, {`{"%":[7,4]}`, 3.0}, {`{"/":[1,0]}`, nil}, {`{"max":[1,7,3]}`, 7.0},
		{`{"cat":["a",1,null,true]}`, "a1true"}, {`{"substr":["jsonlogic",-5]}`, "logic"}, {`{"substr":["jsonlogic",1,-5]}`, "son"},
		{`{"in":["b",{"var":"s"}]}`, true}, {`{"in":[2,{"var":"l"}]}`, true}, {`{"merge":[1,[2,3]]}`, []any{1.0, 2.0, 3.0}},
		{`{"map":[{"var":"l"},{"*":[{"var":""},2]}]}`, []any{2.0, 4.0, 6.0}},
		{`{"filter":[{"var":"l"},{">":[{"var":""},1]}]}`, []any{2.0, 3.0}},
		{`{"reduce":[{"var":"l"},{"+":[{"var":"current"},{"var":"accumulator"}]},0]}`, 6.0},
		{`{"all":[[],true]}`, false}, {`{"some":[{"var":"l"},{"==":[{"var":""},3]}]}`, true}, {`{"none":[[],true]}`, true},
		{`{"starts_with":[{"var":"s"},"ab"]}`, true}, {`{"ends_with":[{"var":"a"},"3"]}`, false},
		{`{"sem_ver":["1.2.3","~","1.2.9"]}`, true}, {`{"sem_ver":["v1.2","^","1.9.9"]}`, true}, {`{"sem_ver":["x","=","1.0.0"]}`, nil},
		{`{"sem_ver":["1.0.0-alpha.2","<","1.0.0-alpha.10"]}`, true}, {`{"sem_ver":["1.0.0+b","=","1.0.0"]}`, true},
		{`{"if":[false,"a",true,"b","c"]}`, "b"}, {`{"if":[0,"a"]}`, nil},
		{`{"fractional":["hello",["a",14],["b",1],["c",85]]}`, "b"}, // 0x248bfa47 * 100 >> 32 = 14
		{`{"fractional":[{"var":"s"},["only",3]]}`, "only"}, {`{"fractional":[{"var":"s"},["a",0]]}`, nil},
		{`{"fractional":["k",["a",{"-":[0,5]}],["b",{"var":"a"}]]}`, "b"}, // a negative weight counts as none
	} {
		got, err := answer(t, tc.rule, ctx)
		if err != nil {
			t.Errorf("%s: %v", tc.rule, err)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.rule, diff)
		}
	}
}

func TestParse_namesWhatIsWrong(t *testing.T) {
	flag := func(s string) string { return `{"flags":{"f":` + s + `}}` }
	for _, tc := range []struct{ doc, want string }{
		{`{`, "unexpected EOF"}, {`[]`, "array"}, {`{}`, "under the key flags"}, {`{"flags":{}} x`, "nothing after"},
		{flag(`{"state":"ON","variants":{"a":1}}`), `flags.f: state "ON": expected ENABLED or DISABLED`},
		{flag(`{"state":"ENABLED","variants":{}}`), "at least one"},
		{flag(`{"state":"ENABLED","variants":{"a":1,"b":"x"}}`), "variants.b is string: expected number"},
		{flag(`{"state":"ENABLED","variants":{"a":[1]}}`), "variants.a: expected a boolean"},
		{flag(`{"state":"ENABLED","variants":{"a":1},"defaultVariant":"z"}`), `defaultVariant "z": expected one of ["a"]`},
		{flag(`{"state":"ENABLED","variants":{"a":1},"targeting":{"xor":[1]}}`), `operation "xor" is unknown`},
		{flag(`{"state":"ENABLED","variants":{"a":1},"targeting":{"==":[1]}}`), "expected 2 arguments, found 1"},
		{flag(`{"state":"ENABLED","variants":{"a":1},"targeting":{"if":[1],"or":[1]}}`), "exactly one operation"},
		{flag(`{"state":"ENABLED","variants":{"a":1},"targeting":{"fractional":[["a",1.5]]}}`), "expected a whole number"},
		{flag(`{"state":"ENABLED","variants":{"a":1},"targeting":{"fractional":[["a",2147483648]]}}`), "expected at most"},
		{flag(`{"state":"ENABLED","variants":{"a":1},"targeting":{"$ref":"no"}}`), `no shared rule "no"`},
		{flag(`{"state":"ENABLED","variants":{"a":1},"metadata":{"m":{}}}`), "metadata.m"},
		{`{"flags":{},"$evaluators":{"a":{"$ref":"b"},"b":{"$ref":"a"}}}`, "a > b > a refers to itself"},
	} {
		_, err := Parse([]byte(tc.doc))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("Parse(%s) = %v, want an error with %q", tc.doc, err, tc.want)
		}
	}
}

func TestEvaluate_variantThatDoesNotExist(t *testing.T) {
	d, err := Parse([]byte(`{"flags":{"f":{"state":"ENABLED","variants":{"a":1},"targeting":{"cat":["z"]}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Evaluate("f", nil, time.Now()); !errors.Is(err, ErrVariant) {
		t.Errorf("got %v, want %v", err, ErrVariant)
	}
}

// The split must be stable, near its weights, and growing the first share must
// not take anybody out of it.
func TestFractional_splits(t *testing.T) {
	const n = 20000
	in := map[int]map[int]bool{}
	for _, percent := range []int{10, 34, 67, 100} {
		in[percent] = map[int]bool{}
		rule := fmt.Sprintf(`{"fractional":[["in",%d],["out",%d]]}`, percent, 100-percent)
		var node any
		_ = json.Unmarshal([]byte(rule), &node)
		r, err := (&compiler{}).compile(node, 0)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			root := map[string]any{"targetingKey": fmt.Sprintf("user-%d", i)}
			in[percent][i] = r(&scope{data: root, root: root, flag: "f"}) == "in"
		}
	}
	for percent, members := range in {
		count := 0
		for i := range n {
			if members[i] {
				count++
				if !in[100][i] || percent == 10 && !in[34][i] || percent == 34 && !in[67][i] {
					t.Fatalf("user-%d left when the share grew from %d%%", i, percent)
				}
			}
		}
		want, sd := n*float64(percent)/100, math.Sqrt(n*0.25)
		if math.Abs(float64(count)-want) > 5*sd {
			t.Errorf("%d%%: %d of %d, want about %.0f", percent, count, n, want)
		}
	}
}

// The library is an independent reading of JSONLogic; ours must agree with it
// wherever both are defined (and, or and coercions of null are not).
func TestRule_agreesWithTheLibrary(t *testing.T) {
	leaf := rapid.OneOf(
		rapid.Map(rapid.IntRange(-3, 9), func(i int) any { return float64(i) }),
		rapid.Map(rapid.SampledFrom([]string{"a", "b", "abc"}), func(s string) any { return s }),
	)
	num := rapid.OneOf(
		rapid.Map(rapid.IntRange(-3, 9), func(i int) any { return float64(i) }),
		rapid.Just(any(map[string]any{"var": "n"})),
	)
	rapid.Check(t, func(t *rapid.T) {
		op := rapid.SampledFrom([]string{"===", "!==", "<", "<=", ">", ">=", "+", "*", "-", "max", "min", "if", "in", "cat"}).Draw(t, "op")
		var r any
		switch op {
		case "if":
			r = map[string]any{"if": []any{map[string]any{"<": []any{num.Draw(t, "a"), num.Draw(t, "b")}}, leaf.Draw(t, "c"), leaf.Draw(t, "d")}}
		case "in":
			r = map[string]any{"in": []any{"a", []any{leaf.Draw(t, "x"), leaf.Draw(t, "y")}}}
		default:
			r = map[string]any{op: []any{num.Draw(t, "a"), num.Draw(t, "b")}}
		}
		data := map[string]any{"n": float64(rapid.IntRange(-3, 9).Draw(t, "n"))}
		want, err := jsonlogic.ApplyInterface(r, data)
		if err != nil {
			t.Fatal(err)
		}
		f, err := (&compiler{}).compile(r, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := f(&scope{data: data, root: data}); !cmp.Equal(want, got) {
			t.Fatalf("%v on %v: library %v, we %v", r, data, want, got)
		}
	})
}

func TestSet_keepsEveryOtherByte(t *testing.T) {
	doc := `{
  "keep" : [1,  2],
  "flags": {
    "f": { "state": "ENABLED", "x-ours": {"b":1,"a":2} },
    "g": {}
  }
}`
	set := func(doc, value string, path ...string) string {
		out, err := Set([]byte(doc), []byte(value), path...)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	for _, tc := range []struct{ got, want string }{
		{set(doc, `"DISABLED"`, "flags", "f", "state"), strings.Replace(doc, `"ENABLED"`, `"DISABLED"`, 1)},
		{set(doc, `{}`, "flags", "f", "targeting"), strings.Replace(doc, `"a":2} }`, `"a":2}, "targeting": {} }`, 1)},
		{set(doc, `1`, "flags", "g", "n"), strings.Replace(doc, `"g": {}`, `"g": {"n": 1}`, 1)},
	} {
		if diff := cmp.Diff(tc.want, tc.got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	for _, path := range [][]string{{"flags", "f", "targeting"}, {"flags", "g", "targeting"}} {
		back, err := Delete([]byte(set(doc, `{"if":[1]}`, path...)), path...)
		if err != nil || string(back) != doc {
			t.Errorf("set and delete %q: %v\n%s", path, err, cmp.Diff(doc, string(back)))
		}
	}
	first, err := Delete([]byte(`{"a": 1, "b": {"c":2}}`), "a")
	if err != nil || string(first) != `{"b": {"c":2}}` {
		t.Errorf("delete the first: %s, %v", first, err)
	}
	if _, err := Set([]byte(doc), []byte(`1`), "flags", "nobody", "state"); err == nil {
		t.Error("set below a member that does not exist: want an error")
	}
}

// Contracts are not part of this repository; BACKOUT_CONTRACTS names a folder
// with flagd/flags.json and flagd/targeting.json as published at flagd.dev.
func schema(t *testing.T) *jsonschema.Schema {
	dir := os.Getenv("BACKOUT_CONTRACTS")
	if dir == "" {
		t.Skip("set BACKOUT_CONTRACTS to a folder that holds flagd/flags.json and flagd/targeting.json from flagd.dev/schema/v0")
	}
	c := jsonschema.NewCompiler()
	for _, name := range []string{"flags.json", "targeting.json"} {
		f, err := os.Open(filepath.Join(dir, "flagd", name))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(f)
		_ = f.Close()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource("https://flagd.dev/schema/v0/"+name, doc); err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile("https://flagd.dev/schema/v0/flags.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract_ourExampleIsValid(t *testing.T) {
	s := schema(t)
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(example(t))))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(doc); err != nil {
		t.Error(err)
	}
}

func TestContract_publishedExampleParses(t *testing.T) {
	schema(t)
	b, err := os.ReadFile(filepath.Join(os.Getenv("BACKOUT_CONTRACTS"), "flagd", "example_flags.flagd.json"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.Evaluate("fibAlgo", map[string]any{"email": "x@faas.com"}, time.Now())
	if diff := cmp.Diff(Resolution{"binet", "binet", ReasonTargeted}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func BenchmarkEvaluate(b *testing.B) {
	d, err := Parse(example(b))
	if err != nil {
		b.Fatal(err)
	}
	ctx := map[string]any{"targetingKey": "user-1", "email": "a@example.org", "client": "initech"}
	for b.Loop() {
		if _, err := d.Evaluate("express-checkout", ctx, time.Time{}); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(example(f))
	f.Fuzz(func(t *testing.T, doc []byte) {
		d, err := Parse(doc)
		if err != nil {
			return
		}
		for key := range d.Flags {
			_, _ = d.Evaluate(key, map[string]any{"targetingKey": "u", "l": []any{1, "x"}}, time.Unix(1, 0))
		}
	})
}
