package drill

import (
	"testing"
	"time"
)

// course is a hundred transactions a second; share says which part of them fails.
func course(seconds int, share func(s int) float64) Course {
	c := Course{}
	total, failed := 0.0, 0.0
	for s := -20; s <= seconds; s++ {
		total, failed = total+100, failed+100*share(s)
		c.Moments = append(c.Moments, Moment{At: injected.Add(time.Duration(s) * time.Second), Transactions: int64(total), Failed: int64(failed)})
	}
	return c
}

func TestCompare_measuresAllActorsAlike(t *testing.T) {
	truth := Truth{InjectedAt: injected, Culprits: []string{string(pay) + "=2"}}
	until := func(end int) func(int) float64 {
		return func(s int) float64 {
			if s > 10 && s <= end {
				return .3
			}
			return .02
		}
	}
	healed := Compare(truth, course(90, until(30)), time.Minute)
	if healed.RecoveredS == nil || *healed.RecoveredS < 29 || *healed.RecoveredS > 30+troubleWindow {
		t.Errorf("recovered after %v s: want about 30, by no more than the window", healed.RecoveredS)
	}
	if healed.FailedTransactions != 60*2+20*28 {
		t.Errorf("%d failed: want those of the minute after injection", healed.FailedTransactions)
	}
	if ill := Compare(truth, course(90, until(90)), time.Minute); ill.RecoveredS != nil {
		t.Errorf("recovered after %v s while a third fails until the end", *ill.RecoveredS)
	}
	if never := Compare(truth, course(90, until(0)), time.Minute); never.RecoveredS == nil || *never.RecoveredS != 0 {
		t.Errorf("recovered %v: customers never noticed, want 0", never.RecoveredS)
	}
	if empty := Compare(truth, Course{}, time.Minute); empty.RecoveredS != nil || empty.Transactions != 0 {
		t.Errorf("%+v of nothing seen", empty)
	}
}

func TestCompare_countsDeeds(t *testing.T) {
	truth := Truth{InjectedAt: injected, Culprits: []string{string(pay) + "=2"}}
	truth.Demanded = append(truth.Demanded, flag)
	c := course(10, func(int) float64 { return 0 })
	c.Deeds = []Deed{{Component: cart, From: "2", To: "1"}, {Component: flag, From: "on", To: "off"}, {Component: pay, From: "2", To: "1"}, {Component: cart, From: "3", To: "2", Failed: true}}
	if r := Compare(truth, c, time.Minute); r.Reverted != 3 || r.InnocentReverted != 1 || r.ContractDemanded != 1 || r.FailedRollbacks != 1 {
		t.Errorf("%+v: want 3 reverted, 1 innocent, 1 demanded, 1 failed", r)
	}
}
