#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# Puts build/bench-threads.json into Documentation/benchmarks.rst, between its marks.
#
# usage: report_threads.pl [BUILD-DIRECTORY [BENCHMARKS.RST]]
use strict;
use warnings;
use FindBin;
use JSON::PP;
use lib $FindBin::Bin, "$FindBin::Bin/../lib";
use Rst qw(slurp table replace_figures);

my $top = "$FindBin::Bin/../..";
my $build = $ARGV[0] // "$top/build";
my $page = $ARGV[1] // "$top/Documentation/benchmarks.rst";
my $file = "$build/bench-threads.json";
exit 0 unless -e $file;

# Median, and the least and the most in brackets.
sub cell {
	my ($of, $scale, $format) = @_;
	return '--' unless $of;
	return sprintf("$format ($format-$format)", map { $_ * $scale } @{$of}{qw(median least most)});
}

my $data = decode_json(slurp($file));
my $passes = $data->{passes};
my @rows = (['memory', 'MiB', 'pass', 'one thread, ms', 'two threads, ms', 'times as fast', 'two programs', 'beside them']);
for my $kind (sort keys %$passes) {
	for my $mib (sort { $a <=> $b } keys %{ $passes->{$kind} }) {
		for my $pass (qw(first steady)) {
			my $of = $passes->{$kind}{$mib}{$pass} or next;
			push @rows, [$kind =~ tr/_/ /r, $mib, $pass, cell($of->{one}, 1000, '%.0f'),
				     cell($of->{two}, 1000, '%.0f'), map { cell($_, 1, '%.2f') } $of->{pairs}, $of->{programs}, $of->{beside}];
		}
	}
}
replace_figures($page, 'threads', table(@rows) . "\nKernel $data->{kernel}, commit $data->{commit}; "
	. "$data->{cpus} CPUs, whose load was $data->{load_before} before and $data->{load_after} afterwards.\n");
