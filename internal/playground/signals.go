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
// whatever the number of services. Where the shop runs in several locations, each
// series tells its own.
func signals(located bool) []declaredSignal {
	// The window reaches one scrape beyond the step, so what grew in a step is the
	// rate times the step's seconds, not the increase over the window.
	sum := func(by, metric string) string {
		if located {
			by += ", location"
		}
		return "sum by (" + by + ") (rate(" + metric + "[$window])) * $step_s"
	}
	total := func(metric string) string { return "sum(rate(" + metric + "[$window])) * $step_s" }
	errors := func(name, by, metric string, opens bool, labels map[string]string) declaredSignal {
		return declaredSignal{name, "errors", "up", sum(by, metric+`{result="error"}`), sum(by, metric), labels, opens}
	}
	latency := func(name, by, metric string, opens bool, labels map[string]string) declaredSignal {
		return declaredSignal{name, "latency", "up", sum(by, metric+"_sum"), sum(by, metric+"_count"), labels, opens}
	}
	pools := "service"
	if located {
		pools += ", location"
	}
	edge := map[string]string{"service": "callee", "caller": "caller"}
	return []declaredSignal{
		errors("service-errors", "service", "shop_requests_total", true, nil),
		latency("service-latency", "service", "shop_request_seconds", true, nil),
		errors("journey-errors", "journey", "shop_journeys_total", true, nil),
		latency("journey-latency", "journey", "shop_journey_seconds", true, nil),
		errors("client-errors", "client", "shop_journeys_total", false, nil),
		latency("client-latency", "client", "shop_journey_seconds", false, nil),
		errors("edge-errors", "caller, callee", "shop_calls_total", false, edge),
		latency("edge-latency", "caller, callee", "shop_call_seconds", false, edge),
		errors("arm-errors", "service, version", "shop_requests_total", false, nil),
		latency("arm-latency", "service, version", "shop_request_seconds", false, nil),
		{"service-traffic", "traffic", "up", sum("service", "shop_requests_total"), "", nil, false},
		{"pool-saturation", "saturation", "up", "max by (" + pools + ") (shop_pool_ratio)", "", nil, false},
		{"order-count", "kpi", "down", total("shop_orders_total"), "", nil, false},
		{"revenue", "kpi", "down", total("shop_revenue_minor_total"), "", nil, false},
		{"ticket-count", "kpi", "up", total("shop_tickets_total"), "", nil, false},
	}
}
