// Package infer draws lines about pairs of versions that nobody wrote down: from
// the API specs and migrations that pipelines hand in with changes.
//
// A consumer is taken to be built against the version of its provider that was
// live when it was deployed, unless its pipeline said another. What that version
// served and another does not, the consumer may rely on; so the line forbids the
// two to meet, though a consumer that never used it would not mind. Whoever knows
// better says --built-against, or writes a contract, which wins.
//
// Of a schema the code of its service is the consumer. Code that was there before
// a migration meets what the migration did; code that came after it meets, on the
// way back, what its Down section does. Code that was seen healthy with the
// schema for long enough gets no forbidding line: it was made for both.
//
// Everything here is a pure function of its input.
package infer
