# The front door. Each target first lets scripts/setup bring what it needs (quick when
# nothing is missing); the work itself is CMake's, pytest's and scripts/'. PRESET names a
# preset of CMakePresets.json: make test PRESET=asan
PRESET ?= release
build = $(if $(filter release,$(PRESET)),build,build/$(PRESET))
# Debian's interpreter: its pytest and requests are what scripts/setup installs.
python = /usr/bin/python3
export NS_VECTORS_DIR ?= $(abspath ../shared/vectors)
export NS_BIN_DIR = $(CURDIR)/$(build)/bin

.DEFAULT_GOAL := all
.PHONY: all setup setup-programs programs analyse sbom clients build demo run test image lambda image-verify enclave-boot soak soak-load coverage fuzz fuzz-coverage bench interop deb deb-test release clean help

all: programs ## the programs alone, and only what they take is installed first (into build/bin)

setup: ## install what is missing: Debian packages, npm packages
	@scripts/setup

setup-programs:
	@scripts/setup --programs

programs: setup-programs
	@cmake --preset $(PRESET) -DNS_VECTORS_DIR='$(NS_VECTORS_DIR)' >/dev/null
	@cmake --build $(build) --target programs

clients: ## bring and build other people's client code for the tests: Prysm's, SSV's, Lodestar's
	@scripts/setup --clients

build: setup ## the programs and the tests
	@cmake --preset $(PRESET) -DNS_VECTORS_DIR='$(NS_VECTORS_DIR)' >/dev/null
	@cmake --build $(build)

demo: programs ## watch the whole story on this machine: keys, attestation, signatures, refusals
	@scripts/demo

run: programs ## the same set-up, left running until Ctrl-C
	@scripts/demo --run

# Types, then the stacks' own tests. What AWS's tools make of them is tests/integration/test_infra.py.
infra_test = cd infra && npx --no-install tsc && node --import tsx --test test/*.test.ts

infra-test: build ## only the stacks on AWS: synthesis, assertions, snapshots, cdk-nag, cfn-lint, a deployment into moto
	@$(infra_test)
	@$(python) -m pytest -q tests/integration/test_infra.py

# Much of a black-box test is waiting: three files are on their way at a time.
without_vectors = [ -d '$(NS_VECTORS_DIR)' ] || echo 'test: no third-party vectors in $(NS_VECTORS_DIR): what needs them is skipped (CONTRIBUTING.md)'
test: build clients ## unit tests and lint, then black-box and interop tests (PRESET=asan too)
	@$(without_vectors)
	@ctest --test-dir $(build) --output-on-failure --no-tests=error -j2
	@$(infra_test)
	@set -e; folders=; for folder in tests/integration tests/interop; do \
	   if ls $$folder/test_*.py >/dev/null 2>&1; then folders="$$folders $$folder"; fi; done; \
	 [ -z "$$folders" ] || $(python) -m pytest -q -n 3 --dist loadfile $$folders
	@$(without_vectors)

.PHONY: docs-test
# PAGES names some of them, as pytest's -k does: PAGES='README or keys.md'.
docs-test: build ## type every command of README and docs, against stand-ins where it wants AWS, and compare what it prints
	@$(python) -m pytest -q tests/integration/test_docs.py tests/interop/test_walkthrough.py tests/interop/test_deb.py
	@$(python) -m pytest -q tests/docs $(if $(PAGES),-k '$(PAGES)')

# ARCH names one of them. IMAGE_OPTIONS='--kernel=bzImage --kernel-config=bzImage.config' puts another kernel in, AWS's for example.
image: setup ## make the enclave's image from pinned inputs, for x86_64 and arm64: build/image/ARCH/nitro-signer.eif and pcrs.json
	@set -e; for architecture in $(or $(ARCH),x86_64 arm64); do packaging/image/build $(IMAGE_OPTIONS) $$architecture build/image/$$architecture; done
	@$(MAKE) --no-print-directory lambda

lambda: setup ## make the Lambda function's zip from pinned inputs: build/lambda/ARCH/nitro-signer-lambda.zip
	@set -e; for architecture in $(or $(ARCH),x86_64 arm64); do packaging/image/build --lambda $$architecture build/lambda/$$architecture; done

image-verify: setup ## make the images twice, in other folders, by other users, at other times, and compare them bit for bit
	@packaging/image/verify $(IMAGE_OPTIONS) $(ARCH)

deb: setup-programs ## make Debian packages of the stand-alone signer, the enclave's host and the operator's tools: build/deb (docs/packages.md)
	@echo 'deb: compiling with Debian'\''s flags; some minutes, in silence'
	@packaging/deb/build build/deb
	@ls build/deb

deb-test: build ## compile the Debian packages twice and compare them, ask lintian, install, upgrade, remove and purge them; minutes
	@NS_DEB_FULL=1 $(python) -m pytest -q --durations=5 tests/interop/test_deb.py

release: ## gather source, Debian packages, images, SBOM, build ids and sums of the tagged commit: build/release (CONTRIBUTING.md)
	@scripts/release

# Each part prints its numbers, the seed of its orders too; NS_SEED asks for the same ones again. NS_ORDERS and NS_SECONDS (of
# each of the last part's runs, where executables are killed) say how long.
soak: build ## search the model of several signers, run a million orders against each kind of store, torture fleets, half an hour of load; an hour
	@tests/model/check
	@NS_ORDERS=$${NS_ORDERS:-1000000} $(build)/tests/test_store_property
	@NS_ORDERS=$$(( $${NS_ORDERS:-1000000} / 5 )) $(build)/tests/test_keeper_property
	@NS_ORDERS=$$(( $${NS_ORDERS:-1000000} / 50 )) $(python) -m pytest -q -s tests/integration/test_store_postgresql.py -k random
	@NS_ORDERS=$$(( $${NS_ORDERS:-1000000} / 50 )) NS_SECONDS=$${NS_SECONDS:-60} $(python) -m pytest -q -s tests/integration/test_fleet_torture.py
	@NS_ORDERS=$$(( $${NS_ORDERS:-1000000} / 50 )) $(python) -m pytest -q -s tests/integration/test_property_dynamodb.py
	@NS_SEED=$${NS_SEED:-$$(date +%s)} NS_ROUNDS=30 $(python) -m pytest -q -s tests/integration/test_hostile_host.py tests/integration/test_hostile_order.py
	@NS_FLIPS_STRIDE=1 $(build)/tests/test_nitro_flips
	@NS_SIGNATURES=$${NS_ORDERS:-1000000} $(build)/tests/test_bls_batch
	@$(MAKE) --no-print-directory soak-load
	@echo 'soak: PASSED: no two slashable signatures, in the model or in the runs'

# MINUTES says how long all set-ups together take, SETUPS which of sqlite,postgresql,enclave, SEED in what order things are done.
soak-load: build ## half an hour at saturation while keys, clocks, stores, proxies and processes come and go: docs/soak.md
	@$(python) tests/soak/soak.py --minutes=$(or $(MINUTES),30) $(if $(SETUPS),--setups=$(SETUPS)) $(if $(SEED),--seed=$(SEED)) --output=build/soak-report

# Quick when little has changed since it ran last. JOBS says how many files at a time, ROOMS which (lib/net src/front).
analyse: setup ## let gcc -fanalyzer, clang-tidy and cppcheck look at the product's C: three minutes, then only at what changed
	@cmake --preset analyzer >/dev/null
	@$(python) -B tests/lint/analyse.py --build=build/analyzer --jobs=$(or $(JOBS),1) $(ROOMS)

sbom: build ## list what the programs link and the images ship, with versions and licences, as SPDX: build/sbom.spdx.json
	@scripts/sbom --bin=$(build)/bin --output=$(build)/sbom.spdx.json

# SECONDS says how long each runs, TARGETS which (xml,json), JOBS how many at a time. tests/fuzz/run says where it keeps what.
fuzz: setup ## feed the readers of outside bytes with mutated inputs, a minute each, under the sanitizers
	@cmake --preset fuzz -DNS_VECTORS_DIR='$(NS_VECTORS_DIR)' >/dev/null
	@cmake --build build/fuzz --target fuzz
	@tests/fuzz/run build/fuzz --seconds=$(or $(SECONDS),60) $(if $(TARGETS),--targets=$(TARGETS)) $(if $(JOBS),--jobs=$(JOBS))

# JOBS processes at a time (one a processor); NS_TORTURE_EVERY=1 fails every call of a loop too. SCENARIOS names some (keeper,interchange);
# NS_TORTURE_MODE one way to fail (one, same, all, short, torn, interrupted).
torture: setup ## make a call of libc, OpenSSL and SQLite fail in each place of the code, under the sanitizers: a table by scenario and way
	@cmake --preset asan -DNS_VECTORS_DIR='$(NS_VECTORS_DIR)' >/dev/null
	@cmake --build build/asan --target torture
	@JOBS='$(JOBS)' tests/torture/run build/asan/tests '$(SCENARIOS)'

# ROOMS names some of them (lib/eth2 src/keeper); TESTS those of their tests that are run, keeping the other counts (slashing_seal).
coverage: setup ## which branches of lib/slashing, lib/eth2, lib/nitro and src/keeper the tests reach: all, or listed with a reason; 18 minutes on a busy machine
	@cmake --preset coverage -DNS_VECTORS_DIR='$(NS_VECTORS_DIR)' >/dev/null
	@cmake --build build/coverage
	@tests/coverage/coverage.py $(if $(TESTS),--tests='$(TESTS)') $(ROOMS)

fuzz-coverage: setup ## how much of each reader the fuzzers' inputs reach, those of earlier runs of make fuzz included
	@cmake --preset fuzz-coverage -DNS_VECTORS_DIR='$(NS_VECTORS_DIR)' >/dev/null
	@cmake --build build/fuzz-coverage --target fuzz
	@tests/fuzz/run build/fuzz-coverage --coverage $(if $(TARGETS),--targets=$(TARGETS))

# NS_SLOT_SECONDS=6 makes the chain of the whole validator client slower, for machines that have much else to do.
interop: build ## only the comparison with other people's programs, AWS's image crates and a whole validator client among them
	@scripts/setup --interop
	@NS_INTEROP_FULL=1 $(python) -m pytest -q -n 3 --dist loadfile tests/interop

.PHONY: test-arm
test-arm: build ## cross-build for 64-bit ARM and test that under emulation, seccomp filters in a virtual machine; boot the image; long
	@scripts/setup --image
	@$(MAKE) --no-print-directory image ARCH=arm64
	@tests/arm64/check

# ONLY=burst,lone runs those modules of it (tests/bench/bench.py lists them); UPDATE_DOCS=1 makes its picture docs/performance.svg.
bench: build ## measure speed, latency, memory and start-up beside the goals, and print one report
	@$(python) tests/bench/bench.py --only='$(ONLY)' $(if $(UPDATE_DOCS),--update-docs)

# NS_FIGURES says for how many keys memory and time are measured: 4,1000,10000.
enclave-boot: build ## boot the image in an emulated enclave: attestation, signatures, a crash, refusals; then print figures
	@scripts/setup --image
	@$(MAKE) --no-print-directory image ARCH=x86_64
	@$(python) -m pytest -q tests/boot
	@$(python) -m pytest -q -s tests/boot/figures.py
	@echo 'enclave-boot: PASSED: what was measured is what got the keys, and it signs'

clean: ## remove what was built and what the demo left
	@rm -rf build demo-run

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 19
