package demo

import (
	"fmt"
	"strings"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/drill"
	"github.com/backout-dev/backout/internal/render"
	"github.com/backout-dev/backout/internal/render/picture"
)

// SideBySide writes a comparison as a table.
func SideBySide(c drill.Comparison) string {
	var b strings.Builder
	fmt.Fprintf(&b, "The same incident (%s, seed %d), answered three ways, each measured for %.0f s after it began:\n\n", c.Scenario, c.Seed, c.HorizonS)
	fmt.Fprintf(&b, "  %-24s %12s %12s %10s %10s %10s\n", "", "failed", "lost", "needless", "failed", "customers")
	fmt.Fprintf(&b, "  %-24s %12s %12s %10s %10s %10s\n", "", "transactions", "revenue", "rollbacks", "rollbacks", "well after")
	for _, r := range c.Runs {
		fmt.Fprintf(&b, "  %-24s %12d %12s %10d %10d %10s\n", name[r.Actor], r.FailedTransactions, render.Amount(backout.Money{Minor: r.LostRevenue, Currency: c.Currency}), r.InnocentReverted, r.FailedRollbacks, well(r))
	}
	return b.String()
}

var name = map[drill.Actor]string{drill.ActorNobody: "nobody acts", drill.ActorOneByOne: "all back, one by one", drill.ActorBackout: "backout"}

func well(r drill.ComparedRun) string {
	if r.RecoveredS == nil {
		return "never"
	}
	return fmt.Sprintf("%.1f s", *r.RecoveredS)
}

// Picture draws a comparison: failed transactions as bars.
func Picture(c drill.Comparison) *picture.Scene {
	rows := []picture.Bar{}
	for _, r := range c.Runs {
		ink := picture.Bad
		if r.Actor == drill.ActorBackout {
			ink = picture.Running
		}
		rows = append(rows, picture.Bar{
			Name: name[r.Actor], Value: float64(r.FailedTransactions), Ink: ink, Label: fmt.Sprintf("%d of %d", r.FailedTransactions, r.Transactions),
			Note: fmt.Sprintf("%s; customers well after: %s", render.Plural(r.InnocentReverted, "needless rollback"), well(r)),
		})
	}
	return picture.Bars(fmt.Sprintf("Failed transactions, %s, the same %.0f s", c.Scenario, c.HorizonS), rows)
}
