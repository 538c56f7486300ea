package attribute

import "math"

// Trouble mostly fades on its way: a caller waits for other things too, and retries. A
// service that is a little off beside a caller that is far off is rather one more that
// was hit, or noise, than where it all comes from.

const (
	fading     = 0.3 // what is left after one call, as a logarithm: sizes fall by so much on average
	fadingSD   = 0.8 // and by more or less
	usualSize  = 1.1 // logarithm of the size of anything that is seen to be ill
	usualSD    = 0.9
	mostOfSize = 3.0 // log evidence beyond this is not believed
)

// sizeFits is how much likelier a size is if trouble of another size caused it than if
// anything did; 1 where either is unknown.
func sizeFits(size, from float64) float64 {
	if size <= 0 || from <= 0 {
		return 1
	}
	x := math.Log(size)
	caused, any := (x-math.Log(from)+fading)/fadingSD, (x-usualSize)/usualSD
	return math.Exp(max(-mostOfSize, min(mostOfSize, (any*any-caused*caused)/2+math.Log(usualSD/fadingSD))))
}

// sizeOf is the largest mean of any of the series from a minute on, in standard
// deviations.
func sizeOf(series []armSums, from int) float64 {
	size := 0.0
	for _, s := range series {
		sum, n := 0.0, 0.0
		for i := from; i < len(s.sum); i++ {
			sum, n = sum+s.sum[i], n+s.n[i]
		}
		if n > 0 {
			size = max(size, sum/n)
		}
	}
	return size
}
