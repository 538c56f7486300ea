//go:build race

package endings

// Watched for races a play takes four times as long, and the same code meets the same
// meetings in few of them: failure modes are played without, and of random worlds fewer.
const (
	watched = true
	worlds  = "5"
)
