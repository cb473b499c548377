# SPDX-License-Identifier: Apache-2.0
# What packagers expect. `make install DESTDIR=/some/root` and `make deb`;
# everything people and CI call is in scripts/.

PREFIX    ?= /usr
SYSCONFDIR ?= /etc
BINDIR    ?= $(PREFIX)/bin
MANDIR    ?= $(PREFIX)/share/man
UNITDIR   ?= $(PREFIX)/lib/systemd/system
PYTHON    ?= /usr/bin/python3
# Pacemaker looks for agents here whatever the prefix is.
AGENTDIR  ?= /usr/lib/ocf/resource.d/quorate
# Debian's python3 reads dist-packages of all its versions; elsewhere ask the interpreter.
PYTHONDIR ?= $(shell $(PYTHON) -c 'import os, sysconfig; prefix = "$(PREFIX)"; \
	debian = prefix == "/usr" and os.path.isdir("/usr/lib/python3/dist-packages"); \
	print("/usr/lib/python3/dist-packages" if debian \
	else sysconfig.get_path("purelib", vars={"base": prefix}))')

# The library where it is installed.
PACKAGE := $(DESTDIR)$(PYTHONDIR)/quorate

VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' quorate/__init__.py)
AGENTS  := $(wildcard agents/*)
# checks/ and bin/ hold commands only; whatever is executable is installed.
COMMANDS := $(wildcard bin/* checks/*)
MODULES := $(shell find quorate -name '*.py' | LC_ALL=C sort)
UNITS   := $(wildcard systemd/*.service systemd/*.socket systemd/*.timer)
DROP_INS := $(wildcard systemd/*.d/*.conf)
TMPFILES := $(wildcard systemd/*.tmpfiles)
SYSUSERS := $(wildcard systemd/*.sysusers)
XINETD  := $(wildcard xinetd/*)

all: man

man:
	rm -rf build/man
	PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m quorate.cli.manual build/man

install: man
	install -d $(DESTDIR)$(AGENTDIR) $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)
	$(if $(AGENTS),install -m 0755 $(AGENTS) $(DESTDIR)$(AGENTDIR)/)
	$(if $(COMMANDS),install -m 0755 $(COMMANDS) $(DESTDIR)$(BINDIR)/)
	@if [ quorate -ef $(PACKAGE) ]; then echo "$(PACKAGE) is this checkout; choose another PYTHONDIR." >&2; exit 1; fi
	# The modules are put beside the old ones, which then go as a whole: a module that has moved must not stay behind.
	rm -rf $(PACKAGE).new
	for module in $(MODULES); do install -D -m 0644 $$module $(PACKAGE).new/$${module#quorate/} || exit 1; done
	rm -rf $(PACKAGE)
	mv $(PACKAGE).new $(PACKAGE)
	$(if $(UNITS),install -D -m 0644 -t $(DESTDIR)$(UNITDIR) $(UNITS))
	for file in $(DROP_INS); do install -D -m 0644 $$file $(DESTDIR)$(UNITDIR)/$${file#systemd/} || exit 1; done
	for file in $(TMPFILES); do install -D -m 0644 $$file $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/$$(basename $$file .tmpfiles).conf || exit 1; done
	for file in $(SYSUSERS); do install -D -m 0644 $$file $(DESTDIR)$(PREFIX)/lib/sysusers.d/$$(basename $$file .sysusers).conf || exit 1; done
	$(if $(XINETD),install -D -m 0644 -t $(DESTDIR)$(SYSCONFDIR)/xinetd.d $(XINETD))
	for page in build/man/*.[0-9]; do [ -e $$page ] || continue; \
		install -D -m 0644 -t $(DESTDIR)$(MANDIR)/man$${page##*.} $$page || exit 1; done
	# An installation on this machine; a package compiles at its own installation.
	$(if $(DESTDIR),,$(PYTHON) -m compileall -q $(PYTHONDIR)/quorate)

# The package is built in a copy of its own, so that nothing is left behind in the tree and two builds do not meet.
DEB := build/quorate_$(VERSION)_all.deb
deb:
	@mkdir -p build
	@copy=$$(mktemp -d "$(CURDIR)/build/deb.XXXXXX") && trap 'rm -rf "$$copy"' EXIT && mkdir "$$copy/quorate" \
	&& tar -c --exclude=__pycache__ --exclude='.*' $(wildcard agents checks bin quorate systemd xinetd examples docs debian \
		Makefile README.md CHANGELOG.md LICENSE) | tar -x -C "$$copy/quorate" \
	&& scripts/debian-changelog > "$$copy/quorate/debian/changelog" \
	&& cd "$$copy/quorate" && dpkg-checkbuilddeps -I \
	&& { dpkg-buildpackage --build=binary --no-check-builddeps --unsigned-source --unsigned-changes >../log 2>&1 \
		|| { cat ../log; exit 1; }; } \
	&& cd "$(CURDIR)" && mv "$$copy/quorate_$(VERSION)_all.deb" $(DEB) && echo $(DEB)

clean:
	rm -rf build

.PHONY: all man install deb clean
