package infer

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

const (
	checkout = backout.ComponentID("deployment:checkout@production/eu-1")
	payment  = backout.ComponentID("deployment:payment@production/eu-1")
	ledger   = backout.ComponentID("schema:ledger@production/eu-1")
)

// shop is checkout, which calls payment, which keeps its data in ledger.
func shop() Facts {
	f := Facts{Minute: backout.Duration(time.Minute)}
	for id, service := range map[backout.ComponentID]backout.ServiceID{checkout: "checkout", payment: "payment", ledger: "payment"} {
		f.Graph.Components = append(f.Graph.Components, backout.Component{ID: id, Kind: id.Kind(), Name: id.Name(), Service: service, Environment: "production", Location: "eu-1"})
	}
	f.Graph.Dependencies = []backout.Dependency{{From: "checkout", To: "payment"}}
	return f
}

func (f *Facts) ship(id backout.ComponentID, from, to backout.Version, ago time.Duration) *backout.Change {
	f.Changes = append(f.Changes, backout.Change{Component: id, From: from, To: to,
		Exposure: backout.Exposure{Stages: []backout.ExposureStage{{At: noon.Add(-ago), Share: 1}}}})
	return &f.Changes[len(f.Changes)-1]
}

func (f *Facts) attach(id backout.ComponentID, v backout.Version, kind backout.AttachmentKind, name, body string) {
	f.Attached = append(f.Attached, backout.Attached{Component: id, Version: v, Attachment: backout.Attachment{Kind: kind, Name: name, Body: []byte(body)}})
}

func (f *Facts) api(t *testing.T, v backout.Version, file string) {
	t.Helper()
	body, err := os.ReadFile("spec/testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	f.attach(payment, v, backout.AttachmentOpenAPI, "payment.yaml", string(body))
}

// said writes lines shortly, for comparison.
func said(lines []backout.Line) []string {
	out := []string{}
	for _, l := range lines {
		verb := "allows"
		if !l.Allows {
			verb = "forbids"
		}
		out = append(out, strings.Join([]string{string(l.Source), verb, l.Consumer.Name(), string(l.ConsumerVersion), string(l.ProviderVersion), l.Reason}, " "))
	}
	return out
}

func TestLines_fromSpecs(t *testing.T) {
	f := shop()
	f.ship(payment, "1", "2", 60*time.Minute)
	f.ship(checkout, "7", "8", 30*time.Minute)
	f.ship(payment, "2", "2.1", 10*time.Minute)
	f.api(t, "1", "payment-1.yaml")
	f.api(t, "2", "payment-2.yaml")
	f.api(t, "2.1", "payment-2.yaml")
	lines, problems := Lines(f)
	want := []string{
		"spec allows checkout 7 1 built against 1, whose API 1 serves",
		"spec forbids checkout 7 2 built against 1, and at 2 GET /cards: removed the optional property `kind` from the response with the `200` status; GET /cards: the `id` response's property `type` changed from `string` to `integer` for status `200`; GET /cards: the `query` request parameter `limit` became required and 1 more",
		"spec forbids checkout 7 2.1 built against 1, and at 2.1 GET /cards: removed the optional property `kind` from the response with the `200` status; GET /cards: the `id` response's property `type` changed from `string` to `integer` for status `200`; GET /cards: the `query` request parameter `limit` became required and 1 more",
		"spec forbids checkout 8 1 built against 2, and at 1 GET /cards/{id}: api path removed; GET /cards: the `id` response's property `type` changed from `integer` to `string` for status `200`",
		"spec allows checkout 8 2 built against 2, whose API 2 serves",
		"spec allows checkout 8 2.1 built against 2, whose API 2.1 serves",
	}
	if diff := cmp.Diff(want, said(lines)); diff != "" || len(problems) > 0 {
		t.Errorf("%v (-want +got):\n%s", problems, diff)
	}
	f.Changes[1].BuiltAgainst = map[backout.ComponentID]backout.Version{payment: "1"}
	lines, _ = Lines(f)
	if got := strings.Join(said(lines), "\n"); !strings.Contains(got, "spec allows checkout 8 1 built against 1") || !strings.Contains(got, "spec forbids checkout 8 2 ") {
		t.Errorf("what the pipeline said it was built against does not count:\n%s", got)
	}
}

func TestLines_needASpecOnBothSides(t *testing.T) {
	f := shop()
	f.ship(payment, "1", "2", 60*time.Minute)
	f.ship(checkout, "7", "8", 30*time.Minute)
	f.api(t, "2", "payment-2.yaml")
	lines, _ := Lines(f)
	if diff := cmp.Diff([]string{"spec allows checkout 8 2 built against 2, whose API 2 serves"}, said(lines)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	f.attach(payment, "1", backout.AttachmentOpenAPI, "payment.yaml", "openapi: [")
	lines, problems := Lines(f)
	if len(lines) != 2 || len(problems) != 1 || !strings.Contains(problems[0], "payment.yaml:") {
		t.Errorf("a broken spec: %v, %v", said(lines), problems)
	}
}

// A spec outlives what is remembered of deployments.
func TestLines_rememberWhatWasHandedIn(t *testing.T) {
	f := shop()
	f.ship(checkout, "7", "8", 30*time.Minute)
	f.ship(payment, "", "3", 10*time.Minute)
	f.api(t, "2", "payment-2.yaml")
	f.api(t, "3", "payment-1.yaml")
	f.Attached[0].At, f.Attached[1].At = noon.Add(-1000*time.Hour), noon.Add(-10*time.Minute)
	lines, _ := Lines(f)
	got := strings.Join(said(lines), "\n")
	if !strings.Contains(got, "spec allows checkout 8 2 built against 2") || !strings.Contains(got, "spec forbids checkout 8 3 built against 2") {
		t.Errorf("8 was deployed when payment 2 was live:\n%s", got)
	}
}

func TestLines_fromMigrations(t *testing.T) {
	const gift = "-- +goose Up\nALTER TABLE orders ADD COLUMN gift TEXT;\n-- +goose Down\nALTER TABLE orders DROP COLUMN gift;\n"
	const rename = "-- +goose Up\nALTER TABLE orders RENAME gift TO present;\n-- +goose Down\nALTER TABLE orders RENAME present TO gift;\n"
	f := shop()
	f.ship(ledger, "0041", "0042", 60*time.Minute)
	f.ship(payment, "1", "2", 40*time.Minute)
	f.ship(ledger, "0042", "0043", 20*time.Minute)
	f.ship(payment, "2", "3", 10*time.Minute)
	f.attach(ledger, "0042", backout.AttachmentMigration, "42.sql", gift)
	f.attach(ledger, "0043", backout.AttachmentMigration, "43.sql", rename)
	lines, problems := Lines(f)
	want := []string{
		"migration allows payment 1 0041 built for schema 0041",
		"migration allows payment 1 0042 migration 0042 adds column orders.gift",
		"migration forbids payment 1 0043 migration 0043 renames column orders.gift",
		"migration forbids payment 2 0041 taken back, migration 0042 drops column orders.gift",
		"migration allows payment 2 0042 built for schema 0042",
		"migration forbids payment 2 0043 migration 0043 renames column orders.gift",
		"migration forbids payment 3 0041 taken back, migration 0042 drops column orders.gift; migration 0043 renames column orders.present",
		"migration forbids payment 3 0042 taken back, migration 0043 renames column orders.present",
		"migration allows payment 3 0043 built for schema 0043",
	}
	if diff := cmp.Diff(want, said(lines)); diff != "" || len(problems) > 0 {
		t.Errorf("%v (-want +got):\n%s", problems, diff)
	}
	f.Pairs = []backout.Pair{{A: payment, AVersion: "2", B: ledger, BVersion: "0043", Healthy: true, Times: 1, Lasted: backout.Duration(time.Hour)}}
	lines, _ = Lines(f)
	if got := strings.Join(said(lines), "\n"); strings.Contains(got, "payment 2 0043") {
		t.Errorf("code that was healthy with the schema for an hour was made for it:\n%s", got)
	}
	f.Attached = f.Attached[1:] // without 42.sql nobody knows what lies between 0041 and 0043
	lines, _ = Lines(f)
	if got := strings.Join(said(lines), "\n"); strings.Contains(got, "payment 1 0043") || !strings.Contains(got, "payment 3 0042") {
		t.Errorf("with a migration missing:\n%s", got)
	}
}

func TestKnow_ranksGapsByMoney(t *testing.T) {
	f := shop()
	w := backout.World{Graph: f.Graph}
	w.Graph.Dependencies = append(w.Graph.Dependencies, backout.Dependency{From: "search", To: "checkout"})
	search := backout.ComponentID("deployment:search@production/eu-1")
	w.Graph.Components = append(w.Graph.Components, backout.Component{ID: search, Kind: backout.KindDeployment, Service: "search", Environment: "production", Location: "eu-1"})
	eur := func(n int64) backout.Money { return backout.Money{Minor: n, Currency: "EUR"} }
	w.Graph.Journeys = []backout.Journey{
		{ID: "browse", Services: []backout.ServiceID{"search"}, ValuePerMinute: eur(100)},
		{ID: "buy", Services: []backout.ServiceID{"checkout", "payment"}, ValuePerMinute: eur(900)},
	}
	w.Pairs = []backout.Pair{{A: checkout, AVersion: "7", B: payment, BVersion: "1", Healthy: true}}
	short := func(all []backout.Missing) []string {
		var out []string
		for _, m := range all {
			out = append(out, strings.Join([]string{m.Consumer.Name(), m.Provider.Name(), m.AtStake.String(), string(m.Best)}, " "))
		}
		return out
	}
	k := Know(w)
	want := []string{"search checkout " + eur(1000).String() + " ", "checkout ledger " + eur(900).String() + " ", "payment ledger " + eur(900).String() + " ", "checkout payment " + eur(900).String() + " observed"}
	if diff := cmp.Diff(want, short(k.Missing)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !strings.Contains(k.Missing[2].Close, "--migration FILE") || strings.Contains(k.Missing[1].Close, "--migration") || !strings.Contains(k.Missing[0].Close, "--component deployment:checkout@production/eu-1 --to VERSION --spec FILE") {
		t.Errorf("how to close: %+v", k.Missing)
	}
	w.Lines = []backout.Line{{Consumer: search, ConsumerVersion: "1", Provider: checkout, ProviderVersion: "1", Source: backout.ContractSpec, Confidence: .9}}
	w.Contracts = []backout.Contract{{ID: "C", Consumer: checkout, Provider: payment, Source: backout.ContractDeclared, Rules: []backout.ContractRule{{}}}}
	k = Know(w)
	if diff := cmp.Diff([]string{"checkout ledger " + eur(900).String() + " ", "payment ledger " + eur(900).String() + " "}, short(k.Missing)); diff != "" || len(k.Known) != 3 {
		t.Errorf("%+v (-want +got):\n%s", k.Known, diff)
	}
}
