// Connect is what the example beside it connects backout to: a small deployer with
// an HTTP API, and metrics that say which limits the bank applies. Start it with
// `go run ./examples/connect`, then see README.md here.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// target holds what is live, in memory.
type target struct {
	mu     sync.Mutex
	live   map[string]string // what the deployer deployed, by service; guarded by mu
	writes int               // guarded by mu
	bank   string            // which limits the bank applies; guarded by mu
}

func newTarget() *target {
	return &target{live: map[string]string{"payment": "2.4.0"}, bank: "2026-11"}
}

func (t *target) handler(address string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /services/{service}", t.show)
	mux.HandleFunc("POST /services/{service}/release", t.release)
	mux.HandleFunc("POST /bank/{limits}", func(_ http.ResponseWriter, r *http.Request) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.bank = r.PathValue("limits")
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		t.mu.Lock()
		defer t.mu.Unlock()
		fmt.Fprintf(w, "# TYPE bank_limits gauge\nbank_limits{version=%q} 1\n", t.bank)
	})
	mux.HandleFunc("GET /targets", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `[{"targets": [%q]}]`, address)
	})
	return mux
}

func (t *target) show(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w.Header().Set("ETag", t.tag())
	_ = json.NewEncoder(w).Encode(map[string]any{
		"image": map[string]string{"tag": t.live[r.PathValue("service")]}, "ready": 3, "replicas": 3, "tags": []string{"2.3.0", "2.4.0"},
	})
}

func (t *target) tag() string { return strconv.Quote(strconv.Itoa(t.writes)) }

// release deploys a version if nothing was deployed since the caller looked.
func (t *target) release(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var in struct {
		Version string `json:"version"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&in)
	switch since := r.Header.Get("If-Match"); {
	case err != nil || in.Version == "":
		http.Error(w, "expected {\"version\": \"...\"}", http.StatusBadRequest)
	case since != "" && since != t.tag():
		http.Error(w, "somebody deployed meanwhile", http.StatusPreconditionFailed)
	default:
		t.live[r.PathValue("service")] = in.Version
		t.writes++
		log.Printf("%s is at %s, for %s", r.PathValue("service"), in.Version, r.Header.Get("Idempotency-Key"))
	}
}

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:9470")
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on %s", l.Addr())
	srv := &http.Server{Handler: newTarget().handler(l.Addr().String()), ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(srv.Serve(l))
}
