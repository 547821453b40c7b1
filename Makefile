# What CI runs, and the longer campaigns. `make check` needs Go alone; `make integration` also Java 21 or newer and Maven.
GO ?= go

.PHONY: torture sabotage check fmt vet lint test race vuln versions integration servers scenes kill bounds clocks workers crashes sinks bench bench-quick microbench fuzz build oracle

check: fmt vet lint test race

build:
	$(GO) build -trimpath -o bin/tandem ./cmd/tandem

fmt:
	@out=$$(gofmt -l .); test -z "$$out" || { echo "not gofmt-ed:"; echo "$$out"; exit 1; }

vet:
	$(GO) vet ./...
	$(GO) vet -tags integration ./...

lint:
	$(GO) tool staticcheck ./...
	$(GO) tool staticcheck -tags integration ./...

test:
	$(GO) test ./...

# SKIP leaves out tests by a pattern (CI: the recordings, which `make versions RACE=…` replays, and the traps, which have their servers do much).
race:
	$(GO) test -race $(if $(SKIP),-skip '$(SKIP)') ./...

# Known holes in what the binary calls. It asks the database at vuln.go.dev: for machines that reach it.
vuln:
	$(GO) run golang.org/x/vuln/cmd/govulncheck@$(or $(GOVULNCHECK),v1.9.0) ./...

# Change capture on the supported versions of PostgreSQL but 15, on which `make test` runs: all recordings, and the tests of the replication
# connection, snapshots and catalog (RUN=TestGolden: the recordings alone). Two versions at a time, those in RACE with the race detector; servers
# that are not on the machine are fetched.
versions:
	@printf '%s\n' $(or $(VERSIONS),14 16 17 18) | xargs -P 2 -I@ sh -c 'case " $(RACE) " in *" @ "*) race=-race;; esac; \
		out=$$(TANDEM_TEST_POSTGRES_VERSION=@ $(GO) test $$race $(if $(RUN),-run $(RUN)) $(or $(PACKAGES),./cdc/...) 2>&1); \
		status=$$?; printf "PostgreSQL @\n%s\n" "$$out"; exit $$status'

# Apache Kafka and Apicurio Registry as JVMs, fetched through Maven, started on free ports, stopped at the end.
integration:
	$(GO) run ./internal/jvmserver/run -- sh -c '$(GO) test -tags integration -short -count=1 ./kafka/client && \
		$(GO) test -tags integration -run Integration -count=1 -p 1 -timeout 20m ./cmd/tandem ./internal/jvmserver ./internal/mariadbserver ./internal/minioserver ./cdc/polling ./cdc/source ./schema/converter ./sink/...'

# What integration and scenes run against, before they need it: programs are built and fetched into the caches.
servers:
	$(GO) run ./deploy/servers kafka=0 registry=0 elasticsearch=0 s3=0 -- true

# The READMEs below deploy/, line by line, on servers of their own.
scenes:
	$(GO) test -tags integration -run Integration -count=1 -p 1 -timeout 20m ./deploy/...

# The long form of the kill -9 test: twenty kills, a seed of its own.
kill:
	$(GO) run ./internal/jvmserver/run -- $(GO) test -tags integration -run IntegrationKill -count=1 -v -timeout 30m ./cmd/tandem -kills 20

# The long form of the bounds of memory: one transaction of 10,000,000 rows, rows of 16 MB, 2,000 tables.
bounds:
	$(GO) run ./internal/jvmserver/run -- $(GO) test -tags integration -run IntegrationBounds -count=1 -v -timeout 30m ./cmd/tandem \
		-bounds-rows 10000000 -bounds-tables 2000 -bounds-large 20

# A worker whose wall clock jumps. It is built with a package time that does, which takes minutes.
clocks:
	$(GO) run ./internal/jvmserver/run -- $(GO) test -tags integration -run TestClocksJump -count=1 -v -timeout 30m ./cmd/tandem

# The long form of the test of three workers: 100 connectors, and ten minutes (MINUTES) of workers that are killed, stopped and cut off.
workers:
	$(GO) test -tags integration -run IntegrationWorkers -count=1 -v -timeout 60m ./cmd/tandem -workers-connectors 100 -workers-minutes $(or $(MINUTES),10)

# The long form of the crashes within a snapshot: a run is killed at every record behind which its offset says something new, then once or twice
# more. A number in CRASHES is that many random scenarios instead.
crashes:
	TANDEM_CRASHES=$(or $(CRASHES),all) $(GO) test -run TestSnapshotGoesOnAfterCrash -count=1 -timeout 30m ./cdc/source

# The relational sink beside Debezium's JDBC sink, which runs in Kafka Connect: what the targets hold, and the rates over ROWS records
# (short: make sinks ROWS=90000 RATIO=1). RATIO is how many times Debezium's rate is wanted.
sinks:
	$(GO) run ./internal/jvmserver/run -- $(GO) test -tags integration -run IntegrationSinks -count=1 -v -timeout 60m ./cmd/tandem \
		-sinks-rows $(or $(ROWS),1000000) -sinks-ratio $(or $(RATIO),9)

# tandem on real servers while they, the network and tandem are made to fail, and every record held against what was committed: MINUTES of it, with a
# SEED of its own unless one is given, which brings the same load and the same faults again. Needs what `make integration` needs.
torture:
	$(GO) run ./torture -minutes $(or $(MINUTES),10) -seed $(or $(SEED),0) $(TORTURE)

# The torture on tandems that are broken on purpose, one by one (NAMES: some of them): each must be caught.
sabotage:
	$(GO) run ./torture -sabotage $(or $(NAMES),all) -minutes 0.1 -seed $(or $(SEED),0) $(TORTURE)

# The measurements side by side, which write docs/benchmarks.md: tandem, pg_recvlogical and Debezium in Kafka Connect. Needs what `make integration`
# needs, PostgreSQL's client programs, and a machine that does nothing else for hours. In parts: make bench BENCH='-parts drain,snapshot'.
bench:
	$(GO) run ./bench $(BENCH)

# tandem against pg_recvlogical, a table on standard output, in two minutes.
bench-quick:
	$(GO) run ./bench -quick $(BENCH)

microbench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

fuzz:
	@grep -rl --include=*_test.go '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r p; do \
		for f in $$(grep -ho '^func Fuzz[A-Za-z]*' $$p/*_test.go | cut -c6-); do \
			echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(or $(FUZZTIME),30s) $$p || exit 1; done; done

# Asks the real Debezium: records the cases of testdata/golden anew and compares, then makes up a thousand tables, records what becomes of
# them and replays it. Needs a JDK 21 or newer, Maven and psql. In parts: make oracle CASES='arrays*,toast*', make oracle TABLES=100 SEED=7.
oracle:
	$(GO) run ./internal/golden/oracle -cases '$(CASES)' -tables '$(or $(TABLES),0)' -seed '$(or $(SEED),0)' -keep '$(KEEP)'
