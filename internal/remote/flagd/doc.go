// Package flagd reads, evaluates and edits feature flags written in flagd's
// format: the JSON definition published at flagd.dev/schema/v0/flags.json. It
// contains no flagd and talks to none; a flag file is all it needs.
//
// # The model in one page
//
// A [Definition] is one parsed file: flags by key. A [Flag] has named variants,
// all of one type, a default variant and, if it wants, targeting. Targeting is a
// JSONLogic rule whose answer is the name of a variant; null means "the
// default". Rules may ask four things more than JSONLogic can: fractional (a
// stable pseudo-random split), sem_ver, starts_with and ends_with. Rules shared
// between flags stand under $evaluators and are used by {"$ref": name}.
//
// [Parse] checks everything once and compiles each rule into a tree of closures,
// so that [Definition.Evaluate] neither parses nor can panic: a wrong operator,
// a missing variant or a circular reference is an error when the file is read,
// not when a customer waits.
//
// [Provider] serves one file through OpenFeature and follows its changes. A file
// that breaks while it is being edited does not take the flags away: the last
// good definition stays and [Provider.Err] says what is wrong.
//
// [Set] and [Delete] change one value in a file's bytes and leave every other
// byte as it was, comments of a kind (unknown keys, order, indentation)
// included.
//
// JSONLogic is compiled here and not by a library because the libraries keep
// their custom operators in one unguarded table for the whole process, evaluate
// branches that were not taken, and panic on values of the wrong type.
package flagd
