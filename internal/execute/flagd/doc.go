// Package flagd moves feature flags that stand in a file in flagd's format.
//
// # The model in one page
//
// A component's locator is "path/to/file.json#flagKey"; its versions are the
// names of the flag's variants. Moving everybody sets the default variant.
// Moving a share, or one named audience, puts a rule of ours in front of the
// targeting that is there, which goes on deciding for the rest:
//
//	{"if": [{"==": [{"fractional": [<salt and targetingKey>, ["in", 3400], ["out", 6600]]}, "in"]}, "off", <what was there>]}
//
// All our shares hash the same salt, so a growing share keeps its members. When
// everybody is moved, our rules for shares and audiences go away; targeting that
// people wrote is kept behind {"if": [true, "off", ...]} for them to restore.
//
// Every write is a compare-and-swap: the file is read, changed and renamed into
// place under a lock on its folder, and refused when its content is not what the
// decision was based on. Writers that ignore the lock can still slip into the
// microseconds between the last comparison and the rename.
//
// Live shares are exact for the default, for our rules and for plain fractional
// splits. A branch behind a condition that can't be counted (an e-mail's ending)
// is given one per cent: enough that nobody takes it for nothing.
package flagd
