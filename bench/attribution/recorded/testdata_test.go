package recorded_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// noticed is when the trouble of the hand-made rollout case is noticed.
const noticed = 1_700_000_000

// rollouts writes a set in ChangeRCA's form with one case of three services: web
// calls cart, cart calls stock. cart's new version fails; stock was changed too, and
// web after the trouble was noticed. What happens after the cut-off, in seconds after
// the notice, is drawn from the seed of the future.
func rollouts(t *testing.T, cut int, future uint64) string {
	t.Helper()
	dir := t.TempDir()
	later := rand.New(rand.NewPCG(future, 1))
	write := func(name, text string) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	change := func(service string, began int, gone ...string) string {
		stages := []string{}
		for i, pod := range gone {
			done := began + 65
			if i > 0 {
				done = cut + 100 + later.IntN(900)
			}
			stages = append(stages, fmt.Sprintf(`{"v1": %d, "v2": %d, "delete_pod": [%q], "release_complete_timestamp": %d}`, 2-i, 1+i, pod, noticed+done))
		}
		return fmt.Sprintf(`{"service": %q, "release_time": %d, "target_replica": 3, "stages": [%s]}`, service, noticed+began, strings.Join(stages, ","))
	}
	changes := []string{change("cart", -200, "cart-v1-a", "cart-v1-b"), change("stock", -190, "stock-v1-a"), change("web", 30+later.IntN(60), "web-v1-a")}
	write("labels.json", `{"case-1": {"culprit_service": "cart", "fault": "secret-label"}}`)
	write("cases/case-1/case.json", fmt.Sprintf(`{"detect_timestamp": %d, "changes": [%s]}`, noticed, strings.Join(changes, ",")))
	write("cases/case-1/dependency.csv", "Source,Target,Weight\nweb,cart,1\ncart,stock,1\n")
	now := rand.New(rand.NewPCG(7, 7))
	table := func(head string, first int, row func(at int, r *rand.Rand) string) string {
		out := head + "\n"
		for at := first; at <= 600; at += 60 {
			r := now
			if at > cut {
				r = later
			}
			out += row(at, r) + "\n"
		}
		return out
	}
	success := func(at int, r *rand.Rand, bad float64) float64 {
		if at > cut {
			return 100 * r.Float64()
		}
		if at < -100 {
			bad = 0
		}
		return 100 - bad + bad/10*r.Float64()
	}
	for _, side := range []string{"source", "destination"} {
		write("cases/case-1/"+side+"_success.csv", table("time,timestamp,web_cart,cart_stock", -1200, func(at int, r *rand.Rand) string {
			return fmt.Sprintf("x,%d,%.3f,%.3f", noticed+at, success(at, r, 20), success(at, r, 0))
		}))
	}
	for _, p := range []struct {
		file  string
		first int
		bad   float64
	}{
		{"cart-v1-a_web_cart", -1200, 60}, {"cart-v1-b_web_cart", -1200, 0}, {"cart-v1-c_web_cart", -1200, 0}, {"cart-v2-d_web_cart", -120, 60},
		{"stock-v1-a_cart_stock", -1200, 0}, {"stock-v1-b_cart_stock", -1200, 0}, {"stock-v2-c_cart_stock", -120, 0},
		{"cart-v1-b_cart_stock", -1200, 0}, // the pod is the caller
	} {
		write("cases/case-1/pods/"+p.file+".csv", table("Timestamp,SuccessRate,Latency", p.first, func(at int, r *rand.Rand) string {
			if p.file == "stock-v1-b_cart_stock" && at == -600 {
				return fmt.Sprintf("%d,NaN,0", noticed+at)
			}
			return fmt.Sprintf("%d,%.3f,%.3f", noticed+at, success(at, r, p.bad), 20+2*r.NormFloat64())
		}))
	}
	return dir
}

// pets writes a scenario in PetShop's form: site calls search, search calls table,
// and search slows down in the issue. The calm part was recorded in another year.
func pets(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	nodes := []string{"site", "search::node", "table name"}
	table := func(first, rows int, slow float64) string {
		r := rand.New(rand.NewPCG(uint64(first), 3))
		var out [3]string
		for line, head := range []string{"microservice", "metric", "statistic"} {
			out[line] = head
			for _, n := range nodes {
				for _, m := range [][2]string{{"latency", "Average"}, {"latency", "p99"}, {"requests", "Sum"}, {"availability", "Average"}} {
					out[line] += "," + [3]string{n, m[0], m[1]}[line]
				}
			}
		}
		text := strings.Join(out[:], "\n") + "\nunix_timestamp" + strings.Repeat(",", 4*len(nodes)) + "\n"
		for i := range rows {
			text += fmt.Sprintf("%d.0", first+300*i)
			for k := range nodes {
				l := .1 * (1 + .05*r.NormFloat64())
				if i >= 2 && k < 2 {
					l *= 1 + slow
				}
				text += fmt.Sprintf(",%.5f,9,%d,100.0", l, 500+r.IntN(20))
			}
			text += "\n"
		}
		return text
	}
	for name, text := range map[string]string{
		"graph.csv":                 ",site,search::node,table name\nsite,0.0,1.0,0.0\nsearch::node,0.0,0.0,1.0\ntable name,0.0,0.0,0.0\n",
		"noissue/metrics.csv":       table(1_690_000_000, 120, 0),
		"test/issue_0/metrics.csv":  table(1_680_000_000, 5, 2),
		"test/issue_0/target.json":  `{"target": {"node": "site", "timestamp": 1680000500}, "root_cause": {"node": "search::node"}, "metadata": {"reproducibility": {"command": "put-parameter searchdelay"}}}`,
		"train/issue_0/metrics.csv": table(1_680_100_000, 5, 2),
		"train/issue_0/target.json": `{"target": {"node": "site", "timestamp": 1680100500}, "root_cause": {"node": "table name"}, "metadata": {"reproducibility": {"command": "python issue_requests -n 800"}}}`,
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
