# The front door. Each target is a line or a script; make help lists them.
.PHONY: help build demo test soak lint install dist deb docs header bench nightly clean
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

build: ## the library as if installed, in target/stage
	@scripts/setup rust cc
	@scripts/stage

demo: ## C, C++ and Go against a sandbox: streams of four AI providers, one token for 100 cold requests, reused connections
	@scripts/setup rust cc c++ go pkg-config
	@scripts/demo

test: ## Rust, nginx and four more servers, C, C++, Go, the documents' samples; STRICT=1 fails where a toolchain is missing
	@scripts/setup rust cc c++ clang go pkg-config
	@scripts/test

soak: ## ten minutes of bad weather, 500 requests in flight from C, Go and Python: each ends once, memory stays flat
	@scripts/setup rust cc go pkg-config python3
	@scripts/stage
	@scripts/soak

lint: ## Rust: format, clippy, doc warnings; C: the accepted ABI; Go: format, and that its copy of the header is the same
	@scripts/setup rust lint cc go abigail pkg-config
	@scripts/lint

install: ## installs library, headers, pkg-config and CMake files: PREFIX=/usr/local DESTDIR= LIBDIR=lib
	@scripts/setup rust cc
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" LIBDIR="$(LIBDIR)" scripts/install

dist: ## archives to give away, with third-party notices, in target/packages
	@scripts/setup rust cc python3
	@scripts/dist

deb: ## Debian packages, in target/packages
	@scripts/setup rust cc python3 dpkg-dev
	@scripts/deb

docs: ## the reference, into target/docs: man pages, HTML of C and C++, rustdoc, go doc; a warning fails
	@scripts/setup rust go doxygen mandoc
	@scripts/docs

header: ## accepts a changed C header: include/aipool.h, the Go module's copy and the one for FFI
	AIPOOL_ACCEPT_HEADER=1 cargo build --lib
	cp include/aipool.h bindings/go/aipool.h
	scripts/ffi-header

bench: ## the tables against libcurl, reqwest, Go, Python and Node, into README.md and docs/bench; a missed count fails, a missed time does not
	@scripts/setup rust cc pkg-config curl valgrind strace go python3 venv node
	@scripts/stage
	@benches/run
	@benches/publish

nightly: ## the tests, soak, fuzzing, races, valgrind, a million cancels, ten million random calls (also under sanitizers); the bench
	@scripts/setup rust rust-src cc c++ clang go pkg-config curl valgrind strace python3 venv node
	@scripts/nightly
	@$(MAKE) --no-print-directory bench STRICT=1

clean: ## removes everything built
	rm -rf target
