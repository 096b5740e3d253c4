# Everything here is plain go, npm and sh. `make` alone lists the targets.

GO        ?= go
ARGS      ?=
FUZZTIME  ?= 30s

TOOLS     := bin/tools
# The modules of the repository: each is linted, tested and tidied on its own.
CODE      := . dev tests/clients tests/charts tools/image tools/redis
MODULES   := $(CODE) tools tools/actionlint tools/helm3 tools/helm4
# What -race is for: code that several goroutines share.
RACE      ?= ./internal/... ./activities/... ./workflows/...
# Tests that need built binaries or a running stack have targets of their own.
UNIT      = $$($(GO) list ./... | grep -v -e /tests/integration -e /tests/keycloak -e /tests/conformance -e /tests/chaos -e /tests/bench -e /tests/load -e /tests/batchload -e /tests/auditload -e /tests/quota)

.DEFAULT_GOAL := help
.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## ---- build and run ----

.PHONY: build stack
build: stack ## Build the commands and the development stack into bin/
	@echo "==> commands"
	@mkdir -p bin
	@tools/gobuild.sh . bin/ ./cmd/...

stack:
	@echo "==> development stack (the first build compiles the Temporal server: some minutes)"
	@mkdir -p bin
	@tools/gobuild.sh dev bin/stack ./cmd/stack

.PHONY: run
run: build ## Start the whole stack on this machine (ARGS='--fresh' for an empty one, ARGS=--keycloak with a Keycloak)
	@exec ./bin/stack up $(ARGS)

.PHONY: clean
clean: ## Remove what was built and the state of the stack
	rm -rf bin .run coverage* tests/clients/node_modules

## ---- tests ----

.PHONY: test test-unit test-integration
test: test-unit test-integration charts ## All Go tests: unit, then integration, then the charts

test-unit: $(TOOLS)/redis-server ## Unit tests of every module
	$(GO) test $(UNIT)
	cd dev && $(GO) test ./...
	cd tools/image && $(GO) test ./...
	cd tools/redis && $(GO) test ./...

test-integration: build $(TOOLS)/redis-server ## Tests against real processes: Temporal, Postgres, Redis, the gateway
	$(GO) test -p 1 -count=1 -timeout 20m ./tests/integration/... ./tests/keycloak/... ./tests/quota/... ./tests/conformance/...

.PHONY: conformance
conformance: build ## Every backend, for clients of both dialects: what was sent, what came back
	$(GO) test -count=1 -v -timeout 20m ./tests/conformance/...

.PHONY: test-race
test-race: $(TOOLS)/redis-server ## Unit tests under the race detector
	CGO_ENABLED=1 $(GO) test -race $(RACE)

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (30s)
	@tools/fuzz.sh $(FUZZTIME)

.PHONY: clients
clients: build tests/clients/node_modules ## Real Claude Code and SDKs through the gateway
	cd tests/clients && $(GO) test -count=1 -v -timeout 20m .

tests/clients/node_modules: tests/clients/package-lock.json
	cd tests/clients && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

.PHONY: webui
webui: build ## The Temporal Web UI in a headless Chromium; screenshots in bin/webui
	cd tests/clients && SCREENSHOTS=$(CURDIR)/bin/webui $(GO) test -count=1 -v -timeout 10m ./webui

## ---- charts and images ----

.PHONY: charts
charts: helm build ## The charts: rendered by Helm 3 and 4, checked, refused, and run
	@# Package by package: so each prints what it had to skip.
	@cd tests/charts && for dir in $$($(GO) list -f '{{.Dir}}' ./... | grep -v /apiserver); do (cd $$dir && $(GO) test -count=1 -timeout 20m) || exit 1; done

.PHONY: charts-apiserver
charts-apiserver: helm $(TOOLS)/kube-apiserver ## The charts on a real API server: applied, installed, upgraded, uninstalled
	cd tests/charts/apiserver && $(GO) test -count=1 -v -timeout 20m

.PHONY: images
images: ## OCI images of every command, the same bytes for the same commit (ARGS='--push REGISTRY/PREFIX')
	@# Another Go makes other bytes, so it is the one that go.mod names.
	cd tools/image && GOTOOLCHAIN=go$$(sed -n "s/^go //p" go.mod) $(GO) run . --output ../../bin/images $(ARGS)

$(TOOLS)/kube-apiserver: tests/charts/apiserver/tools/go.mod tests/charts/apiserver/tools/go.sum
	@echo "==> kube-apiserver and etcd (the first build takes some minutes)"
	@tests/charts/apiserver/tools/build.sh $(TOOLS)
	@touch $@

# Tools that do not get along with the others, each pinned by a module of its own. Both majors of Helm are in use, so both
# render the charts.
.PHONY: helm
helm: $(TOOLS)/helm3 $(TOOLS)/helm4

$(TOOLS)/helm3 $(TOOLS)/helm4 $(TOOLS)/actionlint: $(TOOLS)/%: tools/%/go.mod tools/%/go.sum
	@echo "==> $* (the first build may take some minutes)"
	@mkdir -p $(TOOLS)
	@tools/gobuild.sh tools/$* $@ tool
	@touch $@

# Redis for tests, and for the stack; what PATH has goes before it.
$(TOOLS)/redis-server: $(wildcard tools/redis/*.go)
	@echo "==> redis-server"
	@mkdir -p $(TOOLS)
	@cd tools/redis && $(GO) run . $(CURDIR)/$@

## ---- measurements and faults ----

.PHONY: load
load: build $(TOOLS)/redis-server ## The promises under a mixed load and kill -9 (ARGS='-requests 10000 -kills 20')
	$(GO) run ./tests/load $(ARGS)

.PHONY: load-batch
load-batch: build ## A batch of 100,000 under kill -9, beside interactive load (ARGS='-items 5000 -kills 1')
	$(GO) run ./tests/batchload $(ARGS)

.PHONY: audit-million
audit-million: build ## A ledger of a million rows: sealed, exported, verified, one row edited and named (ARGS='-rows 100000')
	$(GO) run ./tests/auditload $(ARGS)

.PHONY: bench
bench: build ## What the gateway costs, beside a bare proxy and an empty workflow
	$(GO) run ./tests/bench $(ARGS)

## ---- code quality ----

.PHONY: lint vet tidy
lint: tools $(TOOLS)/actionlint vet ## Vet, golangci-lint, workflow determinism, CI's own workflows, tidy modules
	@for m in $(CODE); do echo "golangci-lint in $$m"; (cd $$m && $(CURDIR)/$(TOOLS)/golangci-lint run --allow-parallel-runners --config $(CURDIR)/.golangci.yml ./...) || exit 1; done
	$(TOOLS)/workflowcheck ./workflows/...
	$(TOOLS)/actionlint
	@for m in $(MODULES); do echo "go mod tidy -diff in $$m"; (cd $$m && $(GO) mod tidy -diff) || exit 1; done

vet:
	@for m in $(CODE); do echo "go vet in $$m"; (cd $$m && $(GO) vet ./...) || exit 1; done

tidy: ## go mod tidy in every module
	@for m in $(MODULES); do (cd $$m && $(GO) mod tidy) || exit 1; done

.PHONY: fmt
fmt: tools ## Format the code and sort its imports
	@for m in $(CODE); do (cd $$m && $(CURDIR)/$(TOOLS)/golangci-lint fmt --config $(CURDIR)/.golangci.yml ./...) || exit 1; done

.PHONY: check
check: lint test ## What has to pass before a merge

.PHONY: tools
tools: $(TOOLS)/.built

$(TOOLS)/.built: tools/go.mod tools/go.sum
	@echo "==> tools (pinned in tools/go.mod; the first build takes some minutes)"
	@mkdir -p $(TOOLS)
	@tools/gobuild.sh tools $(TOOLS)/ tool
	@touch $@
