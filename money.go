package backout

import (
	"fmt"
	"math"
)

// Money is an exact amount: whole minor units (cents) of one currency. Plans
// compare money as integers so that "cheapest" is exact.
type Money struct {
	Minor    int64  `json:"minor"`
	Currency string `json:"currency"` // ISO 4217; empty only for zero
}

// Times scales an amount and rounds to the nearest minor unit, saturating at
// the limits of int64.
func (m Money) Times(f float64) Money {
	v := math.Round(float64(m.Minor) * f)
	switch {
	case math.IsNaN(v):
		v = 0
	case v > math.MaxInt64/2:
		return Money{math.MaxInt64 / 2, m.Currency}
	case v < -math.MaxInt64/2:
		return Money{-math.MaxInt64 / 2, m.Currency}
	}
	return Money{int64(v), m.Currency}
}

// Plus adds two amounts. A zero amount takes the other's currency; adding two
// different currencies is a programming error and panics, since catalogs are
// checked to hold one currency.
func (m Money) Plus(o Money) Money {
	switch {
	case m.Minor == 0 && m.Currency == "":
		return o
	case o.Minor == 0 && o.Currency == "", m.Currency == o.Currency:
		return Money{m.Minor + o.Minor, m.Currency}
	}
	panic(fmt.Sprintf("add %s to %s: different currencies", o.Currency, m.Currency))
}

// String writes the amount as 12.34 EUR.
func (m Money) String() string {
	sign := ""
	if m.Minor < 0 {
		sign, m.Minor = "-", -m.Minor
	}
	return fmt.Sprintf("%s%d.%02d %s", sign, m.Minor/100, m.Minor%100, m.Currency)
}

// MoneyRange is an amount that is not known exactly: a median with its 10 and
// 90 per cent quantiles.
type MoneyRange struct {
	P10 Money `json:"p10"`
	P50 Money `json:"p50"`
	P90 Money `json:"p90"`
}
