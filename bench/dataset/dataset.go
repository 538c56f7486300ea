// Package dataset is what benches over public data sets have in common on their command
// lines: which set, where it lies, and how the result is told.
package dataset

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Options are the flags that all of them have.
type Options struct {
	Set, Data string
	Output    string // text or json
	SVG       string // file for a picture; "" = none
}

// Flags defines them; sets names the sets, and picture what is drawn.
func (o *Options) Flags(sets, picture string) {
	flag.StringVar(&o.Set, "set", "", sets)
	flag.StringVar(&o.Data, "data", "", "folder of the set")
	flag.StringVar(&o.Output, "o", "text", "text or json")
	flag.StringVar(&o.SVG, "svg", "", "write "+picture+" to this file")
}

// Told reports whether the output is one that there is, and nothing is left over on the
// command line.
func (o Options) Told() bool {
	return (o.Output == "text" || o.Output == "json") && flag.NArg() == 0
}

// Absent reports whether the set is not there, and then says where it comes from: the
// sets are not part of this repository.
func (o Options) Absent(out io.Writer, source string) bool {
	if _, err := os.Stat(o.Data); o.Data != "" && !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	fmt.Fprintf(out, "skipped: no folder %q with the set %s. It comes from %s. Give its folder with --data.\n", o.Data, o.Set, source)
	return true
}

// Tell writes the picture, if one is asked for, and the result as JSON or as show does.
func (o Options) Tell(out io.Writer, result any, picture func() string, show func()) error {
	if o.SVG != "" {
		if err := os.WriteFile(o.SVG, []byte(picture()+"\n"), 0o644); err != nil { //nolint:gosec // a picture for everybody
			return fmt.Errorf("write picture: %w", err)
		}
	}
	if o.Output != "json" {
		show()
		return nil
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(result)
}
