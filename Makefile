# Everything a person runs. `make help` lists it.
GO ?= go
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULN := golang.org/x/vuln/cmd/govulncheck@v1.9.0
SEEDS ?= 10
CHAOS_SECONDS ?= 180

.PHONY: help demo demo-matrix compare chaos test kubestack test-kubernetes check lint fuzz bench build generate

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## the main job, live: a shop, ten changes, one bad, the way back
	@$(GO) run ./cmd/backout demo $(ARGS)

demo-matrix: ## all nine scenarios, SEEDS seeds, every other run --blind; takes half a minute a run; ARGS chooses scenarios and modes
	@$(GO) run ./bench/matrix --seeds $(SEEDS) --write docs/DEMO_MATRIX.md $(ARGS)

compare: ## the same incidents answered three ways, SEEDS seeds; takes two minutes and a half a seed
	@$(GO) run ./bench/compare --seeds $(SEEDS) --write docs/COMPARISON.md --svg docs/pictures/comparison.svg $(ARGS)

chaos: ## kill and freeze those who carry out plans for CHAOS_SECONDS (180) on each database, and prove that nothing was lost or done twice
	@$(GO) run ./test/chaos --seconds $(CHAOS_SECONDS) $(ARGS)

# One package at a time: some of them run a whole shop and want the machine for it.
test: ## unit, property and end-to-end tests; needs no C compiler
	@CGO_ENABLED=0 $(GO) test -run '^$$' ./... > /dev/null
	CGO_ENABLED=0 $(GO) test -p 1 ./...

kubestack: ## build Kubernetes for the tests into a cache; ten minutes the first time, nothing afterwards
	@bash test/kubestack/build.sh

test-kubernetes: ## the tests that need a Kubernetes API server; ARGS such as -run Name; wants make kubestack first
	$(GO) test -p 1 -tags kubernetes $(ARGS) $$(bash test/kubestack/packages.sh)

check: ## what CI runs; installs or explains what it needs
	@bash .ci/run

lint: ## format, vet and linters
	@test -z "$$(gofmt -l .)" || { echo "not gofmt-ed:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) run $(GOLANGCI) run ./...

fuzz: ## every fuzz target for FUZZTIME (10m)
	@bash test/fuzz.sh $${FUZZTIME:-10m}

bench: ## hot paths; docs/PERFORMANCE.md quotes these
	$(GO) test -run '^$$' -bench . -benchmem ./internal/...

build: ## one binary
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o backout ./cmd/backout

generate: ## what is made from source: the glossary
	$(GO) generate ./...
