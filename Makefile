# Swiftlet: make, make test, make demo, make install [PREFIX=/usr/local] [DESTDIR=], make clean. CONTRIBUTING.md has more.
PREFIX ?= /usr/local
DESTDIR ?=
LIBDIR ?= lib
VERSION := $(shell sed -n 's/^\#define SWL_VERSION_STRING "\(.*\)"/\1/p' include/swiftlet.h)
MAJOR := $(firstword $(subst ., ,$(VERSION)))
# The Swift runtime is linked statically, also into the tool.
SWIFT_BUILD := SWIFTLET_STDLIB=build/libswiftCore.a swift build -c release --static-swift-stdlib
RELEASE := .build/release
LIBRARY := libswiftlet.so.$(VERSION)
MAP := Sources/SwiftletExport/swiftlet.map
SOURCES := $(shell find Sources include Package.swift -type f -o -type d 2>/dev/null)

.PHONY: all library setup test demo install uninstall clean
.DELETE_ON_ERROR:

all: build/swiftlet build/$(LIBRARY) build/libswiftlet.a

setup:
	@scripts/setup

# Everything that Swift makes comes from one build. A changed version script has to be followed by a new link, and objects
# of files that are gone have to leave the archive, which SwiftPM doesn't see.
build/.built: $(SOURCES) $(MAP) | setup
	@mkdir -p build
	@if [ -e $@ ] && [ $(MAP) -nt $@ ]; then rm -f $(RELEASE)/libswiftlet-shared.so; fi
	@rm -f $(RELEASE)/libswiftlet-static.a
	@packaging/slim-stdlib build/libswiftCore.a
	@scripts/quietly "building (the first time takes a few minutes)" env $(SWIFT_BUILD)
	@touch $@

$(MAP): include/swiftlet.h scripts/exports
	@scripts/exports > $@.new && { cmp -s $@.new $@ && rm $@.new && touch $@ || mv $@.new $@; }

build/swiftlet: build/.built
	@install $(RELEASE)/swiftlet $@ && strip $@

build/$(LIBRARY): build/.built
	@install $(RELEASE)/libswiftlet-shared.so $@ && strip --strip-unneeded $@
	@ln -sf $(LIBRARY) build/libswiftlet.so.$(MAJOR) && ln -sf $(LIBRARY) build/libswiftlet.so
	@if [ -e $(RELEASE)/libswiftlet-onnx.so ]; then install $(RELEASE)/libswiftlet-onnx.so build/; fi

build/libswiftlet.a: build/.built packaging/static
	@scripts/quietly "linking the static library" packaging/static $(RELEASE)/libswiftlet-static.a $@

install: all
	@packaging/install "$(DESTDIR)" "$(PREFIX)" "$(LIBDIR)" "$(VERSION)"

uninstall:
	@packaging/install --remove "$(DESTDIR)" "$(PREFIX)" "$(LIBDIR)" "$(VERSION)"

demo: all
	@$(MAKE) --no-print-directory -C samples demo

test: all
	@scripts/test

clean:
	@rm -rf build .build
