# Vireo. One Makefile, no recursion: every .c below a source folder is compiled, every
# tests/**/test-*.c is a test program. Run ./configure first (make does it when config.mk is missing).
BUILD ?= build
.DEFAULT_GOAL := all

config.mk config.h: configure
	./configure
-include config.mk

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(2)')

WARN := -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers $(if $(CI),-Werror)
CFLAGS_ALL := -std=gnu17 $(OPT) $(SANITIZE) $(WARN) -fno-strict-aliasing -fwrapv -pthread -I. -I$(BUILD) $(LIB_CFLAGS) $(CFLAGS)
LDFLAGS_ALL := $(SANITIZE) -pthread $(LDFLAGS)
LIBS := $(LIB_LIBS) -lutil -lm

# One archive per layer folder, listed from the top down so that a plain link resolves.
FOLDERS := vl hw host target-x86 accel softmmu tcg base
src_hw := $(shell find hw -name '*.c')
src_host := $(shell find host -name '*.c' -not -path 'host/base/*')
src_target-x86 := $(shell find target-x86 -name '*.c')
src_accel := $(shell find accel -name '*.c')
src_softmmu := $(shell find softmmu -name '*.c')
src_tcg := $(shell find tcg -name '*.c')
src_base := $(shell find host/base -name '*.c')
src_vl := $(shell find vl -name '*.c' -not -name main.c -not -name 'img-*.c')
src_img := $(wildcard vl/img-*.c)
ifneq ($(CONFIG_SDL),yes)
src_host := $(filter-out host/display/sdl.c,$(src_host))
endif
ifneq ($(CONFIG_VNC),yes)
src_host := $(filter-out host/display/vnc%,$(src_host))
endif
ifneq ($(CONFIG_CURSES),yes)
src_host := $(filter-out host/display/curses.c,$(src_host))
endif
ifneq ($(CONFIG_SLIRP),yes)
src_host := $(filter-out host/net/slirp.c host/net/slirp-fwd.c,$(src_host))
endif
obj = $(patsubst %.c,$(BUILD)/%.o,$(1))
LIB = $(foreach f,$(1),$(BUILD)/lib$(f).a)

all: $(BUILD)/vireo $(BUILD)/vireo-img

define archive
$(BUILD)/lib$(1).a: $(call obj,$(src_$(1)))
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach f,$(FOLDERS),$(eval $(call archive,$(f))))

$(BUILD)/vireo: $(BUILD)/vl/main.o $(call LIB,$(FOLDERS))
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(BUILD)/vl/main.o -Wl,--start-group $(call LIB,$(FOLDERS)) -Wl,--end-group $(LIBS)
	$(Q)ln -sf vireo $(BUILD)/vireo-system-x86_64

$(BUILD)/vireo-img: $(call obj,$(src_img)) $(call LIB,host softmmu base)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(call obj,$(src_img)) -Wl,--start-group $(call LIB,host softmmu base) -Wl,--end-group $(LIBS)

$(BUILD)/%.o: %.c config.h
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# x87 helpers are called without saving vector registers (HELPER_NO_VEC)
$(BUILD)/target-x86/helper-x87.o $(BUILD)/target-x86/helper-x87-trans.o: CFLAGS_ALL += -mno-sse -mno-mmx

-include roms/rules.mk
-include tests/rules.mk

$(BUILD)/vireo.1: $(BUILD)/vireo
	$(call say,MAN,$@)
	$(Q)$< -man-page > $@

# The built-in guest on this terminal; ARGS="..." adds options.
run: all
	$(BUILD)/vireo -demo -nographic $(ARGS)

# ROMS: what roms/rules.mk builds.
install: all $(BUILD)/vireo.1
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/vireo $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 755 $(BUILD)/vireo $(DESTDIR)$(PREFIX)/bin/vireo
	install -m 755 $(BUILD)/vireo-img $(DESTDIR)$(PREFIX)/bin/vireo-img
	ln -sf vireo $(DESTDIR)$(PREFIX)/bin/vireo-system-x86_64
	install -m 644 $(ROMS) $(DESTDIR)$(PREFIX)/share/vireo/
	install -m 644 $(BUILD)/vireo.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	ln -sf vireo.1 $(DESTDIR)$(PREFIX)/share/man/man1/vireo-system-x86_64.1

clean:
	rm -rf $(BUILD)

.PHONY: all clean run install

# build/guests holds unpacked packages of the tests, with files of any name
-include $(shell test -d $(BUILD) && find $(BUILD) -path $(BUILD)/guests -prune -o -type f -name '*.d' -print)
