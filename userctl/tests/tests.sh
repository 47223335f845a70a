# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154
# The tests; run.sh has the words they are made of.

# --- The judges themselves can say no.
json_refuses()
{
	! printf '%s\n' "$1" | "$out/tests/json" 2> /dev/null
}
for text in '{} {}' 'x{}' '' '{"a":1' '{"a":1,}' 'nothing'; do
	check "json checker refuses '$text'" json_refuses "$text"
done

# --- What each command says.
both list list
both list-id list 5
both list-pid list --pid 4242
both list-long list --long 1
both list-gone list 1 99
DOUBLE_EMPTY=1 both list-empty list
both status status
DOUBLE_EMPTY=1 both status-empty status
DOUBLE_FAIL=OPEN=EACCES both status-no-root status
both add add --pid 4545 --group lab
both add-private add --pid 4545
both add-range add --pid 4545 --range 7f0000000000-0x7f0000200000 --group a.b_c:d-9
both add-twice add --pid 4242
both add-vms add --vms --group lab
both add-vms-private add --vms
both add-nobody add --pid 999
both add-thread add --pid 4545 --range 0-fffffffffffff000
both remove remove 1 5
both remove-gone remove 99 1
both remove-pid remove --pid 4343
both remove-pid-none remove --pid 4545
both remove-all remove --all
DOUBLE_EMPTY=1 both remove-all-none remove --all
both unmerge unmerge 2
both unmerge-all unmerge --all
both scan scan --passes 2
DOUBLE_EMPTY=1 both scan-empty scan
both get get
both get-one get general_profit
both get-unknown get nothing
both set set pages_to_scan 4294967295
both set-bad set pages_to_scan 0
both set-nice set nice idle
both set-nice-bad set nice 20
both set-counter set pages_shared 1
both set-unknown set ../../../etc/passwd 1
both help help
both help-add help add
both help-unknown help nothing
both version version
both usage-none
both usage-unknown lst
both usage-extra status now

fresh
echo 0 > "$work/root/sys/kernel/mm/pshare/run"
golden status-stopped status
golden add-stopped add --pid 4545
echo 2 > "$work/root/sys/kernel/mm/pshare/run"
echo -4096 > "$work/root/sys/kernel/mm/pshare/general_profit"
golden status-unmerged status
echo 1 > "$work/root/sys/kernel/mm/pshare/run"
echo 0 > "$work/root/sys/kernel/mm/pshare/full_scans"
golden status-new status
echo 10 > "$work/root/sys/kernel/mm/pshare/max_cpu_percent"
golden status-limit status
echo 3600 > "$work/root/sys/kernel/mm/pshare/target_scan_seconds"
golden status-limit-target status
echo 0 > "$work/root/sys/kernel/mm/pshare/max_cpu_percent"
golden status-target status
fresh
rm "$work/root/sys/kernel/mm/pshare/max_cpu_percent" "$work/root/sys/kernel/mm/pshare/target_scan_seconds"
golden status-by-hand status
fresh
echo 0 > "$work/root/sys/kernel/mm/pshare/full_scans"
echo -4096 > "$work/root/sys/kernel/mm/pshare/general_profit"
echo 77 > "$work/root/sys/kernel/mm/pshare/a_newer_one"
golden get-newer get

rm -rf "$work/root/proc"
mkdir "$work/root/proc"
golden add-vms-none add --vms

# --- What the module was asked.
fresh
run add --pid 4545 --group lab
same "add: request" "ADD flags=2 pid=4545 start=0 end=0 group=lab" "$(log)"
fresh
run add --pid=4545 --range=7f0000000000-7f0000200000
same "add --range: request" "ADD flags=1 pid=4545 start=7f0000000000 end=7f0000200000 group=" \
	"$(log)"
fresh
run add --vms
same "add --vms: those with a virtual machine, and no others" "4242 4343 4545" \
	"$(log | sed 's/.*pid=\([0-9]*\).*/\1/' | xargs)"
fresh
run remove --pid 4343
same "remove --pid: request" "REMOVE 2" "$(log)"
fresh
run remove -- 5 1
same "remove --: request" "REMOVE 5 REMOVE 1" "$(log | xargs)"
fresh
run unmerge --all
same "unmerge --all: requests" "UNMERGE 1 UNMERGE 2 UNMERGE 5" "$(log | xargs)"
fresh
run scan
same "scan: 3 passes by default" "SCAN 3" "$(log)"
fresh
run scan --passes 4294967296
same "scan: too many passes are not sent" "2 " "$rc $(log)"
fresh
run set run 2
same "set: the value arrives" "2" "$(cat "$work/root/sys/kernel/mm/pshare/run")"
run set run -1
same "set: a negative value is the module's to refuse" "2 SET run -1" "$rc $(log | tail -1)"
same "set: nothing changed" "2" "$(cat "$work/root/sys/kernel/mm/pshare/run")"
run get run
same "get: the bare value" "2" "$so"
run set nice -5
same "set: a negative value arrives" "0 -5" "$rc $(cat "$work/root/sys/kernel/mm/pshare/nice")"
fresh
run -j set run $'\xff\x01"\n'
check "an odd word on the command line still makes JSON" json_valid
run -j set $'\xff\x01' 1
check "an odd name of a knob still makes JSON" json_valid
run -j $'\xff"\\'
check "an odd command still makes JSON" json_valid

# --- Values that never reach the module.
for bad in "--pid 0" "--pid -1" "--pid 1x" "--pid 99999999999" "--pid" "--pid 4545 --range 1-2" \
	"--pid 4545 --range 2000-1000" "--pid 4545 --range 1000-1000" "--pid 4545 --range 1000" \
	"--pid 4545 --range 1000-" "--pid 4545 --range +1000-2000" \
	"--pid 4545 --range 0-10000000000000000" "--pid 4545 --group a/b" \
	"--pid 4545 --group $(printf '%064d' 0)" "--pid 4545 --group=" "--vms --pid 4545" \
	"--vms --range 1000-2000" "--group lab" "--pid 4545 --pid 4545" "--vms=1" "--what" "word"; do
	fresh
	# shellcheck disable=SC2086
	run add $bad
	same "add $bad: a usage error, nothing sent" "2  " "$rc $so $(log)"
	check "add $bad: says where help is" grep -q "see 'pshare help add'" "$work/se"
done
run add --pid 4545 --group "$(printf '%063d' 0)"
same "add: 63 characters are a group" "0" "$rc"
for bad in "" "x" "-1" "1 --all" "18446744073709551616" "--pid 1 --all"; do
	fresh
	# shellcheck disable=SC2086
	run remove $bad
	same "remove $bad: a usage error, nothing sent" "2  " "$rc $so $(log)"
done

# --- Every errno of the dictionary has its own sentence and advice.
advice_of()
{
	json_get error advice
}

# errno_case CALL ERRNO EXIT COMMAND...
errno_case()
{
	local call=$1 err=$2 want=$3 message

	shift 3
	fresh
	DOUBLE_FAIL="$call=$err" run "$@" -j
	same "$call $err: exit code" "$want" "$rc"
	same "$call $err: names the errno" "$err" "$(json_get error errno)"
	same "$call $err: the exit code is in the document" "$want" "$(json_get error exit)"
	message=$(json_get error message)
	# The words of libc alone are not good enough.
	if [ -z "$message" ] || [ "$message" = "$("$out/tests/grammar" "$err")" ]; then
		not_ok "$call $err: a sentence of its own" "$message"
	else
		ok "$call $err: a sentence of its own"
	fi
	check "$call $err: the same on standard error" grep -qF "$message" "$work/se"
	check "$call $err: an advice" test -n "$(advice_of)"
	check "$call $err: the advice on standard error" grep -qF "$(advice_of)" "$work/se"
}

declare -A exit_of=(
	[EPERM]=4 [ENOTTY]=3 [EFAULT]=1 [EINVAL]=1 [E2BIG]=3 [ENAMETOOLONG]=2 [EBADF]=1
	[ESRCH]=5 [ERANGE]=2 [EEXIST]=6 [ENOENT]=5 [ENOMEM]=7 [EBUSY]=8 [EINTR]=130 [ENODEV]=3
)
dictionary=$(sed -nE 's/^ \* (E[A-Z0-9]+)\t.*/\1/p' "$uapi")
check "the dictionary was found in the header" test "$(wc -w <<< "$dictionary")" -ge 15
for err in $dictionary; do
	if [ -z "${exit_of[$err]}" ]; then
		not_ok "$err: in the dictionary, but the tests know no exit code for it"
		continue
	fi
	errno_case REMOVE "$err" "${exit_of[$err]}" remove 1
	# The end of the list is no failure, so that one cannot happen here.
	[ "$err" = ENOENT ] || errno_case READ "$err" "${exit_of[$err]}" list
done
sentences=$(for err in $dictionary; do
	fresh
	DOUBLE_FAIL="REMOVE=$err" run remove 1 -j
	json_get error message
done)
same "no two errnos of the dictionary share a sentence" "" "$(sort <<< "$sentences" | uniq -d)"
check "an errno outside of the dictionary is no success" \
	eval 'DOUBLE_FAIL=REMOVE=EXFULL run remove 1; [ "$rc" = 1 ] && grep -q dmesg "$work/se"'

errno_case OPEN ENOENT 3 scan
errno_case OPEN ENXIO 3 list
errno_case OPEN ENODEV 3 list
errno_case OPEN EACCES 4 list
errno_case OPEN EPERM 4 unmerge --all
errno_case VERSION ENOTTY 3 status
errno_case READ EPERM 4 status
errno_case READ EPERM 4 remove --all
errno_case ADD EINVAL 2 add --pid 4545
errno_case ADD ERANGE 2 add --pid 4545 --range fff000-1000000
errno_case ADD EEXIST 6 add --pid 4545
errno_case ADD ESRCH 5 add --pid 4545
errno_case ADD ENOMEM 7 add --pid 4545
errno_case PIDFD ESRCH 5 add --pid 4545
errno_case PIDFD EINVAL 2 add --pid 4545
errno_case PIDFD ENOENT 2 add --pid 4545
errno_case PIDFD ENOSYS 1 add --pid 4545
errno_case SCAN EBUSY 8 scan
errno_case SCAN EINTR 130 scan
errno_case SCAN EINVAL 2 scan
errno_case SCAN ENODEV 3 scan
errno_case UNMERGE ENOMEM 7 unmerge 1
errno_case UNMERGE EBUSY 8 unmerge 1
errno_case SET ENOMEM 7 set run 2
errno_case SET EBUSY 8 set run 2
errno_case SET EINTR 130 set run 2
errno_case SET EACCES 4 set run 2
errno_case SET EINVAL 2 set run 2
errno_case GET EACCES 4 get run
errno_case PROC EACCES 4 add --vms

# --- The module is absent.
for command in "list" "scan" "status" "get" "get run" "set run 1" "add --vms" "remove --all" \
	"unmerge 1"; do
	fresh
	rm -r "$work/root/sys"
	# shellcheck disable=SC2086
	DOUBLE_FAIL=OPEN=ENOENT run $command
	same "$command without the module: exit code" 3 "$rc"
	check "$command without the module: says so" grep -q "the module is not loaded" "$work/se"
	check "$command without the module: says what to do" grep -q "modprobe pshare" "$work/se"
	# shellcheck disable=SC2086
	DOUBLE_FAIL=OPEN=ENOENT run $command -j
	same "$command without the module: in JSON" 3 "$(json_get error exit)"
done
DOUBLE_FAIL=OPEN=ENOENT run version
same "version without the module is no failure" "0 module: not loaded" "$rc $(tail -1 <<< "$so")"
fresh
DOUBLE_FAIL=OPEN=ENOENT run list
check "a missing device node is told from a missing module" grep -q devtmpfs "$work/se"

# --- Some of several fail.
fresh
DOUBLE_FAIL=REMOVE@2=ENOMEM run remove --all
same "remove --all goes on after a failure" "7 REMOVE 1 REMOVE 5" "$rc $(log | xargs)"
fresh
DOUBLE_FAIL=REMOVE@2=ENOMEM run remove --all -j
same "the failure is with its region" "ENOMEM" "$(json_get regions 1 error errno)"
same "the others have none" "" "$(json_get regions 2 error)"
same "the document has it on top" "region 2" "$(json_get error subject)"
fresh
DOUBLE_FAIL=REMOVE@1=EINTR run remove --all
same "remove --all stops when interrupted" "130 " "$rc $(log)"
fresh
DOUBLE_FAIL="REMOVE@2=ENOENT" run remove --all
same "a region that ended meanwhile is no failure of --all" "0" "$rc"
fresh
DOUBLE_FAIL="ADD@4545=ESRCH" run add --vms --group lab
same "a machine that exited meanwhile is no failure of --vms" "0" "$rc"
fresh
DOUBLE_FAIL="ADD@4545=ENOMEM" run add --vms --group lab
same "any other failure of --vms is one" "7" "$rc"
fresh
DOUBLE_FAIL="ADD=EPERM" run add --vms
same "what would fail for all machines is said once" "4 1" "$rc $(wc -l < "$work/se")"

# --- Signals, progress, closed outputs.
timed()
{
	fresh
	DOUBLE_SCAN_MS=20000 DOUBLE_ROOT=$work/root LD_PRELOAD=$out/tests/double.so \
		timeout --preserve-status --signal="$1" --kill-after=30 1 \
		"$out/pshare" scan --passes 5 > "$work/so" 2> "$work/se"
	rc=$?
}
for signal in INT TERM; do
	start=$SECONDS
	timed $signal
	same "scan: SIG$signal ends the wait" 130 "$rc"
	check "scan: SIG$signal is answered at once" test $((SECONDS - start)) -lt 20
	check "scan: SIG$signal is said" grep -q "interrupted by a signal" "$work/se"
done
start=$SECONDS
DOUBLE_DEAF=4 timed TERM
same "scan: a signal just before the call is not lost" 130 "$rc"
check "scan: and is answered soon" test $((SECONDS - start)) -lt 20

fresh
DOUBLE_DEAF=1000000 DOUBLE_SCAN_MS=60000 DOUBLE_ROOT=$work/root \
	LD_PRELOAD=$out/tests/double.so "$out/pshare" scan > "$work/so" 2> "$work/se" &
pid=$!
sleep 1
kill -TERM $pid
sleep 3
check "scan: a module that is deaf keeps it waiting" kill -0 $pid
kill -TERM $pid
wait $pid 2> /dev/null
same "scan: a later signal ends it all the same" 143 $?

fresh
run scan
same "no progress line without a terminal" "" "$se"
if command -v script > /dev/null; then
	fresh
	typescript=$(DOUBLE_SCAN_MS=300 DOUBLE_ROOT=$work/root script -qefc \
		"LD_PRELOAD=$out/tests/double.so $out/pshare scan --passes 3" /dev/null < /dev/null)
	same "scan on a terminal: exit code" 0 $?
	check "scan on a terminal: progress" \
		grep -Eq 'pass 3 of 3: [12]000 pages scanned, [0-9]+ pages \([0-9.]+ MiB\) saved' \
		<<< "$typescript"
	check "scan on a terminal: never a pass more than asked for" \
		eval '! grep -q "pass 4" <<< "$typescript"'
	check "scan on a terminal: the result last" \
		eval 'tail -1 <<< "$typescript" | grep -q "^saved before .* now "'
else
	skip "scan on a terminal" "no script(1)"
fi
run_full()
{
	DOUBLE_ROOT=$work/root LD_PRELOAD=$out/tests/double.so "$out/pshare" list > /dev/full \
		2> "$work/se"
}
run_full
same "a result that cannot be written is a failure" 1 $?
fresh
run add --pid 4646
check "a process name cannot control the terminal" grep -q '(a?\[2Jb?c)' "$work/so"

# --- One grammar: table, man page, completion.
grammar=$("$out/tests/grammar")
# Without the fonts of roff.
plain=$(sed -E 's/\\f[BIRP]//g; s/\\-/-/g' "$top/pshare.8")
section()
{
	awk -v name="$1" '/^\.S[SH]/ { on = $0 == ".SS " name } on' <<< "$plain"
}
check "the table has commands" test "$(grep -c ^command <<< "$grammar")" -ge 10
while read -r kind first rest; do
	case $kind in
	command)
		check "man page: section $first" grep -qx ".SS $first" <<< "$plain"
		check "help $first works" eval "run help $first; [ \$rc = 0 ] && grep -q Usage <<< \"\$so\""
		run "$first" --help
		a=$so
		run help "$first"
		same "$first --help is help $first" "$so" "$a"
		;;
	usage)
		check "man page: usage '$rest'" grep -qxF "$first $rest" <<< "$plain"
		;;
	option)
		check "man page: $first $rest" grep -qE "^(-[a-z], )?$rest" <(section "$first")
		;;
	global)
		check "man page: $first" grep -q -- "$first" <<< "$plain"
		;;
	exit)
		check "man page: exit code $first" grep -qx ".B $first" <<< "$plain"
		;;
	knob)
		check "man page: knob $first" grep -qx "$first" <(section set)
		check "help set: knob $first" eval "run help set; grep -q '^$first ' <<< \"\$so\""
		;;
	esac
done <<< "$grammar"
same "man page: no command too many" "$(sed -n 's/^command //p' <<< "$grammar" | sort)" \
	"$(sed -n 's/^\.SS //p' <<< "$plain" | sort)"
same "man page: no option too many" "$(sed -n 's/^option //p' <<< "$grammar" | sort)" \
	"$(for c in $(sed -n 's/^command //p' <<< "$grammar"); do
		section "$c" | sed -nE "s/^(-[a-z], )?(--[a-z-]+).*/$c \2/p"
	done | sort -u)"
same "man page: no exit code too many" "$(sed -n 's/^exit //p' <<< "$grammar" | sort)" \
	"$(sed -nE '/^\.SH EXIT/,/^\.SH FILES/s/^\.B ([0-9]+)$/\1/p' <<< "$plain" | sort)"
same "man page: as many usage lines" "$(grep -c '^usage' <<< "$grammar")" \
	"$(grep -c '^pshare [a-z]' <<< "$plain")"

# complete WORDS...: what the completion offers for the last word.
complete_for()
{
	# shellcheck source=/dev/null
	bash -c '. "$1"; shift; pshare() { return 1; }
		COMP_WORDS=(pshare "$@"); COMP_CWORD=$#; COMPREPLY=(); _pshare
		printf "%s\n" "${COMPREPLY[@]}"' - "$top/pshare.bash-completion" "$@" | sort -u
}
same "completion: commands" "$(sed -n 's/^command //p' <<< "$grammar" | sort)" \
	"$(complete_for "")"
same "completion: topics of help" "$(sed -n 's/^command //p' <<< "$grammar" | sort)" \
	"$(complete_for help "")"
same "completion: global options" "$(sed -n 's/^global //p' <<< "$grammar" | sort)" \
	"$(complete_for -)"
for command in $(sed -n 's/^command //p' <<< "$grammar"); do
	same "completion: options of $command" \
		"$({ sed -n "s/^option $command //p" <<< "$grammar"
		     printf -- '--help\n--json\n'; } | sort)" \
		"$(complete_for "$command" -)"
done
same "completion: knobs of set" "$(sed -n 's/^knob //p' <<< "$grammar" | sort)" \
	"$(complete_for set "")"
same "completion: values of run" "0 1 2 3" "$(complete_for set run "" | xargs)"
same "completion: a prefix" "remove" "$(complete_for rem)"

# --- Installation.
check "make install" make -s -C "$top" install OUT="$out" DESTDIR="$work/dest" PREFIX=/usr
for file in sbin/pshare share/man/man8/pshare.8 share/bash-completion/completions/pshare; do
	check "make install: $file" test -s "$work/dest/usr/$file"
done
if command -v groff > /dev/null; then
	same "the man page gives no warning" "" "$(groff -man -Tutf8 -ww -z "$top/pshare.8" 2>&1)"
else
	skip "the man page gives no warning" "no groff"
fi

# --- The help in JSON is the table, too.
fresh
run help -j
same "help -j: all commands" "$(grep -c ^command <<< "$grammar")" \
	"$(grep -c '"summary"' <<< "$so")"

# --- The command for the initramfs is the same.
if [ -x "$out/pshare-static" ]; then
	run version -j
	same "the static command: version" "$(json_get version)" \
		"$("$out/pshare-static" version -j | "$out/tests/json" version)"
else
	skip "the static command" "not built: make static"
fi
