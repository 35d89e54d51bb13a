# `make help` lists what there is. All of it works in a fresh clone; `cargo run -- serve` and
# `cargo test` by themselves work too.

SHELL := /bin/sh
.DEFAULT_GOAL := help
# cargo uses all cores by itself, and two cargos would wait for each other.
.NOTPARALLEL:

CARGO ?= cargo
# For all cargo commands: `make test CARGO_FLAGS=--locked`.
CARGO_FLAGS ?=
# For the server: `make run ARGS='--listen 127.0.0.1:8000'`.
ARGS ?=

schema_tools := tests/schema-tools
gateways := tests/gateways
graphql_over_http := tests/graphql-over-http
csrf := tests/csrf
clients := tests/clients
client_package := clients/typescript
playground := playground
playground_sources := schema.graphql $(shell find $(playground)/src $(playground)/operations $(playground)/public -type f -not -path '*/generated/*') \
	$(addprefix $(playground)/,index.html codegen.ts tsconfig.json vite.config.ts)
# With what cargo builds for the tests in Rust: without it, dependencies have fewer features, and many are built again.
build_for_tests := $(CARGO) build $(CARGO_FLAGS) --workspace --bins --examples
binary := $${CARGO_TARGET_DIR:-target}/debug/sessiongraph

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# A debug build: it is there in half the time of a release build, the tests share most of it, and what is
# slow without optimisation (password hashing) is optimised all the same.
.PHONY: run
run: playground ## Start the server on http://127.0.0.1:4000/graphql, with SQLite in ./data
	$(CARGO) run $(CARGO_FLAGS) -- serve $(ARGS)

.PHONY: playground
playground: $(playground)/dist/index.html ## Build the page that the server embeds

$(playground)/dist/index.html: $(playground)/node_modules/.package-lock.json $(playground_sources)
	npm --prefix $(playground) run build

.PHONY: test
test: playground test-rust test-schema test-http test-csrf test-gateways test-clients test-playground ## Run all tests (installs what they need)

.PHONY: test-rust
test-rust: test-tools ## Run the Rust tests, on SQLite and PostgreSQL, with examples and doc tests
	$(CARGO) test $(CARGO_FLAGS) --workspace

.PHONY: test-schema
test-schema: $(schema_tools)/node_modules/.package-lock.json ## Read schema.graphql with the tools that clients use
	npm --prefix $(schema_tools) test

.PHONY: test-http
test-http: $(graphql_over_http)/node_modules/.package-lock.json ## Audit the server against GraphQL over HTTP
	$(build_for_tests)
	npm --prefix $(graphql_over_http) test

.PHONY: test-csrf
test-csrf: test-tools $(csrf)/node_modules/.package-lock.json ## Attack the server by pages of other origins, in a browser
	$(build_for_tests)
	npm --prefix $(csrf) test

.PHONY: test-gateways
test-gateways: $(gateways)/node_modules/.package-lock.json ## Put real federation gateways in front of the server
	$(build_for_tests)
	npm --prefix $(gateways) test

.PHONY: test-clients
test-clients: test-tools $(clients)/node_modules/.package-lock.json $(client_package)/node_modules/.package-lock.json $(csrf)/node_modules/.package-lock.json ## Run GraphQL clients, by their recipes, against the server
	$(build_for_tests)
	npm --prefix $(clients) test

.PHONY: test-playground
test-playground: test-tools playground ## Drive the playground of the real server with a browser
	$(build_for_tests)
	npm --prefix $(playground) test

.PHONY: screenshots
screenshots: test-tools playground ## Take the pictures in docs/images anew, of the real page
	$(build_for_tests)
	npm --prefix $(playground) run screenshots

.PHONY: bench
bench: test-tools ## Measure a release build beside yardsticks on the same stack (BENCH='--databases sqlite --only session')
	$(CARGO) build --release --workspace $(CARGO_FLAGS)
	$${CARGO_TARGET_DIR:-target}/release/sessiongraph-bench --binaries $${CARGO_TARGET_DIR:-target}/release $(BENCH)

.PHONY: bench-pure
bench-pure: ## Measure what asks no database: tokens, the rotation's decision, the extensions (BENCH='verify')
	$(CARGO) bench $(CARGO_FLAGS) --bench pure -- $(BENCH)

.PHONY: bench-import
bench-import: test-tools ## Import a million accounts with a release build, and export them (BENCH='--accounts 100000 --format csv')
	$(CARGO) build --release --workspace $(CARGO_FLAGS)
	$${CARGO_TARGET_DIR:-target}/release/moving-in --binaries $${CARGO_TARGET_DIR:-target}/release $(BENCH)

.PHONY: soak
soak: bench/node_modules/.package-lock.json ## Load a release build for 15 minutes and report its memory (MINUTES=, SUBSCRIPTIONS=)
	$(CARGO) build --release $(CARGO_FLAGS)
	node bench/soak.mjs $(or $(MINUTES),15) $(or $(SUBSCRIPTIONS),1000)

.PHONY: fuzz
fuzz: test-tools ## Try CASES mutated inputs, others each time, at every door (default 20000)
	PROPTEST_CASES=$(or $(CASES),20000) $(CARGO) test $(CARGO_FLAGS) --test it -- fuzz::

.PHONY: schemathesis
schemathesis: ## Let schemathesis ask the server for three minutes (DURATION=)
	$(build_for_tests)
	scripts/schemathesis $(or $(DURATION),180)

.PHONY: bench-timing
bench-timing: ## Time failing sign-ins of each kind on a release build (ROUNDS=)
	$(CARGO) build --release $(CARGO_FLAGS)
	node bench/timing.mjs $(or $(ROUNDS),1000)

.PHONY: deny
deny: ## Check licences, sources and duplicates of all dependencies (installs cargo-deny)
	@command -v cargo-deny >/dev/null || $(CARGO) install --debug --locked cargo-deny --version '^0.20'
	$(CARGO) deny $(CARGO_FLAGS) check licenses bans sources

.PHONY: check
check: check-format lint check-features doc check-schema ## Check formatting, lints, features, documentation and schema.graphql

.PHONY: check-format
check-format: ## Check the formatting
	$(CARGO) fmt --all --check

.PHONY: lint
lint: ## Run clippy, warnings are errors
	$(CARGO) clippy $(CARGO_FLAGS) --workspace --all-targets -- -D warnings

# Neither the server nor the other database comes along where it is not asked for.
.PHONY: check-features
check-features: ## Check that the crate builds with fewer features, and drops what they need
	for features in sqlite postgres axum,postgres server,sqlite,postgres; do \
		$(CARGO) clippy $(CARGO_FLAGS) --lib --bins --no-default-features --features $$features -- -D warnings || exit 1; \
	done
	@scripts/dropped-dependencies

.PHONY: doc
doc: ## Build the documentation, warnings are errors
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc $(CARGO_FLAGS) --workspace --no-deps --document-private-items

.PHONY: check-schema
check-schema: ## Check that schema.graphql is what the server says
	@mkdir -p target
	$(build_for_tests)
	$(binary) schema >target/schema.graphql
	@diff -u schema.graphql target/schema.graphql || { echo 'schema.graphql is out of date: make schema' >&2; exit 1; }

.PHONY: schema
schema: ## Write schema.graphql anew
	@mkdir -p target
	$(build_for_tests)
	$(binary) schema >target/schema.graphql
	@cp target/schema.graphql schema.graphql

.PHONY: docs-configuration
docs-configuration: ## Write docs/configuration.md anew
	@mkdir -p target
	$(build_for_tests)
	$(binary) config --reference >target/configuration.md
	@cp target/configuration.md docs/configuration.md

.PHONY: book
book: ## Build the documentation as a book, target/book/docs/index.html (installs mdBook)
	@command -v mdbook >/dev/null || $(CARGO) install --locked mdbook --version '^0.5'
	@command -v mdbook-mermaid >/dev/null || $(CARGO) install --locked mdbook-mermaid --version '^0.17'
	@scripts/book

.PHONY: format
format: ## Format the code
	$(CARGO) fmt --all

.PHONY: test-tools
test-tools: ## Install PostgreSQL's programs, curl and jq for the tests, unless they are there
	@scripts/install-test-tools

# Nothing of what these packages would run at installation is needed. Some of the gateways' say that they want a newer
# Node.js, but run with this one.
%/node_modules/.package-lock.json: %/package.json %/package-lock.json
	@command -v npm >/dev/null || { echo 'This needs Node.js 20 or newer, with npm' >&2; exit 1; }
	npm --prefix $* ci --no-audit --no-fund --ignore-scripts --loglevel=error
	@touch $@
