package spec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/backout-dev/backout"
)

func golden(t testing.TB, name string) backout.Attachment {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	kind, ok := KindOf(name)
	if !ok {
		t.Fatalf("%s: no kind", name)
	}
	return backout.Attachment{Kind: kind, Name: name, Body: body}
}

func TestCompare_openAPI(t *testing.T) {
	one, two := golden(t, "payment-1.yaml"), golden(t, "payment-2.yaml")
	for name, c := range map[string]struct {
		built, served backout.Attachment
		want          Difference
	}{
		"the same": {one, one, Difference{}},
		"forth": {one, two, Difference{Breaks: []string{
			"GET /cards: removed the optional property `kind` from the response with the `200` status",
			"GET /cards: the `id` response's property `type` changed from `string` to `integer` for status `200`",
			"GET /cards: the `query` request parameter `limit` became required",
			"POST /cards: api removed",
		}}},
		"back": {two, one, Difference{Breaks: []string{
			"GET /cards/{id}: api path removed",
			"GET /cards: the `id` response's property `type` changed from `integer` to `string` for status `200`",
		}}},
	} {
		got, err := Compare([]backout.Attachment{c.built}, []backout.Attachment{c.served})
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

// A field that an old consumer reads is gone, whether it was marked before or not.
func TestCompare_deprecationHelpsNoOldConsumer(t *testing.T) {
	one := golden(t, "payment-1.yaml")
	marked := one
	marked.Body = []byte(strings.Replace(string(one.Body), "    post:\n", "    post:\n      deprecated: true\n      x-sunset: \"2020-01-01\"\n", 1))
	for _, built := range []backout.Attachment{one, marked} {
		d, err := Compare([]backout.Attachment{built}, []backout.Attachment{golden(t, "payment-2.yaml")})
		if err != nil || !strings.Contains(strings.Join(d.Breaks, "\n"), "POST /cards") {
			t.Errorf("%v: %+v", err, d)
		}
	}
}

func TestCompare_protocol(t *testing.T) {
	one, two := golden(t, "cards-1.proto"), golden(t, "cards-2.proto")
	d, err := Compare([]backout.Attachment{one}, []backout.Attachment{two})
	if err == nil {
		t.Log(len(d.Breaks))
	}
	want := Difference{
		Breaks: []string{
			"field number 2 of shop.cards.Card was int64 total and is used again for double amount",
			"field shop.cards.Card.made (6) is string instead of Timestamp",
			"field shop.cards.Card.note (3) is not there",
			"field shop.cards.Card.tags (4) is optional instead of repeated",
			"message shop.cards.Gone is not there",
			"method shop.cards.Cards/Drop is not there",
			"method shop.cards.Cards/Watch streams differently",
			"value GIFT (2) of enum shop.cards.Kind is not there",
		},
		Doubts: []string{
			"field shop.cards.Card.limit (8) is int64 instead of int32",
			"field shop.cards.Card.owner (7) is called holder: fine in binary, not in JSON",
			"value CREDIT (1) of enum shop.cards.Kind is called CREDIT_CARD",
		},
	}
	if diff := cmp.Diff(want, d); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	back, err := Compare([]backout.Attachment{two}, []backout.Attachment{one})
	if err != nil || !strings.Contains(strings.Join(back.Breaks, "\n"), "method shop.cards.Cards/List is not there") {
		t.Errorf("back: %v, %+v", err, back)
	}
}

// A descriptor set says what its file says; a new required field is one more way
// to break.
func TestCompare_descriptors(t *testing.T) {
	set := func(change func(*descriptorpb.FileDescriptorProto)) backout.Attachment {
		files, err := readProtocol(golden(t, "cards-1.proto"))
		if err != nil {
			t.Fatal(err)
		}
		change(files[0])
		body, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: files})
		if err != nil {
			t.Fatal(err)
		}
		return backout.Attachment{Kind: backout.AttachmentDescriptors, Name: "cards.binpb", Body: body}
	}
	same := set(func(*descriptorpb.FileDescriptorProto) {})
	more := set(func(f *descriptorpb.FileDescriptorProto) {
		f.MessageType[0].Field = append(f.MessageType[0].Field, &descriptorpb.FieldDescriptorProto{
			Name: proto.String("tenant"), Number: proto.Int32(9), Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
			Label: descriptorpb.FieldDescriptorProto_LABEL_REQUIRED.Enum(),
		})
	})
	if d, err := Compare([]backout.Attachment{same}, []backout.Attachment{same}); err != nil || len(d.Breaks)+len(d.Doubts) > 0 {
		t.Errorf("the same: %v, %+v", err, d)
	}
	d, err := Compare([]backout.Attachment{same}, []backout.Attachment{more})
	if diff := cmp.Diff([]string{"field shop.cards.GetRequest.tenant (9) is new and required"}, d.Breaks); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestCompare_partners(t *testing.T) {
	one, other := golden(t, "payment-1.yaml"), golden(t, "cards-1.proto")
	renamed := one
	renamed.Name = "api.yaml"
	for name, c := range map[string]struct {
		built, served []backout.Attachment
		doubts        int
	}{
		"renamed":           {[]backout.Attachment{one}, []backout.Attachment{renamed}, 0},
		"of another kind":   {[]backout.Attachment{one}, []backout.Attachment{other}, 1},
		"two, both missing": {[]backout.Attachment{one, renamed}, []backout.Attachment{{Kind: one.Kind, Name: "z.yaml", Body: one.Body}}, 2},
	} {
		if d, err := Compare(c.built, c.served); err != nil || len(d.Doubts) != c.doubts || len(d.Breaks) > 0 {
			t.Errorf("%s: %v, %+v, want %d doubts", name, err, d, c.doubts)
		}
	}
}

func TestCheck_bad(t *testing.T) {
	for name, c := range map[string]struct {
		a    backout.Attachment
		want string
	}{
		"empty":          {backout.Attachment{Kind: backout.AttachmentOpenAPI, Name: "a.yaml"}, "a.yaml: is empty"},
		"large":          {backout.Attachment{Kind: backout.AttachmentOpenAPI, Name: "a.yaml", Body: make([]byte, backout.MaxAttachment+1)}, "expected at most 524288"},
		"no YAML":        {backout.Attachment{Kind: backout.AttachmentOpenAPI, Name: "a.yaml", Body: []byte("openapi: 3.0.0\ninfo: [\n")}, "a.yaml:"},
		"swagger":        {backout.Attachment{Kind: backout.AttachmentOpenAPI, Name: "a.yaml", Body: []byte("swagger: \"2.0\"\n")}, `a.yaml:1: openapi ""`},
		"a type unknown": {backout.Attachment{Kind: backout.AttachmentOpenAPI, Name: "a.yaml", Body: []byte(strings.Replace(string(golden(t, "payment-1.yaml").Body), "total: {type: integer}", "total: {type: integre}", 1))}, "a.yaml:27:"},
		"another file":   {backout.Attachment{Kind: backout.AttachmentOpenAPI, Name: "a.yaml", Body: []byte(strings.Replace(string(golden(t, "payment-1.yaml").Body), "#/components", "/etc/passwd#/components", 1))}, "a.yaml"},
		"proto":          {backout.Attachment{Kind: backout.AttachmentProto, Name: "a.proto", Body: []byte("syntax = \"proto3\";\nmessage {}\n")}, "a.proto:2: expected Protocol Buffers"},
		"number twice":   {backout.Attachment{Kind: backout.AttachmentProto, Name: "a.proto", Body: []byte("syntax = \"proto3\";\nmessage A {\n  string a = 1;\n  string b = 1;\n}\n")}, "a.proto:4:"},
		"descriptors":    {backout.Attachment{Kind: backout.AttachmentDescriptors, Name: "a.pb", Body: []byte("x")}, "a.pb: expected a FileDescriptorSet"},
		"SQL":            {backout.Attachment{Kind: backout.AttachmentMigration, Name: "a.sql", Body: []byte("x")}, "expected openapi"},
	} {
		if err := Check(c.a); backout.CodeOf(err) != backout.CodeInvalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func FuzzCompare(f *testing.F) {
	for _, name := range []string{"payment-1.yaml", "payment-2.yaml", "cards-1.proto", "cards-2.proto"} {
		f.Add(golden(f, name).Body, 0)
		f.Add(golden(f, name).Body, 1)
	}
	f.Add([]byte("\n\x05\n\x03a.b"), 2)
	kinds := []backout.AttachmentKind{backout.AttachmentOpenAPI, backout.AttachmentProto, backout.AttachmentDescriptors}
	against := []backout.Attachment{golden(f, "payment-1.yaml"), golden(f, "cards-1.proto")}
	against = append(against, backout.Attachment{Kind: backout.AttachmentDescriptors, Name: "a.pb", Body: []byte("\n\x05\n\x03a.b")})
	f.Fuzz(func(t *testing.T, body []byte, kind int) {
		kind = max(kind%3, 0)
		a := backout.Attachment{Kind: kinds[kind], Name: against[kind].Name, Body: body}
		if err := Check(a); err != nil {
			if !strings.HasPrefix(err.Error(), a.Name) {
				t.Errorf("an error without its file: %v", err)
			}
			return
		}
		if _, err := Compare([]backout.Attachment{a}, against[kind:kind+1]); err != nil {
			t.Errorf("it can be read, and not compared: %v", err)
		}
	})
}
