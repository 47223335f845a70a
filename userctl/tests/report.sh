# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154,SC2016
# Tests of report, estimate and top, and of the knobs that came with them.

sys=$work/root/sys/kernel/mm/pshare

xml_refuses()
{
	! printf '%s\n' "$2" | "$out/tests/xml" "$1" 2> /dev/null
}
for text in '<a>' '<a></b>' '<a x=1/>' '<a>&x</a>' '<a/>x' '<a x="1" x="2"/>' '<a x="<"/>'; do
	check "xml checker refuses '$text'" xml_refuses xml "$text"
done
check "xml checker refuses a page without a type" xml_refuses html '<a></a>'
check "xml checker takes what is well-formed" \
	eval 'echo "<a b=\"&lt;\"><c/>&amp;</a>" | "$out/tests/xml"'

# --- What each command says.
both report report
both report-long report --long
both report-pid report --pid 4242
both report-pid-none report --pid 4545
both report-group report --group lab
both report-group-none report --group nobody
both report-id report 5
both report-gone report 1 99
DOUBLE_EMPTY=1 both report-empty report
fresh
LC_ALL=C.UTF-8 golden report-utf8 report
both estimate estimate --passes 2
both top top --batch --count 1
both top-blocked top -b -n 1 --sort blocked
DOUBLE_EMPTY=1 both top-empty top -b -n 1
both add-huge add --pid 4545 --group lab --huge-policy pressure
both set-policy set huge_policy always
both set-policy-bad set huge_policy sometimes
both help-report help report
both help-top help top
both usage-huge add --pid 4545 --huge-policy never
fresh
echo 3 > "$sys/run"
golden status-estimate status
golden report-estimating report
golden scan-estimate scan --passes 1
golden add-estimating add --pid 4545
fresh
echo pressure > "$sys/huge_policy"
golden status-pressure status

# --- The figures: each against the ledgers that the double has.
fresh
run report -j
sum_of()
{
	local total=0 n

	for n in $(json_get "$@" | grep -o ': *[0-9]*' | tr -d ': '); do
		total=$((total + n))
	done
	echo $total
}
for vm in 0 1 2; do
	same "report: the bands of VM $vm are all its memory" "$(json_get vms $vm memory)" \
		"$(sum_of vms $vm bands)"
	same "report: the classes of region $vm are all its pages" \
		"$(json_get regions $vm pages)" "$(sum_of regions $vm classes)"
done
same "report: the VMs are all the memory" "$(json_get total memory)" \
	"$(($(json_get vms 0 memory) + $(json_get vms 1 memory) + $(json_get vms 2 memory)))"
same "report: memory of a VM without a range, without its empty address space" 65536 \
	"$(json_get vms 0 memory)"
same "report: unpopulated memory counts where there is a range" 30000 "$(json_get total room)"
technique()
{
	local i name

	for ((i = 0; ; i++)); do
		name=$(json_get techniques $i name) || return
		[ "$name" != "$1" ] || break
	done
	echo "$(json_get techniques $i certainty) $(json_get techniques $i pages)"
}
while read -r name want; do
	same "report: technique $name" "$want" "$(technique "$name")"
done <<-END
	merge predicted 2200
	balloon predicted 4500
	split predicted 16700
	group predicted 1200
	aslr predicted 4700
	wait at_most 3003
	unpin at_most 100
	hugetlb at_most 5000
	private at_most 200
	unlock at_most 59
	swap free_already 7
	overcommit free_already 30000
END
predicted=$(for i in 0 1 2 3 4; do json_get techniques $i pages; done)
same "report: what saves most comes first" "$(sort -rn <<< "$predicted")" "$predicted"
same "report: a guest has the name that QEMU was given" web-1 "$(json_get vms 0 name)"
same "report: another has the name of its process" qemu-system-x86 "$(json_get vms 1 name)"

# ledger WORDS...: one region of those words, and of one VM.
ledger()
{
	echo "id=1 pid=4242 vm=1 group=lab $*" > "$work/ledger"
}
# with COMMAND...: runs it with these ledgers.
with()
{
	DOUBLE_LEDGER=$work/ledger run "$@"
}
fresh
ledger pages=100 unique=100 huge_policy=1 merging=50 splitting0=60 splitting1=58 splitting2=50 \
	splits0=9 splits1=7 splits2=4
with report -j
same "report: a threshold that saves nothing more is not offered" "predicted 10" "$(technique split)"
check "report: the price is what the policy does not split anyway" \
	grep -q '"price": "10.0 MiB of huge pages"' "$work/so"
check "report: the price of merging is what the policy splits" \
	grep -q '"price": "CPU; 8.0 MiB huge pages"' "$work/so"
echo 0 > "$sys/aslr_sample"
with report
check "report: what was not measured is said to be so" \
	grep -q '^?  *guests without ASLR.*measure it' "$work/so"
echo 0 > "$sys/compare_groups"
with report
check "report: one group has no others" eval '! grep -q "one group" "$work/so"'
printf 'id=%d pid=4%d4%d vm=%d group=g%d pages=512 unique=512\n' 1 2 2 1 1 2 3 3 2 2 > "$work/ledger"
with report
check "report: what other groups have was not looked for, and is said to be so" \
	grep -q "^?  *put all VMs into one group.*measure it: pshare estimate" "$work/so"
echo 3 > "$sys/run"
with report
check "report: an estimate looks for it" eval '! grep -q "one group" "$work/so"'
echo 1 > "$sys/run"
rm "$sys"/huge_* "$sys/aslr_sample" "$sys/compare_groups"
with report
check "report: an older module always does" eval '! grep -q "one group" "$work/so"'
with report -j
same "report: without the newer knobs" 0 "$rc"
check "report: without the newer knobs, in JSON" json_valid
fresh
ledger state=2 pages=34359738367 unscanned=34359738000 unpopulated=367
with report
check "report: a first pass that is under way" grep -q "0.0 MiB are shared" "$work/so"
check "report: is said to be so" grep -q "first pass has not been through" "$work/se"
printf 'id=%d pid=%d vm=%d pages=512 unique=512\n' {1..36} > "$work/ledger"
with report
same "report: many VMs fit on a screen" 1 "$(("$(wc -l < "$work/so")" <= 24))"
check "report: and the others are counted" grep -q "and 6 smaller ones" "$work/so"
with report --long
same "report --long: all of them" 12 "$(grep -c '^ *[0-9]* ? *2.0 MiB' "$work/so")"
printf 'id=%d pid=4242 vm=1 group=g%d pages=512 unique=512\n' 1 1 2 2 > "$work/ledger"
with report -j
same "report: regions of one process are one VM" "1 2 (several)" \
	"$(json_get total memory > /dev/null; grep -c '"name": "web-1"' "$work/so") \
$(json_get vms 0 regions) $(json_get vms 0 group)"

ledger pages=100 unique=60 newer=40
with report
check "report: classes of a newer module are missing, and said to be" \
	grep -q "40 pages are in classes that this command does not know" "$work/se"

# --- Width, letters, colours.
widest()
{
	awk '{ n = length($0); if (n > most) most = n } END { print most + 0 }' "$work/so"
}
no_bytes_beyond_ascii()
{
	! LC_ALL=C grep -q '[^ -~]' "$work/so"
}
fresh
run report
same "report: 24 lines of 80" "1 1" "$(("$(wc -l < "$work/so")" <= 24)) $(("$(widest)" <= 80))"
check "report: ASCII where the locale is no UTF-8" no_bytes_beyond_ascii
LC_ALL=C.UTF-8 run report
check "report: more where it is" eval '! no_bytes_beyond_ascii'
LC_ALL=C.UTF-8 run report --ascii
check "report --ascii: ASCII all the same" no_bytes_beyond_ascii
run top -b -n 1
same "top: lines of 80" 1 "$(("$(widest)" <= 80))"

# typed KEYS COLUMNS COMMAND...: on a terminal of so many columns and 24 lines.
typed()
{
	local keys=$1 columns=$2

	shift 2
	{ sleep 1; printf '%s' "$keys"; sleep 1; } | DOUBLE_ROOT=$work/root LC_ALL=C timeout 60 script -qefc \
		"stty cols $columns rows 24; LD_PRELOAD=$out/tests/double.so $out/pshare $*" /dev/null \
		> "$work/typescript" 2> /dev/null
	rc=$?
	# Without colours.
	sed -E 's/\x1b\[[0-9;]*m//g; s/\r$//' "$work/typescript" > "$work/so"
}
no_escape()
{
	! grep -q $'\033' "$work/typescript"
}
if command -v script > /dev/null; then
	export TERM=xterm
	for columns in 20 40 50 63 79 120; do
		fresh
		typed '' $columns report
		same "report on $columns columns: exit code" 0 "$rc"
		same "report on $columns columns: no line is wider" 1 \
			"$(("$(widest)" <= (columns < 40 ? 40 : columns)))"
	done
	check "report on a terminal: colours" grep -q $'\033\\[3' "$work/typescript"
	NO_COLOR=1 typed '' 80 report
	check "report with NO_COLOR: none" no_escape
	TERM=dumb typed '' 80 report
	check "report on a dumb terminal: none" no_escape

	fresh
	typed '' 80 top -d 0.2 -n 2
	same "top on a terminal: ends after its rounds" 0 "$rc"
	check "top on a terminal: the VMs" grep -q web-1 "$work/typescript"
	check "top on a terminal: the keys" grep -q 'q quit' "$work/typescript"
	typed 'bmq' 80 top -d 60
	same "top on a terminal: q ends it" 0 "$rc"
	check "top on a terminal: b sorts by what is blocked" grep -q 'b.*locked' "$work/typescript"
	typed 'q' 40 top -d 60
	same "top on 40 columns" 0 "$rc"
	# A terminal that has no short form for the same letter many times.
	TERM=vt100 typed 'q' 140 top -d 60
	check "top on 140 columns: bars" grep -q '###' "$work/typescript"
	check "top on 140 columns: beside the figures" eval '! grep -q "[0-9] Mi\?#" "$work/typescript"'
	typed $'\003' 80 top -d 60
	same "top: Ctrl-C ends it" 130 "$rc"
	TERM=nosuch typed '' 80 top
	same "top on a terminal that is not known: exit code" 1 "$rc"
	check "top on a terminal that is not known: says what to do" grep -q -- --batch "$work/so"
	DOUBLE_FAIL=LEDGER=ENODEV typed '' 80 top
	same "top when the module goes: exit code" 3 "$rc"
	check "top when the module goes: says so, on a screen in order" \
		grep -q "top: the module is being unloaded" "$work/so"
else
	skip "report and top on a terminal" "no script(1)"
fi
run top
same "top without a terminal: a usage error" "2 " "$rc $so"
check "top without a terminal: says what to do" grep -q -- --batch "$work/se"

# --- Names that would do harm, and numbers that are too large.
fresh
printf 'qemu\0-name\0<script>alert("1")</script>&'\''\033]0;x\007\303\251\0' \
	> "$work/root/proc/4242/cmdline"
printf '<b>&"\n' > "$work/root/proc/4343/comm"
LC_ALL=C.UTF-8 run report --long
check "a name of a guest cannot control the terminal" \
	eval '! LC_ALL=C grep -q "[[:cntrl:]]" <(LC_ALL=C tr -d "\n" < "$work/so")'
run report -j --svg "$work/r.svg" --html "$work/r.html"
check "a name of a guest: JSON" json_valid
check "a name of a guest: the picture" "$out/tests/xml" < "$work/r.svg"
check "a name of a guest: the page" "$out/tests/xml" html < "$work/r.html"
check "a name of a guest is no part of the page" eval '! grep -qi "<script\|<b>&\"" "$work/r.html"'
check "a name of a guest can be read there" grep -qF \
	'&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;?]0;x???' "$work/r.html"
for text in 'src=' 'href=' 'url(' '@import' '<script' '//'; do
	check "the page asks for nothing from elsewhere: $text" \
		eval '! grep -qF -- "$text" "$work/r.html"'
done
run report --svg "$work/r.svg"
same "the picture instead of the screen" "0 " "$rc $so"
check "the picture has a title and a description" grep -q '<title id="t">.*' "$work/r.svg"

printf 'qemu\0-name\0a,,b,process=x\0' > "$work/root/proc/4242/cmdline"
run report -j
same "two commas in a name are one" a,b "$(json_get vms 0 name)"
printf 'qemu\0-name' > "$work/root/proc/4242/cmdline"
run report -j
same "a command line that ends too early" qemu-system-x86 "$(json_get vms 0 name)"
printf '%0100000d' 0 > "$work/root/proc/4242/cmdline"
run report -j
same "a command line without an end" qemu-system-x86 "$(json_get vms 0 name)"
printf 'other\0-name\0x\0' > "$work/root/proc/4242/cmdline"
run report -j
same "the option of another program is not taken" qemu-system-x86 "$(json_get vms 0 name)"

fresh
max=18446744073709551615
{
	ledger pages=$max zero=$max merged_self=$max duplicate_self=$max huge_blocked_self=$max \
		volatile=$max unique=$max unscanned=$max unpopulated=$max swapped=$max merging=1 \
		splitting0=$max splits0=$max blocks_huge=$max twins0=$max grouping=$max aslr=$max
	sed 's/^id=1/id=2/' "$work/ledger"
	ledger pages=1 zero=1
	sed 's/^id=1/id=3/; s/vm=1/vm=3/' "$work/ledger"
} > "$work/ledgers"
{
	ledger pages=$max zero=$max merged_self=$max duplicate_self=$max huge_blocked_self=$max \
		volatile=$max unique=$max unscanned=$max unpopulated=$max swapped=$max merging=1 \
		splitting0=$max splits0=$max blocks_huge=$max twins0=$max grouping=$max aslr=$max
	cat "$work/ledger" "$work/ledgers"
} > "$work/all"
mv "$work/all" "$work/ledger"
with report
same "huge numbers: the report" "0 1" "$rc $(("$(widest)" <= 80))"
check "huge numbers: no sum begins anew" grep -q '65536.0 EiB' "$work/so"
with report --long -j --svg "$work/r.svg" --html "$work/r.html"
check "huge numbers: JSON" json_valid
same "huge numbers: a sum that is too large is the largest number" $max "$(json_get total memory)"
check "huge numbers: the picture" "$out/tests/xml" < "$work/r.svg"
check "huge numbers: the page" "$out/tests/xml" html < "$work/r.html"
check "huge numbers: nothing is no number" eval '! grep -qi "nan\|inf[^o]" "$work/r.svg"'
with top -b -n 1
same "huge numbers: top" "0 1" "$rc $(("$(widest)" <= 80))"

# Middle tones: 3 to 1 with a light and with a dark page, as WCAG asks of graphics.
contrast()
{
	awk -v a="$((16#${1:1:2})) $((16#${1:3:2})) $((16#${1:5:2}))" \
		-v b="$((16#${2:1:2})) $((16#${2:3:2})) $((16#${2:5:2}))" '
		function lin(c) { c /= 255; return c <= 0.03928 ? c / 12.92 : exp(2.4 * log((c + 0.055) / 1.055)) }
		function lum(s, v) { split(s, v, " "); return 0.2126 * lin(v[1]) + 0.7152 * lin(v[2]) + 0.0722 * lin(v[3]) }
		BEGIN { x = lum(a); y = lum(b); if (x < y) { t = x; x = y; y = t }
			exit (x + 0.05) / (y + 0.05) < 3 }'
}
check "the judge of contrasts can say no" eval '! contrast "#888888" "#999999"'
for colour in $(grep -o '"#[0-9a-f]\{6\}"' "$top/classes.c" | tr -d '"'); do
	check "$colour stands out from a light page" contrast "$colour" "#ffffff"
	check "$colour stands out from a dark page" contrast "$colour" "#15181c"
done
same "each band has a colour, a letter and a glyph of its own" "" \
	"$(sed -nE "s/^\t\t('.'), (\".*\"), [0-9]+, (\".*\").*/\1\n\2\n\3/p" "$top/classes.c" |
		sort | uniq -d)"

# --- Files.
fresh
run report --svg "$work/none/r.svg"
same "a file in a directory that does not exist: exit code" 1 "$rc"
check "a file in a directory that does not exist: says so" \
	grep -q "the directory of this file does not exist" "$work/se"
run report --html /dev/full
same "a file that cannot be written whole: exit code" 1 "$rc"
check "a file that cannot be written whole: says so" grep -q "the file system is full" "$work/se"
run report -j --svg "$work"
same "a directory for a file" EISDIR "$(json_get error errno)"
check "a directory for a file is still there" test -d "$work"
echo old > "$work/r.html"
ln "$work/r.html" "$work/r.old"
run report --html "$work/r.html"
same "an older file is replaced, not overwritten" old "$(cat "$work/r.old")"
check "nothing is left beside it" eval '! ls "$work"/*.new 2> /dev/null'
echo old > "$work/r.html"
(
	trap '' XFSZ
	ulimit -f 1
	DOUBLE_ROOT=$work/root LD_PRELOAD=$out/tests/double.so \
		"$out/pshare" report --html "$work/r.html" 2> "$work/se"
)
same "an older file stays when the new one cannot be written: exit code" 1 $?
same "an older file stays when the new one cannot be written" old "$(cat "$work/r.html")"
run report --svg=
same "a file without a name: a usage error" "2 " "$rc $so"

# --- estimate: run is 3 for the passes, and then what it was.
fresh
run estimate
same "estimate: what the module is asked" "SET run 3 SCAN 3 SET run 1" "$(log | xargs)"
echo 0 > "$sys/run"
rm "$work/log"
run estimate --passes 1 --pid 4242
same "estimate: run is put back" "SET run 3 SCAN 1 SET run 0" "$(log | xargs)"
fresh
DOUBLE_FAIL=SCAN=ENOMEM run estimate
same "estimate: also after a failure" "7 1" "$rc $(cat "$sys/run")"
same "estimate: then there is no report" "" "$so"
DOUBLE_FAIL=LEDGER=EPERM run estimate
same "estimate: also when the ledgers cannot be read" "4 1" "$rc $(cat "$sys/run")"
fresh
DOUBLE_ROOT=$work/root LD_PRELOAD=$out/tests/double.so "$out/pshare" estimate > /dev/full \
	2> "$work/se"
same "estimate: also when nobody can be told" "1 1" "$? $(cat "$sys/run")"
for signal in INT TERM HUP; do
	fresh
	DOUBLE_SCAN_MS=20000 DOUBLE_ROOT=$work/root LD_PRELOAD=$out/tests/double.so \
		timeout --preserve-status --signal=$signal --kill-after=20 2 \
		"$out/pshare" estimate > "$work/so" 2> "$work/se"
	same "estimate: SIG$signal ends it" 130 $?
	same "estimate: and run is put back" 1 "$(cat "$sys/run")"
done
fresh
DOUBLE_SCAN_MS=2000 DOUBLE_ROOT=$work/root LD_PRELOAD=$out/tests/double.so \
	"$out/pshare" estimate --passes 1 > "$work/so" 2> "$work/se" &
pid=$!
sleep 1
echo 2 > "$sys/run"
wait $pid
same "estimate: what somebody else has set meanwhile stays" 2 "$(cat "$sys/run")"
check "estimate: and that is said" grep -q "run was set to 2 meanwhile" "$work/se"

# --- top for scripts.
fresh
run top -b -n 3 -d 0.3
same "top: three rounds" 3 "$(grep -c '^pshare top' "$work/so")"
same "top: rates from the second on" 2 "$(grep -c 'pages/s' "$work/so")"
run top -j -n 2 -d 0.1
check "top in JSON: one document" json_valid
same "top in JSON: the group is a name" lab "$(json_get rounds 0 vms 0 group)"
same "top in JSON: no rate at first" null "$(json_get rounds 0 pages_scanned_per_second)"
same "top in JSON: a rate then" 0.0 "$(json_get rounds 1 pages_scanned_per_second)"
for bad in "-d 0" "-d 0.05" "-d 86401" "-d 1.2345" "-d x" "-d 1." "-d .5" "-n 0" "-n -1" "--sort pid" \
	"-x" "-n" "word"; do
	# shellcheck disable=SC2086
	run top -b $bad
	same "top $bad: a usage error" "2 " "$rc $so"
done
for column in shared ready blocked memory; do
	run top -j -s $column
	case $column in
	shared|ready)	key="bands $column" ;;
	*)		key=$column ;;
	esac
	# shellcheck disable=SC2086
	values=$(for vm in 0 1 2; do json_get rounds 0 vms $vm $key; done)
	same "top by $column: the most first" "$(sort -rn <<< "$values")" "$values"
done
DOUBLE_ROOT=$work/root LD_PRELOAD=$out/tests/double.so timeout --preserve-status \
	--signal=TERM 2 "$out/pshare" top -b -d 60 > "$work/so" 2> "$work/se"
same "top --batch: a signal ends it" 130 $?
DOUBLE_ROOT=$work/root LD_PRELOAD=$out/tests/double.so timeout --kill-after=5 20 \
	"$out/pshare" top -b -d 0.1 2> "$work/se" > /dev/full
same "top --batch: ends when nobody reads on" 1 $?

# --- The policy of a region.
fresh
run add --pid 4545 --huge-policy keep
same "add --huge-policy keep: request" \
	"VERSION ADD flags=4 pid=4545 start=0 end=0 group=" "$(log | xargs)"
rm "$work/log"
run add --pid 4646 --huge-policy=always --group lab
same "add --huge-policy always: request" \
	"VERSION ADD flags=6 pid=4646 start=0 end=0 group=lab huge=3" "$(log | xargs)"
run list --long 2
check "list --long: the policy" grep -q 'huge_policy *pressure' "$work/so"

# --- A module that is older.
fresh
rm "$sys"/huge_* "$sys/aslr_sample" "$sys/compare_groups"
for command in "report" "estimate" "top -b" "add --pid 4545 --huge-policy keep" \
	"set huge_policy keep" "get huge_policy"; do
	# shellcheck disable=SC2086
	DOUBLE_ABI=1 run $command
	same "$command on an older module: exit code" 3 "$rc"
	check "$command on an older module: says so" grep -q "older than this command" "$work/se"
	# shellcheck disable=SC2086
	DOUBLE_ABI=1 run $command -j
	same "$command on an older module: in JSON" 3 "$(json_get error exit)"
done
same "and run is what it was" 1 "$(cat "$sys/run")"
for command in "list" "list --long" "status" "get" "scan" "add --pid 4545 --group lab"; do
	# shellcheck disable=SC2086
	DOUBLE_ABI=1 run $command
	same "$command on an older module works" 0 "$rc"
done

errno_case LEDGER EPERM 4 report
errno_case LEDGER ENODEV 3 report
errno_case LEDGER ENOMEM 7 top -b
errno_case OPEN EACCES 4 report
for command in report "top -b" estimate; do
	fresh
	rm -r "$work/root/sys"
	# shellcheck disable=SC2086
	DOUBLE_FAIL=OPEN=ENOENT run $command
	same "$command without the module: exit code" 3 "$rc"
	check "$command without the module: says so" grep -q "the module is not loaded" "$work/se"
done

same "completion: policies" "always benefit keep pressure" \
	"$(complete_for add --huge-policy "" | xargs)"
same "completion: policies of set" "always benefit keep pressure" \
	"$(complete_for set huge_policy "" | xargs)"
same "completion: nice" "0 10 19 5 idle" \
	"$(complete_for set nice "" | xargs)"
same "completion: what top sorts by" "blocked memory ready shared" \
	"$(complete_for top --sort "" | xargs)"
touch "$work/a report.svg"
same "completion: files" "$work/a report.svg" "$(complete_for report --svg "$work/a")"
