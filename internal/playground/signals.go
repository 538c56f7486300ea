package playground

// declaredSignal is one entry of the SignalSet.
type declaredSignal struct {
	Name      string            `yaml:"name"`
	Kind      string            `yaml:"kind"`
	Direction string            `yaml:"direction"`
	Query     string            `yaml:"query"`
	Total     string            `yaml:"total,omitempty"`
	Labels    map[string]string `yaml:"labels,omitempty"`
	Opens     bool              `yaml:"opens"`
}

// signals are the questions that tell how the shop is. Each is one grouped query,
// whatever the number of services.
func signals() []declaredSignal {
	sum := func(by, metric string) string { return "sum by (" + by + ") (increase(" + metric + "[$window]))" }
	errors := func(name, by, metric string, opens bool, labels map[string]string) declaredSignal {
		return declaredSignal{name, "errors", "up", sum(by, metric+`{result="error"}`), sum(by, metric), labels, opens}
	}
	latency := func(name, by, metric string, opens bool, labels map[string]string) declaredSignal {
		return declaredSignal{name, "latency", "up", sum(by, metric+"_sum"), sum(by, metric+"_count"), labels, opens}
	}
	edge := map[string]string{"service": "callee", "caller": "caller"}
	return []declaredSignal{
		errors("service-errors", "service", "shop_requests_total", true, nil),
		latency("service-latency", "service", "shop_request_seconds", true, nil),
		errors("journey-errors", "journey", "shop_journeys_total", true, nil),
		latency("journey-latency", "journey", "shop_journey_seconds", false, nil),
		errors("client-errors", "client", "shop_journeys_total", false, nil),
		errors("edge-errors", "caller, callee", "shop_calls_total", false, edge),
		latency("edge-latency", "caller, callee", "shop_call_seconds", false, edge),
		errors("arm-errors", "service, version", "shop_requests_total", false, nil),
		latency("arm-latency", "service, version", "shop_request_seconds", false, nil),
		{"pool-saturation", "saturation", "up", "max by (service) (shop_pool_ratio)", "", nil, false},
		{"order-count", "kpi", "down", "sum(increase(shop_orders_total[$window]))", "", nil, false},
		{"revenue", "kpi", "down", "sum(increase(shop_revenue_minor_total[$window]))", "", nil, false},
		{"ticket-count", "kpi", "up", "sum(increase(shop_tickets_total[$window]))", "", nil, false},
	}
}
