// Package played plays generated worlds (package simulate) through the program's own
// path in virtual time, for benches that ask what it does and what that costs.
//
// # What is real
//
// The detector, fed minute by minute; respond with attribution, forecast, planner,
// checker and policy; the guard before each effect and the gate after each round. The
// policy is the catalog's default with the two lines that let it act by itself.
//
// # What is simulated
//
// Time, which is an argument everywhere and here a loop over the samples. The store is
// memory. Attempts are carried out by a plain reading of their waves and stages
// (package execute needs a database and real timers): an effect takes what the reversal
// says, a gate is asked once a sample, and what it decides is done. Contracts between
// neighbours are declared and allow all versions, as in a catalog somebody has filled in;
// schemas can't go back without somebody saying what is lost. One journey goes through
// all services and earns what the bench says.
package played
