#!/bin/bash
# Checks the models of this directory with spin. Every rule must hold in every history, and every broken rule must be found broken:
# a model that cannot fail proves nothing.
#   check.sh [MODEL]    one model, or all
#   DEEP=1              larger searches too, up to DEEP_SECONDS (default 600) each
#   SHOW=1              print the history that breaks each broken rule
set -u
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
only=${1:-}

for tool in spin gcc; do
	if ! command -v "$tool" >/dev/null; then
		echo "make model: SKIPPED, NOTHING WAS CHECKED: $tool is not installed (Debian: apt-get install spin gcc)" >&2
		exit 0
	fi
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
optimize=-O2

# explore MODEL KIND SWITCHES…: builds a verifier in $work and runs it; its output goes to $work/out.
explore() {
	local model=$1 kind=$2 storage=-DCOLLAPSE limit=600 switches=()
	shift 2
	local s
	for s in "$@"; do switches+=("-D$s"); done
	rm -rf "${work:?}"/*
	if [ "$kind" = wide ]; then
		storage=-DBITSTATE limit=${DEEP_SECONDS:-600}
	fi
	(
		cd "$work" && cp "$here/$model.pml" . &&
			spin -a "${switches[@]}" "$model.pml" >spin.out 2>&1 &&
			gcc "$optimize" -w -DSAFETY -DNOREDUCE -DMEMLIM=3600 $storage -o pan pan.c &&
			if [ "$kind" = wide ]; then
				timeout -s INT "$limit" ./pan -m100000 -w33 -E -n >out 2>&1
			else
				timeout -s INT "$limit" ./pan -m100000 -E -n >out 2>&1
			fi
		true
	)
	touch "$work/out"
}

show() {
	local model=$1 s switches=()
	shift
	for s in "$@"; do switches+=("-D$s"); done
	(cd "$work" && spin -t "${switches[@]}" "$model.pml" | grep -vE '^spin:|^#|^[[:space:]]*[a-z_]+(\[[0-9]+\])? = |proc  *[0-9]|processes created|queue')
}

report() {
	local verdict=$1 model=$2 states took
	shift 2
	states=$(awk '/states, stored/ {print $1; exit}' "$work/out")
	took=$(awk '/elapsed time/ {print $4; exit}' "$work/out")
	printf '  %-12s %-9s states %8s s  %s\n' "$verdict" "${states:-?}" "${took:-0}" "${*:-the rule}"
}

# holds KIND MODEL SWITCHES…: the rule must hold. KIND: full = every state; wide = bit hashing, states may be missed, time is limited.
holds() {
	local kind=$1 model=$2
	shift 2
	explore "$model" "$kind" "$@"
	if ! grep -q 'errors: 0' "$work/out" || grep -qE 'max search depth too small|out of memory|reached -DMEMLIM' "$work/out"; then
		report FAILED "$model" "$@"
		cat "$work/spin.out" "$work/out" | head -20
		show "$model" "$@"
		failures=$((failures + 1))
	elif [ "$kind" = full ] && grep -qi 'interrupted\|search not completed' "$work/out"; then
		report INCOMPLETE "$model" "$@"
		failures=$((failures + 1))
	elif [ "$kind" = wide ]; then
		report 'none found' "$model" "$@" '(not every state)'
	else
		report holds "$model" "$@"
	fi
}

# breaks MODEL SWITCHES…: spin must find what is wrong. Most of it is found at once, so compiling takes longer than searching.
breaks() { optimize=-O0 breaks_late "$@"; }

breaks_late() {
	local model=$1
	shift
	explore "$model" full "$@"
	if grep -q 'assertion violated' "$work/out"; then
		report 'broken, found' "$model" "$@"
		if [ -n "${SHOW:-}" ]; then show "$model" "$@"; fi
	else
		report 'NOT FOUND' "$model" "$@"
		cat "$work/spin.out" "$work/out" | head -20
		failures=$((failures + 1))
	fi
}

deep() { if [ -n "${DEEP:-}" ]; then holds "$@"; fi; }

claim() {
	[ -z "$only" ] || [ "$only" = "$1" ] || return 1
	echo "$1: $2"
}

if claim ownership "no two FINAL verdicts with takeovers, hand-overs, one lost disk and one forgotten broker; in the end all agree"; then
	holds full ownership QUIET CANCELS
	holds full ownership BACK_AND_FORTH
	deep full ownership QUIET CANCELS BACK_AND_FORTH
	deep wide ownership QUIET TAKERS_PASS_ON
	for rule in ONE_DISK NO_FENCES FIRST_FENCE NO_COVERS FENCE_LEAKS SHARED_NUMBER TAKER_FINAL DECIDES_AGAIN; do
		breaks ownership $rule
	done
	breaks ownership TAKER_MOVES TAKERS_PASS_ON
fi
if claim members "no two FINAL verdicts when brokers join while one is forgotten"; then
	holds full members
	deep full members ANY_ORDER
	deep wide members TWO_NEWCOMERS
	for rule in ANYBODY_COUNTS FENCERS_INHERIT NEWCOMERS_INHERIT TELLS_UNCOVERED; do
		breaks members $rule
	done
fi
if claim fence "a fence covers what is held above the vector, and closes though writes are gone for ever"; then
	holds full fence QUIET
	breaks fence ONLY_THE_VECTOR
	breaks fence GREATEST_DOT QUIET
fi
if claim rollback "no two FINAL verdicts when the owner's disk goes back"; then
	holds full rollback
	for rule in NEWEST_COUNTS UNPROVEN HALF_PROVEN NOT_CLOSED; do
		breaks rollback $rule
	done
fi
if claim attempts "one result is answered ACCEPTED, names are never used twice, and what runs is not started again"; then
	holds full attempts
	breaks attempts NO_INCARNATION
	breaks attempts NO_INCARNATION BY_NAME
	for rule in ANSWERS_FIRST NO_ADOPTION NO_WAIT; do
		breaks attempts $rule
	done
fi
if claim sync_marks "a vector claims nothing that is not there, wherever streams are cut; what arrived is not sent again"; then
	holds full sync_marks
	deep wide sync_marks WRITES=5 STREAMS=3
	for rule in LAST_WRITE RECEIVED CREATION_ONLY ANY_RECEIVER SHARED_GAPS NO_EXCEPTIONS; do
		breaks sync_marks $rule
	done
fi
if claim quorum "an accepted digest is that of two parties, and no candidate that was answered HELD is lost"; then
	holds full quorum
	for rule in MEMORY_ONLY OWN_DISK_ONLY BY_EXECUTOR BY_ARRIVAL; do
		breaks quorum $rule
	done
fi
if claim horizon "what was forgotten stays forgotten, what is not over stays, and all agree in the end"; then
	holds full horizon
	deep wide horizon ALL_WRITE
	breaks_late horizon DAMAGED_MARKS
	breaks_late horizon APPLIED_EARLY
	for rule in UNNOTED TELLER_AHEAD NO_REFUSAL; do
		breaks horizon $rule
	done
fi

if [ $failures -gt 0 ]; then
	echo "make model: $failures of the checks did not end as they must" >&2
	exit 1
fi
