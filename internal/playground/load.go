package playground

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/backout-dev/backout"
)

// loadPlan is what clients do, as the shop tells the load.
type loadPlan struct {
	Front   string  `json:"front"` // the service that takes their requests
	Rate    float64 `json:"rate"`  // transactions a second
	Trips   []trip  `json:"trips"`
	Located bool    `json:"located"` // clients are in several locations
}

// trip is a journey of one client.
type trip struct {
	Journey  string   `json:"journey"`
	Client   string   `json:"client"`
	Share    float64  `json:"share"` // of all transactions
	Requests []string `json:"requests"`
	Minor    int64    `json:"minor"` // mean worth
	Order    bool     `json:"order"`
	// Location is where these clients are; told in metrics when there are several.
	Location backout.Location `json:"location"`
}

// loadPlan derives the trips from journeys and clients.
func (t *topology) loadPlan(rate float64) loadPlan {
	front := t.named("gateway")
	p := loadPlan{Front: front.name, Rate: rate, Trips: []trip{}, Located: len(t.locations) > 1}
	for _, j := range t.journeys {
		whole := 0.0
		for _, c := range j.clients {
			whole += t.client(c).share
		}
		for _, c := range j.clients {
			tr := trip{Journey: j.name, Client: c, Share: j.share * t.client(c).share / whole, Minor: j.minor, Order: j.order}
			for _, o := range j.ops {
				tr.Requests = append(tr.Requests, front.forwarding(t.client(c).front, o))
			}
			tr.Share /= float64(len(t.locations))
			for _, tr.Location = range t.locations {
				p.Trips = append(p.Trips, tr)
			}
		}
	}
	return p
}

// forwarding finds the operation of s that hands on to another service's.
func (s *service) forwarding(to, op string) string {
	for _, o := range s.ops {
		if o.calls[0].to == to && o.calls[0].op == op {
			return o.name
		}
	}
	return ""
}

const (
	loadPatience    = 4 * time.Second // of a client with one request
	loadConcurrency = 3               // seconds of arrivals that may be under way
)

// load is everything that RunLoad runs.
type load struct {
	plan      loadPlan
	around    *surroundings
	meters    *loadMeters
	slots     *pool
	transport *http.Transport
	start     *counts
	mu        sync.Mutex // guards begin
	begin     *counts
	cpu       *cpuMeter
}

// RunLoad sends clients to the shop of c.Dir until ctx ends or the shop is gone.
// Arrivals don't wait for answers; those beyond the bound on concurrent clients
// are turned away and count as failed.
func RunLoad(ctx context.Context, c Config) error {
	c, err := c.withDefaults()
	if err != nil {
		return err
	}
	ctx, cancel := withParent(ctx, c.ParentPID)
	defer cancel()
	shopClient, err := Dial(ctx, c.Dir)
	if err != nil {
		return fmt.Errorf("run load: %w", err)
	}
	plan, err := shopClient.loadPlan(ctx)
	if err != nil {
		return fmt.Errorf("run load: %w", err)
	}
	ld := &load{plan: plan, around: &surroundings{routes: newRoutes(), knobs: newKnobs()}, meters: newLoadMeters(plan), cpu: newCPUMeter(),
		slots: newPool(int(plan.Rate * loadConcurrency)), start: newCounts(time.Now().UTC()),
		transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true, ReadBufferSize: 1024, WriteBufferSize: 1024}}
	defer ld.transport.CloseIdleConnections()
	address, stop, err := ld.meters.listen()
	if err != nil {
		return fmt.Errorf("run load: %w", err)
	}
	defer stop()
	heart := pacemaker{control: shopClient.control, token: shopClient.token, around: ld.around, heard: ld.heard,
		beat: func() beat { return ld.tell(address) }}
	if err := heart.once(ctx); err != nil {
		return fmt.Errorf("run load: %w", err)
	}
	lost := make(chan struct{})
	go func() {
		defer close(lost)
		heart.runUntilLost(ctx)
	}()
	ld.arrive(ctx, lost)
	return nil
}

func (l *load) heard(a answerToBeat) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.begin == nil && !a.Begun.IsZero() {
		l.begin = newCounts(a.Begun)
	}
}

func (l *load) tell(address string) beat {
	b := beat{Role: "load", ID: fmt.Sprint(os.Getpid()), Address: address, CPU: l.cpu.ratio(), Start: l.start.tallies()}
	if c := l.sinceBegin(); c != nil {
		b.Begin = c.tallies()
	}
	return b
}

func (l *load) sinceBegin() *counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.begin
}

// arrive lets clients come, at random times and the plan's mean rate.
func (l *load) arrive(ctx context.Context, lost <-chan struct{}) {
	next := time.Now()
	var under sync.WaitGroup
	defer under.Wait()
	for {
		next = next.Add(time.Duration(rand.ExpFloat64() / l.plan.Rate * float64(time.Second)))
		if wait := time.Until(next); wait > 0 {
			if pause(ctx, wait) != nil {
				return
			}
		} else if wait < -time.Second {
			next = time.Now() // the machine stood still: don't make up for it with a burst
		}
		select {
		case <-lost:
			return
		case <-ctx.Done():
			return
		default:
		}
		tr := l.choose()
		select {
		case l.slots.slots <- struct{}{}:
			under.Go(func() {
				defer l.slots.release()
				l.travel(ctx, tr)
			})
		default:
			l.count(tr, false, 0)
		}
	}
}

func (l *load) choose() *trip {
	at := rand.Float64()
	for i := range l.plan.Trips {
		if at -= l.plan.Trips[i].Share; at <= 0 {
			return &l.plan.Trips[i]
		}
	}
	return &l.plan.Trips[0]
}

// travel makes one journey: its requests one after another, ending at the first
// that fails.
func (l *load) travel(ctx context.Context, tr *trip) {
	begun := time.Now()
	for _, name := range tr.Requests {
		if err := l.request(ctx, name, tr); err != nil {
			if ctx.Err() == nil {
				l.count(tr, false, time.Since(begun))
			}
			return
		}
	}
	l.count(tr, true, time.Since(begun))
}

func (l *load) request(ctx context.Context, name string, tr *trip) error {
	ctx, cancel := context.WithTimeout(ctx, loadPatience)
	defer cancel()
	e, ok := l.around.routes.pick(l.plan.Front, tr.Location, "")
	if !ok {
		return fmt.Errorf("no instance of %s", l.plan.Front)
	}
	req := (&http.Request{Method: http.MethodGet, Host: e.Address, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		URL: &url.URL{Scheme: "http", Host: e.Address, Path: "/" + name}, Header: http.Header{headerClient: {tr.Client}}}).WithContext(ctx)
	answer, err := l.transport.RoundTrip(req)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return statusError(answer.StatusCode)
	}
	return nil
}

// count books one transaction.
func (l *load) count(tr *trip, ok bool, took time.Duration) {
	worth := int64(0)
	if tr.Minor > 0 {
		worth = int64(math.Round(float64(tr.Minor) * (.5 + rand.Float64())))
	}
	l.meters.count(tr, ok, took, worth)
	l.start.count(ok, took, worth)
	if c := l.sinceBegin(); c != nil {
		c.count(ok, took, worth)
	}
}

// loadMeters are the load's metrics.
type loadMeters struct {
	registry        *prometheus.Registry
	located         bool
	journeys        *prometheus.CounterVec
	seconds         *prometheus.SummaryVec
	orders, revenue prometheus.Counter
	tickets         prometheus.Counter
}

func newLoadMeters(p loadPlan) *loadMeters {
	var where []string
	if p.Located {
		where = []string{"location"}
	}
	m := &loadMeters{
		registry: prometheus.NewRegistry(),
		located:  p.Located,
		journeys: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "shop_journeys_total", Help: "Journeys that clients ended, by result."}, append([]string{"journey", "client", "result"}, where...)),
		seconds:  prometheus.NewSummaryVec(prometheus.SummaryOpts{Name: "shop_journey_seconds", Help: "Time from the first to the last request of a journey."}, append([]string{"journey", "client"}, where...)),
		orders:   prometheus.NewCounter(prometheus.CounterOpts{Name: "shop_orders_total", Help: "Purchases that clients made."}),
		revenue:  prometheus.NewCounter(prometheus.CounterOpts{Name: "shop_revenue_minor_total", Help: "Revenue in minor units."}),
		tickets:  prometheus.NewCounter(prometheus.CounterOpts{Name: "shop_tickets_total", Help: "Complaints that clients sent."}),
	}
	m.registry.MustRegister(m.journeys, m.seconds, m.orders, m.revenue, m.tickets)
	for _, t := range p.Trips {
		m.journeys.WithLabelValues(m.at(&t, t.Journey, t.Client, "ok")...)
		m.journeys.WithLabelValues(m.at(&t, t.Journey, t.Client, "error")...)
	}
	return m
}

// at adds a trip's location to its labels, where that is told.
func (m *loadMeters) at(tr *trip, labels ...string) []string {
	if m.located {
		return append(labels, string(tr.Location))
	}
	return labels
}

func (m *loadMeters) count(tr *trip, ok bool, took time.Duration, worth int64) {
	result := "error"
	if ok {
		result = "ok"
	}
	m.journeys.WithLabelValues(m.at(tr, tr.Journey, tr.Client, result)...).Inc()
	m.seconds.WithLabelValues(m.at(tr, tr.Journey, tr.Client)...).Observe(took.Seconds())
	switch {
	case ok && tr.Order:
		m.orders.Inc()
		m.revenue.Add(float64(worth))
	case !ok && rand.IntN(20) == 0:
		m.tickets.Inc()
	}
}

// listen serves /metrics and gives its address.
func (m *loadMeters) listen() (address string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{DisableCompression: true})}
	go func() { _ = server.Serve(l) }() // ends with stop
	return l.Addr().String(), func() { _ = server.Close() }, nil
}
