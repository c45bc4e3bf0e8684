# Everything a change needs. Go, make and git are enough for all of it but `race`, which wants a C compiler.
.DEFAULT_GOAL := help
SHELL := /bin/bash

# The version comes from git where there is git, and is never guessed by the Go command.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
export GOFLAGS := $(strip $(GOFLAGS) -buildvcs=false)

GINKGO ?= go tool ginkgo
GOLANGCI ?= go tool -modfile=tools/go.mod golangci-lint
PROTOGEN ?= go -C tools run ./protogen

EXAMPLES ?= hello echo book wordcount mandelbrot mosaic sensor spin sleep exitcode
LABEL ?=
BENCH ?= .
SEEDS ?= 500
FIRST ?= 1
MINUTES ?= 10
SEED ?=
.PHONY: help build examples demo test spec race real real-tools sim soak scale mutants bench lint fmt generate generated tidy model check clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*?## "} /^[a-z-]+:.*?## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build the static binary bin/ucp
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/ucp ./cmd/ucp

examples: ## Build the example programs as bin/*.wasm
	for program in $(EXAMPLES); do \
		GOOS=wasip1 GOARCH=wasm go build -trimpath -ldflags '-s -w' -o bin/$$program.wasm ./examples/$$program || exit 1; \
	done

demo: build ## Run the main job on a network of five nodes, and take nodes away while it works
	CGO_ENABLED=0 go run ./examples/demo --ucp bin/ucp

test: ## Run every test and spec once
	CGO_ENABLED=0 go test ./...

spec: ## Tell the behaviour, sentence by sentence (LABEL=CLK-2 picks a requirement)
	$(GINKGO) -r -v --keep-going --label-filter='$(LABEL)'

race: ## Run the specs in random order under the race detector, without campaigns and real processes
	@command -v gcc >/dev/null || { echo 'make race: the race detector needs gcc; install it, or run `make test`' >&2; exit 1; }
	@! go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}}{{end}}' ./... | xargs -I{} sh -c 'grep -q RunSpecs {}/*_test.go || echo "make race: no suite runs the specs in {}"' | grep .
	CGO_ENABLED=1 go test -race -timeout=15m ./... -ginkgo.label-filter='!campaign && !real' \
		-ginkgo.randomize-all -ginkgo.fail-on-pending -ginkgo.poll-progress-after=30s $(if $(CI),-ginkgo.no-color)

real: real-tools ## Run the specs that need real processes (label real), also the long ones; as root, skip none of them
	$(if $(filter 0,$(shell id -u)),UCP_REAL_NO_SKIPS=1) $(GINKGO) -r --label-filter=real --require-suite --keep-going --timeout=30m $(if $(CI),--no-color)

real-tools: ## As root, install what `make real` harms processes with, unless it is there: strace, mkfs.ext4, mount, ip
	@bdd/real/tools.sh

sim: ## Run SEEDS simulated networks, from seed FIRST on
	CGO_ENABLED=0 go run ./bdd/sim/cmd/sim -first $(FIRST) -seeds $(SEEDS)

soak: ## Run real processes for MINUTES=10 under random faults and load (SEED=n: those of that seed), and check what is left
	CGO_ENABLED=0 go run ./bdd/soak/cmd/soak -minutes $(MINUTES) $(if $(SEED),-seed $(SEED))

scale: ## Simulate 100 brokers, 10,000 executors and 1,000,000 jobs in some minutes; figures and plots go to docs/scale
	CGO_ENABLED=0 go run ./bdd/scale/cmd/scale -out docs/scale

mutants: ## Seed bugs into the code, one at a time, and see that the simulator finds each (docs/track-record.md)
	CGO_ENABLED=0 go test -tags mutants ./bdd/sim -count=1 -run TestSim -ginkgo.focus Mutants -ginkgo.v

bench: ## Measure the core (BENCH=Merge picks benchmarks)
	CGO_ENABLED=0 go test -run '^$$' -bench '$(BENCH)' -benchmem ./internal/... ./messages/... ./cluster/link/...

lint: ## Check the style and the walls of the house
	$(GOLANGCI) run
	go -C tools tool golangci-lint run --config=../.golangci.yml ./...

fmt: ## Format the code
	$(GOLANGCI) fmt

generate: ## Write messages/*.pb.go anew from messages/*.proto
	$(PROTOGEN)

generated: ## Check that messages/*.pb.go is what messages/*.proto says
	$(PROTOGEN) -check

tidy: ## Check that go.mod and go.sum say what the code needs
	go mod tidy -diff
	go -C tools mod tidy -diff

model: ## Check the models in docs/model with spin (DEEP=1: larger searches, SHOW=1: the histories that break broken rules)
	@docs/model/check.sh $(MODEL)

check: ## What has to hold before a commit is shared
	@TIMEFORMAT='   took %0lR'; for stage in generated tidy lint race; do \
		echo "== $$stage"; time $(MAKE) --no-print-directory $$stage || exit 1; \
	done

clean: ## Remove what was built
	rm -rf bin coverage*
