# What CI runs, and the longer campaigns. `make check` needs Go alone; `make integration` also Java 21 or newer and Maven.
GO ?= go

.PHONY: check fmt vet lint test race integration kill bench fuzz build

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

race:
	$(GO) test -race ./...

# Apache Kafka and Apicurio Registry as JVMs, fetched through Maven, started on free ports, stopped at the end.
integration:
	$(GO) run ./internal/jvmserver/run -- sh -c '$(GO) test -tags integration -short -count=1 ./kafka/client && \
		$(GO) test -tags integration -run Integration -count=1 -p 1 -timeout 20m ./cmd/tandem ./internal/jvmserver'

# The long form of the kill -9 test: twenty kills, a seed of its own.
kill:
	$(GO) run ./internal/jvmserver/run -- $(GO) test -tags integration -run IntegrationKill -count=1 -v -timeout 30m ./cmd/tandem -kills 20

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

fuzz:
	for p in ./cdc/pgoutput ./schema/converter ./envelope ./connect; do $(GO) test -run '^$$' -fuzz . -fuzztime 30s $$p || exit 1; done
