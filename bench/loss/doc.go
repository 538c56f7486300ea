// Command loss asks what an incident costs on average, by who decides what is taken back:
//
//	go run ./bench/loss --cases 150 -o json
//
// # How money is reckoned
//
// The worlds are those of package simulate, played by package played (about 50 services,
// 20 changes, one trouble; its cause is a change in two of three). While it lasts a
// minute costs 20, 60, 200 or 1,000; after 45 minutes from its onset a person has mended
// it by hand. Taking something back costs work by its kind, and what is innocent costs
// what it earned besides, 150 to 1,500 as the seed has it; nobody is told that.
// The trouble ends when all of the culprit is back and what it left has drained.
//
// # Who decides
//
//   - nobody: nothing is taken back.
//   - latest: the change that was exposed last when the incident opened.
//   - all in 60 minutes: every change of the hour before.
//   - top suspect: the ranking's first answer two minutes after the incident opened, or
//     when the path planned if that is sooner; nothing where that is "no change".
//   - backout: the real path, attribute, plan, check, permit, at the price of a minute
//     that its journey is told; a person says yes at once to what it may not do alone.
//   - backout alone: the same, and nobody answers.
//   - oracle: the culprit, when the incident opens.
//
// All but backout act in one go; backout acts in the stages that its plan has, with their
// gates, and takes back what did not help. Schemas can be taken back by everybody.
// Where no incident opens nobody acts at all.
//
// Intervals are 95 %, by resampling cases. gap_closed is the share of the way from nobody
// to the oracle.
package main
