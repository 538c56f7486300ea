package playground

import (
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

func hard(target string) call {
	to, op, _ := strings.Cut(target, ".")
	return call{to: to, op: op}
}

func soft(target string) call  { c := hard(target); c.soft = true; return c }
func async(target string) call { c := hard(target); c.async = true; return c }

func (c call) some(share float64) call { c.share = share; return c }
func (c call) within(ms, connections int) call {
	c.wait, c.pool = millis(float64(ms)), connections
	return c
}
func (c call) keeping() call             { c.holds = true; return c }
func (c call) when(flag, op string) call { c.flag, c.flagOp = flag, op; return c }
func millis(ms float64) time.Duration    { return time.Duration(ms * float64(time.Millisecond)) }
func does(name string, ms float64, calls ...call) op {
	return op{name: name, work: millis(ms), calls: calls}
}
func (o op) with(e effect) op { o.effect = e; return o }

func svc(name, system string, tier, instances int, ops ...op) service {
	return service{name: name, system: system, owner: system + "-team", tier: tier, instances: instances, kind: backout.ServiceOwn, ops: ops}
}

func external(name string, ops ...op) service {
	return service{name: name, system: "providers", owner: "vendor-desk", tier: 1, instances: 1, kind: backout.ServiceExternal, limit: 2000, ops: ops}
}

// table is the shop as it is written down; build turns it into a topology.
func table() topology {
	t := topology{schema: "shop", store: "shop-db", load: "shoppers", tables: [3]string{"orders", "stock", "ledger"}, locations: []backout.Location{location}}
	for _, group := range [][]service{edgeServices(), discoveryServices(), commerceServices(), paymentServices(), fulfilmentServices(), customerServices(), platformServices(), providers()} {
		t.services = append(t.services, group...)
	}
	t.clients = []client{
		{"web", "web", "consumer", .52, .99, 0},
		{"mobile", "mobile-api", "consumer", .38, .99, 0},
		{"nordwind", "partner-api", "partner", .06, .995, 4000},
		{"kestrel", "partner-api", "partner", .04, .995, 2500},
	}
	shoppers, partners := []string{"web", "mobile"}, []string{"nordwind", "kestrel"}
	t.journeys = []journey{
		{name: "browse", title: "Look around", tier: 1, share: .34, ops: []string{"home", "product"}, clients: shoppers, minor: 4, loss: 1},
		{name: "find", title: "Search for a product", tier: 1, share: .20, ops: []string{"search", "product"}, clients: shoppers, minor: 6, loss: 1},
		{name: "buy", title: "Buy a basket", tier: 0, share: .18, ops: []string{"product", "add", "buy"}, clients: shoppers, minor: 3200, order: true, loss: 1},
		{name: "account", title: "See one's account", tier: 2, share: .08, ops: []string{"account"}, clients: shoppers, minor: 2, loss: 1},
		{name: "track", title: "Follow a parcel", tier: 2, share: .05, ops: []string{"track"}, clients: shoppers, minor: 3, loss: 1},
		{name: "return", title: "Send something back", tier: 2, share: .03, ops: []string{"account", "return"}, clients: shoppers, minor: 40, loss: 1},
		{name: "subscribe", title: "Renew a subscription", tier: 1, share: .02, ops: []string{"renew"}, clients: shoppers, minor: 900, order: true, loss: 1},
		{name: "wholesale", title: "Order as a partner", tier: 0, share: .06, ops: []string{"offer", "buy"}, clients: partners, minor: 7800, order: true, loss: 1},
		{name: "feed", title: "Read the partner feed", tier: 2, share: .04, ops: []string{"offer"}, clients: partners, minor: 5, loss: 1},
	}
	t.settings = []setting{
		{"search-page-size", "search", "page size of search", 1.08, location},
		{"catalog-cache", "catalog", "time that the catalog is cached", .95, location},
		{"payment-log-detail", "payment", "detail of payment's log", 1.02, location},
		{"fraud-rules", "fraud", "rules of fraud", 1.1, location},
		{"checkout-summary", "checkout", "text of the order summary", 1.03, location},
		{"ledger-batch", "ledger", "batch size of the ledger", .97, location},
		{"shipping-cutoff", "shipping", "cut-off time of shipping", 1, location},
		{"media-quality", "media", "quality of pictures", 1.1, location},
		{"mail-templates", "email", "templates of mail", 1.05, location},
		{"price-rounding", "pricing", "rounding of prices", 1.01, location},
	}
	t.splits = []split{{"recommendations-split", "recommendations", location}, {"search-split", "search", location}, {"catalog-split", "catalog", location}}
	t.toggles = []toggle{
		{"express-checkout", "checkout", "Express checkout", []string{"buy"}, 9000, location},
		{"new-reviews", "web", "New look of reviews", []string{"browse"}, 700, location},
		{"smart-suggestions", "search", "Smart suggestions", []string{"find"}, 900, location},
		{"gift-wrap", "cart", "Gift wrapping", []string{"buy"}, 400, location},
		{"net-prices", "pricing", "Net prices", []string{"wholesale", "feed"}, 600, location},
		{"live-tracking", "tracking", "Live tracking", []string{"track"}, 200, location},
	}
	return t
}

func edgeServices() []service {
	through := func(to string, names ...string) []op {
		var out []op
		for _, n := range names {
			out = append(out, does(n, .3, hard(to+"."+n)))
		}
		return out
	}
	consumer := func() []op {
		return []op{
			does("home", .6, hard("content.page"), hard("catalog.list"), soft("recommendations.for"), soft("promotions.banner")),
			does("search", .6, hard("search.query"), soft("suggestions.for").some(.5)),
			does("product", .6, hard("catalog.get"), hard("availability.check"), soft("reviews.of").when("new-reviews", "summary"), async("events.track").some(.3)),
			does("add", .5, hard("sessions.check"), hard("cart.add")),
			does("buy", .6, hard("sessions.check"), hard("checkout.place")),
			does("account", .6, hard("auth.verify"), hard("users.get"), hard("orders.list"), soft("loyalty.points")),
			does("track", .5, hard("auth.verify"), hard("tracking.of")),
			does("return", .5, hard("auth.verify"), hard("returns.open")),
			does("renew", .5, hard("auth.verify"), hard("subscriptions.renew")),
		}
	}
	gateway := svc("gateway", "entry", 0, 3)
	gateway.timeout, gateway.limit = 3200*time.Millisecond, 400
	for _, n := range []string{"home", "search", "product", "add", "buy", "account", "track", "return", "renew"} {
		gateway.ops = append(gateway.ops, does("web-"+n, .3, hard("web."+n).within(0, 120)), does("mobile-"+n, .3, hard("mobile-api."+n).within(0, 120)))
	}
	for _, o := range through("partner-api", "offer", "buy") {
		o.name = "partner-" + o.name
		gateway.ops = append(gateway.ops, o)
	}
	web := svc("web", "entry", 0, 3, consumer()...)
	mobile := svc("mobile-api", "entry", 0, 3, consumer()...)
	partner := svc("partner-api", "entry", 1, 2,
		does("offer", .6, hard("auth.verify"), hard("catalog.list"), hard("pricing.quote"), hard("availability.check")),
		does("buy", .6, hard("auth.verify"), hard("checkout.place")))
	for _, s := range []*service{&web, &mobile, &partner} {
		s.timeout, s.limit = 2800*time.Millisecond, 200
	}
	return []service{gateway, web, mobile, partner}
}

func discoveryServices() []service {
	return []service{
		svc("catalog", "discovery", 1, 3,
			does("get", .8, soft("media.link").some(.3), hard("pricing.quote").some(.5)),
			does("list", 1, soft("categories.tree").some(.5))),
		svc("search", "discovery", 1, 3, does("query", 2, hard("search-index.lookup"), soft("personalization.rank").some(.3), soft("synonyms.of").some(.2).when("smart-suggestions", "of"))),
		svc("search-index", "discovery", 1, 2, does("lookup", 1.5)),
		svc("suggestions", "discovery", 2, 2, does("for", .8, soft("search-index.lookup").some(.3))),
		svc("synonyms", "discovery", 3, 2, does("of", .4)),
		svc("recommendations", "discovery", 2, 2, does("for", 1.5, soft("personalization.rank").some(.5))),
		svc("personalization", "discovery", 3, 2, does("rank", .9, soft("preferences.get").some(.3))),
		svc("categories", "discovery", 2, 2, does("tree", .4)),
		svc("reviews", "discovery", 3, 2, does("of", .7, soft("moderation.state").some(.1)), does("summary", .9)),
		svc("moderation", "discovery", 3, 2, does("state", .5)),
		svc("content", "discovery", 2, 2, does("page", .6, soft("media.link").some(.3), soft("experiments.arm").some(.2))),
		svc("media", "discovery", 3, 2, does("link", .4)),
	}
}

func commerceServices() []service {
	checkout := svc("checkout", "commerce", 0, 3, does("place", 1.5,
		hard("cart.get"), hard("pricing.quote"), hard("tax.rate"), soft("delivery-slots.offer").some(.3),
		hard("inventory.reserve").keeping(),
		hard("payment.charge").within(1300, 5).when("express-checkout", "express"),
		hard("orders.create"), async("notifications.send")))
	checkout.timeout, checkout.limit = 800*time.Millisecond, 40
	return []service{
		svc("pricing", "commerce", 0, 3, does("quote", .8, soft("promotions.banner").some(.2), soft("exchange-rates.get").some(.1))),
		svc("promotions", "commerce", 2, 2, does("banner", .5, soft("experiments.arm").some(.1))),
		svc("exchange-rates", "commerce", 2, 2, does("get", .3)),
		svc("availability", "commerce", 1, 3, does("check", .5, hard("inventory.stock"))),
		svc("inventory", "commerce", 0, 3,
			does("stock", 1).with(readStock), does("reserve", 1.2, async("warehouse.notice").some(.1)).with(reserve), does("release", .4).with(release)),
		svc("cart", "commerce", 0, 3, does("add", .8, hard("pricing.quote").some(.3), soft("gift-wrap.options").some(.05).when("gift-wrap", "options")), does("get", .6)),
		svc("gift-wrap", "commerce", 3, 2, does("options", .4)),
		checkout,
		svc("orders", "commerce", 0, 3,
			does("create", 1.2, async("audit.record").some(.2), async("shipping.plan")).with(writeOrder), does("list", .9, soft("documents.link").some(.2)), does("get", .6)),
	}
}

func paymentServices() []service {
	payment := svc("payment", "payments", 0, 3,
		does("charge", 2, hard("fraud.score"), hard("card-network.authorize"), hard("ledger.append"), soft("wallet.balance").some(.1)),
		op{name: "express", work: millis(1.5), next: true, calls: []call{hard("fraud.score"), hard("card-network.authorize"), hard("ledger.append")}})
	payment.timeout, payment.limit = 1000*time.Millisecond, 64
	refunds := svc("refunds", "payments", 1, 2, does("issue", 1, hard("card-network.refund"), hard("ledger.append")))
	subscriptions := svc("subscriptions", "payments", 1, 2, does("renew", 1, hard("users.get"), hard("card-network.authorize"), hard("invoices.make"), async("notifications.send")))
	wallet := svc("wallet", "payments", 2, 2, does("balance", .8, soft("card-network.authorize").some(.3)))
	return []service{
		payment, refunds, subscriptions, wallet,
		svc("fraud", "payments", 0, 2, does("score", 1.2, soft("risk-profiles.get").some(.3), soft("geo.locate").some(.2))),
		svc("risk-profiles", "payments", 2, 2, does("get", .6)),
		svc("ledger", "payments", 0, 2, does("append", .8, async("audit.record").some(.1)).with(writeLedger)),
		svc("invoices", "payments", 2, 2, does("make", .9, soft("documents.link"), hard("tax.rate"))),
	}
}

func fulfilmentServices() []service {
	return []service{
		svc("shipping", "fulfilment", 1, 2, does("plan", 1, hard("warehouse.pick"), soft("carrier.book").some(.5), soft("packaging.box").some(.3))),
		svc("warehouse", "fulfilment", 1, 2, does("pick", .8), does("notice", .4)),
		svc("packaging", "fulfilment", 3, 2, does("box", .4)),
		svc("delivery-slots", "fulfilment", 2, 2, does("offer", .7, soft("geo.locate").some(.5))),
		svc("tracking", "fulfilment", 2, 2, does("of", .8, hard("orders.get"), soft("carrier.status").when("live-tracking", "status"))),
		svc("returns", "fulfilment", 2, 2, does("open", 1, hard("orders.get"), hard("refunds.issue"), soft("shipping-labels.print"))),
		svc("shipping-labels", "fulfilment", 3, 2, does("print", .6, soft("carrier.book").some(.5))),
	}
}

func customerServices() []service {
	return []service{
		svc("users", "customer", 1, 2, does("get", .6, soft("addresses.of").some(.3), soft("consent.get").some(.1))),
		svc("auth", "customer", 0, 2, does("verify", .6, hard("sessions.check").some(.5))),
		svc("sessions", "customer", 0, 2, does("check", .4)),
		svc("preferences", "customer", 3, 2, does("get", .4)),
		svc("loyalty", "customer", 3, 2, does("points", .7)),
		svc("addresses", "customer", 2, 2, does("of", .4)),
		svc("consent", "customer", 2, 2, does("get", .3)),
		svc("support", "customer", 3, 2, does("open", .6, soft("users.get"))),
	}
}

func platformServices() []service {
	return []service{
		svc("tax", "platform", 1, 2, does("rate", .7, soft("tax-provider.rate").some(.3))),
		svc("geo", "platform", 3, 2, does("locate", .4)),
		svc("experiments", "platform", 3, 2, does("arm", .3)),
		svc("audit", "platform", 2, 2, does("record", .4)),
		svc("events", "platform", 3, 2, does("track", .3, soft("reporting.count").some(.2))),
		svc("reporting", "platform", 3, 2, does("count", .4)),
		svc("documents", "platform", 3, 2, does("link", .5)),
		svc("notifications", "platform", 2, 2, does("send", .5, hard("email.send"), soft("sms.send").some(.2), soft("push.send").some(.4), soft("support.open").some(.02))),
		svc("email", "platform", 2, 2, does("send", .6, soft("mail-relay.send"))),
		svc("sms", "platform", 3, 2, does("send", .4)),
		svc("push", "platform", 3, 2, does("send", .3)),
	}
}

func providers() []service {
	return []service{
		external("card-network", does("authorize", 4), does("refund", 4)),
		external("tax-provider", does("rate", 3)),
		external("carrier", does("book", 3), does("status", 2)),
		external("mail-relay", does("send", 2)),
		{name: "shop-db", system: "commerce", owner: "commerce-team", tier: 0, kind: backout.ServiceDatastore},
	}
}
