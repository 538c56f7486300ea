package backout

// Environment is a deployment stage such as production or staging. Facts, plans
// and incidents never cross environments.
type Environment string

// Location is a region, cell or cluster inside an environment. A version lives
// per location: a fault in one never reverts the others without evidence.
type Location string
