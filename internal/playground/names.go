package playground

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
)

// build gives the topology of a seed: the table with its releases, under the
// names that the outside will see. The same seed gives the same topology in every
// process.
func build(seed uint64, blind bool) *topology {
	t := table()
	draw := rand.New(rand.NewPCG(seed, 0x5709))
	for i := range t.services {
		t.services[i].release(draw)
	}
	words := map[string]string{}
	if blind {
		words = neutral(&t, rand.New(rand.NewPCG(seed, 0xb11d)))
	}
	t.rename(words)
	slices.SortStableFunc(t.services, func(a, b service) int {
		if !blind {
			return 0 // the table's order reads better
		}
		return cmp.Compare(a.name, b.name)
	})
	t.index = map[string]int{}
	for i, s := range t.services {
		t.index[s.name] = i
	}
	return &t
}

// release draws three releases of a service, each later than the one before.
func (s *service) release(draw *rand.Rand) {
	major, minor, patch := 1+draw.IntN(4), 2+draw.IntN(30), draw.IntN(6)
	s.previous = fmt.Sprintf("%d.%d.%d", major, minor-1, draw.IntN(4))
	s.current = fmt.Sprintf("%d.%d.%d", major, minor, patch)
	s.next = fmt.Sprintf("%d.%d.%d", major, minor, patch+1)
	if draw.IntN(2) == 0 {
		s.next = fmt.Sprintf("%d.%d.0", major, minor+1)
	}
}

// neutral draws a name that says nothing for every word of the table. Releases
// keep their order, since ranges of versions depend on it.
func neutral(t *topology, draw *rand.Rand) map[string]string {
	groups := map[string]map[string]bool{}
	add := func(group, word string) {
		if groups[group] == nil {
			groups[group] = map[string]bool{}
		}
		groups[group][word] = true
	}
	for _, s := range t.services {
		add("svc", s.name)
		add("team", s.owner)
		add("area", s.system)
		for _, o := range s.ops {
			add("op", "op:"+o.name)
		}
	}
	for _, j := range t.journeys {
		add("journey", "journey:"+j.name)
	}
	for _, c := range t.clients {
		add("client", "client:"+c.name)
	}
	for _, c := range t.settings {
		add("config", c.name)
	}
	for _, s := range t.splits {
		add("split", s.name)
	}
	for _, f := range t.toggles {
		add("flag", "flag:"+f.name)
	}
	for _, n := range t.tables {
		add("table", "table:"+n)
	}
	out := map[string]string{"schema:" + t.schema: "db-1", t.load: "clients"}
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		words := slices.Sorted(maps.Keys(groups[group]))
		draw.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
		for i, w := range words {
			out[w] = fmt.Sprintf("%s-%02d", group, i+1)
		}
	}
	for i := range t.services {
		s, first := &t.services[i], 100+draw.IntN(800)
		s.previous, s.current, s.next = fmt.Sprint(first), fmt.Sprint(first+1), fmt.Sprint(first+2)
	}
	return out
}

// rename replaces every name by its word. Names of different kinds may be equal
// in the table, so all but services carry their kind in the key.
func (t *topology) rename(words map[string]string) {
	to := func(kind, name string) string {
		if w, ok := words[kind+name]; ok {
			return w
		}
		return name
	}
	t.outward = map[string]string{}
	for i := range t.services {
		s := &t.services[i]
		t.outward[s.name] = to("", s.name)
		s.name, s.owner, s.system = to("", s.name), to("", s.owner), to("", s.system)
		s.ops = slices.Clone(s.ops)
		for j := range s.ops {
			o := &s.ops[j]
			o.name, o.calls = to("op:", o.name), slices.Clone(o.calls)
			for k := range o.calls {
				c := &o.calls[k]
				c.to, c.op, c.flag, c.flagOp = to("", c.to), to("op:", c.op), to("flag:", c.flag), to("op:", c.flagOp)
			}
		}
	}
	for i := range t.clients {
		c := &t.clients[i]
		t.outward["client:"+c.name] = to("client:", c.name)
		c.name, c.front = to("client:", c.name), to("", c.front)
	}
	t.renameJourneys(to, len(words) > 0)
	t.outward["schema:"+t.schema], t.outward["shop-load"] = to("schema:", t.schema), to("", t.load)
	t.schema, t.store, t.load = to("schema:", t.schema), to("", t.store), to("", t.load)
	for i := range t.tables {
		t.tables[i] = to("table:", t.tables[i])
	}
}

func (t *topology) renameJourneys(to func(kind, name string) string, blind bool) {
	title := func(plain, name string) string {
		if blind {
			return name
		}
		return plain
	}
	for i := range t.journeys {
		j := &t.journeys[i]
		j.name = to("journey:", j.name)
		j.title, j.ops, j.clients = title(j.title, j.name), slices.Clone(j.ops), slices.Clone(j.clients)
		for k := range j.clients {
			j.clients[k] = to("client:", j.clients[k])
		}
		for k := range j.ops {
			j.ops[k] = to("op:", j.ops[k])
		}
	}
	for i := range t.settings {
		c := &t.settings[i]
		key := "config:" + c.name
		c.name, c.service = to("", c.name), to("", c.service)
		c.title, t.outward[key] = title(c.title, c.name), c.name
	}
	for i := range t.splits {
		s := &t.splits[i]
		key := "split:" + s.name
		s.name, s.service = to("", s.name), to("", s.service)
		t.outward[key] = s.name
	}
	for i := range t.toggles {
		f := &t.toggles[i]
		key := "flag:" + f.name
		f.name, f.service = to("flag:", f.name), to("", f.service)
		f.title, t.outward[key], f.journeys = title(f.title, f.name), f.name, slices.Clone(f.journeys)
		for k := range f.journeys {
			f.journeys[k] = to("journey:", f.journeys[k])
		}
	}
}
