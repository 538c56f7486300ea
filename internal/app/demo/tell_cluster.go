package demo

import (
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout/internal/remote/kubernetes/local"
	"github.com/backout-dev/backout/internal/render"
)

// starting begins the story with the cluster, whose parts follow on one line each.
func (s *story) starting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.head("A Kubernetes on this machine")
}

// part tells that a part of the cluster is being started.
func (s *story) part(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line("%s %s", s.style.Paint(render.InkMuted, s.clock()), name)
}

// approved tells that the person on call has said yes.
func (s *story) approved() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line("%s the person on call has read it for %s and says yes (here the demo does; --approve leaves it to you)", s.style.Paint(render.InkOK, s.style.Glyph("✔")), render.Span(reads*s.step))
}

// wrote tells what the cluster itself noted of backout's writes.
func (s *story) wrote(calls []local.Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.head("What the API server's audit log has of backout")
	read, tried, wrote := 0, 0, []local.Call{}
	for _, c := range calls {
		switch {
		case !c.Writes():
			read++
		case c.Dry():
			tried++
		default:
			wrote = append(wrote, c)
		}
	}
	s.line("it wrote to the cluster %s; %s tried without effect, %s to read or to ask", times(len(wrote)), render.Plural(tried, "write"), render.Plural(read, "call"))
	for _, c := range wrote {
		s.line("%s %s %s %s: %d", s.style.Paint(render.InkMuted, c.At.Local().Format(time.TimeOnly)), c.Verb, strings.Trim(c.Resource+"/"+c.Subresource, "/"), strings.Trim(c.Namespace+"/"+c.Name, "/"), c.Code)
	}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
