# The front door. Each target is a line or a script; make help lists them.
.PHONY: help build demo test lint header bench nightly clean
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

build: ## the library as if installed, in target/stage
	@scripts/setup rust cc
	@scripts/stage

demo: ## a C, a C++ and a Go program share warm sessions, against the sandbox
	@scripts/setup rust cc c++ go
	@scripts/demo

test: ## every test: Rust, nginx, C, C++, Go; STRICT=1 fails where a toolchain is missing
	@scripts/setup rust cc c++ clang go
	@scripts/test

lint: ## format and lints of all languages
	@scripts/setup rust lint go
	@scripts/lint

header: ## accepts a changed C header: include/aipool.h and the Go module's copy
	AIPOOL_ACCEPT_HEADER=1 cargo build --lib
	cp include/aipool.h bindings/go/aipool.h

bench: ## the table against libcurl, reqwest and a raw socket, and the figures that are promised
	@scripts/setup rust cc curl valgrind strace python3
	@scripts/stage
	@benches/run

nightly: ## what takes longer: ten million random calls, sanitizers in full, a thousand forks
	@scripts/setup rust cc c++ clang go valgrind
	@scripts/nightly

clean: ## removes everything built
	rm -rf target
