// Command calm asks whether backout leaves things alone when no change is to blame, and
// whether it acts when one is:
//
//	go run ./bench/calm --days 1000 -o json
//	go run ./bench/calm --act --cases 400 -o json
//
// # Calm days
//
// A day (simulate.Day) has 12 to 16 services, measured every minute for 24 hours after
// three hours and twenty minutes of warming up: about 17 changes, most of them in working
// hours, the day's curve of demand with peaks, and on most days trouble that no change
// made: a provider fails, a service breaks by itself, more demand comes than some
// services can bear. Half of these have a change of a service that they reach within the
// quarter of an hour before. Services that break by themselves had been left alone for an
// hour and a half: else nobody could say that their change did not do it.
//
// # Acting
//
// With --act the same path meets incidents (simulate.Begin, about 50 services and 20
// changes in 80 minutes) and may act. It counts what it resolves without a person and
// how often it takes back the wrong thing: a program that never acts would pass the calm
// days as well.
//
// Both are played by package played: real detector, ranking, planner, checker, policy
// with the default thresholds, guard and gates; virtual time.
package main
