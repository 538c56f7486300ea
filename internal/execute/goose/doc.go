// Package goose takes database schemas back (and forth) with goose migrations.
// It speaks to SQLite files.
//
// # The model in one page
//
// A component's locator names the database and the folder of migrations:
//
//	sqlite:PATH?migrations=DIR[&digits=N]
//	sqlite:PATH|DIR                        (short for digits=4)
//
// Its versions are goose's version numbers, padded with zeros to N digits
// (default 1), so "4" or "0004". A schema moves whole.
//
// Going back runs the Down sections between two versions. goose itself deletes
// the version row of a migration without a Down section and reports success
// although nothing was undone; so the files are read here first, and such a
// migration is one way. A migration that only adds tables, columns or indexes
// can be taken back, but what was written into them since is lost: Survey names
// them and says lossy. Any other migration is of unknown loss.
//
// SQLite offers no compare-and-swap across goose's transactions. Survey says so;
// a stale picture is still refused, with a small window left.
package goose
