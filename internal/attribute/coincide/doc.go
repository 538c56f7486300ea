// Package coincide answers "did this series turn with this change?": one series
// of measurements, one change, and a number that says how far the series moved
// right after it, compared with how far it moves at other moments.
//
// # The model in one page
//
// Most series have a daily shape, jump now and then and are calm by day and wild
// by night, so no fixed number of standard deviations tells a coincidence. The
// series itself does: every moment of its past at which nothing was changed is a
// placebo.
//
//  1. Expectation. From the last quarter of an hour before the moment the series
//     is expected to go on as it did at the same time of the days before (median
//     over up to seven days, each smoothed and set to zero before the moment).
//     What remains is the residual.
//  2. Whitening by scale. Residuals are divided by the geometric mean of the
//     spread of the two hours before the moment and the usual spread: a calm hour
//     makes small moves telling, but not without limit.
//  3. Moves. The level moved by the mean residual over windows that begin 0 to 15
//     minutes after the change and last 3 to 80: short ones for bursts, long ones
//     for shifts and ramps. The spread moved by the logarithm of the ratio of the
//     steps from sample to sample after and before.
//  4. Placebos. The same moves are read at up to 400 moments of the past. Each
//     move is divided by what nine in ten placebos stay below, and the largest
//     quotient is the statistic; it is divided once more by what nine in ten
//     placebos reach, since the largest of many is large.
//
// Autocorrelation needs no model of its own: placebos have it too. Late moves are
// not looked for, however large: what sets in an hour after a change rarely has to
// do with it, and something moves by itself every hour. A ramp that starts with the
// change is seen by the long windows.
//
// Sources: placebo tests in time, Abadie, Diamond and Hainmueller, "Synthetic
// control methods for comparative case studies", JASA 2010; the same hours of the
// days before as control, Zhang et al., "FUNNEL", CoNEXT 2015.
package coincide
