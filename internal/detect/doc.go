// Package detect says when a series of measurements has left its baseline for
// worse, and when that began. It is deterministic: samples and their times go
// in, findings come out, and a restored snapshot continues as if nothing had
// happened.
//
// # The model in one page
//
// Each series is taken through five steps, one sample at a time and in constant
// memory:
//
//  1. Transform. Latency becomes log(mean + 1 ms), saturation a clipped logit,
//     traffic and business counts 2*sqrt(y + 3/8): scales on which noise is
//     about symmetric and of the same size at any level. Error ratios keep their
//     two counts, because four requests and no error say less than four
//     thousand and no error: the question is then how surprising so many errors
//     are, given all errors and requests seen while healthy (a gamma-Poisson
//     predictive tail), and the answer is read as a normal score.
//  2. Residual. The level (and, after three days, the half-hour of the weekday
//     or weekend) is taken away and the rest divided by the scale.
//  3. Innovation. Neighbouring residuals resemble each other, most of all when
//     the windows of the queries overlap. The part that the previous residual
//     foretold is removed, with an AR(1) coefficient estimated on the high side: the
//     guarantee below holds for unforeseeable noise only.
//  4. Tail. The p-value is the chance that a healthy series does this. With a
//     short history it comes from Student's t; later from the series' own past:
//     ranks for the bulk (conformal), a generalised Pareto law for the tail
//     (peaks over threshold; Siffer et al., KDD 2017).
//  5. Evidence. The p-value becomes five bets, each with mean one while healthy: with a
//     short history e = k*p^(k-1) at five powers k, with a long one likelihood
//     ratios of five shifts on the normal score of p, and of five rates where a
//     handful of events is usual. The bets feed a Shiryaev-Roberts
//     e-detector M = (1 + M)*e (Shin, Ramdas and Rinaldo, 2023). M minus the
//     number of samples is a supermartingale, so raising a finding when the mean of
//     the five reaches A means that false findings are at least A samples apart
//     on average: ARL >= A. At the default A no single sample suffices, however
//     wild. The series of a service are judged together as well (see group).
//
// The bound is exact for p-values that are true. These come from estimates, so
// bench/detection measures what is reached.
//
// # After the alarm
//
// A finding made by few samples that is over at once went away; one about the mean of
// a service whose segments are all as usual comes from other customers and opens
// nothing. Unusual names what is unusual among all series (e-d-BH). After a change
// has reached everybody, evidence of its service counts more for hours, decaying.
//
// # Modes
//
// A series is warming until it has [Config].Warm samples, then short, and
// seasonal from [Config].Full samples on. Every finding names its mode. What the
// two modes really reach is measured by bench/detection.
//
// # What keeps it honest
//
// While the evidence is suspicious the baseline learns ten times slower, and
// while a finding stands not at all, or an incident would teach itself to be
// normal. After a day the new level is accepted. A gap of more than three
// samples forgets the evidence; a sample that is not a number is a gap; no
// sample, no finding. An arm (a series whose subject has a version) is never
// tested: it has no past. It is kept raw and shown against the baseline of its
// service.
package detect
