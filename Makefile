# The short names of what is done often. Each target is one script or one CMake preset: see HACKING.md.
# JOBS bounds compilers and tests that run at the same time.
JOBS ?= $(shell nproc)
export JOBS

.PHONY: help build demo run cluster test bench lint tidy asan tsan fuzz deps clean

help:
	@echo 'make build   release build in build/release'
	@echo 'make demo    a member, from the first put to kill -9 and back'
	@echo 'make run     a member in ./default.etcd; ARGS="--name=..." for flags'
	@echo 'make cluster three members on this machine until Ctrl-C; ARGS="--snapshot-count=..." for flags'
	@echo 'make test    all tests, and the unit tests once more under ASan and UBSan'
	@echo 'make bench   figures beside etcd (docs/benchmarks.md)'
	@echo 'make lint    clang-format and clang-tidy on changed files; ALL=1 for all'
	@echo 'make tidy    the house rules'
	@echo 'make asan    unit tests under ASan and UBSan;  make tsan  under TSan'
	@echo 'make fuzz    every fuzz target for SECONDS_EACH (default 60)'
	@echo 'make deps    install the Debian packages that are missing'

deps:
	@tools/install-deps build test lint

build:
	@tools/install-deps build
	@tools/build release

demo:
	@tools/install-deps build demo
	@tools/build release
	@tools/demo

run: build
	build/release/bin/holdfast $(ARGS)

cluster:
	@tools/install-deps build demo
	@tools/build release
	@tools/cluster $(ARGS)

test:
	@tools/install-deps build test
	@tools/test-all

bench:
	@tools/install-deps build bench
	@tools/build release
	@tools/bench $(ARGS)

lint:
	@tools/install-deps build lint
	@tools/lint

tidy:
	@tools/tidy

tsan: export TSAN_OPTIONS = suppressions=$(CURDIR)/test/tsan-suppressions.txt

asan tsan:
	@tools/install-deps build
	@tools/build $@ unit_tests
	@tools/run-tests build/$@ --label unit

fuzz:
	@tools/install-deps build fuzz
	@tools/build fuzz fuzz_targets
	@tools/fuzz

clean:
	rm -rf build
