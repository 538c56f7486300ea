package main

import (
	"database/sql"
	"math/rand/v2"
	"os"
	"testing"
)

// TestPostgres_comesBackFromEveryTrouble does each kind of trouble, and looks that all
// replicas can reach the database afterwards and that it still knows what it knew.
func TestPostgres_comesBackFromEveryTrouble(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a quarter of a minute")
	}
	p, err := newPostgres(t.Context())
	if err != nil {
		if os.Getenv("CI") == "" {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	defer p.Close()
	ask := func(i int, query string) int {
		t.Helper()
		db, err := sql.Open("pgx", p.Database(i))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		n := 0
		if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
			t.Fatalf("replica %d: %v", i, err)
		}
		return n
	}
	ask(0, "SELECT 1")
	db, err := sql.Open("pgx", p.Database(0))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE known AS SELECT 7 AS n"); err != nil {
		t.Fatal(err)
	}
	pid, seen := p.pid, map[string]bool{}
	for seed := uint64(0); len(seen) < 4 && seed < 40; seed++ {
		seen[p.Trouble(t.Context(), rand.New(rand.NewPCG(seed, 0)))] = true
	}
	if err := p.Heal(t.Context()); err != nil || p.pid == pid {
		t.Fatalf("process %d, then %d: %v", pid, p.pid, err)
	}
	for i := range p.Replicas() {
		if n := ask(i, "SELECT n FROM known"); n != 7 {
			t.Errorf("replica %d reads %d", i, n)
		}
	}
	t.Log(seen)
}
