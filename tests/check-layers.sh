#!/bin/sh
# check-layers.sh - reads the #include lines and refuses an upward or sideways arrow between folders.
# The rules are section 3 of docs' layout: base < tcg, softmmu < accel < target-x86, host/* < hw < vl < tests.
# Usage: check-layers.sh [ROOT]; prints one line per wrong include, status 1 if there was any.
cd "${1:-$(dirname "$0")/..}" || exit 1
grep -rnE '^[ \t]*#[ \t]*include[ \t]+"' --include='*.[ch]' --include='*.def' \
    host tcg softmmu accel target-x86 hw vl tests 2>/dev/null |
awk '
function folder(p) {
    if (p ~ /^host\/base\//) return "base"
    if (p ~ /^host\//) return "host"
    if (match(p, /^(tcg|softmmu|accel|target-x86|hw|vl|tests)\//)) return substr(p, 1, RLENGTH - 1)
    return ""
}
BEGIN {
    may["base"] = " base "
    may["tcg"] = " base tcg "
    may["softmmu"] = " base softmmu "
    may["accel"] = " base tcg softmmu accel "
    may["target-x86"] = " base tcg softmmu accel target-x86 "
    may["host"] = " base softmmu host "
    may["hw"] = " base softmmu host hw "
    may["vl"] = " base tcg softmmu accel target-x86 host hw vl "
    may["tests"] = " base tcg softmmu accel target-x86 host hw vl tests "
}
{
    split($0, part, ":")
    file = part[1]
    inc = $0
    sub(/^[^"]*"/, "", inc)
    sub(/".*/, "", inc)
    from = folder(file)
    to = folder(inc)
    n++
    if (to == "" || from == "")
        next                # the same folder, a system or a generated header
    if (index(may[from], " " to " "))
        next
    # The board and the local APIC are wired to the CPU; nothing else in hw knows it.
    if (from == "hw" && (file ~ /^hw\/pc\// || file == "hw/intc/lapic.c") && inc == "target-x86/cpu.h")
        next
    print file ":" part[2] ": " from " must not include " inc
    bad++
}
END {
    if (!n) { print "check-layers: found no includes"; exit 1 }
    if (bad) exit 1
    print "check-layers: " n " includes, all arrows point down"
}'
