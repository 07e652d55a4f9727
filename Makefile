# Every target does its own set-up: on Debian it installs what is missing when
# run as root or with sudo, else it says what is missing (.ci/setup).
GO        ?= go
FUZZTIME  ?= 20s
BENCHTIME ?= 1x
SOAK      ?= 30m
TORTURE   ?= 1h
SETUP     ?= resolved
DEMAND    ?= .
PART      ?= .*
BENCH     ?= .
# Tests of the whole program, which they build themselves, with the race detector too
# (docs/reliability.md). What go has kept of an earlier run is not taken: it knows nothing of
# the program that they build.
WHOLE      = relink/internal/e2e relink/internal/crash
PACKAGES   = $(shell $(GO) list ./...)
# Their tests wait for servers more than they compute.
AT_ONCE   ?= 6
# What takes minutes to make, for all clones: root file systems here, applications in relink
# in the user's folder for caches.
# Without the folder's name in it, what go has compiled serves all clones.
export GOFLAGS += -trimpath
export RELINK_KEPT ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/relink
PHP_ROOTS  = $$(ls -d "$$RELINK_KEPT"/php/[78].[0-9] | paste -sd:)

.PHONY: build build-etcd test checks test-whole test-raced test-php test-debian test-packages test-machines demo bench bench-acceptance bench-scale bench-check bench-parts soak torture test-kill test-faults fuzz audit schemas contracts pictures release packages clean

build:
	$(GO) build -trimpath -tags urfave_cli_no_docs -o bin/relink . # a library for manual pages starts as slowly as all else

# A member of a fleet's etcd, whose go.mod has etcd's server and relink's has not.
build-etcd:
	$(GO) build -C deploy/fleet/etcd -trimpath -tags urfave_cli_no_docs -o ../../../bin/relink-etcd .

# Not all at once: where a test is kept waiting for a processor its load goes on, which
# then keeps others waiting. The checks compute while tests of the whole wait.
test:
	.ci/setup test
	$(MAKE) --no-print-directory --jobs=2 checks test-whole
	$(MAKE) --no-print-directory test-raced

checks: vet
	@unformatted=$$(find . -name '*.go' | xargs gofmt -l); \
	  test -z "$$unformatted" || { echo "not gofmt'd:" $$unformatted; exit 1; }
	$(GO) vet -tags phpversions,soak,torture,debian,packages,pictures,faults ./...
	$(GO) vet -tags failpoint ./internal/failpoint
	$(GO) tool staticcheck ./...
	$(GO) vet -C deploy/fleet/etcd ./...
	checker=$$($(GO) tool -n staticcheck) && cd deploy/fleet/etcd && $$checker ./...

# First, since it compiles what the tests of the whole need as well. What go test itself
# would vet is vetted here.
vet:
	$(GO) vet ./...

test-whole: vet
	$(GO) test -p 1 -count=1 -vet=off -parallel $(AT_ONCE) -timeout 60m $(WHOLE)

# The race detector would have each program wait for a second at its end.
test-raced:
	GORACE=atexit_sleep_ms=50 $(GO) test -vet=off -race -parallel $(AT_ONCE) -timeout 60m $(filter-out $(WHOLE),$(PACKAGES))

# The agent and whole deploys on real PHP-FPMs 7.4, 8.4 and 8.5. Needs root: each
# runs in a root file system of its own (debootstrap, kept in RELINK_KEPT).
test-php:
	.ci/setup php
	RELINK_PHP_ROOTS="$(PHP_ROOTS)" $(GO) test -vet=off -parallel $(AT_ONCE) -timeout 40m -tags phpversions -run PHPVersions ./php ./php/fpm ./internal/e2e

# The manuals' way from a stock Debian server to the first deploys, line by line.
# Needs root: each runs in a root file system, with processes and a network of its
# own (debootstrap, kept in RELINK_KEPT).
test-debian:
	.ci/setup debian
	RELINK_DEBIAN_ROOT="$$RELINK_KEPT/machines/debian-12" $(GO) test -vet=off -parallel $(AT_ONCE) -timeout 40m -tags debian -run TestFirstSteps ./internal/e2e

# The packages, looked at and built again elsewhere, and then installed, used, upgraded,
# removed and purged on fresh machines in which systemd boots: Debian 12 and 13, Ubuntu;
# Ansible, which installs them; and how a release is made. Needs root.
test-packages:
	.ci/setup packages
	RELINK_MACHINES="$$RELINK_KEPT/machines" $(GO) test -vet=off -parallel $(AT_ONCE) -timeout 40m -tags packages -run 'TestPackages|TestRelease$$|TestExampleAnsible' -v ./internal/e2e

# The last three at once, by one program of tests.
test-machines:
	.ci/setup php
	.ci/setup packages
	RELINK_PHP_ROOTS="$(PHP_ROOTS)" RELINK_MACHINES="$$RELINK_KEPT/machines" RELINK_DEBIAN_ROOT="$$RELINK_KEPT/machines/debian-12" \
	  $(GO) test -vet=off -parallel $(AT_ONCE) -timeout 40m -tags phpversions,debian,packages \
	  -run 'PHPVersions|TestFirstSteps|TestPackages|TestRelease$$|TestExampleAnsible' ./php ./php/fpm ./internal/e2e

demo:
	.ci/setup $(filter mod_php,$(SETUP))
	$(MAKE) --no-print-directory build
	bin/relink demo --setup $(SETUP)

# What each way to deploy costs, measured side by side and published in
# docs/benchmarks.md, and written down for bench-check: three quarters of an hour, in which
# the machine has to be quiet. PART is one of generated (12 minutes), generated-idle (5),
# mediawiki (27).
bench:
	.ci/setup test
	$(GO) test -run '^$$' -bench 'Compare/^$(PART)$$' -benchtime 1x -timeout 60m ./internal/e2e

# What is asked of a deploy, and what was measured; published there, too, with
# RELINK_PUBLISH=1. DEMAND chooses: generated, mediawiki-whole, mediawiki/resolved ...
bench-acceptance:
	.ci/setup test
	$(GO) test -run '^$$' -bench 'Acceptance/$(value DEMAND)' -benchtime 1x -timeout 60m ./internal/e2e

# What deploys cost by the size of the server, for docs/benchmarks.md. SIZE chooses:
# resolved, keyed/1000-instances ...
bench-scale:
	.ci/setup test
	RELINK_PUBLISH=1 $(GO) test -run '^$$' -bench 'Scale/$(value SIZE)' -benchtime 1x -timeout 60m ./internal/e2e

# By hand, and before a release: fails where a ratio of relink's deploys has become worse
# than in internal/e2e/testdata/ratios.json by more than its spread there.
bench-check:
	.ci/setup test
	$(GO) test -run '^$$' -bench Check -benchtime 1x -timeout 30m ./internal/e2e

# The set-ups' throughput, the cut-over, and what else has a benchmark of its own.
bench-parts:
	.ci/setup test
	$(GO) test -run '^$$' -bench '$(BENCH)' -skip 'Compare|Acceptance|Check' -benchtime $(BENCHTIME) -timeout 30m ./...

# Deploys every minute under load, for as long as SOAK says; no check may alarm.
soak:
	.ci/setup test
	RELINK_SOAK=$(SOAK) $(GO) test -tags soak -run TestSoak -v -timeout 24h ./internal/e2e

# Deploys, rollbacks and prunes under load, every second one killed at a moment by
# lot, for as long as TORTURE says; nothing may be lost.
torture:
	.ci/setup test
	RELINK_TORTURE=$(TORTURE) $(GO) test -tags torture -run TestTorture -v -timeout 24h ./internal/crash

# As make test does, but at each point, also those that commands have in common.
test-kill:
	.ci/setup test
	RELINK_EVERY_POINT=1 $(GO) test -run TestKilled -v -timeout 60m ./internal/crash

# As make test does, but each fault of a fleet at each moment of a rollout, and hosts whose
# clocks are apart, for which relink is built with a clock of its own, and five hosts with 20
# sites each. Needs root.
test-faults:
	.ci/setup test
	$(GO) test -vet=off -tags faults -parallel $(AT_ONCE) -run 'TestFaults|TestClocksApart|TestFiveHosts' -v -timeout 60m ./internal/fleettest

fuzz:
	@for package in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
	    echo "$$package $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
	  done; \
	done

# Known holes of what is compiled in; asks vuln.go.dev, and fails where that does not
# answer. CI does the same, but goes on where it does not.
audit:
	GO="$(GO)" .ci/audit

# docs/schemas, from the types of what relink prints and the comments on their fields.
schemas:
	$(GO) test -run Schema . -update

# The manual's lists, its command lines and the JSON Schemas are those of this tree. Manual
# pages are made of --help and docs/configuration.md when packages are.
contracts:
	$(GO) test -run 'Schema|Manual' . ./deploy ./health ./internal/config ./health/serve

# The pictures of the manual: a deploy in a terminal, the service's page, the map of the memory.
pictures:
	.ci/setup test
	$(GO) test -count=1 -tags pictures -run TestPictures -timeout 20m ./internal/e2e/pictures

# CHANGELOG's "Unreleased" becomes VERSION, committed and tagged, where all is in order.
release:
	@packaging/release "$(VERSION)"

# .deb, .rpm, .apk and tarballs for amd64 and arm64 in dist/, the same bytes for the same
# commit. Whoever publishes them sets MAINTAINER.
packages:
	.ci/setup lintian
	packaging/build
	lintian --allow-root --fail-on error,warning dist/*.deb

clean:
	rm -rf bin dist
