# SPDX-License-Identifier: GPL-2.0-or-later
# A thin face over meson and ninja. `make demo` and `make check` install what is missing (as root).
BUILD ?= build
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
MESON_OPTIONS ?=

.PHONY: all configure-build demo check check-slow check-sanitizers check-tsan check-model fuzz install clean distclean bench

all: configure-build
	ninja -C $(BUILD) -j $(JOBS)

configure-build:
	@scripts/install-deps build
	@[ -f $(BUILD)/build.ninja ] || CC="$$(command -v ccache || true) $${CC:-gcc}" meson setup $(BUILD) --prefix=$(PREFIX) $(MESON_OPTIONS)

demo:
	@scripts/install-deps build demo
	@$(MAKE) --no-print-directory all
	@scripts/demo --qemu $(BUILD)/qemu-system-x86_64

check:
	@scripts/install-deps build test
	@$(MAKE) --no-print-directory all
	@scripts/run-tests --build $(BUILD)

check-slow:
	@scripts/install-deps build test peer
	@$(MAKE) --no-print-directory all
	@scripts/run-tests --build $(BUILD) --slow

check-sanitizers:
	@scripts/install-deps build test
	@scripts/run-tests --sanitizers-only

check-tsan:
	@scripts/install-deps build test
	@scripts/run-tests --tsan

check-model:
	@scripts/install-deps model
	@scripts/check-model

# libFuzzer under address and undefined sanitizers; what it finds is written to build-fuzz/ and run again with
# `build-fuzz/tests/fuzz/fuzz-qmp FILE` (an absolute path). The timeout is of real time: what takes half a second alone took
# more than 30 s at the lowest priority of a busy machine.
FUZZ_SECONDS ?= 600
FUZZ_TARGETS = fuzz-qmp
fuzz:
	@scripts/install-deps build fuzz
	@[ -f build-fuzz/build.ninja ] || CC="$$(command -v ccache || true) clang" meson setup build-fuzz -Db_lundef=false \
	    -Db_sanitize=address,undefined -Doptimization=1 -Dwerror=false -Dc_args=-fsanitize=fuzzer-no-link
	@ninja -C build-fuzz -j $(JOBS) $(addprefix tests/fuzz/,$(FUZZ_TARGETS))
	@for target in $(FUZZ_TARGETS); do mkdir -p build-fuzz/corpus/$$target; \
	    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 build-fuzz/tests/fuzz/$$target -max_total_time=$(FUZZ_SECONDS) \
	    -max_len=4096 -timeout=300 -rss_limit_mb=4096 -detect_leaks=0 -artifact_prefix=$(CURDIR)/build-fuzz/ \
	    $(CURDIR)/build-fuzz/corpus/$$target || exit 1; done

install: all
	meson install -C $(BUILD)

clean:
	[ ! -d $(BUILD) ] || ninja -C $(BUILD) clean

distclean:
	rm -rf build build-asan build-tsan build-fuzz

# About an hour and a half; `tests/bench/peer-bench --help` says how to run parts of it.
bench:
	@scripts/install-deps build demo peer
	@$(MAKE) --no-print-directory all
	@tests/bench/peer-bench --qemu $(BUILD)/qemu-system-x86_64
