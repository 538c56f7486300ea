package replay

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"

	"github.com/backout-dev/backout"
)

// Wrong says what is wrong with one field of a line; Field is "" for the line as
// a whole.
type Wrong struct{ Field, Message string }

// Parse reads one line of the changes: an observation, or all that is wrong.
type Parse func(line []byte) (backout.Observation, []Wrong)

// The most that is read of a file of changes.
const (
	mostChanges  = 500_000
	longestLine  = 64 << 10
	mostProblems = 20 // then it says how it goes on, and no more
)

// ReadChanges reads observations, one a line; empty lines are skipped. It gives
// them by time; what stands twice is one. The error is [Problems] when lines are
// wrong.
func ReadChanges(name string, r io.Reader, parse Parse) ([]backout.Observation, error) {
	in := changes{name: name, parse: parse, lines: map[[2]string]int{}}
	b := bufio.NewReaderSize(r, longestLine)
	for n := 1; ; n++ {
		line, err := b.ReadSlice('\n')
		whole := err == nil
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, problem(name, n, "", "a line longer than %d bytes: expected one observation", longestLine)
		case err != nil && !errors.Is(err, io.EOF):
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			in.line(n, line, whole)
		}
		switch {
		case len(in.out) > mostChanges:
			return nil, problem(name, n, "", "expected at most %d changes", mostChanges)
		case len(in.problems) >= mostProblems:
			return nil, append(in.problems, problem(name, n, "", "expected fewer problems: reading stopped here")...)
		}
		if !whole {
			break
		}
	}
	if len(in.problems) > 0 {
		return nil, in.problems
	}
	slices.SortStableFunc(in.out, func(a, b backout.Observation) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Source, b.Source), cmp.Compare(a.NativeID, b.NativeID))
	})
	return in.out, nil
}

// changes is what was read so far.
type changes struct {
	name     string
	parse    Parse
	out      []backout.Observation
	lines    map[[2]string]int // source and native id -> place in out, counted from 1
	problems Problems
}

func (c *changes) line(n int, line []byte, whole bool) {
	o, wrong := c.parse(line)
	if len(wrong) > 0 && !whole {
		c.problems = append(c.problems, problem(c.name, n, "", "half a line (%s): the file seems to be cut off", wrong[0].Message)...)
		return
	}
	for _, w := range wrong {
		c.problems = append(c.problems, problem(c.name, n, w.Field, "%s", w.Message)...)
	}
	if len(wrong) > 0 {
		return
	}
	key := [2]string{o.Source, o.NativeID}
	if at := c.lines[key]; at > 0 {
		if !reflect.DeepEqual(c.out[at-1], o) {
			c.problems = append(c.problems, problem(c.name, n, "native_id", "%q of source %q stands above and says something else: expected an id of its own", o.NativeID, o.Source)...)
		}
		return
	}
	c.out = append(c.out, o)
	c.lines[key] = len(c.out)
}
