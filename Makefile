# The front door. Each target is a line or a script; make help lists them.
.PHONY: help build demo test lint header bench nightly clean
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

build: ## the library as if installed, in target/stage
	@scripts/setup rust cc
	@scripts/stage

demo: ## C, C++ and Go against a sandbox: streams of four AI providers, one token for 100 cold requests, reused connections
	@scripts/setup rust cc c++ go
	@scripts/demo

test: ## Rust, nginx and four more servers, C, C++, Go, the README's samples; STRICT=1 fails where a toolchain is missing
	@scripts/setup rust cc c++ clang go
	@scripts/test

lint: ## Rust: format, clippy, doc warnings; Go: format, and that its copy of the header is the same
	@scripts/setup rust lint go
	@scripts/lint

header: ## accepts a changed C header: include/aipool.h and the Go module's copy
	AIPOOL_ACCEPT_HEADER=1 cargo build --lib
	cp include/aipool.h bindings/go/aipool.h

bench: ## the tables against libcurl, reqwest, Go, Python and Node, into README.md and docs/bench; a missed count fails, a missed time does not
	@scripts/setup rust cc curl valgrind strace go python3 venv node
	@scripts/stage
	@benches/run
	@benches/publish

nightly: ## the tests, a million cancels, ten million random calls (also under sanitizers), races, fuzzing, a thousand forks; the bench
	@scripts/setup rust rust-src cc c++ clang go curl valgrind strace python3 venv node
	@scripts/nightly
	@$(MAKE) --no-print-directory bench STRICT=1

clean: ## removes everything built
	rm -rf target
