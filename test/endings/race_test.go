//go:build race

package endings

// worlds is how many random worlds are played: watched for races each takes several
// times as long, and the same code meets the same meetings in few of them.
const worlds = "5"
