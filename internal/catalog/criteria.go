package catalog

import (
	"strconv"

	"github.com/backout-dev/backout"
)

// readCriteria reads when a way back has worked. Weights that were left out are filled
// in when the journeys and their money are known.
func readCriteria(e *entity) {
	c := backout.SuccessCriteria{ID: e.name, Services: []backout.ServiceID{}, Objectives: []backout.Criterion{}, Analyses: []string{}, File: e.at()}
	e.spec.fields(map[string]func(cursor){
		"environment": text(&c.Environment), "services": refers(e, "service", &c.Services), "analyses": refers(e, "analysis", &c.Analyses),
		"objectives": func(l cursor) { l.list(func(x cursor) { e.objective(x, &c) }) },
		"totalScore": func(s cursor) {
			s.fields(map[string]func(cursor){"passPercentage": percent(&c.Pass), "warningPercentage": percent(&c.Warning)})
		},
	})
	if len(c.Objectives) == 0 && len(c.Analyses) == 0 {
		e.wrong("spec: expected objectives, analyses or both")
	}
	if c.Pass == 0 {
		c.Pass = 1
	}
	if c.Warning == 0 {
		c.Warning = c.Pass
	}
	if c.Warning > c.Pass {
		e.wrong("spec.totalScore.warningPercentage: found %g above passPercentage %g: expected at most as much", 100*c.Warning, 100*c.Pass)
	}
	if e.unique("successcriteria", e.name) {
		e.later = append(e.later, func() { e.out.Criteria = append(e.out.Criteria, c.Weighted(e.out.Graph)) })
	}
}

func (e *entity) objective(x cursor, c *backout.SuccessCriteria) {
	var o backout.Criterion
	x.fields(map[string]func(cursor){
		"signal": refer(e, "signal", &o.Signal), "service": refer(e, "service", &o.Service), "journey": refer(e, "journey", &o.Journey),
		"weight": rate(&o.Weight), "keyObjective": yes(&o.Key),
	})
	if o.Signal == "" && o.Service == "" && o.Journey == "" {
		x.wrong("expected a signal, a service or a journey")
	}
	c.Objectives = append(c.Objectives, o)
}

// percent reads a number above 0 and up to 100 as a share.
func percent(into *float64) func(cursor) {
	return func(c cursor) {
		s, ok := c.scalar()
		if !ok {
			return
		}
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || !(f > 0 && f <= 100) {
			c.wrong("found %q: expected a number above 0 and up to 100", s)
			return
		}
		*into = f / 100
	}
}
