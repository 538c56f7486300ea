package watch

import (
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// Two weeks that the backend remembers are learnt in minutes beside the work, and a
// restart in the middle goes on where it was.
func TestRun_learnsThePast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const minute, days = time.Minute, 14
		began := time.Now().Add(-days * 24 * time.Hour)
		b, kept := &backend{began: began}, &shelf{}
		c := Config{Sampler: b, Report: (&ear{}).hear, Snapshots: kept, Past: 14 * 24 * time.Hour, PastPause: 30 * time.Second, History: 60}
		w, end := runningAt(t, c, minute)
		pass(70 * time.Second)
		if st := w.State(); st.Seasonal != 0 || st.PastRatio >= 1 || st.Judged != 1 {
			t.Fatalf("after a minute: %+v, expected a short history and a past to learn", st)
		}
		before := w.State().PastRatio
		if before == 0 {
			t.Fatal("nothing of the past is learnt before the restart, so it would show nothing")
		}
		end()
		w, end = runningAt(t, c, minute)
		defer end()
		pass(time.Second)
		if st := w.State(); st.PastRatio < before {
			t.Errorf("after a restart %.2f of the past is learnt, before it was %.2f", st.PastRatio, before)
		}
		pass(9 * minute)
		st := w.State()
		if st.Seasonal != 1 || st.PastRatio != 1 {
			t.Errorf("after ten minutes: %+v, expected a long history", st)
		}
		if sv := w.Services(); len(sv) != 1 || sv[0].Service != "checkout" || sv[0].Seasonal != 1 || sv[0].Learnt != 1 {
			t.Errorf("services are %+v, expected checkout to be ready", sv)
		}
		asked := 0
		b.set(func(b *backend) { asked = b.asked })
		if asked > 60 {
			t.Errorf("the backend was asked %d times in ten minutes", asked)
		}
	})
}

// What began in the past and still stands is said once by the detector that took over.
func TestRun_pastThatStillStandsIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const minute = time.Minute
		b := &backend{began: time.Now().Add(-48 * time.Hour)}
		since := time.Now().Add(-5 * time.Hour)
		b.shift = func(at time.Time) float64 {
			if at.After(since) {
				return 6
			}
			return 0
		}
		e := &ear{}
		_, end := runningAt(t, Config{Sampler: b, Report: e.hear, Past: 14 * 24 * time.Hour, History: 60}, minute)
		defer end()
		pass(10 * minute)
		if f := e.findings(); len(f) != 1 || math.Abs(f[0].Onset.Sub(since).Minutes()) > 3 {
			t.Errorf("findings %+v, expected the shift of five hours ago once", f)
		}
	})
}

func TestRun_noPastToLearn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{began: time.Now().Add(-30 * time.Minute)}
		w, end := runningAt(t, Config{Sampler: b, Report: (&ear{}).hear, Past: 14 * 24 * time.Hour}, time.Minute)
		defer end()
		pass(2 * time.Minute)
		if st := w.State(); st.PastRatio != 1 {
			t.Errorf("state is %+v, expected nothing left to learn", st)
		}
	})
}
